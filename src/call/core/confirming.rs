//! Whether a call is still known to be live after its session was resumed.

use std::sync::Arc;
use std::time::Instant;

use super::CallCore;
use crate::session::Session;

impl CallCore {
    pub(crate) fn is_confirmed(&self) -> bool {
        self.inner.lock().progress.is_confirmed()
    }

    pub(super) fn confirm(&self) {
        self.inner.lock().progress.confirm();
    }

    /// Marks the call and its operations unconfirmed, because the session was resumed and their events may have been
    /// missed.
    pub(crate) fn doubt(&self, session: &Arc<Session>, now: Instant) {
        let operations: Vec<_> = {
            let mut inner = self.inner.lock();
            inner.progress.doubt(now);
            if let Some(live) = inner.live.as_mut() {
                live.bridge.gap();
            }
            inner.live.iter().flat_map(|live| live.operations.iter()).cloned().collect()
        };
        for operation in operations {
            operation.doubt(session, &self.id);
        }
    }

    /// `true` if the call has been unconfirmed since this moment, or since before it.
    pub(crate) fn in_doubt_since(&self, moment: Instant) -> bool {
        self.inner.lock().progress.in_doubt_since(moment)
    }
}
