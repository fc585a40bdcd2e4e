//! The end of a call, and of everything that waits on it.

use std::sync::Arc;

use log::Level;

use super::super::over::CallFate;
use super::CallCore;
use super::state::{Name, Reached};
use crate::protocol::states::{CallState, Direction, EndReason};
use crate::session::{Session, TARGET};

/// Effect of an event on its call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The call is live.
    Live,
    /// The call has ended, and operations of it still wait for their last event.
    Lingering,
    /// The call has ended, and nothing waits on it.
    Over,
}

impl CallCore {
    pub(super) fn standing(&self) -> Delivered {
        let inner = self.inner.lock();
        match &inner.live {
            _ if !inner.progress.is_over() => Delivered::Live,
            Some(live) if !live.operations.is_empty() => Delivered::Lingering,
            _ => Delivered::Over,
        }
    }

    /// `true` if the call has ended and operations of it wait for their last event.
    pub(crate) fn is_lingering(&self) -> bool {
        self.standing() == Delivered::Lingering
    }

    /// Ends the call, because the service does not know it.
    pub(crate) fn gone(self: &Arc<Self>) {
        let Some(session) = self.session.upgrade() else { return };
        if self.finish(&session, CallFate::Gone, None) != Delivered::Live {
            session.call_over(&self.id);
        }
    }

    /// Ends the call, because it was passed back: no further event of it arrives.
    pub(crate) fn passed(self: &Arc<Self>) {
        let Some(session) = self.session.upgrade() else { return };
        if self.finish(&session, CallFate::Ended(Arc::default()), None) != Delivered::Live {
            session.call_over(&self.id);
        }
    }

    /// Ends the call and everything that waits on it, in this order: waits, operations, streams, listeners.
    ///
    /// Returns `Live` if the call had ended before, so that there was nothing to do.
    pub(crate) fn finish(
        self: &Arc<Self>,
        session: &Arc<Session>,
        over: CallFate,
        last: Option<CallState>,
    ) -> Delivered {
        let departed = {
            let mut inner = self.inner.lock();
            if !inner.progress.finish(&over, last) {
                return Delivered::Live;
            }
            inner.offer.set_open(false);
            // A closed client has no timers for the grace time.
            let grace = matches!(over, CallFate::Ended(_) | CallFate::Gone);
            inner.live.as_mut().map(|live| live.depart(grace)).unwrap_or_default()
        };
        self.log_end(session, &over);
        for latch in departed.waits.latches() {
            latch.set(&session.clock, Reached::Over(over.clone()));
        }
        for operation in &departed.operations {
            operation.end(session, &over, &self.id);
        }
        let lingering = departed.lingering;
        drop(departed.streams);
        // The program's closures are dropped on a worker, after the events that are still to be delivered to them.
        if let Some(mailbox) = departed.mailbox {
            let call = Arc::clone(self);
            mailbox.post(&session.workers, Box::new(move || drop(call.take_listeners())));
        }
        if !lingering {
            return Delivered::Over;
        }
        // The last event usually arrives long before the timer, which therefore keeps no reference to the call.
        let core = Arc::downgrade(self);
        session.later(session.settings.final_event_grace, move |session| {
            if let Some(core) = core.upgrade() {
                core.end_lingering(session, &over);
                session.call_over(core.id());
            }
        });
        Delivered::Lingering
    }

    /// Ends the operations that outlived the call, because their grace time has passed or the client was closed.
    pub(crate) fn end_lingering(&self, session: &Arc<Session>, over: &CallFate) {
        let operations = {
            let mut inner = self.inner.lock();
            inner.live.as_mut().map(|live| live.operations.end(false)).unwrap_or_default()
        };
        for operation in operations {
            operation.end(session, over, &self.id);
        }
    }

    /// Logs the one line of a call at INFO: its numbers, whether it was answered, how it ended and how long it lasted.
    fn log_end(&self, session: &Session, over: &CallFate) {
        if !log::log_enabled!(target: TARGET, Level::Info) {
            return;
        }
        let (device, direction, context, was_answered) = {
            let inner = self.inner.lock();
            let context = inner.facts.name(Name::Context).to_owned();
            (inner.facts.device().clone(), inner.facts.direction().clone(), context, inner.progress.was_answered())
        };
        let (reason, lasted) = match over {
            CallFate::Ended(end) => (end.reason.as_ref().map(EndReason::as_str), end.duration),
            CallFate::Gone => (Some("the service does not know the call"), None),
            CallFate::SessionLost => (Some("the session was lost"), None),
            CallFate::Closed => (Some("the client was closed"), None),
        };
        let (reason, direction) = (reason.unwrap_or("no reason was given"), direction.as_str());
        let answered = if was_answered { "answered" } else { "not answered" };
        let seconds = lasted.map(|lasted| format!("{:.1}", lasted.as_secs_f64())).unwrap_or_default();
        let after = lasted.map(|_| format!(" after {seconds} s")).unwrap_or_default();
        let on = if context.is_empty() { String::new() } else { format!(" on {context}") };
        let names = if device.from().is_empty() && device.to().is_empty() {
            String::new()
        } else {
            format!(" from {} to {}", device.from(), device.to())
        };
        let pairs = [
            ("call_id", &*self.id),
            ("direction", direction),
            ("context", &context),
            ("answered", answered),
            ("reason", reason),
            ("seconds", &seconds),
        ];
        let begun = if direction == Direction::Inbound.as_str() { "offered" } else { "dialled" };
        session.line(Level::Info, &pairs, || {
            format!("{direction}{names}{on}: {begun}, {answered}, ended{after}: {reason}")
        });
    }
}
