//! Events as an iterator.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Deadline, Receiver, Sender};
use crate::session::{Charge, Session};

/// An iterator over the events of a call, an action or a dial, as they arrive. The iterator ends with its call, action
/// or dial.
///
/// Events that arrived before the stream was made are not in it, except for the legs of a dial. Queued events count
/// against the client's limit
/// ([`Tuning::max_listener_backlog_bytes`](crate::connection::Tuning::max_listener_backlog_bytes)): beyond that, events
/// are dropped and counted, except the last one. Dropping the stream ends the subscription.
#[derive(Debug)]
#[must_use]
pub struct EventStream<T> {
    source: Option<(Clock, Receiver<Queued<T>>)>,
}

impl<T> EventStream<T> {
    /// Creates a stream that has ended.
    pub(crate) fn ended() -> Self {
        Self { source: None }
    }

    /// Blocks until the next event, at most `timeout`. With `None` it blocks until the stream ends. Returns `None`
    /// after `timeout`, and when the stream has ended.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let mut events = call.events();
    /// while let Some(event) = events.next_within(Duration::from_secs(30)) {
    ///     println!("{}", event.name());
    /// }
    /// println!("no event for 30 s, or the call has ended");
    /// # Ok(()) }
    /// ```
    pub fn next_within(&mut self, timeout: impl Into<Option<Duration>>) -> Option<T> {
        let until = self.source.as_ref()?.0.deadline(timeout.into());
        self.next_until(until).ok()
    }

    /// Returns the next event before the deadline. `Err(true)` if the stream has ended.
    pub(crate) fn next_until(&mut self, until: Deadline) -> Result<T, bool> {
        let (clock, from) = self.source.as_ref().ok_or(true)?;
        match clock.recv(from, until) {
            Ok(held) => Ok(held.event),
            Err(error) => Err(error == crossbeam_channel::RecvTimeoutError::Disconnected),
        }
    }
}

impl<T> Iterator for EventStream<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.next_until(None).ok()
    }
}

/// A queued event with its charge.
struct Queued<T> {
    event: T,
    _room: Charge,
}

/// The sending end of a stream.
pub(crate) struct StreamSender<T>(Sender<Queued<T>>);

impl<T> StreamSender<T> {
    pub(crate) fn new(session: &Session) -> (Self, EventStream<T>) {
        let (to, from) = session.clock.unbounded();
        (Self(to), EventStream { source: Some((session.clock.clone(), from)) })
    }

    /// Adds an event. Returns `false` if the receiver was dropped. `always` is set for the last event, which is never
    /// dropped.
    pub(crate) fn push(&self, session: &Arc<Session>, event: T, bytes: usize, always: bool) -> bool {
        let Some(room) = session.charge(bytes, always) else { return true };
        self.0.send(Queued { event, _room: room }).is_ok()
    }
}
