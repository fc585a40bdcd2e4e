//! The waits for a state of a call.

use std::sync::Arc;

use super::super::super::over::CallFate;
use crate::latch::Latch;
use crate::protocol::states::CallState;

/// Result of a wait for a state.
#[derive(Clone)]
pub(crate) enum Reached {
    /// The call is in the state, or in a later one.
    State(CallState),
    Over(CallFate),
}

/// The waits that a state has ended, to be woken after the lock is released.
pub(crate) type PendingWakes = Vec<(Arc<Latch<Reached>>, Reached)>;

/// One wait for a state.
struct StateWaiter {
    target: CallState,
    reached: Arc<Latch<Reached>>,
}

/// The waits for a state of a call.
#[derive(Default)]
pub(crate) struct Waits {
    waiters: Vec<StateWaiter>,
}

impl Waits {
    pub(crate) fn add(&mut self, target: CallState) -> Arc<Latch<Reached>> {
        let reached = Arc::new(Latch::new());
        self.waiters.push(StateWaiter { target, reached: Arc::clone(&reached) });
        reached
    }

    /// Takes a wait out that has timed out.
    pub(crate) fn remove(&mut self, reached: &Arc<Latch<Reached>>) {
        self.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.reached, reached));
    }

    /// Moves the waits for this state, and for those before it, to `woken`.
    pub(crate) fn reached(&mut self, state: &CallState, woken: &mut PendingWakes) {
        let mut at = 0;
        while at < self.waiters.len() {
            if self.waiters[at].target.rank() <= state.rank() {
                let waiter = self.waiters.swap_remove(at);
                woken.push((waiter.reached, Reached::State(state.clone())));
            } else {
                at += 1;
            }
        }
    }

    /// The latches of all waits.
    pub(crate) fn latches(&self) -> impl Iterator<Item = &Latch<Reached>> {
        self.waiters.iter().map(|waiter| &*waiter.reached)
    }
}
