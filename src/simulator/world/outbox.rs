//! What waits to be sent.

use std::collections::HashSet;

use serde_json::Value;

use crate::simulator::world::calls::SessionId;

/// Whether an event of this type and payload is the one that is waited for.
pub(crate) type Trigger = Box<dyn Fn(&str, &Value) -> bool + Send>;

/// A reply that is kept until something else has been sent.
pub(crate) struct LateReply {
    pub(crate) conn: u64,
    pub(crate) method: String,
    pub(crate) frame: Value,
    /// The event after which it goes out, when it is not released by hand.
    pub(crate) after: Option<Trigger>,
}

/// An event that is kept back, so that a reply can go out before it.
pub(crate) struct PendingEvent {
    pub(crate) session: SessionId,
    pub(crate) event_type: &'static str,
    pub(crate) context: Option<String>,
    pub(crate) params: Value,
}

/// How many ids of frames sent by hand are remembered, at least.
const BY_HAND: usize = 10_000;

/// The ids of frames that were sent by hand: the last ones of them, because a million may be sent.
#[derive(Default)]
pub(crate) struct ByHand {
    recent: HashSet<String>,
    former: HashSet<String>,
}

impl ByHand {
    pub(crate) fn insert(&mut self, id: String) {
        if self.recent.len() >= BY_HAND {
            self.former = std::mem::take(&mut self.recent);
        }
        self.recent.insert(id);
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.recent.contains(id) || self.former.contains(id)
    }
}
