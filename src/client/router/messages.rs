//! Messages that are sent and received.

use std::sync::Arc;

use super::Router;
use crate::call::core::CallFate;
use crate::message::{Message, MessageCore};
use crate::protocol::event::Event;
use crate::protocol::frame::{Envelope, EventHead};
use crate::session::{Alarm, Session};

/// A message that is being sent, until this is dropped.
pub(crate) struct Sending(Arc<Router>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.tables.lock().messages.end_sending();
    }
}

impl Router {
    /// Notes that a message is being sent: its events may arrive before its ID is known.
    pub(crate) fn sending(self: &Arc<Self>) -> Sending {
        self.tables.lock().messages.begin_sending();
        Sending(Arc::clone(self))
    }

    /// Enters a message that was sent and gives it the events that arrived before it.
    pub(crate) fn track_message(&self, session: &Arc<Session>, id: &str, message: &Arc<MessageCore>) {
        let (now, limit) = (session.clock.now(), session.settings.max_messages);
        let (early, is_first, surplus) = {
            let mut tables = self.tables.lock();
            if tables.closed {
                (None, false, None)
            } else {
                let (is_first, surplus) = tables.messages.track(id, now, message, limit);
                (Some(tables.early.take(id)), is_first, surplus)
            }
        };
        let Some(early) = early else {
            message.end(session, &CallFate::Closed);
            return;
        };
        if let Some(surplus) = surplus {
            session.warn(Alarm::MessageForgotten, || {
                format!("message {} is no longer tracked: more than {limit} messages have no final state", surplus.id())
            });
            surplus.give_up(session);
        }
        if is_first {
            session.later(session.settings.message_limit, |session| session.sink().sweep_messages(session));
        }
        for event in early {
            self.message_event(session, message, &event.envelope.borrow());
        }
    }

    fn message_event(&self, session: &Arc<Session>, message: &Arc<MessageCore>, envelope: &Envelope<'_>) {
        if let Event::MessageState(event) = Event::parse(envelope) {
            if message.deliver(session, event) {
                self.tables.lock().messages.remove(&message.id());
            }
        }
    }

    /// Handles an event of a message that was sent.
    pub(super) fn of_message(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let Some(id) = head.message_id.as_deref().filter(|id| !id.is_empty()) else {
            self.stray(session, envelope);
            return;
        };
        let message = self.tables.lock().messages.get(id);
        match message {
            Some(message) => self.message_event(session, &message, envelope),
            None => self.keep_early(session, id, envelope),
        }
    }

    /// Handles a message that was received.
    pub(super) fn received(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let id = head.message_id.as_deref().unwrap_or_default();
        {
            let mut tables = self.tables.lock();
            if tables.closed || (!id.is_empty() && !tables.messages.receive(id, self.remembered)) {
                return;
            }
        }
        if let Event::MessageReceive(event) = Event::parse(envelope) {
            self.messages.offer(session, Message::received(session, event));
        }
    }

    /// Gives up the messages whose final state has not arrived in time.
    pub(super) fn give_up_old_messages(&self, session: &Arc<Session>) {
        let (now, limit) = (session.clock.now(), session.settings.message_limit);
        let (old, next) = self.tables.lock().messages.expire(|sent| now.saturating_duration_since(sent) >= limit);
        for message in old {
            message.give_up(session);
        }
        if let Some(at) = next.and_then(|sent| sent.checked_add(limit)) {
            session.at(at, Box::new(|session| session.sink().sweep_messages(session)));
        }
    }
}
