//! What is known of a connection: its ends, and the bytes that are on their way.

use std::net::SocketAddr;

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Service,
}

impl Side {
    /// The direction that this end writes into; the other is the one it reads from.
    pub(super) fn outgoing(self) -> usize {
        usize::from(self == Self::Service)
    }

    pub(super) fn incoming(self) -> usize {
        1 - self.outgoing()
    }

    /// This end's place in what is kept for both.
    pub(super) fn place(self) -> usize {
        usize::from(self == Self::Service)
    }
}

/// A connection, as far as its ends are known.
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

    /// The directions that have something on its way. What goes to the client's end counts only once that end is
    /// attached: the client may be of another process or another time, and reads when it likes. What goes to the
    /// service's end counts before that end is attached too, because a connection to an address that is served is
    /// going to be accepted.
    pub(super) fn flying(&self) -> impl Iterator<Item = Side> + '_ {
        let reads = |reader: &Side| self.ways[reader.incoming()].flies();
        [Side::Client, Side::Service].into_iter().filter(reads).filter(|reader| match reader {
            Side::Client => self.attached[Side::Client.place()],
            Side::Service => true,
        })
    }

    /// It was never accepted, or was cut before the client's end was attached.
    pub(super) fn is_stranded(&self) -> bool {
        match self.attached {
            [_, false] => true,
            [false, true] => self.gone[Side::Service.place()],
            [true, true] => false,
        }
    }

    /// Nothing is on its way any more, and nothing will be.
    pub(super) fn close(&mut self) {
        self.ways.iter_mut().for_each(|way| way.closed = true);
    }
}

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Way {
    pub(super) bytes: u64,
    /// The news that nothing more comes is on its way.
    pub(super) end: bool,
    /// That news was sent once.
    pub(super) ended: bool,
    /// Nobody reads there any more.
    pub(super) closed: bool,
    /// Whoever reads there has stopped for now, so that what lies there is not on its way.
    pub(super) stalled: bool,
}

impl Way {
    pub(super) fn flies(&self) -> bool {
        !self.closed && !self.stalled && (self.bytes > 0 || self.end)
    }
}
