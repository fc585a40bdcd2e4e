//! The state behind the lock of a call, in parts whose fields only their own file accesses.

mod audience;
mod bridge;
mod facts;
mod offer;
mod operations;
mod progress;
mod queues;
mod waits;

use std::sync::Arc;

use self::audience::Audience;
pub(crate) use self::audience::{Handler, Listened, ListenerEntry};
use self::bridge::Bridge;
pub(super) use self::bridge::brings_together;
use self::facts::Facts;
pub(super) use self::facts::Name;
use self::offer::Offer;
pub(super) use self::operations::Concerned;
use self::operations::Operations;
use self::progress::Progress;
use self::queues::QueueEntries;
use self::waits::Waits;
pub(crate) use self::waits::{PendingWakes, Reached};
use super::super::over::CallEnd;
use super::super::running::Running;
use crate::clock::Clock;
use crate::mailbox::Mailbox;
use crate::protocol::event::{ConnectEvent, Event};
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::states::{CallState, Direction};
use crate::stream::StreamSender;

/// The state of a call, which is a `C`, behind its lock.
pub(super) struct Inner<C> {
    pub(super) facts: Facts,
    pub(super) progress: Progress,
    pub(super) offer: Offer,
    /// Made on first use, because most calls of a busy program are idle most of the time.
    pub(super) live: Option<Box<Live<C>>>,
}

impl<C> Inner<C> {
    pub(super) fn new(direction: Direction, state: CallState) -> Self {
        Self { facts: Facts::new(direction), progress: Progress::new(state), offer: Offer::default(), live: None }
    }

    /// Everything that waits on the call, made on first use.
    pub(super) fn live(&mut self) -> &mut Live<C> {
        self.live.get_or_insert_default()
    }

    /// Applies a state event. Returns the end of the call if the event reports it.
    pub(super) fn enter_state(
        &mut self,
        clock: &Clock,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
        woken: &mut PendingWakes,
    ) -> Option<CallEnd> {
        let state = CallState::from(head.call_state.as_deref()?);
        if self.progress.is_over() {
            return None;
        }
        if state == CallState::Ended {
            let mut end = CallEnd::of(head, envelope.params);
            self.progress.complete(&mut end, clock);
            return Some(end);
        }
        self.raise(clock, &state, woken);
        None
    }

    /// Raises the state. A state before the present one changes nothing.
    pub(super) fn raise(&mut self, clock: &Clock, state: &CallState, woken: &mut PendingWakes) {
        if !self.progress.raise(clock, state) {
            return;
        }
        self.offer.raised(state);
        if let Some(live) = self.live.as_mut() {
            live.waits.reached(state, woken);
        }
    }

    /// Applies an event of a bridge.
    pub(super) fn enter_bridge(&mut self, event: &ConnectEvent) {
        if !self.progress.is_over() {
            self.live().bridge.apply(event);
        }
    }

    /// `true` if the caller may be talking to others, or wait for them, although no event reported it: the call was
    /// bridged, or was about to be, and events may have been missed.
    pub(super) fn may_be_bridged_unnoticed(&self) -> bool {
        self.live.as_ref().is_some_and(|live| {
            live.bridge.may_be_unnoticed(|| live.operations.iter().any(|running| brings_together(running.method())))
        })
    }
}

/// Everything that waits on a call, and what is known of it only while it is used.
pub(super) struct Live<C> {
    pub(super) operations: Operations<C>,
    pub(super) waits: Waits,
    pub(super) audience: Audience,
    pub(super) queues: QueueEntries,
    pub(super) bridge: Bridge,
}

impl<C> Default for Live<C> {
    fn default() -> Self {
        Self {
            operations: Operations::default(),
            waits: Waits::default(),
            audience: Audience::default(),
            queues: QueueEntries::default(),
            bridge: Bridge::default(),
        }
    }
}

/// Everything that the end of a call takes out under its lock, to be handled after the lock is released.
pub(super) struct DeferredDrops<C> {
    /// The operations that end with the call.
    pub(super) operations: Vec<Arc<dyn Running<C>>>,
    pub(super) waits: Waits,
    pub(super) streams: Vec<StreamSender<Event>>,
    /// The mailbox of the listeners. `None` if there are none to be dropped.
    pub(super) mailbox: Option<Arc<Mailbox>>,
    /// `true` if operations stay open for a moment, because their last event often comes after that of the call.
    pub(super) lingering: bool,
}

impl<C> Default for DeferredDrops<C> {
    fn default() -> Self {
        let (operations, waits, streams) = (Vec::new(), Waits::default(), Vec::new());
        Self { operations, waits, streams, mailbox: None, lingering: false }
    }
}

impl<C> Live<C> {
    /// Takes out what ends with the call. With `grace`, operations stay whose last event may come after that of the call.
    pub(super) fn depart(&mut self, grace: bool) -> DeferredDrops<C> {
        let operations = self.operations.end(grace);
        self.queues = QueueEntries::default();
        self.bridge.end();
        let (streams, mailbox) = self.audience.end();
        let lingering = !self.operations.is_empty();
        DeferredDrops { operations, waits: std::mem::take(&mut self.waits), streams, mailbox, lingering }
    }
}
