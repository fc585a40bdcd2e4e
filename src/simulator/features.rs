//! What is switched on for a call, what it takes part in, and who hears what is said on it.

use super::agents::Agent;
use super::bindings::Binding;
use super::live::Live;
use super::queues::Stay;
use super::sidecar::Sidecar;
use super::world::World;

/// What a call has beside its operations.
#[derive(Default)]
pub(super) struct Features {
    pub(super) held: bool,
    pub(super) denoised: bool,
    /// The echo that runs, so that a timer of an earlier one means nothing.
    pub(super) echo: Option<u64>,
    pub(super) bindings: Vec<Binding>,
    /// The keys pressed since a binding was triggered.
    pub(super) keys: String,
    pub(super) transcription: Option<Live>,
    pub(super) translation: Option<Live>,
    pub(super) room: Option<String>,
    /// The name of the conference.
    pub(super) conference: Option<String>,
    pub(super) stay: Option<Stay>,
    pub(super) agent: Option<Agent>,
    pub(super) sidecar: Option<Sidecar>,
    pub(super) referring: bool,
    /// Another application has handed the call over, and nobody has answered it since.
    pub(super) handed_over: bool,
}

impl World {
    /// What a call switches off and leaves when it ends; quietly, without the events that would say so.
    pub(super) fn leave_everything(&mut self, call_id: &str, quietly: bool) {
        if quietly {
            let Some(leg) = self.calls.get_mut(call_id) else { return };
            let features = &mut leg.features;
            (features.echo, features.transcription, features.translation) = (None, None, None);
            (features.room, features.agent, features.sidecar) = (None, None, None);
        }
        self.end_echo(call_id, None);
        self.end_live(call_id, false);
        self.end_live(call_id, true);
        self.end_agent(call_id, false);
        self.end_sidecar(call_id);
        let _ = self.on_leave_room(call_id);
        self.leave_queue(call_id, !quietly);
        self.leave_conference(call_id);
    }

    /// Whether the person of a call can talk to somebody else.
    pub(super) fn is_put_through(&self, call_id: &str) -> bool {
        let Some(leg) = self.calls.get(call_id) else { return false };
        let conference = leg.features.conference.as_ref().and_then(|name| self.conferences.get(name));
        leg.peer.is_some() || conference.is_some_and(|conference| conference.started && conference.members.len() > 1)
    }

    /// The calls on which the person of a call is heard.
    fn listeners(&self, call_id: &str) -> Vec<String> {
        let Some(leg) = self.calls.get(call_id).filter(|leg| !leg.features.held) else { return Vec::new() };
        let mut listeners: Vec<String> = leg.peer.iter().cloned().collect();
        if let Some(conference) = leg.features.conference.as_ref().and_then(|name| self.conferences.get(name)) {
            listeners.extend(conference.listeners(call_id));
        }
        listeners.retain(|other| self.calls.get(other).is_some_and(|leg| !leg.features.held));
        if leg.features.echo.is_some() {
            listeners.push(call_id.to_owned());
        }
        listeners
    }

    /// The person of a call has said something: others hear it, and so does what listens to the call.
    pub(super) fn overheard(&mut self, call_id: &str, said: &str) {
        self.transcribe_live(call_id, "remote-caller", said);
        self.agent_hears(call_id, said);
        for other in self.listeners(call_id) {
            if other != call_id {
                self.transcribe_live(&other, "local-caller", said);
            }
            if let Some(person) = self.calls.get(&other).map(|leg| leg.person) {
                self.hears(person, said);
                self.heard_out(person, Some(said.to_owned()));
            }
        }
    }
}
