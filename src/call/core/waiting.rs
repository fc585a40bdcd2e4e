//! Blocking until a call reaches a state or ends.

use super::CallCore;
use super::state::Reached;
use crate::clock::Deadline;
use crate::error::{self, Result};
use crate::protocol::states::CallState;
use crate::session::{Session, end_wait};

impl CallCore {
    /// Number of waits for a state.
    #[cfg(test)]
    pub(crate) fn waiters(&self) -> usize {
        self.inner.lock().live.as_ref().map_or(0, |live| live.waits.latches().count())
    }

    /// Blocks until the call is in a state or in a later one, or has ended, at most until `until`.
    pub(crate) fn wait_for_state(&self, target: CallState, until: Deadline, what: &str) -> Result<Reached> {
        if let Some(session) = self.session.upgrade() {
            session.check_process(what)?;
        }
        let reached = {
            let mut inner = self.inner.lock();
            if let Some(over) = inner.progress.over() {
                return Ok(Reached::Over(over.clone()));
            }
            let state = inner.progress.state();
            if state.rank() >= target.rank() {
                return Ok(Reached::State(state.clone()));
            }
            inner.live().waits.add(target)
        };
        let session = self.session_for(what)?;
        let wait = session.begin_wait(Some(&self.id), || what.to_owned());
        let outcome = reached.wait(&session.clock, until);
        drop(session);
        let outcome = outcome.ok_or_else(|| {
            if let Some(live) = self.inner.lock().live.as_mut() {
                live.waits.remove(&reached);
            }
            error::timeout(&format!("{what} on call {}", self.shown_id()))
        });
        end_wait(wait, &outcome);
        outcome
    }

    /// Blocks until the call has ended, in whatever way.
    pub(crate) fn wait_over(&self, until: Deadline) -> Result<()> {
        self.wait_for_state(CallState::Ended, until, "waiting for the call to end").map(drop)
    }

    /// Blocks until the operations that outlive their call have received their last event.
    pub(crate) fn wait_operations(&self, session: &Session, until: Deadline) {
        for operation in self.all_running() {
            if !operation.wait_over(&session.clock, until) {
                return;
            }
        }
    }
}
