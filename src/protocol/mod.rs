//! The wire as data: frames, events and their values. No I/O, no threads.

pub(crate) mod choices;
pub mod constants;
pub(crate) mod device;
mod envelope;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod frame;
pub(crate) mod labels;
pub(crate) mod limits;
pub(crate) mod media;
pub(crate) mod object;
mod quick;
pub(crate) mod redact;
pub(crate) mod states;
pub(crate) mod units;
