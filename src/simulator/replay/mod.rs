//! What was recorded, played again: the service's half of a trace or a journal, and the program's half to compare with.

pub(crate) mod compare;
pub(crate) mod differences;
pub(crate) mod engine;
pub(crate) mod recording;
