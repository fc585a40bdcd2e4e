//! Calls and messages in the inboxes: their pools, their sizes, and their end when the program does not take them.

use std::borrow::Cow;

use super::super::inbox::Offered;
use crate::call::Call;
use crate::message::Message;
use crate::session::{Alarm, Session};
use crate::workers::Workers;

impl Offered for Call {
    const WHAT: &'static str = "call";
    const ID: &'static str = "call_id";
    const HELD_BY_HANDLER: bool = false;

    fn workers(session: &Session) -> &Workers {
        &session.call_workers
    }

    fn bytes(&self) -> usize {
        self.core.bytes()
    }

    fn unclaimed(&self, _session: &Session, why: &str) {
        self.core.pass_unclaimed(why);
    }

    fn failed(&self, session: &Session) {
        self.core.handler_failed(session);
    }

    fn id(&self) -> Cow<'_, str> {
        Self::id(self).into()
    }

    fn is_over(&self) -> bool {
        self.core.over().is_some()
    }
}

impl Offered for Message {
    const WHAT: &'static str = "message";
    const ID: &'static str = "message_id";
    const HELD_BY_HANDLER: bool = true;

    fn workers(session: &Session) -> &Workers {
        &session.message_workers
    }

    fn bytes(&self) -> usize {
        self.core().bytes()
    }

    fn unclaimed(&self, session: &Session, why: &str) {
        session.warn(Alarm::MessageDropped, || format!("inbound message {} was dropped: {why}", self.id()));
        session.counters.messages_dropped.add(1);
    }

    fn failed(&self, _session: &Session) {}

    fn id(&self) -> Cow<'_, str> {
        Self::id(self).into()
    }

    fn is_over(&self) -> bool {
        false
    }
}
