//! Bounded memory: events that wait for slow listeners, and large results that handles keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Alarm, Session};
use crate::error::{self, Result};
use crate::protocol::limits::SMALL;

/// Bytes that are counted against a bound until this is dropped.
pub(crate) struct Charge {
    /// The counter alone, because counting references to the session would cost more.
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Charge {
    /// Adds bytes to the counter. `None` if it would exceed the limit.
    pub(crate) fn take(held: &Arc<AtomicUsize>, limit: usize, bytes: usize) -> Option<Self> {
        Self::add(held, limit, bytes).then(|| Self { held: Arc::clone(held), bytes })
    }

    fn add(held: &AtomicUsize, limit: usize, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= limit);
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Session {
    /// Takes room for an event that waits for listeners and owns this many bytes. `None` if there is no room: the event is
    /// to be dropped, which is counted. With `always` the event takes room beyond the bound.
    pub(crate) fn charge(&self, bytes: usize, always: bool) -> Option<Charge> {
        let limit = if always { usize::MAX } else { self.settings.max_listener_backlog_bytes };
        let charge = Charge::take(&self.notices, limit, bytes);
        if charge.is_none() {
            self.notice_dropped();
        }
        charge
    }

    /// Takes room for an event without a guard: [`give_back`](Self::give_back) is called when the event waits no longer.
    /// Returns `false` if there is no room.
    pub(crate) fn take_room(&self, bytes: usize, always: bool) -> bool {
        let limit = if always { usize::MAX } else { self.settings.max_listener_backlog_bytes };
        let taken = Charge::add(&self.notices, limit, bytes);
        if !taken {
            self.notice_dropped();
        }
        taken
    }

    /// Gives back what [`take_room`](Self::take_room) has taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.notices.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes room for a response or a result that a handle keeps. A small one takes none. Fails if there is no room.
    pub(crate) fn keep(&self, bytes: usize, what: impl FnOnce() -> String) -> Result<Option<Charge>> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let limit = self.settings.outcome_bytes;
        match Charge::take(&self.outcomes, limit, bytes) {
            Some(charge) => Ok(Some(charge)),
            None => {
                let error = error::not_kept(&what(), bytes, limit);
                self.warn(Alarm::OutcomeDropped, || error.to_string());
                Err(error)
            }
        }
    }

    fn notice_dropped(&self) {
        self.counters.listener_events_dropped.add(1);
        if let Some(tracer) = &self.tracer {
            tracer.note("dropped", None, serde_json::json!({"what": "notice", "count": 1}));
        }
        self.warn(Alarm::NoticeDropped, || {
            let limit = self.settings.max_listener_backlog_bytes;
            format!(
                "an event was dropped: {limit} bytes wait for slow listeners and streams already (Tuning::max_listener_backlog_bytes)"
            )
        });
    }
}
