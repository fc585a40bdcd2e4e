//! Sessions and requests: who sends what, and who answers.

pub(crate) mod host;
pub(crate) mod methods;
pub(crate) mod requests;
pub(crate) mod sessions;
