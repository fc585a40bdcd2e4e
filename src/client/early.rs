//! Events for a call or a message that is not known yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use crate::protocol::frame::{Envelope, OwnedEnvelope};
use crate::steps::{Key, step};

/// Size of an entry besides its texts, in bytes.
const ENTRY: usize = 256;

/// An event that waits for its call or message.
pub(super) struct Early {
    /// ID of the call or message.
    id: Key,
    pub(super) envelope: OwnedEnvelope,
    until: Instant,
    bytes: usize,
}

impl Early {
    pub(super) fn id(&self) -> &str {
        self.id.as_str()
    }

    fn is_of_message(&self) -> bool {
        self.envelope.borrow().event_type == "messaging.state"
    }
}

/// The early events, in the order of arrival, and by ID. Adding or removing an event takes constant time, however many
/// stay.
#[derive(Default)]
pub(super) struct EarlyEvents {
    events: BTreeMap<u64, Early>,
    by_id: HashMap<Key, VecDeque<u64>>,
    made: u64,
    bytes: usize,
}

impl EarlyEvents {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Total size of the events in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, id: &str, envelope: &Envelope<'_>, until: Instant) {
        step();
        let bytes = envelope.bytes() + 2 * id.len() + ENTRY;
        let id = Key::from(id);
        self.made += 1;
        self.bytes += bytes;
        self.by_id.entry(id.clone()).or_default().push_back(self.made);
        self.events.insert(self.made, Early { id, envelope: envelope.to_owned(), until, bytes });
    }

    /// Takes out the events of an ID, in order.
    pub(super) fn take(&mut self, id: &str) -> Vec<Early> {
        step();
        let Some(numbers) = self.by_id.remove(id) else { return Vec::new() };
        let taken: Vec<Early> = numbers.iter().filter_map(|at| self.events.remove(at)).collect();
        self.bytes -= taken.iter().map(|early| early.bytes).sum::<usize>();
        taken
    }

    pub(super) fn pop_oldest(&mut self) -> Option<Early> {
        let at = *self.events.first_key_value()?.0;
        self.remove(at)
    }

    fn remove(&mut self, at: u64) -> Option<Early> {
        step();
        let early = self.events.remove(&at)?;
        self.bytes -= early.bytes;
        if let Some(numbers) = self.by_id.get_mut(&early.id) {
            // This is nearly always the first one, because events leave in the order of arrival.
            if numbers.front() == Some(&at) {
                numbers.pop_front();
            } else {
                numbers.retain(|number| {
                    step();
                    *number != at
                });
            }
            if numbers.is_empty() {
                self.by_id.remove(&early.id);
            }
        }
        Some(early)
    }

    /// Takes out the events that expired before `now`. States of messages stay while the response with a message's ID
    /// may be on its way.
    pub(super) fn expire(&mut self, now: Instant, sending: bool) -> Vec<Early> {
        let is_due = |(at, early): (&u64, &Early)| {
            step();
            (!(sending && early.is_of_message())).then_some(*at)
        };
        let due: Vec<u64> = self.events.iter().take_while(|(_, early)| early.until <= now).filter_map(is_due).collect();
        due.into_iter().filter_map(|at| self.remove(at)).collect()
    }

    /// The next expiry after `now`.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let is_later = |early: &&Early| {
            step();
            early.until > now
        };
        self.events.values().find(is_later).map(|early| early.until)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
