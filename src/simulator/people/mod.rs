//! People: what they are, what they have in mind, and how long speaking takes.

pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod script;
pub(crate) mod speech;
