//! The handles of a test: people, faults, expectations, the journal.

pub(crate) mod agents;
pub(crate) mod expect;
pub(crate) mod inject;
pub(crate) mod instance;
pub(crate) mod link;
pub(crate) mod people;
pub(crate) mod person_on_call;
pub(crate) mod rehearsal;
pub(crate) mod replay;
pub(crate) mod texts;
pub(crate) mod watch;
