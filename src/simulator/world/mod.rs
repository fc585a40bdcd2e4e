//! The state of the service, behind one lock.

pub(crate) mod agenda;
pub(crate) mod calls;
pub(crate) mod connections;
pub(crate) mod cutting;
pub(crate) mod ended;
pub(crate) mod meetings;
pub(crate) mod mishaps;
pub(crate) mod numbers;
pub(crate) mod outbox;
pub(crate) mod refusing;
pub(crate) mod replaying;
pub(crate) mod sending;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod time;
