//! The verbs that run on one call, a file each.

pub(crate) mod ai;
pub(crate) mod audio;
pub(crate) mod bindings;
pub(crate) mod collect;
pub(crate) mod detect;
pub(crate) mod fax;
pub(crate) mod live;
pub(crate) mod pay;
pub(crate) mod play;
pub(crate) mod record;
pub(crate) mod sidecar;
pub(crate) mod tap;
pub(crate) mod transcribe;
