//! The records of a simulator: frames in order.

pub(crate) mod canonical;
pub(crate) mod history;
pub(crate) mod interaction;
pub(crate) mod journal;
pub(crate) mod ladder;
pub(crate) mod log;
