//! The table of calls.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::super::over::Tombstones;
use crate::call::core::{ById, CallCore};

/// The calls of a client: live, lingering, and the IDs of those that have ended.
#[derive(Default)]
pub(crate) struct Calls {
    live: HashSet<ById>,
    /// Calls that have ended, with operations that still wait for their last event.
    lingering: HashSet<ById>,
    /// IDs of calls that have ended.
    tombstones: Tombstones,
    /// Live calls that are legs of a dial that has ended. They are about to end, and do not count against the limit.
    losers: HashSet<Box<str>>,
}

impl Calls {
    pub(crate) fn find(&self, id: &str) -> Option<Arc<CallCore>> {
        self.live.get(id).or_else(|| self.lingering.get(id)).map(|call| Arc::clone(&call.0))
    }

    /// A call, with `true` if it is lingering.
    pub(crate) fn find_either(&self, id: &str) -> Option<(Arc<CallCore>, bool)> {
        let live = self.live.get(id);
        let late = if live.is_none() { self.lingering.get(id) } else { None };
        live.or(late).map(|call| (Arc::clone(&call.0), late.is_some()))
    }

    /// The live call and the lingering call of an ID.
    pub(crate) fn find_both(&self, id: &str) -> [Option<Arc<CallCore>>; 2] {
        [self.live.get(id), self.lingering.get(id)].map(|call| call.map(|call| Arc::clone(&call.0)))
    }

    pub(crate) fn find_live(&self, id: &str) -> Option<Arc<CallCore>> {
        self.live.get(id).map(|call| Arc::clone(&call.0))
    }

    pub(crate) fn is_live(&self, id: &str) -> bool {
        self.live.contains(id)
    }

    pub(crate) fn all_live(&self) -> impl Iterator<Item = &Arc<CallCore>> {
        self.live.iter().map(|call| &call.0)
    }

    pub(crate) fn all_lingering(&self) -> impl Iterator<Item = &Arc<CallCore>> {
        self.lingering.iter().map(|call| &call.0)
    }

    /// Number of calls, lingering ones included.
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.lingering.len()
    }

    /// Number of calls that count against the limit.
    pub(crate) fn active(&self) -> usize {
        self.live.len().saturating_sub(self.losers.len())
    }

    pub(crate) fn insert(&mut self, call: &Arc<CallCore>) {
        self.live.insert(ById(Arc::clone(call)));
    }

    /// Moves a call that has ended to where it belongs: among the lingering calls, or out. `left` is the number of its
    /// offer if it was given away. Returns `false` if the call is not in the table.
    pub(crate) fn settle(&mut self, call: &Arc<CallCore>, lingers: bool, left: Option<u64>, limit: usize) -> bool {
        // Another call may have the same ID by now, and stays.
        let (id, is_it) = (call.id(), |other: &ById| Arc::ptr_eq(&other.0, call));
        let was_live = self.live.get(id).is_some_and(is_it) && self.live.remove(id);
        let was_lingering = self.lingering.get(id).is_some_and(is_it) && self.lingering.remove(id);
        if !(was_live || was_lingering) {
            return false;
        }
        if was_live {
            self.losers.remove(id);
        }
        self.tombstones.insert(id, left, limit);
        if lingers {
            self.lingering.insert(ById(Arc::clone(call)));
        }
        true
    }

    /// Stops counting the legs of a dial that has ended against the limit.
    pub(crate) fn discount(&mut self, legs: &[Arc<CallCore>]) {
        for leg in legs {
            if self.live.contains(leg.id()) {
                self.losers.insert(leg.id().into());
            }
        }
    }

    /// `true` if a call of this ID has ended.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.tombstones.contains(id)
    }

    /// Remembers the ID of a call that was not entered. `offer` is the number of its offer if the call may be offered
    /// again.
    pub(crate) fn remember(&mut self, id: &str, offer: Option<u64>, limit: usize) {
        self.tombstones.insert(id, offer, limit);
    }

    /// Number of IDs that are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.tombstones.len()
    }

    /// `Some` if this offers a call again that was given away, with that call if it is lingering.
    pub(crate) fn take_back(&mut self, id: &str, offer: u64) -> Option<Option<Arc<CallCore>>> {
        self.tombstones.take_back(id, offer).then(|| self.lingering.take(id).map(|left| left.0))
    }

    /// Takes all calls out: the live ones, and the lingering ones.
    pub(crate) fn take(&mut self) -> (HashSet<ById>, HashSet<ById>) {
        self.losers.clear();
        (std::mem::take(&mut self.live), std::mem::take(&mut self.lingering))
    }

    /// Forgets the IDs of calls that have ended.
    pub(crate) fn forget(&mut self) {
        self.tombstones = Tombstones::default();
    }
}
