//! Activities on calls: the switchboard begins them, passes occasions to them, and carries out their steps.
//!
//! Steps are carried out one after the other, each with all its consequences before the next. If an activity has ended
//! in the meantime, its own remaining steps, events and alarms, are skipped.
//!
//! Where the documentation of the service is silent: a prompt stops at the first digit or word; digits that no
//! operation waits for are lost; pausing a paused operation, or resuming a running one, is rejected with 409; an
//! operation that the end of its call cuts short ends as the state tables say (`finished`, for digits `error`), one
//! that creates a file (a recording, a fax, a transcription) right after `ended`.

use serde_json::{Value, json};

use crate::simulator::people::plan::PersonKind;
use crate::simulator::switchboard::dispatch;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Step, Steps, Turn, Verb, View};
use crate::simulator::verbs::bindings::KEYS_KEPT;
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse};
use crate::simulator::world::calls::{Leg, Running, State};
use crate::simulator::world::state::World;

/// The kind of person at the end of a line that is not set up.
static NOBODY: PersonKind = PersonKind::Person;

impl World {
    // Beginning activities, and requests to running ones.

    /// Handles a request for a verb.
    pub(crate) fn begin(&mut self, verb: &'static Verb, call_id: &str, params: &Params) -> Reply {
        let Some(view) = self.calls.get(call_id).map(|leg| self.view(leg)) else {
            return refuse(404, "Call does not exist");
        };
        let mut out = Steps::default();
        let begun = (verb.begin)(params, &view, &mut out);
        match begun {
            Ok(Begun::Runs(activity, fields)) => {
                let control_id = verb.has_control_id().then(|| text(params, "control_id").unwrap_or_default());
                if let Some(control_id) = control_id {
                    self.reserve(call_id, control_id)?;
                }
                let key = self.ids.number();
                let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
                leg.running.insert(key, Running::new(control_id.map(str::to_owned), activity));
                let person = leg.person;
                if control_id.is_some() {
                    self.greeting_begins(person);
                }
                self.carry_out(call_id, key, out);
                Ok(fields)
            }
            Ok(Begun::Done(fields)) => {
                self.carry_out(call_id, 0, out);
                Ok(fields)
            }
            Ok(Begun::Passes(family, command)) => {
                self.carry_out(call_id, 0, out);
                let leg = self.calls.get(call_id);
                let found = leg.and_then(|leg| leg.running.iter().find(|(_, running)| running.family == family));
                let Some(key) = found.map(|(key, _)| *key) else { return refuse(404, "Nothing of it is running") };
                self.tell_activity(call_id, key, |activity, call, out| activity.command(command, params, call, out))
                    .unwrap_or_else(|| refuse(404, "Nothing of it is running"))
            }
            Err(refusal) => {
                self.carry_out(call_id, 0, out);
                Err(refusal)
            }
        }
    }

    /// Takes a control ID, which is used once on a call.
    pub(crate) fn reserve(&mut self, call_id: &str, control_id: &str) -> Result<(), Refusal> {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.control_ids.insert(control_id.to_owned()) {
            self.violation(format!("call {call_id}: the control_id {control_id} was used before"));
            return refuse(409, "control_id is in use");
        }
        Ok(())
    }

    /// Handles a request for the activity with a control ID.
    pub(crate) fn command(&mut self, call_id: &str, family: &str, command: &str, params: &Params) -> Reply {
        let control_id = text(params, "control_id").unwrap_or_default();
        let found = self.calls.get(call_id).and_then(|leg| {
            let named = |running: &&Running| running.control_id.as_deref() == Some(control_id);
            let (key, running) = leg.running.iter().find(|(_, running)| named(running))?;
            running.what.as_ref()?.takes(family, command).then_some(*key)
        });
        let Some(key) = found else {
            return self.no_such_operation(call_id, control_id, &format!("calling.{family}.{command}"));
        };
        self.tell_activity(call_id, key, |activity, call, out| activity.command(command, params, call, out))
            .unwrap_or_else(|| refuse(404, "No such operation"))
    }

    // The view of verbs.

    fn view<'a>(&'a self, leg: &'a Leg) -> View<'a> {
        let now = self.time.now();
        let person = self.numbers.person(leg.person);
        View {
            now,
            unix: self.time.unix(),
            speed: self.time.speed(),
            call_id: &leg.call_id,
            node_id: &leg.node_id,
            has_tag: leg.tag.is_some(),
            inbound: leg.inbound,
            own_address: leg.own_address(),
            person: person.map_or("", |person| &person.name),
            kind: person.map_or(&NOBODY, |person| &person.kind),
            greeting_left: person.map_or(0.0, |person| person.greeting_left(now).as_secs_f64()) * self.time.speed(),
            speaking: leg.speaking.as_ref().map(|(said, _)| said.as_str()),
            pressed: &leg.pressed,
            running: leg.running.values().map(|running| running.family).collect(),
            project: &self.settings.project,
            script: self.numbers.script(),
            methods: dispatch::methods(),
            allow_unknown_fields: self.settings.allow_unknown_fields,
            ids: &self.ids,
        }
    }

