//! Faults as values.

pub(crate) mod active;
pub(crate) mod cut;
pub(crate) mod fault;
pub(crate) mod json;
pub(crate) mod malformed;
