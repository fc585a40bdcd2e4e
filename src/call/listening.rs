//! Events of a call: listeners, iterators, waiters.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Call;
use super::core::{CallCore, Listened, ListenerEntry};
use crate::error::{self, CallbackResult, Result};
use crate::protocol::event::Event;
use crate::protocol::states::EventName;
use crate::session::end_wait;
use crate::stream::EventStream;

/// # Events
///
/// A listener receives events as they arrive, [`events`](Call::events) iterates over them, and a
/// [`waiter`](Call::waiter) blocks until one arrives. All of them end with the call. [`Action::events`](super::Action::events)
/// has the events of one operation only.
impl Call {
    /// Registers a listener for events of one kind, from now until the call ends.
    ///
    /// Listeners of one call run in order, one at a time, on a worker thread: they may block and use any method. If one
    /// returns an error or panics, the call is ended, see [`CallbackResult`]. Events that are queued for slow listeners
    /// count against [`Tuning::max_listener_backlog_bytes`](crate::connection::Tuning::max_listener_backlog_bytes);
    /// beyond that they are dropped and counted, except the end of the call. On a call that has ended, the listener is
    /// dropped at once.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let call = client.next_call(None)?;
    /// call.on("calling.call.state", |event| println!("{event:?}"));
    /// # Ok(()) }
    /// ```
    pub fn on<R: CallbackResult>(
        &self,
        event: impl Into<EventName>,
        handler: impl Fn(&Event) -> R + Send + Sync + 'static,
    ) -> Listener {
        self.listen(Some(event.into()), handler)
    }

    /// Registers a listener for all events of this call, from now until the call ends. See [`on`](Self::on).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.on_any(|event| println!("{}", event.name()));
    /// # Ok(()) }
    /// ```
    pub fn on_any<R: CallbackResult>(&self, handler: impl Fn(&Event) -> R + Send + Sync + 'static) -> Listener {
        self.listen(None, handler)
    }

    fn listen<R: CallbackResult>(
        &self,
        name: Option<EventName>,
        handler: impl Fn(&Event) -> R + Send + Sync + 'static,
    ) -> Listener {
        let entry = self.core.listen(name, Box::new(move |event| handler(event).into_result()));
        let call: Weak<CallCore> = Arc::downgrade(&self.core);
        Listener::new(call, &entry)
    }

    /// Returns an iterator over the events of this call, from now until the call ends. On a call that has ended, the
    /// iterator ends at once.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// for event in call.events() {
    ///     println!("{}", event.name());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> EventStream<Event> {
        self.core.stream()
    }

    /// Makes a waiter for an event of one kind. The waiter receives every event from now on. On a call that has ended,
    /// [`EventWaiter::wait`] returns an error at once.
    ///
    /// A waiter that is made before a command is sent cannot miss the events that the command causes, however fast the
    /// service is. [`wait_for`](Self::wait_for) receives events only from its own start on.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use serde_json::json;
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let mut sent = call.waiter(EventName::UserEvent);
    /// call.execute("calling.user_event", json!({"event": {"order": "4711"}}))?;
    /// println!("{:?}", sent.wait(Duration::from_secs(5))?);
    /// # Ok(()) }
    /// ```
    pub fn waiter(&self, event: impl Into<EventName>) -> EventWaiter {
        EventWaiter { call: Self::clone(self), name: event.into(), events: self.core.stream() }
    }

    /// Blocks until the next event of this kind for which `predicate` is true, at most `timeout`. With `None` it blocks
    /// until the call ends. The predicate runs in the waiting thread.
    ///
    /// Events that arrived before the method was called are not seen. An event that a command of the program causes may
    /// arrive while the command is still waiting for its response: use [`waiter`](Self::waiter) there, or the action
    /// that the command returns, as [`connect`](Self::connect) and [`queue_enter`](Self::queue_enter) do.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{CallState, Event};
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let ending = |event: &Event| matches!(event, Event::CallState(event) if event.state == CallState::Ending);
    /// call.wait_for(EventName::CallState, ending, Duration::from_secs(60))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `CallEnded`, `CallGone`, `SessionLost` or `Closed` if the event can no longer arrive.
    pub fn wait_for(
        &self,
        event: impl Into<EventName>,
        predicate: impl FnMut(&Event) -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Event> {
        self.waiter(event).wait_until(predicate, timeout)
    }
}

/// A waiter for events of one kind of a call. Made by [`Call::waiter`].
///
/// Queued events count against [`Tuning::max_listener_backlog_bytes`](crate::connection::Tuning::max_listener_backlog_bytes). Dropping the waiter
/// ends its subscription.
#[must_use = "an event is only waited for by `wait` or `wait_until`"]
pub struct EventWaiter {
    call: Call,
    name: EventName,
    events: EventStream<Event>,
}

impl EventWaiter {
    /// Blocks until the next event of the kind, at most `timeout`. With `None` it blocks until the call ends. Events
    /// since the waiter was made count, except those that it has returned.
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`: the waiter keeps receiving events, so that nothing is missed when it is waited for
    /// again. `CallEnded`, `CallGone`, `SessionLost` or `Closed` if the event can no longer arrive.
    pub fn wait(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Event> {
        self.wait_until(|_| true, timeout)
    }

    /// Blocks until the next event of the kind for which `predicate` is true, at most `timeout`. The predicate runs in
    /// the waiting thread, once for each event.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::Event;
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let mut switched = call.waiter(EventName::Denoise);
    /// let _ = call.denoise()?;
    /// switched.wait_until(|event| matches!(event, Event::Denoise(event) if event.denoised), Duration::from_secs(5))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    pub fn wait_until(
        &mut self,
        mut predicate: impl FnMut(&Event) -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Event> {
        if let Some(session) = self.call.core.session() {
            session.check_process("waiting for an event")?;
        }
        let until = self.call.deadline(timeout.into());
        let session = self.call.core.session();
        let wait = session
            .and_then(|session| session.begin_wait(Some(self.call.id()), || format!("waiting for {}", self.name)));
        let outcome = loop {
            match self.events.next_until(until) {
                Ok(event) if *event.raw().name() == self.name && predicate(&event) => break Ok(event),
                Ok(_) => {}
                Err(true) => break Err(self.call.over_error(&format!("waiting for {}", self.name))),
                Err(false) => break Err(error::no_event(self.name.as_str(), &self.call.core.shown_id())),
            }
        };
        end_wait(wait, &outcome);
        outcome
    }
}

impl fmt::Debug for EventWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWaiter").field("call", &self.call).field("event", &self.name).finish_non_exhaustive()
    }
}

/// Handle of a registered listener. Dropping the handle keeps the listener registered, until its call or its client
/// ends.
#[derive(Clone)]
pub struct Listener {
    of: Weak<dyn Listened>,
    entry: Weak<ListenerEntry>,
}

impl Listener {
    pub(crate) fn new(of: Weak<dyn Listened>, entry: &Arc<ListenerEntry>) -> Self {
        Self { of, entry: Arc::downgrade(entry) }
    }

    /// Removes the listener. An event that it is handling at that moment is finished.
    pub fn remove(&self) {
        if let (Some(of), Some(entry)) = (self.of.upgrade(), self.entry.upgrade()) {
            of.unlisten(&entry);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
