//! Frames as the service writes and reads them, and the fields that each method accepts.

pub(crate) mod frame;
pub(crate) mod ids;
pub(crate) mod reply;
pub(crate) mod schema;
