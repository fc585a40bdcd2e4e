//! The crate against its simulator, over real sockets: one module for each behaviour.

mod calls;
mod connecting;
mod dials;
mod families;
mod frames;
mod inbound;
mod lifecycle;
mod link;
mod operations;
mod orders;
mod reference;
mod scene;
mod secrets;
mod soak;
mod stopping;
mod support;
mod texts;
mod tidy;
mod user_code;
mod verbs;
mod virtual_time;
mod waits;
mod wire_support;
