//! Events whose call or message is not known, or not yet.

use std::sync::Arc;

use super::Router;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::limits::LONGEST_NAME;
use crate::session::{Alarm, Session};

impl Router {
    /// `true` if a name in an event is longer than any that may be kept. Such an event is counted and dropped.
    pub(super) fn is_malformed(&self, session: &Session, head: &EventHead<'_>) -> bool {
        let Some((name, bytes)) = head.too_long() else { return false };
        session.counters.frames_malformed.add(1);
        session.warn(Alarm::FrameDropped, || {
            format!("an event was dropped: its {name} has {bytes} bytes, and at most {LONGEST_NAME} are allowed")
        });
        true
    }

    /// Gives an event that concerns no known call or message to the listeners of the client.
    pub(super) fn stray(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        if !self.unmatched.tell(session, envelope) {
            session.counters.events_unclaimed.add(1);
        }
    }

    /// Keeps an event for a while, because its call or message may become known.
    pub(super) fn keep_early(&self, session: &Arc<Session>, id: &str, envelope: &Envelope<'_>) {
        let Some(until) = session.clock.after(session.settings.unmatched_event_ttl) else { return };
        let (dropped, first) = {
            let mut tables = self.tables.lock();
            if tables.closed {
                // While the connection is being closed, nothing becomes known any more, and no timer would remove the
                // event.
                return;
            }
            tables.early.push(id, envelope, until);
            let mut dropped = Vec::new();
            while tables.early.len() > session.settings.max_unmatched_events
                || tables.early.bytes() > session.settings.max_unmatched_bytes
            {
                dropped.extend(tables.early.pop_oldest());
            }
            let first = tables.early.len() > 0 && tables.early_sweep.begin();
            (dropped, first)
        };
        for early in dropped {
            self.stray(session, &early.envelope.borrow());
        }
        if first {
            session.at(until, Box::new(|session| session.sink().sweep(session)));
        }
    }

    /// Drops the events whose call or message has not become known in time.
    pub(super) fn sweep_early(&self, session: &Arc<Session>) {
        let now = session.clock.now();
        let (dropped, next) = {
            let mut tables = self.tables.lock();
            // While the response to a send is outstanding, it may name any message.
            let sending = tables.messages.is_sending();
            let dropped = tables.early.expire(now, sending);
            let next = tables.early.next(now);
            let next = next.or_else(|| {
                session.clock.after(session.settings.unmatched_event_ttl).filter(|_| tables.early.len() > 0)
            });
            tables.early_sweep.goes_on(next.is_some());
            (dropped, next)
        };
        for early in &dropped {
            let about = [("event", &*early.envelope.borrow().event_type), ("call_id", early.id())];
            session.line(log::Level::Debug, &about, || "the call or message is not known".to_owned());
            self.stray(session, &early.envelope.borrow());
        }
        session.kick();
        if let Some(next) = next {
            session.at(next, Box::new(|session| session.sink().sweep(session)));
        }
    }
}
