//! The queues that a call was put into.

/// Number of queues whose entries are remembered.
const QUEUE_ENTRIES: usize = 32;

/// The queues that a call was put into, with the control ID of each entry, the oldest first. A request that takes the
/// call out of a queue carries the control ID of the entry.
#[derive(Default)]
pub(crate) struct QueueEntries {
    entries: Vec<(Box<str>, Box<str>)>,
}

impl QueueEntries {
    pub(crate) fn enter(&mut self, queue: &str, control_id: &str) {
        self.entries.retain(|(of, _)| **of != *queue);
        if self.entries.len() >= QUEUE_ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push((queue.into(), control_id.into()));
    }

    /// The control ID of the entry in a queue.
    pub(crate) fn control_id(&self, queue: &str) -> Option<Box<str>> {
        self.entries.iter().find(|(of, _)| **of == *queue).map(|(_, control_id)| control_id.clone())
    }

    /// The queue of the entry with this control ID.
    pub(crate) fn queue(&self, control_id: &str) -> Option<Box<str>> {
        self.entries.iter().find(|(_, of)| **of == *control_id).map(|(queue, _)| queue.clone())
    }

    pub(crate) fn leave(&mut self, control_id: &str) {
        self.entries.retain(|(_, of)| **of != *control_id);
    }
}
