//! Calls: the state of one leg.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::simulator::verbs::activity::{Activity, Turn};

/// The ID of a session.
pub(crate) type SessionId = String;
/// The ID of a call.
pub(crate) type CallId = String;

/// One leg of a call.
pub(crate) struct Leg {
    pub(crate) call_id: CallId,
    pub(crate) node_id: String,
    pub(crate) segment_id: String,
    /// The session that controls the call; empty until it is offered to one.
    pub(crate) session: SessionId,
    pub(crate) tag: Option<String>,
    pub(crate) context: String,
    pub(crate) inbound: bool,
    pub(crate) device: Value,
    pub(crate) state: State,
    /// Times of the call's beginning, answer and end, in epoch milliseconds.
    pub(crate) times: [u64; 3],
    pub(crate) winner: bool,
    pub(crate) person: u64,
    /// The activities on the call, oldest first.
    pub(crate) running: BTreeMap<u64, Running>,
    pub(crate) control_ids: HashSet<String>,
    /// The leg that the call is bridged to.
    pub(crate) peer: Option<CallId>,
    /// The call on whose behalf `calling.connect` created this leg.
    pub(crate) parent: Option<CallId>,
    /// The attempt to reach a person that the call belongs to, while the attempt runs.
    pub(crate) attempt: Option<u64>,
    /// The sessions that passed the call.
    pub(crate) passed: Vec<SessionId>,
    /// The time since when the call's person speaks, and the words.
    pub(crate) speaking: Option<(String, Instant)>,
    /// The last digits that the call's person pressed.
    pub(crate) pressed: String,
    pub(crate) held: bool,
    /// The name of the conference that the call is in.
    pub(crate) conference: Option<String>,
    pub(crate) stay: Option<QueueEntry>,
    pub(crate) referring: bool,
    /// Another application has handed the call over, and it has not been answered since.
    pub(crate) handed_over: bool,
}

/// A call's stay in a queue.
pub(crate) struct QueueEntry {
    pub(crate) control_id: String,
    pub(crate) queue: String,
    pub(crate) status_url: String,
    pub(crate) entered: u64,
    pub(crate) mark: u64,
}

/// An activity on a call.
pub(crate) struct Running {
    pub(crate) control_id: Option<String>,
    pub(crate) family: &'static str,
    pub(crate) turn: Turn,
    /// The alarms that are set, and the number of their timer.
    pub(crate) alarms: BTreeMap<(&'static str, u64), u64>,
    /// The activity; `None` while an occasion is passed to it.
    pub(crate) what: Option<Box<dyn Activity>>,
}

impl Running {
    pub(crate) fn new(control_id: Option<String>, what: Box<dyn Activity>) -> Self {
        let (family, turn) = (what.family(), what.turn());
        Self { control_id, family, turn, alarms: BTreeMap::new(), what: Some(what) }
    }

    /// `true` if the activity is an operation, and not only attached to the call.
    pub(crate) fn is_operation(&self) -> bool {
        !matches!(self.turn, Turn::Attached(_))
    }
}

/// An attempt to reach a person: groups ring one after another, the devices of a group at once, and the first answer
/// wins.
pub(crate) struct Attempt {
    pub(crate) session: SessionId,
    /// The call to which the winner is bridged; `None` for a dial.
    pub(crate) parent: Option<CallId>,
    pub(crate) tag: String,
    pub(crate) groups: VecDeque<Vec<Value>>,
    pub(crate) ringing: Vec<CallId>,
    pub(crate) timeout: Option<f64>,
    pub(crate) digits: Option<String>,
    pub(crate) reason: String,
}

/// The state of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Created,
    Ringing,
    Answered,
    Ending,
    Ended,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

/// Events that name their call, and neither its segment nor its tag.
const WITHOUT_SEGMENT: &[&str] = &[
    "calling.call.play",
    "calling.call.collect",
    "calling.call.send_digits",
    "calling.call.pay",
    "calling.call.queue",
    "calling.error",
];

impl Leg {
    /// A new leg: its ID and segment, its ends, and its person.
    pub(crate) fn new(ids: (CallId, String), node_id: String, person: u64, inbound: bool, device: Value) -> Self {
        Self {
            call_id: ids.0,
            node_id,
            segment_id: ids.1,
            session: String::new(),
            tag: None,
            context: String::new(),
            inbound,
            device,
            state: State::Created,
            times: [0; 3],
            winner: false,
            person,
            running: BTreeMap::new(),
            control_ids: HashSet::new(),
            peer: None,
            parent: None,
            attempt: None,
            passed: Vec::new(),
            speaking: None,
            pressed: String::new(),
            held: false,
            conference: None,
            stay: None,
            referring: false,
            handed_over: false,
        }
    }

