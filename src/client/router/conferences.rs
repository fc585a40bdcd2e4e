//! Events of conferences that name no call.

use std::sync::{Arc, Weak};

use super::Router;
use crate::protocol::event::Event;
use crate::protocol::frame::Envelope;
use crate::session::Session;

/// A call that takes part in a conference, until this is dropped.
struct Attendance {
    router: Weak<Router>,
    conference: Box<str>,
    call_id: Box<str>,
}

impl Drop for Attendance {
    fn drop(&mut self) {
        if let Some(router) = self.router.upgrade() {
            router.tables.lock().conferences.leave(&self.conference, &self.call_id);
        }
    }
}

impl Router {
    pub(super) fn attend_conference(&self, conference: &str, call_id: &str) -> Box<dyn Send> {
        {
            let mut tables = self.tables.lock();
            if !tables.closed {
                tables.conferences.enter(conference, call_id);
            }
        }
        Box::new(Attendance { router: Weak::clone(&self.this), conference: conference.into(), call_id: call_id.into() })
    }

    /// Delivers an event about a whole conference to the calls that take part in it.
    pub(super) fn of_conference(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        let event = Event::parse(envelope);
        let Event::Conference(conference) = &event else { return };
        let calls: Vec<_> = {
            let tables = self.tables.lock();
            tables.conferences.calls(&conference.name).filter_map(|id| tables.calls.find_live(id)).collect()
        };
        for call in calls {
            call.of_conference(session, &event);
        }
    }

    /// Number of conferences that calls of this client take part in.
    #[cfg(test)]
    pub(crate) fn conferences(&self) -> usize {
        self.tables.lock().conferences.len()
    }
}
