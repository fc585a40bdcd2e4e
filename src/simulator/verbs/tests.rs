//! A call for the unit tests of verbs: without socket and clock, and with no other verb on it.

mod exercise;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::simulator::people::plan::PersonKind;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::ALL;
use crate::simulator::verbs::activity::{Activity, AgentScript, Begun, Ends, Role, Step, Steps, Verb, View};
use crate::simulator::wire::ids::Ids;
use crate::simulator::wire::reply::{Params, Refusal, Reply};
use crate::simulator::wire::schema::Methods;

/// A running verb, and all its decisions.
pub(crate) struct Rig {
    activity: Option<Box<dyn Activity>>,
    kind: PersonKind,
    began: Instant,
    seconds: f64,
    alarms: Vec<(f64, &'static str, u64)>,
    done: Vec<Step>,
    pub(crate) script: AgentScript,
    methods: Methods,
    ids: Ids,
    pressed: String,
}

impl Rig {
    pub(crate) fn begin(verb: &Verb, params: Value) -> Result<Self, Refusal> {
        Self::begin_with(PersonKind::Person, verb, params)
    }

    pub(crate) fn begin_with(kind: PersonKind, verb: &Verb, params: Value) -> Result<Self, Refusal> {
        let mut rig = Self {
            activity: None,
            kind,
            began: Instant::now(),
            seconds: 0.0,
            alarms: Vec::new(),
            done: Vec::new(),
            script: AgentScript::default(),
            methods: Methods::new(ALL.iter().map(|verb| (verb.method, verb.fields))),
            ids: Ids::new(Some(1)),
            pressed: String::new(),
        };
        let mut out = Steps::default();
        let begun = (verb.begin)(&fields(params), &rig.view(Vec::new()), &mut out)?;
        if let Begun::Runs(activity, _) = begun {
            rig.activity = Some(activity);
        }
        rig.carry_out(out);
        Ok(rig)
    }

    fn view(&self, running: Vec<&'static str>) -> View<'_> {
        View {
            now: self.began + Duration::from_secs_f64(self.seconds),
            unix: 1_780_000_000.0 + self.seconds,
            speed: 1.0,
            call_id: "call",
            node_id: "node",
            has_tag: false,
            inbound: true,
            own_address: "+15559990000",
            person: "+15551230000",
            kind: &self.kind,
            greeting_left: 0.0,
            speaking: None,
            pressed: &self.pressed,
            running,
            project: "project",
            script: &self.script,
            methods: &self.methods,
            allow_unknown_fields: false,
            ids: &self.ids,
        }
    }

    fn told_of<A>(&mut self, hook: impl FnOnce(&mut dyn Activity, &View<'_>, &mut Steps) -> A) -> Option<A> {
        let mut activity = self.activity.take()?;
        let mut out = Steps::default();
        let view = self.view(vec![activity.family()]);
        let answer = hook(activity.as_mut(), &view, &mut out);
        self.activity = Some(activity);
        self.carry_out(out);
        Some(answer)
    }

    fn carry_out(&mut self, out: Steps) {
        for step in out {
            match &step {
                Step::Alarm(name, nth, seconds) => {
                    self.alarms.retain(|(_, known, of)| (known, of) != (name, nth));
                    self.alarms.push((self.seconds + seconds, name, *nth));
                }
                Step::Disarm(name, nth) => self.alarms.retain(|(_, known, of)| (known, of) != (name, nth)),
                Step::End(_) => self.activity = None,
                _ => {}
            }
            self.done.push(step);
        }
    }

    /// Lets time pass, with its alarms.
    pub(crate) fn pass(&mut self, seconds: f64) {
        let until = self.seconds + seconds;
        while let Some(at) = self.next_alarm(until) {
            let (due, name, nth) = self.alarms.remove(at);
            self.seconds = due;
            self.told_of(|activity, call, out| activity.alarm(name, nth, call, out));
        }
        self.seconds = until;
    }

    fn next_alarm(&self, until: f64) -> Option<usize> {
        let due = self.alarms.iter().enumerate().filter(|(_, alarm)| alarm.0 <= until);
        due.min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(at, _)| at)
    }

    pub(crate) fn command(&mut self, command: &str, params: Value) -> Reply {
        let params = fields(params);
        self.told_of(|activity, call, out| activity.command(command, &params, call, out)).expect("it runs")
    }

    pub(crate) fn presses(&mut self, keys: &str) {
        for key in keys.chars() {
            self.told_of(|activity, call, out| activity.key(key, call, out));
            self.pressed.push(key);
        }
    }

    /// Lets the person say a text, without taking time.
    pub(crate) fn says(&mut self, words: &str) {
        self.told_of(|activity, call, out| activity.speech_begins(words, call, out));
        self.told_of(|activity, call, out| activity.speech_ends(words, true, call, out));
        self.overhears(Role::Remote, words);
    }

    pub(crate) fn overhears(&mut self, who: Role, words: &str) {
        self.told_of(|activity, call, out| activity.overhears(who, words, call, out));
    }

    pub(crate) fn call_ends(&mut self) {
        self.told_of(|activity, call, out| activity.ends(Ends::CallEnded, call, out));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.activity.is_none()
    }

    pub(crate) fn done(&self) -> &[Step] {
        &self.done
    }

    /// The events, in order.
    pub(crate) fn told(&self) -> Vec<(&'static str, Value)> {
        let event = |step: &Step| match step {
            Step::Emit(event, more) | Step::Announce(event, more) | Step::End(Some((event, more))) => {
                Some((*event, more.clone()))
            }
            _ => None,
        };
        self.done.iter().filter_map(event).collect()
    }

    /// The texts that the person heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = |step: &Step| match step {
            Step::Hears(Role::Remote, text) => Some(text.clone()),
            _ => None,
        };
        self.done.iter().filter_map(heard).collect()
    }

