//! The layer below the session: one WebSocket, read by one thread and written by many.
//!
//! Nothing in this layer knows JSON or RELAY, and nothing above it names tungstenite or a TLS library. The reader
//! blocks in `recv` without a lock. TLS runs over a pipe in memory behind a lock that is never held across a system
//! call. Each direction has its own half, so that neither ever waits for the other.

mod address;
mod connect;
mod frames;
mod half;
mod proxy;
mod reader;
mod retry_after;
mod tls;
mod wire;
mod writer;

pub(crate) use address::{Endpoint, Scheme};
pub(crate) use connect::{Connection, Connector, Cutoff, Fact, Socket};
pub(crate) use frames::Frame;
pub(crate) use half::AckEncoder;
pub(crate) use proxy::Proxy;
pub(crate) use reader::{Pulse, ReadHalf};
pub use tls::TlsBackend;
pub(crate) use tls::{ClientFiles, Roots, TlsSettings};
pub(crate) use wire::{LinkEnd, WRITE_SLICE};
pub(crate) use writer::{Keeper, NotSent, Out, Prepared, WriteHalf, Writer, WriterSettings};

#[cfg(test)]
pub(crate) mod tests;
