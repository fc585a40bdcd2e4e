//! The replay of a recording: the service's half of a trace or a journal, compared with the program's half.

pub(crate) mod compare;
pub(crate) mod differences;
pub(crate) mod engine;
pub(crate) mod recording;
