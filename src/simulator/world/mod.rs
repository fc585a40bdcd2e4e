//! The state of the service, behind one lock.

pub(crate) mod mishaps;
pub(crate) mod over;
pub(crate) mod state;
