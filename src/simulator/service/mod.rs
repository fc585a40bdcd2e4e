//! Sessions and requests: senders, and the functions that respond.

pub(crate) mod host;
pub(crate) mod methods;
pub(crate) mod requests;
pub(crate) mod sessions;
