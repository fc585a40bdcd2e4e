//! The end of everything in the tables, when the session is lost or resumed, or the client is closed.

use std::sync::Arc;
use std::time::Instant;

use super::Router;
use crate::call::core::{CallFate, Delivered};
use crate::error;
use crate::session::Session;

impl Router {
    /// Marks all calls unconfirmed, because the session was resumed and their events may have been missed.
    pub(super) fn doubt_calls(&self, session: &Arc<Session>) {
        let now = session.clock.now();
        for call in self.live_calls() {
            call.doubt(session, now);
        }
        session.later(session.settings.unconfirmed_limit, move |session| session.sink().end_doubtful(session, now));
    }

    /// Ends the calls that have been unconfirmed since the resume at this time.
    pub(super) fn end_doubtful_calls(&self, session: &Arc<Session>, since: Instant) {
        for call in self.live_calls() {
            if call.in_doubt_since(since) {
                log::warn!(
                    "giving up call {}: it has been unconfirmed for too long after a reconnect",
                    call.shown_id()
                );
                call.finish(session, CallFate::SessionLost, None);
                self.settle(call.id());
            }
        }
    }

    /// Ends everything that belonged to the previous session.
    pub(super) fn end_session(&self, session: &Arc<Session>) {
        self.end_all(session, &CallFate::SessionLost);
        self.calls.clear();
    }

    /// Ends everything, and accepts no new entries.
    pub(super) fn close(&self, session: &Arc<Session>) {
        self.tables.lock().closed = true;
        self.end_all(session, &CallFate::Closed);
        self.calls.close(session);
        self.messages.close(session);
        self.unmatched.close(session);
    }

    fn end_all(&self, session: &Arc<Session>, over: &CallFate) {
        // A dial that waits for the connection belongs to no session yet, and is sent in the next one. A dial that is
        // made meanwhile waits as well, because the connection is down.
        let closed = matches!(over, CallFate::Closed);
        let mut ending = self.running_dials();
        ending.retain(|dial| !dial.is_queued(session));
        let ((calls, lingering), dials, messages) = {
            let mut tables = self.tables.lock();
            tables.early.clear();
            if closed {
                // No event arrives late or again any more.
                tables.calls.forget();
                tables.messages.forget();
            }
            let dials = if closed { tables.dials.take() } else { tables.dials.take_these(&ending) };
            (tables.calls.take(), dials, tables.messages.take())
        };
        for dial in dials {
            let what = format!("dial {}", dial.to());
            dial.fail(session, if closed { error::closed(&what) } else { error::session_lost(&what) });
        }
        for call in calls {
            // A call that has ended already is on its way to the other table, and its operations may still wait.
            if call.0.finish(session, over.clone(), None) == Delivered::Live {
                call.0.end_lingering(session, over);
            }
        }
        for call in lingering {
            call.0.end_lingering(session, over);
        }
        for (_, message) in messages {
            message.end(session, over);
        }
    }
}
