//! Conferences and queues, and the calls in them.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::simulator::world::calls::CallId;

/// Calls that hear each other.
pub(crate) struct Conference {
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) limit: usize,
    pub(crate) started: bool,
    pub(crate) members: Vec<Member>,
    pub(crate) recording: Option<(String, Instant)>,
}

/// A call in a conference.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) call_id: CallId,
    pub(crate) muted: bool,
    pub(crate) coaches: Option<CallId>,
    pub(crate) starts: bool,
    pub(crate) ends: bool,
}

impl Conference {
    pub(crate) fn at(&self, call_id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.call_id == call_id)
    }

    /// The calls on which a member is heard.
    pub(crate) fn listeners(&self, speaker: &str) -> Vec<CallId> {
        let Some(member) = self.at(speaker).and_then(|at| self.members.get(at)) else { return Vec::new() };
        let others = self.members.iter().filter(|other| other.call_id != speaker);
        let hears = |other: &&Member| member.coaches.as_ref().is_none_or(|coached| other.call_id == *coached);
        if self.started && !member.muted {
            others.filter(hears).map(|other| other.call_id.clone()).collect()
        } else {
            Vec::new()
        }
    }
}

/// Calls that wait in line.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) id: String,
    pub(crate) waiting: Vec<CallId>,
    /// Waiting times of the calls that left: their number, and the sum in microseconds.
    pub(crate) waited: (u64, u64),
}

/// The conferences and queues, by their names.
#[derive(Default)]
pub(crate) struct Meetings {
    conferences: BTreeMap<String, Conference>,
    queues: BTreeMap<String, Queue>,
}

impl Meetings {
    pub(crate) fn conference(&self, name: &str) -> Option<&Conference> {
        self.conferences.get(name)
    }

    pub(crate) fn conference_mut(&mut self, name: &str) -> Option<&mut Conference> {
        self.conferences.get_mut(name)
    }

    /// The conference with this name; creates it if there is none.
    pub(crate) fn conference_or(&mut self, name: &str, new: impl FnOnce() -> Conference) -> &mut Conference {
        self.conferences.entry(name.to_owned()).or_insert_with(new)
    }

    pub(crate) fn end_conference(&mut self, name: &str) -> Option<Conference> {
        self.conferences.remove(name)
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.get(name)
    }

    pub(crate) fn queue_mut(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.get_mut(name)
    }

    /// The queue with this name; creates it if there is none.
    pub(crate) fn queue_or_new(&mut self, name: &str) -> &mut Queue {
        self.queues.entry(name.to_owned()).or_default()
    }
}