    /// The interactions of the program at the end, without its words.
    pub(crate) fn interactions(&self) -> Vec<(InteractionKind, String)> {
        let interaction = |step: &Step| match step {
            Step::Did(kind, words, _) if *kind != InteractionKind::Said => Some((*kind, words.clone())),
            _ => None,
        };
        self.done.iter().filter_map(interaction).collect()
    }
}

pub(crate) fn fields(params: Value) -> Params {
    params.as_object().cloned().expect("tests give objects")
}

#[test]
fn every_verb_has_a_method_of_its_own_and_ends_with_its_call() {
    let mut methods: Vec<&str> = ALL.iter().map(|verb| verb.method).collect();
    methods.sort_unstable();
    methods.dedup();
    assert_eq!(methods.len(), ALL.len());
    for (verb, params) in [
        ("calling.play", json!({"play": [{"type": "silence", "params": {"duration": 9}}]})),
        ("calling.record", json!({})),
        ("calling.collect", json!({"digits": {"max": 1}})),
        ("calling.detect", json!({"detect": {"type": "digit", "params": {}}})),
        ("calling.send_digits", json!({"digits": "1"})),
        ("calling.receive_fax", json!({})),
        ("calling.pay", json!({"payment_connector_url": "https://x"})),
        ("calling.tap", json!({"device": {"type": "ws", "params": {"uri": "ws://x"}}})),
        ("calling.transcribe", json!({})),
        ("calling.live_transcribe", json!({"action": {"start": {}}})),
        ("calling.ai", json!({"prompt": {}})),
        ("calling.ai_sidecar", json!({})),
        ("calling.denoise", json!({})),
        ("calling.echo", json!({})),
        ("calling.join_room", json!({"name": "r"})),
        ("calling.bind_digit", json!({"digits": "1", "bind_method": "calling.denoise"})),
    ] {
        let verb = ALL.iter().find(|known| known.method == verb).expect("a row");
        let mut rig = Rig::begin(verb, params).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", verb.method));
        assert!(!rig.is_over(), "{}", verb.method);
        rig.call_ends();
        assert!(rig.is_over(), "{}", verb.method);
        let begun = rig.told().len();
        rig.pass(1000.0);
        assert_eq!(rig.told().len(), begun, "{} tells something after its end", verb.method);
    }
}
