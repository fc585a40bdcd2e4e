//! Delivery of an event to its call, on the reader.

use std::sync::Arc;

use super::super::over::CallFate;
use super::CallCore;
use super::ends::Delivered;
use super::state::Concerned;
use crate::protocol::event::{Event, Unread};
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::states::CallState;
use crate::session::Session;

impl CallCore {
    /// Applies an event of this call and passes it on: to waits, operations, streams and listeners, in this order.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        session: &Arc<Session>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
    ) -> Delivered {
        let mut reached = Vec::new();
        // An event of a bridge is rare. It is read before the lock, because the bridge that it reports is set under it.
        let mut connect = (envelope.event_type == "calling.call.connect").then(|| Event::parse(envelope));
        let (operations, notice, streams, end, was_over) = {
            let mut inner = self.inner.lock();
            inner.facts.fill(&self.shared.labels, envelope, head);
            inner.progress.confirm();
            if let Some(Event::Connect(connect)) = &connect {
                inner.enter_bridge(connect);
            }
            let is_state = envelope.event_type == "calling.call.state";
            let end = if is_state { inner.enter_state(&session.clock, envelope, head, &mut reached) } else { None };
            let was_over = inner.progress.is_over();
            match inner.live.as_mut() {
                None => (Concerned::default(), None, false, end, was_over),
                Some(live) => {
                    let operations = live.operations.concerned(&envelope.event_type, head.control_id.as_deref());
                    let notice = live.audience.count(&envelope.event_type);
                    (operations, notice, live.audience.has_streams(), end, was_over)
                }
            }
        };
        for (latch, reached) in reached {
            latch.set(&session.clock, reached);
        }
        let fed = !operations.is_empty();
        let last = end.is_some();
        // An event that only listeners receive is read on their thread.
        let unread = if fed || streams || connect.is_some() { None } else { Unread::new(envelope, head) };
        match (notice, unread) {
            (Some((mailbox, number)), Some(unread)) => self.notify_unread(session, &mailbox, number, &unread, last),
            (None, _) if !fed && !streams => {}
            (notice, _) => {
                let event = connect.take().unwrap_or_else(|| Event::parse(envelope));
                self.feed_operations(session, operations, &event);
                if streams {
                    self.feed_streams(session, &event, last);
                }
                if let Some((mailbox, number)) = notice {
                    self.notify(session, &mailbox, number, event, last);
                }
            }
        }
        match end {
            Some(end) => self.finish(session, CallFate::Ended(Arc::new(end)), None),
            // A thread that has ended the call since then takes it out of the tables itself.
            None if !fed && !was_over => Delivered::Live,
            None => self.standing(),
        }
    }

    /// Raises an outbound leg to answered, because the dial reports the answer, whatever the leg's own events have
    /// reported yet.
    pub(crate) fn raise_to_answered(&self, session: &Arc<Session>) {
        let mut reached = Vec::new();
        {
            let mut inner = self.inner.lock();
            if !inner.progress.is_over() {
                inner.raise(&session.clock, &CallState::Answered, &mut reached);
            }
        }
        for (latch, reached) in reached {
            latch.set(&session.clock, reached);
        }
    }
}