    // Occasions on a call.

    /// Passes an occasion to one activity, and carries out its decisions. Does nothing if it has ended.
    fn tell_activity<A>(
        &mut self,
        call_id: &str,
        key: u64,
        hook: impl FnOnce(&mut dyn Activity, &View<'_>, &mut Steps) -> A,
    ) -> Option<A> {
        let mut what = self.running(call_id, key)?.what.take()?;
        let mut out = Steps::default();
        let answer = self.calls.get(call_id).map(|leg| hook(what.as_mut(), &self.view(leg), &mut out));
        if let Some(running) = self.running(call_id, key) {
            running.what = Some(what);
        }
        self.carry_out(call_id, key, out);
        answer
    }

    /// Passes an occasion to all activities that match: attached ones in their order, then operations from the oldest
    /// on.
    fn tell_all(
        &mut self,
        call_id: &str,
        fits: impl Fn(&Running) -> bool,
        hook: impl Fn(&mut dyn Activity, &View<'_>, &mut Steps),
    ) {
        for key in self.keys(call_id, fits) {
            self.tell_activity(call_id, key, &hook);
        }
    }

    fn keys(&self, call_id: &str, fits: impl Fn(&Running) -> bool) -> Vec<u64> {
        let Some(leg) = self.calls.get(call_id) else { return Vec::new() };
        let fitting = leg.running.iter().filter(|(_, running)| fits(running));
        let mut keys: Vec<(Turn, u64)> = fitting.map(|(key, running)| (running.turn, *key)).collect();
        // Operations and files are in one order.
        keys.sort_unstable_by_key(|(turn, key)| (if *turn == Turn::File { Turn::Operation } else { *turn }, *key));
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Handles a digit that is pressed on the phone of a call's person.
    pub(crate) fn key_pressed(&mut self, call_id: &str, pressed: char) {
        let Some(leg) = self.calls.get(call_id).filter(|leg| leg.state == State::Answered) else { return };
        let peer = leg.peer.as_ref().and_then(|peer| self.calls.get(peer)).map(|peer| peer.person);
        self.tell_all(call_id, Running::is_operation, |activity, call, out| activity.key(pressed, call, out));
        if let Some(peer) = peer {
            self.hears_digits(peer, &pressed.to_string());
        }
        self.tell_all(
            call_id,
            |running| !running.is_operation(),
            |activity, call, out| {
                activity.key(pressed, call, out);
            },
        );
        if let Some(leg) = self.calls.get_mut(call_id) {
            if leg.pressed.len() == KEYS_KEPT {
                leg.pressed.remove(0);
            }
            leg.pressed.push(pressed.to_ascii_uppercase());
        }
    }

    /// Notes that the person of a call begins to speak.
    pub(crate) fn speech_begins(&mut self, call_id: &str, said: &str) {
        let now = self.time.now();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = Some((said.to_owned(), now));
        self.tell_all(call_id, |_| true, |activity, call, out| activity.speech_begins(said, call, out));
    }

    /// Notes that the person of a call stops speaking.
    pub(crate) fn speech_ends(&mut self, call_id: &str, said: &str, clearly: bool) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = None;
        self.tell_all(call_id, |_| true, |activity, call, out| activity.speech_ends(said, clearly, call, out));
        self.overheard(call_id, said);
    }

    /// Passes words that were said on a call to its activities.
    pub(crate) fn overhears(&mut self, call_id: &str, who: Role, said: &str) {
        self.tell_all(call_id, |_| true, |activity, call, out| activity.overhears(who, said, call, out));
    }

    fn alarm(&mut self, call_id: &str, key: u64, name: &'static str, nth: u64, timer: u64) {
        let Some(running) = self.running(call_id, key) else { return };
        if running.alarms.get(&(name, nth)) == Some(&timer) {
            running.alarms.remove(&(name, nth));
            self.tell_activity(call_id, key, |activity, call, out| activity.alarm(name, nth, call, out));
        }
    }

    // The end of a call.

    /// Ends the attached activities of a call; with `quietly`, without their events.
    pub(crate) fn detach(&mut self, call_id: &str, quietly: bool) {
        for key in self.keys(call_id, |running| !running.is_operation()) {
            if !quietly {
                self.tell_activity(call_id, key, |activity, call, out| activity.ends(Ends::CallEnded, call, out));
            }
            self.take(call_id, key);
        }
    }

    /// Ends an operation because its call has ended or been handed over.
    pub(crate) fn cut_off(&mut self, leg: &Leg, running: Running) {
        let Some(mut what) = running.what else { return };
        let mut out = Steps::default();
        what.ends(Ends::CallEnded, &self.view(leg), &mut out);
        for step in out {
            match step {
                Step::Emit(event, mut more) | Step::End(Some((event, mut more))) => {
                    more["control_id"] = running.control_id.clone().into();
                    self.emit(&leg.session, event, leg.event(event, more));
                }
                Step::Announce(event, more) => self.emit(&leg.session, event, leg.event(event, more)),
                Step::Tell(line) => self.tell(line),
                Step::Did(kind, words, lasted) => {
                    let name = self.person_name(leg.person);
                    self.did_for(kind, &name, Some(&leg.call_id), &words, lasted);
                }
                // The person is no longer on the line.
                _ => {}
            }
        }
    }

    // Steps.

    fn carry_out(&mut self, call_id: &str, key: u64, steps: Steps) {
        for step in steps {
            self.carry_out_step(call_id, key, step);
        }
    }

    fn carry_out_step(&mut self, call_id: &str, key: u64, step: Step) {
        match step {
            Step::Emit(event, more) => {
                let control_id = self.running(call_id, key).map(|running| running.control_id.clone());
                if let Some(control_id) = control_id {
                    self.emit_with(call_id, event, control_id, more);
                }
            }
            Step::Announce(event, more) => self.emit_on(call_id, event, more),
            Step::End(last) => {
                let ended = self.take(call_id, key);
                if let (Some(running), Some((event, more))) = (ended, last) {
                    self.emit_with(call_id, event, running.control_id, more);
                }
            }
            Step::Alarm(name, nth, seconds) => {
                let timer = self.ids.number();
                let Some(running) = self.running(call_id, key) else { return };
                running.alarms.insert((name, nth), timer);
                let id = call_id.to_owned();
                self.after_seconds(seconds, move |world| world.alarm(&id, key, name, nth, timer));
            }
            Step::Disarm(name, nth) => {
                if let Some(running) = self.running(call_id, key) {
                    running.alarms.remove(&(name, nth));
                }
            }
            Step::Did(kind, words, lasted) => {
                if let Some(person) = self.person_of(call_id, Role::Remote) {
                    let name = self.person_name(person);
                    self.did_for(kind, &name, Some(call_id), &words, lasted);
                }
            }
            Step::Tell(line) => self.tell(line),
            Step::Hears(who, text) => {
                if let Some(person) = self.person_of(call_id, who) {
                    self.hears(person, &text);
                }
            }
            Step::HeardOut(who, text) => {
                if let Some(person) = self.person_of(call_id, who) {
                    self.heard_out(person, text);
                }
            }
            Step::HearsDigits(digits) => {
                if let Some(person) = self.person_of(call_id, Role::Remote) {
                    self.hears_digits(person, &digits);
                }
            }
            Step::GoesOn => self.act_at(call_id),
            Step::Greets => {
                if let Some(person) = self.person_of(call_id, Role::Remote) {
                    self.greeting_begins(person);
                }
            }
            Step::Faxed(document) => {
                let name = self.person_of(call_id, Role::Remote).map(|person| self.person_name(person));
                if let Some(plan) = name.and_then(|name| self.numbers.plan_mut(&name)) {
                    plan.faxes.push(document);
                }
            }
            Step::Violation(what) => self.violation(what),
            Step::Run(method, params) => self.run_bound(call_id, &method, &params),
        }
    }

    /// Sends an event of a call, with a control ID if there is one.
    fn emit_with(&mut self, call_id: &str, event: &'static str, control_id: Option<String>, mut more: Value) {
        if let Some(control_id) = control_id {
            more["control_id"] = control_id.into();
        }
        self.emit_on(call_id, event, more);
    }

    /// Runs a method as if the program had sent it.
    fn run_bound(&mut self, call_id: &str, method: &str, params: &Params) {
        if let (Some(leg), Some(control_id)) = (self.calls.get_mut(call_id), text(params, "control_id")) {
            if leg.operation(control_id).is_none() {
                leg.control_ids.remove(control_id);
            }
        }
        let name = self.person_of(call_id, Role::Remote).map(|person| self.person_name(person));
        self.tell(format!("the keys of {} ran {method}", name.unwrap_or_default()));
        if let Err(refusal) = self.dispatch_call(call_id, method, params) {
            let error = format!("{method}: {}", refusal.message);
            self.emit_on(call_id, "calling.error", json!({"error": error, "fatal": false}));
        }
    }

    /// The person of a call, or the connected person.
    fn person_of(&self, call_id: &str, who: Role) -> Option<u64> {
        let leg = self.calls.get(call_id)?;
        match who {
            Role::Remote => Some(leg.person),
            Role::Local => self.calls.get(leg.peer.as_ref()?).map(|peer| peer.person),
        }
    }

    fn running(&mut self, call_id: &str, key: u64) -> Option<&mut Running> {
        self.calls.get_mut(call_id)?.running.get_mut(&key)
    }

    fn take(&mut self, call_id: &str, key: u64) -> Option<Running> {
        self.calls.get_mut(call_id)?.running.remove(&key)
    }
}
