//! Sockets, TLS and threads: bytes to clients and from them.

pub(crate) mod handshake;
pub(crate) mod host;
pub(crate) mod link;
pub(crate) mod out;
pub(crate) mod server;
pub(crate) mod tls;
