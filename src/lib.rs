//! Real-time call control and messaging over SignalWire RELAY, for plain threaded Rust.
#![forbid(unsafe_code)]

mod clock;
mod error;
mod latch;
mod secret;

pub use error::{BoxError, Error, ErrorKind, HandlerResult, Phase, Result};
