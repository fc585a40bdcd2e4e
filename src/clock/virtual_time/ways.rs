//! The state of a connection: its ends, and the bytes on their way.

use std::net::SocketAddr;

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Service,
}

impl Side {
    /// The index of the direction that this end writes to; it reads from the other.
    pub(super) fn outgoing(self) -> usize {
        usize::from(self == Self::Service)
    }

    pub(super) fn incoming(self) -> usize {
        1 - self.outgoing()
    }

    /// The index of this end in values that exist for both.
    pub(super) fn place(self) -> usize {
        usize::from(self == Self::Service)
    }
}

/// A connection and its known ends.
pub(super) struct Line {
    pub(super) pair: (SocketAddr, SocketAddr),
    pub(super) attached: [bool; 2],
    pub(super) gone: [bool; 2],
    pub(super) ways: [Way; 2],
}

impl Line {
    pub(super) fn new(pair: (SocketAddr, SocketAddr)) -> Self {
        Self { pair, attached: [false; 2], gone: [false; 2], ways: Default::default() }
    }

    /// The directions with bytes on their way. Bytes to the client's end count only once that end is attached: the
    /// client may be in another process or another time, and reads at any time. Bytes to the service's end count before
    /// that end is attached too, because a connection to a served address will be accepted.
    pub(super) fn flying(&self) -> impl Iterator<Item = Side> + '_ {
        let reads = |reader: &Side| self.ways[reader.incoming()].flies();
        [Side::Client, Side::Service].into_iter().filter(reads).filter(|reader| match reader {
            Side::Client => self.attached[Side::Client.place()],
            Side::Service => true,
        })
    }

    /// Returns `true` if the connection was never accepted, or was cut before the client's end was attached.
    pub(super) fn is_stranded(&self) -> bool {
        match self.attached {
            [_, false] => true,
            [false, true] => self.gone[Side::Service.place()],
            [true, true] => false,
        }
    }

    /// Closes both directions, so that nothing is on its way any more.
    pub(super) fn close(&mut self) {
        self.ways.iter_mut().for_each(|way| way.closed = true);
    }
}

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Way {
    pub(super) bytes: u64,
    /// Whether the end of the stream is on its way.
    pub(super) end: bool,
    /// Whether the end of the stream was sent.
    pub(super) ended: bool,
    /// `true` if the reader has ended.
    pub(super) closed: bool,
    /// `true` if the reader has stopped for now, so that unread bytes do not count as on their way.
    pub(super) stalled: bool,
}

impl Way {
    pub(super) fn flies(&self) -> bool {
        !self.closed && !self.stalled && (self.bytes > 0 || self.end)
    }
}
