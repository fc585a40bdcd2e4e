//! Whether the client is connected, readable at any time and as a stream.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Receiver, Sender};
use crate::error::Error;

/// Number of states that a stream keeps for a slow reader.
const KEPT: usize = 1024;

/// State of a client's connection. Returned by [`Client::state`](crate::Client::state) and
/// [`Client::states`](crate::Client::states).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkState {
    /// The first connection is being made.
    Connecting,
    /// Connected and authenticated; contexts are subscribed.
    Online {
        /// Whether the earlier session was resumed. If so, its calls continue, and events that were sent while the
        /// connection was down may be missing. Otherwise the session is new, and the calls of the earlier one have
        /// ended.
        resumed: bool,
    },
    /// The connection was lost, or the first one failed, and the client waits before its next attempt.
    Reconnecting {
        /// Number of the attempt, from 1 after each loss.
        attempt: u32,
        /// Delay before this attempt.
        next: Duration,
        /// Error that ended the connection, or the last attempt.
        cause: Error,
    },
    /// The client is closed.
    Closed {
        /// Cause. `None` if the program closed the client.
        cause: Option<Error>,
    },
}

impl LinkState {
    /// `true` if the client is online: requests are sent at once.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }

    /// `true` if the client is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// An iterator over the states of a client's connection, from the present one until [`LinkState::Closed`]. Made by
/// [`Client::states`](crate::Client::states).
///
/// Dropping the iterator ends its subscription. A reader that is 1,024 states behind misses states until it has caught
/// up, but never the last one.
#[derive(Debug)]
pub struct LinkStates {
    clock: Clock,
    from: Receiver<LinkState>,
    ended: bool,
}

impl LinkStates {
    /// Blocks until the next state, at most `timeout`. Returns `None` after `timeout`, and after the last state.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let mut states = client.states();
    /// while let Some(state) = states.next_within(Duration::from_secs(60)) {
    ///     println!("{state:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn next_within(&mut self, timeout: impl Into<Option<Duration>>) -> Option<LinkState> {
        if self.ended {
            return None;
        }
        let state = self.clock.recv(&self.from, self.clock.deadline(timeout.into())).ok()?;
        self.ended = state.is_closed();
        Some(state)
    }
}

impl Iterator for LinkStates {
    type Item = LinkState;

    fn next(&mut self) -> Option<LinkState> {
        self.next_within(None)
    }
}

/// The present state, and the streams that receive its changes.
pub(crate) struct Board(Mutex<Inner>);

/// The state of the connection and its receivers, behind their lock.
struct Inner {
    current: LinkState,
    streams: Vec<Sender<LinkState>>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner { current: LinkState::Connecting, streams: Vec::new() }))
    }

    pub(crate) fn get(&self) -> LinkState {
        self.0.lock().current.clone()
    }

    /// Sets and announces a state. No state follows `Closed`.
    pub(crate) fn set(&self, state: LinkState) {
        let mut inner = self.0.lock();
        if inner.current.is_closed() {
            return;
        }
        let last = state.is_closed();
        // The channels are unbounded, so this does not block.
        inner.streams.retain(|to| (!last && to.len() >= KEPT) || to.send(state.clone()).is_ok());
        inner.current = state;
        if last {
            inner.streams.clear();
        }
    }

    pub(crate) fn stream(&self, clock: &Clock) -> LinkStates {
        let (to, from) = clock.unbounded();
        let mut inner = self.0.lock();
        let _first = to.send(inner.current.clone());
        if !inner.current.is_closed() {
            inner.streams.push(to);
        }
        LinkStates { clock: clock.clone(), from, ended: false }
    }
}
