//! The orders to the writer of a connection.

/// An order to the writer of a connection.
pub(crate) enum Out {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Bytes that are written unchanged, after the bytes before them.
    Bytes(Vec<u8>),
    Close,
    /// Closes the connection with this code and reason.
    CloseWith(u16, String),
    /// Ends the writer without a Close, so that the socket can be reset.
    Abandon,
    /// Ends the connection without a Close.
    End,
    /// Sends records that TLS has created itself.
    Flush,
}
