//! The crate against its simulator, over real sockets: one module for each behaviour.

mod alone;
mod bounds;
mod calls;
mod connecting;
mod cuts;
mod dials;
mod ends;
mod families;
mod fault_soak;
mod faults;
mod frames;
mod guide;
mod handles;
mod inbound;
mod lifecycle;
mod link;
mod matrix;
mod operations;
mod orders;
mod pitfalls;
#[cfg(all(target_os = "linux", feature = "signals"))]
mod process;
mod reference;
mod refusals;
mod secrets;
mod soak;
mod stopping;
mod support;
mod texts;
mod tidy;
#[cfg(feature = "native-tls")]
mod tls;
mod user_code;
mod values;
mod verbs;
mod virtual_time;
mod waits;
