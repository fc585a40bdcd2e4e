//! The table of messages.

use std::sync::Arc;
use std::time::Instant;

use super::super::super::ordered::Ordered;
use super::sweep::Sweep;
use crate::clock::Deadline;
use crate::message::MessageCore;

/// The messages of a client: sent, being sent, and the IDs of those received.
#[derive(Default)]
pub(crate) struct Messages {
    /// Messages that were sent, each with the time at which it was, until their final state.
    sent: Ordered<(Instant, Arc<MessageCore>)>,
    /// IDs of messages that were received.
    received: Ordered<()>,
    /// Number of messages that are being sent, whose IDs are not known yet.
    sending: usize,
    sweep: Sweep,
}

impl Messages {
    pub(crate) fn begin_sending(&mut self) {
        self.sending += 1;
    }

    pub(crate) fn end_sending(&mut self) {
        self.sending -= 1;
    }

    /// `true` if the response to a send may still name a message whose events have arrived already.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending > 0
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<MessageCore>> {
        self.sent.get(id).map(|(_, message)| Arc::clone(message))
    }

    /// Number of messages without a final state.
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Number of IDs that are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.received.len()
    }

    /// Enters a message that was sent. With `limit` messages in the table, the oldest one is taken out and returned. Also
    /// returns `true` if a timer has to be started.
    pub(crate) fn track(
        &mut self,
        id: &str,
        now: Instant,
        message: &Arc<MessageCore>,
        limit: usize,
    ) -> (bool, Option<Arc<MessageCore>>) {
        let surplus = if self.sent.len() >= limit { self.sent.pop_oldest() } else { None };
        self.sent.insert(id, (now, Arc::clone(message)));
        (self.sweep.begin(), surplus.map(|(_, surplus)| surplus))
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.sent.remove(id);
    }

    /// Remembers a message that was received. Returns `false` if it was received before.
    pub(crate) fn receive(&mut self, id: &str, limit: usize) -> bool {
        self.received.remember(id, limit)
    }

    /// Takes out the messages that are too old. Returns them with the time at which the next one was sent.
    pub(crate) fn expire(&mut self, is_old: impl Fn(Instant) -> bool) -> (Vec<Arc<MessageCore>>, Deadline) {
        let mut old = Vec::new();
        while self.sent.oldest().is_some_and(|(sent, _)| is_old(*sent)) {
            old.extend(self.sent.pop_oldest().map(|(_, message)| message));
        }
        let next = self.sent.oldest().map(|(sent, _)| *sent);
        self.sweep.goes_on(next.is_some());
        (old, next)
    }

    /// Takes all messages out.
    pub(crate) fn take(&mut self) -> Vec<(Instant, Arc<MessageCore>)> {
        self.sent.take()
    }

    /// Forgets the IDs of messages that were received.
    pub(crate) fn forget(&mut self) {
        self.received = Ordered::default();
    }
}
