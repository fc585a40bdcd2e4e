//! The table of a call's operations.

use std::sync::Arc;

use super::super::super::running::{Claim, Running};

/// The operations of a call, the oldest first.
pub(crate) struct Operations<C> {
    running: Vec<Arc<dyn Running<C>>>,
}

impl<C> Default for Operations<C> {
    fn default() -> Self {
        Self { running: Vec::new() }
    }
}

impl<C> Operations<C> {
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Running<C>>> {
        self.running.iter()
    }

    /// Enters an operation. Returns `false` if its control ID is in use.
    pub(crate) fn enter(&mut self, operation: Arc<dyn Running<C>>) -> bool {
        if self.running.iter().any(|running| running.control_id() == operation.control_id()) {
            return false;
        }
        self.running.push(operation);
        true
    }

    /// Takes an operation out.
    pub(crate) fn remove(&mut self, control_id: &str) -> Option<Arc<dyn Running<C>>> {
        let at = self.running.iter().position(|running| running.control_id() == control_id)?;
        // The order stays, because the newest operation of a kind has to come last.
        Some(self.running.remove(at))
    }

    /// Takes out the operations that end with the call. With `grace`, those stay whose last event may come later.
    pub(crate) fn end(&mut self, grace: bool) -> Vec<Arc<dyn Running<C>>> {
        let running = std::mem::take(&mut self.running).into_iter();
        let (lingering, ending) = running.partition(|running| grace && running.lingers());
        self.running = lingering;
        ending
    }

    /// The operations that an event may be about.
    pub(crate) fn concerned(&self, event_type: &str, control_id: Option<&str>) -> Concerned<C> {
        let mut found = Concerned::default();
        for running in self.running.iter().rev() {
            let claim = running.claims(event_type, control_id);
            if claim == Claim::No {
                continue;
            }
            let running = (Arc::clone(running), claim);
            match found.first {
                None => found.first = Some(running),
                Some(_) => found.more.push(running),
            }
        }
        found
    }
}

/// An operation, and why an event is shown to it.
type Claimed<C> = (Arc<dyn Running<C>>, Claim);

/// The operations that an event may be about, the newest first. Mostly there is one, or none, which takes no memory.
pub(crate) struct Concerned<C> {
    first: Option<Claimed<C>>,
    more: Vec<Claimed<C>>,
}

impl<C> Default for Concerned<C> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<C> Concerned<C> {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Claimed<C>> {
        self.first.into_iter().chain(self.more)
    }
}
