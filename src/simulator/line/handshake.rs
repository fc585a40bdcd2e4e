//! The faults while a client connects.

use std::time::Duration;

use crate::error::Phase;

/// A fault while a client connects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) phase: Phase,
    pub(crate) what: HandshakeFault,
}

/// The fault of the phase.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HandshakeFault {
    Silence,
    Garbage(Vec<u8>),
    Cut,
    Reset,
    Drip(Duration),
    Http(u16, String),
}
