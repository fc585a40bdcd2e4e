//! People: their kinds, their scripts, and the duration of speech.

pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod script;
pub(crate) mod speech;