    /// The number or address of the program's side.
    pub(crate) fn own_address(&self) -> &str {
        let keys = if self.inbound { ["to_number", "to"] } else { ["from_number", "from"] };
        let params = &self.device["params"];
        keys.iter().find_map(|key| params[key].as_str()).unwrap_or_default()
    }

    /// The operations on the call, oldest first, without attached activities.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Running> {
        self.running.values().filter(|running| running.is_operation())
    }

    /// The operation with this control ID.
    pub(crate) fn operation(&self, control_id: &str) -> Option<&Running> {
        self.operations().find(|running| running.control_id.as_deref() == Some(control_id))
    }

    /// `true` if an activity of one of these families runs on the call.
    pub(crate) fn runs(&self, families: &[&str]) -> bool {
        self.running.values().any(|running| families.contains(&running.family))
    }

    /// The fields of all events of a call.
    fn base(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("node_id".into(), self.node_id.clone().into());
        fields.insert("call_id".into(), self.call_id.clone().into());
        fields.insert("segment_id".into(), self.segment_id.clone().into());
        if let Some(tag) = &self.tag {
            fields.insert("tag".into(), tag.clone().into());
        }
        fields
    }

    pub(crate) fn state_event(&self) -> Map<String, Value> {
        let mut fields = self.base();
        fields.insert("call_state".into(), self.state.name().into());
        fields.insert("direction".into(), if self.inbound { "inbound" } else { "outbound" }.into());
        fields.insert("device".into(), self.device.clone());
        for (name, value) in ["start_time", "answer_time", "end_time"].into_iter().zip(self.times) {
            fields.insert(name.into(), value.into());
        }
        if self.winner {
            fields.insert("dial_winner".into(), "true".into());
        }
        if let Some(parent) = &self.parent {
            fields.insert("parent".into(), json!({"call_id": parent, "node_id": self.node_id, "device_type": "phone"}));
        }
        if let Some(peer) = &self.peer {
            fields.insert("peer".into(), json!({"call_id": peer, "node_id": self.node_id}));
        }
        fields
    }

    /// The event of the call's end.
    pub(crate) fn end_event(&self, reason: &str, source: &str) -> Value {
        let mut fields = self.state_event();
        fields.insert("call_state".into(), State::Ended.name().into());
        fields.insert("end_reason".into(), reason.into());
        fields.insert("end_source".into(), source.into());
        Value::Object(fields)
    }

    /// An event of an operation or a bridge on this call.
    pub(crate) fn event(&self, event_type: &str, more: Value) -> Value {
        let mut fields = self.base();
        if WITHOUT_SEGMENT.contains(&event_type) {
            fields.remove("segment_id");
            fields.remove("tag");
        }
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        Value::Object(fields)
    }
}

/// The calls, those that wait to be offered, and the attempts to reach a person.
#[derive(Default)]
pub(crate) struct Calls {
    legs: HashMap<CallId, Leg>,
    unrouted: VecDeque<CallId>,
    attempts: BTreeMap<u64, Attempt>,
}

impl Calls {
    pub(crate) fn get(&self, call_id: &str) -> Option<&Leg> {
        self.legs.get(call_id)
    }

    pub(crate) fn get_mut(&mut self, call_id: &str) -> Option<&mut Leg> {
        self.legs.get_mut(call_id)
    }

    pub(crate) fn add(&mut self, leg: Leg) {
        self.legs.insert(leg.call_id.clone(), leg);
    }

    pub(crate) fn remove(&mut self, call_id: &str) -> Option<Leg> {
        self.legs.remove(call_id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }

    /// Lets a call wait until a session is subscribed to its context.
    pub(crate) fn waits(&mut self, call_id: &str) {
        self.unrouted.push_back(call_id.to_owned());
    }

    pub(crate) fn waits_no_more(&mut self, call_id: &str) {
        self.unrouted.retain(|waiting| waiting != call_id);
    }

    pub(crate) fn take_waiting(&mut self) -> VecDeque<CallId> {
        std::mem::take(&mut self.unrouted)
    }

    pub(crate) fn attempts(&self) -> impl Iterator<Item = (u64, &Attempt)> {
        self.attempts.iter().map(|(id, attempt)| (*id, attempt))
    }

    pub(crate) fn attempt(&self, id: u64) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    pub(crate) fn attempt_mut(&mut self, id: u64) -> Option<&mut Attempt> {
        self.attempts.get_mut(&id)
    }

    pub(crate) fn add_attempt(&mut self, id: u64, attempt: Attempt) {
        self.attempts.insert(id, attempt);
    }

    pub(crate) fn end_attempt(&mut self, id: u64) -> Option<Attempt> {
        self.attempts.remove(&id)
    }
}
