//! The orders to the writer of a connection.

/// An order to the writer of a connection.
pub(crate) enum Out {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Bytes as they are, after what was written before them.
    Bytes(Vec<u8>),
    Close,
    /// Closes with this code and reason.
    CloseWith(u16, String),
    /// Ends without a word, so that the socket can be reset.
    Abandon,
    /// The end, without a Close.
    End,
    /// TLS has something to say of its own.
    Flush,
}
