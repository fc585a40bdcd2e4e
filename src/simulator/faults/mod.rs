//! What can go wrong, as values.

pub(crate) mod cut;
pub(crate) mod fault;
pub(crate) mod malformed;
