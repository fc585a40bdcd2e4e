//! Which calls take part in which conference.

use std::collections::HashMap;

/// The IDs of the calls that take part in a conference, by the conference's name.
#[derive(Default)]
pub(crate) struct Conferences {
    calls: HashMap<Box<str>, Vec<Box<str>>>,
}

impl Conferences {
    pub(crate) fn enter(&mut self, conference: &str, call_id: &str) {
        self.calls.entry(conference.into()).or_default().push(call_id.into());
    }

    pub(crate) fn leave(&mut self, conference: &str, call_id: &str) {
        let Some(calls) = self.calls.get_mut(conference) else { return };
        if let Some(at) = calls.iter().position(|of| **of == *call_id) {
            calls.swap_remove(at);
        }
        if calls.is_empty() {
            self.calls.remove(conference);
        }
    }

    /// The IDs of the calls in a conference.
    pub(crate) fn calls(&self, conference: &str) -> impl Iterator<Item = &str> {
        self.calls.get(conference).into_iter().flatten().map(|id| &**id)
    }

    /// Number of conferences.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}
