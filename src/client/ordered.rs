//! A table by ID that keeps the order of its entries.

use std::collections::{BTreeMap, HashMap};

use crate::steps::{Key, step};

/// A table by ID in the order of insertion. Every method takes constant time per entry, however many entries there are.
pub(super) struct Ordered<V> {
    entries: HashMap<Key, (u64, V)>,
    order: BTreeMap<u64, Key>,
    made: u64,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), made: 0 }
    }
}

impl<V> Ordered<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<&V> {
        self.entries.get(id).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut V> {
        self.entries.get_mut(id).map(|(_, value)| value)
    }

    /// Adds an entry as the newest. Returns the former entry of this ID.
    pub(super) fn insert(&mut self, id: &str, value: V) -> Option<V> {
        step();
        let former = self.remove(id);
        let key = Key::from(id);
        self.made += 1;
        self.order.insert(self.made, key.clone());
        self.entries.insert(key, (self.made, value));
        former
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<V> {
        let (at, value) = self.entries.remove(id)?;
        self.order.remove(&at);
        Some(value)
    }

    pub(super) fn oldest(&self) -> Option<&V> {
        let (_, key) = self.order.first_key_value()?;
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(super) fn pop_oldest(&mut self) -> Option<V> {
        let (_, key) = self.order.pop_first()?;
        self.entries.remove(&key).map(|(_, value)| value)
    }

    /// The values, the oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.order.values().filter_map(|key| {
            step();
            self.entries.get(key).map(|(_, value)| value)
        })
    }

    /// Takes all values out, the oldest first.
    pub(super) fn take(&mut self) -> Vec<V> {
        std::iter::from_fn(|| self.pop_oldest()).collect()
    }
}

impl Ordered<()> {
    /// Remembers an ID, and drops the oldest one beyond `limit`. Returns `false` if the ID was known already.
    pub(super) fn remember(&mut self, id: &str, limit: usize) -> bool {
        if self.contains(id) {
            return false;
        }
        self.insert(id, ());
        if self.len() > limit {
            self.pop_oldest();
        }
        true
    }
}
