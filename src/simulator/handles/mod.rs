//! What a test holds in its hands: people, faults, expectations, the journal.

pub(crate) mod agents;
pub(crate) mod expect;
pub(crate) mod link;
pub(crate) mod people;
pub(crate) mod watch;
