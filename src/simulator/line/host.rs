//! The interface of the lines to the service.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::clock::{Clock, Sender};
use crate::simulator::line::handshake::Trouble;
use crate::simulator::line::link::{Lines, Link};
use crate::simulator::line::out::Out;

/// A connection that has finished its handshakes.
pub(crate) struct Line {
    /// The queue of the connection's writer.
    pub(crate) out: Sender<Out>,
    /// Number of bytes that the connection's writer has not written.
    pub(crate) unread: Arc<AtomicUsize>,
    pub(crate) link: Arc<Link>,
    /// The fault of the connection's authentication.
    pub(crate) trouble: Option<Trouble>,
}

/// The service, as the lines see it. Methods run on the threads of connections, with no lock held.
pub(crate) trait Host: Send + Sync {
    fn clock(&self) -> &Clock;

    fn lines(&self) -> &Arc<Lines>;

    /// The body of the timer thread.
    fn keeps_time(&self);

    /// The faults of the handshakes of a new connection. `None` if it is closed at once.
    fn admits(&self) -> Option<Vec<Trouble>>;

    /// Registers a connection that has finished its handshakes; returns its number.
    fn connected(&self, line: Line) -> u64;

    fn text(&self, conn: u64, text: &str);

    fn binary(&self, conn: u64);

    /// Notes the end of a connection. Returns `true` if all bytes are lost at present.
    fn ended(&self, conn: u64) -> bool;

    /// Ends the simulator, with its timers and waits.
    fn stopping(&self);

    /// Ends all connections.
    fn cut_all(&self);
}
