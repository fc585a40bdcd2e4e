//! Calls: offered, dialled, connected, with the activities on them.

pub(crate) mod activities;
pub(crate) mod calls;
pub(crate) mod conference;
pub(crate) mod conversation;
pub(crate) mod dial;
pub(crate) mod dispatch;
pub(crate) mod hearing;
pub(crate) mod hold;
pub(crate) mod queue;
pub(crate) mod texts;
pub(crate) mod transfer;
