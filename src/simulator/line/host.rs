//! The interface of the lines to the service.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::clock::{Clock, Sender};
use crate::simulator::line::handshake::Trouble;
use crate::simulator::line::link::{Lines, Link};
use crate::simulator::line::out::Out;

/// A connection whose handshakes are done.
pub(crate) struct Line {
    /// The queue of the connection's writer.
    pub(crate) out: Sender<Out>,
    /// Number of bytes that the connection's writer has not written.
    pub(crate) unread: Arc<AtomicUsize>,
    pub(crate) link: Arc<Link>,
    /// The fault of the connection's authentication.
    pub(crate) trouble: Option<Trouble>,
}

/// The service behind the lines. Methods run on the threads of connections, with no lock held.
pub(crate) trait Host: Send + Sync {
    fn clock(&self) -> &Clock;

    fn lines(&self) -> &Arc<Lines>;

    /// The body of the timer thread.
    fn keeps_time(&self);

    /// The faults of the handshakes of a new connection. `None` if it is closed at once.
    fn admits(&self) -> Option<Vec<Trouble>>;

    /// A connection has finished its handshakes; gives its number.
    fn connected(&self, line: Line) -> u64;

    fn text(&self, conn: u64, text: &str);

    fn binary(&self, conn: u64);

    /// A connection has ended. `true` if everything is swallowed just now.
    fn ended(&self, conn: u64) -> bool;

    /// The simulator ends: timers and waits with it.
    fn stopping(&self);

    /// All connections end.
    fn cut_all(&self);
}
