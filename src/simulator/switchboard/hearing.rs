//! The parties that hear each other on a call.

use crate::simulator::verbs::activity::Role;
use crate::simulator::world::state::World;

impl World {
    /// Takes a call that ends out of its conference, room and queue; with `quietly`, without the events for that.
    pub(crate) fn leave_everything(&mut self, call_id: &str, quietly: bool) {
        self.detach(call_id, quietly);
        self.leave_queue(call_id, !quietly);
        self.leave_conference(call_id);
    }

    /// `true` if the person of a call can talk to another person.
    pub(crate) fn is_put_through(&self, call_id: &str) -> bool {
        let Some(leg) = self.calls.get(call_id) else { return false };
        let conference = leg.conference.as_ref().and_then(|name| self.meetings.conference(name));
        leg.peer.is_some() || conference.is_some_and(|conference| conference.started && conference.members.len() > 1)
    }

    /// The calls on which the person of a call is heard.
    fn listeners(&self, call_id: &str) -> Vec<String> {
        let Some(leg) = self.calls.get(call_id).filter(|leg| !leg.held) else { return Vec::new() };
        let mut listeners: Vec<String> = leg.peer.iter().cloned().collect();
        if let Some(conference) = leg.conference.as_ref().and_then(|name| self.meetings.conference(name)) {
            listeners.extend(conference.listeners(call_id));
        }
        listeners.retain(|other| self.calls.get(other).is_some_and(|leg| !leg.held));
        if leg.runs(&["echo"]) {
            listeners.push(call_id.to_owned());
        }
        listeners
    }

    /// Passes the words of a call's person to the connected people and to the activities that listen.
    pub(crate) fn overheard(&mut self, call_id: &str, said: &str) {
        self.overhears(call_id, Role::Remote, said);
        for other in self.listeners(call_id) {
            if other != call_id {
                self.overhears(&other, Role::Local, said);
            }
            if let Some(person) = self.calls.get(&other).map(|leg| leg.person) {
                self.hears(person, said);
                self.heard_out(person, Some(said.to_owned()));
            }
        }
    }
}
