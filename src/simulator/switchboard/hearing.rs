//! What is switched on for a call, what it takes part in, and who hears what is said on it.

use crate::simulator::switchboard::queue::Stay;
use crate::simulator::verbs::ai::Agent;
use crate::simulator::verbs::bindings::Binding;
use crate::simulator::verbs::live::Live;
use crate::simulator::verbs::sidecar::Sidecar;
use crate::simulator::world::state::World;

/// What a call has beside its operations.
#[derive(Default)]
pub(crate) struct Features {
    pub(crate) held: bool,
    pub(crate) denoised: bool,
    /// The echo that runs, so that a timer of an earlier one means nothing.
    pub(crate) echo: Option<u64>,
    pub(crate) bindings: Vec<Binding>,
    /// The keys pressed since a binding was triggered.
    pub(crate) keys: String,
    pub(crate) transcription: Option<Live>,
    pub(crate) translation: Option<Live>,
    pub(crate) room: Option<String>,
    /// The name of the conference.
    pub(crate) conference: Option<String>,
    pub(crate) stay: Option<Stay>,
    pub(crate) agent: Option<Agent>,
    pub(crate) sidecar: Option<Sidecar>,
    pub(crate) referring: bool,
    /// Another application has handed the call over, and nobody has answered it since.
    pub(crate) handed_over: bool,
}

impl World {
    /// What a call switches off and leaves when it ends; quietly, without the events that would say so.
    pub(crate) fn leave_everything(&mut self, call_id: &str, quietly: bool) {
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
    pub(crate) fn is_put_through(&self, call_id: &str) -> bool {
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
    pub(crate) fn overheard(&mut self, call_id: &str, said: &str) {
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
