//! Frames that wait to be sent.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::simulator::line::link::Link;
use crate::simulator::world::calls::SessionId;

/// `true` if an event of this type and payload is the awaited one.
pub(crate) type Trigger = Box<dyn Fn(&str, &Value) -> bool + Send>;

/// A response that is held back until another frame has been sent.
pub(crate) struct LateReply {
    pub(crate) conn: u64,
    pub(crate) method: String,
    pub(crate) frame: Value,
    /// The event after which the response is sent, unless it is released by hand.
    pub(crate) after: Option<Trigger>,
    /// `true` if the event has been sent, or is about to be.
    is_due: bool,
}

impl LateReply {
    pub(crate) fn new(conn: u64, method: &str, frame: Value, after: Option<Trigger>) -> Self {
        Self { conn, method: method.to_owned(), frame, after, is_due: false }
    }
}

/// An event that is held back, so that a response can be sent before it.
pub(crate) struct PendingEvent {
    pub(crate) session: SessionId,
    pub(crate) event_type: &'static str,
    pub(crate) context: Option<String>,
    pub(crate) params: Value,
}

/// Smallest number of IDs of frames sent by hand that are kept.
const BY_HAND: usize = 10_000;

/// The IDs of frames that were sent by hand; only the last ones, because a million may be sent.
#[derive(Default)]
struct ByHand {
    recent: HashSet<String>,
    former: HashSet<String>,
}

impl ByHand {
    fn insert(&mut self, id: String) {
        if self.recent.len() >= BY_HAND {
            self.former = std::mem::take(&mut self.recent);
        }
        self.recent.insert(id);
    }

    fn contains(&self, id: &str) -> bool {
        self.recent.contains(id) || self.former.contains(id)
    }
}

/// The frames that wait to be sent, and the sockets that wait to be closed.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Events that are held back until their request has its response.
    corked: Option<Vec<PendingEvent>>,
    late: Vec<LateReply>,
    /// Frames that were sent by hand: any number of responses to them is allowed.
    by_hand: ByHand,
    to_close: Vec<Arc<Link>>,
}

impl Outbox {
    /// Holds events back, until [`uncork`](Self::uncork).
    pub(crate) fn cork(&mut self) {
        self.corked = Some(Vec::new());
    }

    pub(crate) fn uncork(&mut self) -> Vec<PendingEvent> {
        self.corked.take().unwrap_or_default()
    }

    /// Holds an event back, or returns it if events are sent at once.
    pub(crate) fn keep(&mut self, event: PendingEvent) -> Option<PendingEvent> {
        match &mut self.corked {
            Some(waiting) => {
                waiting.push(event);
                None
            }
            None => Some(event),
        }
    }

    /// Holds a response back.
    pub(crate) fn hold(&mut self, reply: LateReply) {
        self.late.push(reply);
    }

    /// Marks the responses that are sent after this event.
    pub(crate) fn note_event(&mut self, event_type: &str, params: &Value) {
        for reply in &mut self.late {
            reply.is_due |= reply.after.as_ref().is_some_and(|fits| fits(event_type, params));
        }
    }

    /// Takes the responses whose event has been sent.
    pub(crate) fn take_due(&mut self) -> Vec<LateReply> {
        self.take(|reply| reply.is_due)
    }

    /// Takes the responses of a method.
    pub(crate) fn take_of(&mut self, method: &str) -> Vec<LateReply> {
        self.take(|reply| reply.method == method)
    }

    /// Forgets the responses of a connection.
    pub(crate) fn forget(&mut self, conn: u64) {
        self.late.retain(|reply| reply.conn != conn);
    }

    fn take(&mut self, fits: impl Fn(&LateReply) -> bool) -> Vec<LateReply> {
        let (taken, kept) = std::mem::take(&mut self.late).into_iter().partition(fits);
        self.late = kept;
        taken
    }

    /// Notes that a frame with this ID, as JSON, is sent by hand.
    pub(crate) fn by_hand(&mut self, id: String) {
        self.by_hand.insert(id);
    }

    /// `true` if a frame with this ID, as JSON, was sent by hand.
    pub(crate) fn was_by_hand(&self, id: &str) -> bool {
        self.by_hand.contains(id)
    }

    /// Closes a socket when the lock is free.
    pub(crate) fn close(&mut self, link: Arc<Link>) {
        self.to_close.push(link);
    }

    pub(crate) fn take_to_close(&mut self) -> Vec<Arc<Link>> {
        std::mem::take(&mut self.to_close)
    }
}
