//! How people act out their scripts.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::simulator::switchboard::activities::Operation;
use crate::simulator::switchboard::calls::State;
use crate::simulator::verbs::play::speaking_seconds;
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::world::state::{CallId, World, span};

/// How much of what was heard is kept for a number.
const HEARD_KEPT: usize = 10_000;

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    WhenAskedForDigits,
    WhenAskedToSpeak,
    WhenAskedToPay,
    AfterHearing(String),
    WhileHearing(String),
    WhenRecorded,
    WhenPutThrough,
    Waits(Duration),
    /// Keys, and the time before each.
    Presses(String, Duration),
    Says(String),
    Mumbles(String),
    HangsUp,
}

/// What is at the other end of a line.
#[derive(Clone, Debug, Default)]
pub enum Kind {
    #[default]
    Person,
    Machine(Machine),
    Fax(FaxManner),
    Silent,
}

/// An answering machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) greeting: String,
    pub(crate) beep: bool,
    /// How long the greeting is.
    pub(crate) lasts: Duration,
    /// Between the greeting and the beep.
    pub(crate) pause: Duration,
    /// How long it listens before it hangs up.
    pub(crate) listens: Option<Duration>,
}

impl Machine {
    pub(crate) fn new(greeting: String, beep: bool) -> Self {
        let lasts = span(speaking_seconds(&greeting));
        Self { greeting, beep, lasts, pause: Duration::ZERO, listens: None }
    }

    /// How long it does not listen.
    fn deaf(&self) -> Duration {
        if self.beep { self.lasts.saturating_add(self.pause) } else { self.lasts }
    }
}

/// What a fax machine does.
#[derive(Clone, Debug)]
pub struct FaxManner {
    pub(crate) pages: u32,
    /// Behind how many pages it fails, and why.
    pub(crate) fails: Option<(u32, String)>,
}

impl Default for FaxManner {
    fn default() -> Self {
        Self { pages: 2, fails: None }
    }
}

/// What a number does when it is dialled.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Answers(Duration),
    Busy,
    NoAnswer,
    Declines,
    NotFound,
}

/// What is known of a number, before and after its calls.
#[derive(Debug)]
pub(crate) struct NumberPlan {
    pub(crate) manner: Manner,
    pub(crate) kind: Kind,
    pub(crate) script: Vec<Step>,
    pub(crate) times_called: usize,
    pub(crate) said_over_greeting: Vec<String>,
    pub(crate) heard: Vec<String>,
    pub(crate) digits_heard: String,
    pub(crate) faxes: Vec<String>,
}

impl Default for NumberPlan {
    fn default() -> Self {
        Self {
            manner: Manner::Answers(Duration::from_secs(2)),
            kind: Kind::Person,
            script: Vec::new(),
            times_called: 0,
            said_over_greeting: Vec::new(),
            heard: Vec::new(),
            digits_heard: String::new(),
            faxes: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) reason: String,
    pub(crate) by_program: bool,
}

/// How long a machine's greeting waits, in real time, for the program to do something on the call.
///
/// The program's own reaction is not scaled: without this, at a high speed the greeting would be over before the
/// fastest program could have listened to it.
const GREETING_WAITS: Duration = Duration::from_millis(250);

/// How far a machine is with its greeting.
#[derive(Clone, Copy, Debug)]
enum Greeting {
    None,
    /// It is about to begin, and will last so long in real time.
    Due(Duration),
    Ends(Option<Instant>),
}

/// Somebody on a call.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) call: CallId,
    pub(crate) kind: Kind,
    script: Vec<Step>,
    at: usize,
    /// A step is under way.
    busy: bool,
    pub(crate) heard: Vec<String>,
    heard_out: Vec<String>,
    heard_used: usize,
    heard_out_used: usize,
    pub(crate) digits_heard: String,
    /// Occasions that a step has waited for already: operations, and parts of a payment.
    used: HashSet<u64>,
    greeting: Greeting,
    pub(crate) passed: bool,
    pub(crate) answered: bool,
    pub(crate) ending: Option<Ending>,
    /// Handles that may still ask about them.
    pub(crate) handles: usize,
}

impl Person {
    pub(crate) fn new(name: &str, kind: Kind, script: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            call: String::new(),
            kind,
            script,
            at: 0,
            busy: false,
            heard: Vec::new(),
            heard_out: Vec::new(),
            heard_used: 0,
            heard_out_used: 0,
            digits_heard: String::new(),
            used: HashSet::new(),
            greeting: Greeting::None,
            passed: false,
            answered: false,
            ending: None,
            handles: 0,
        }
    }
}

/// Finds a text among what was heard since the last time, and uses it up.
fn find(heard: &[String], used: &mut usize, wanted: &str) -> bool {
    match heard.iter().skip(*used).position(|text| text.to_lowercase().contains(wanted)) {
        Some(at) => {
            *used += at + 1;
            true
        }
        None => false,
    }
}

impl World {
    pub(crate) fn person_name(&self, person: u64) -> String {
        self.people.get(&person).map_or_else(String::new, |person| person.name.clone())
    }

    /// Goes on with the script of the person of a call.
    pub(crate) fn act_at(&mut self, call_id: &str) {
        if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
            self.act(person);
        }
    }

    /// Goes on with a script as far as it goes now.
    pub(crate) fn act(&mut self, person: u64) {
        while self.one_step(person) {}
    }

    /// Does one step; false when the person is busy, waits for something, or is done.
    fn one_step(&mut self, id: u64) -> bool {
        let Some(person) = self.people.get_mut(&id) else { return false };
        if person.busy || person.ending.is_some() || !person.answered {
            return false;
        }
        let Some(step) = person.script.get(person.at).cloned() else { return false };
        let happened = match &step {
            Step::AfterHearing(text) => find(&person.heard_out, &mut person.heard_out_used, text),
            Step::WhileHearing(text) => find(&person.heard, &mut person.heard_used, text),
            Step::WhenAskedForDigits => self.use_operation(id, Operation::asks_for_digits),
            Step::WhenAskedToSpeak => self.use_operation(id, Operation::asks_for_words),
            Step::WhenAskedToPay => self.use_operation(id, Operation::asks_to_pay),
            Step::WhenRecorded => self.use_operation(id, Operation::records),
            Step::WhenPutThrough => {
                let call = person.call.clone();
                self.is_put_through(&call)
            }
            Step::Waits(_) | Step::Presses(..) | Step::Says(_) | Step::Mumbles(_) | Step::HangsUp => true,
        };
        if !happened {
            return false;
        }
        let Some(person) = self.people.get_mut(&id) else { return false };
        person.at += 1;
        match step {
            Step::Waits(wait) => self.busy_for(id, wait),
            Step::Presses(keys, before_each) => self.press_slowly(id, &keys, before_each),
            Step::Says(text) => {
                let lasts = self.say(id, text, true);
                self.busy_for(id, lasts);
            }
            Step::Mumbles(text) => {
                let lasts = self.say(id, text, false);
                self.busy_for(id, lasts);
            }
            Step::HangsUp => self.hang_up(id),
            _ => {}
        }
        true
    }

    /// Finds an occasion on the person's call that no step has waited for yet.
    fn use_operation(&mut self, id: u64, occasion: fn(&Operation) -> Option<u64>) -> bool {
        let Some(person) = self.people.get_mut(&id) else { return false };
        let Some(leg) = self.calls.get(&person.call) else { return false };
        let found = leg.operations.values().filter_map(occasion).find(|occasion| !person.used.contains(occasion));
        found.is_some_and(|occasion| person.used.insert(occasion))
    }

    fn busy_for(&mut self, id: u64, wait: Duration) {
        if let Some(person) = self.people.get_mut(&id) {
            person.busy = true;
            self.after(wait, move |world| {
                if let Some(person) = world.people.get_mut(&id) {
                    person.busy = false;
                }
                world.act(id);
            });
        }
    }

    fn press_slowly(&mut self, id: u64, keys: &str, before_each: Duration) {
        let shown = self.shown_keys(id, keys);
        let Some(person) = self.people.get_mut(&id) else { return };
        let name = person.name.clone();
        person.busy = true;
        let mut wait = Duration::ZERO;
        let last = keys.chars().count();
        for (at, key) in keys.chars().enumerate() {
            wait = wait.saturating_add(before_each);
            let line = (at + 1 == last).then(|| format!("{name} pressed {shown}"));
            self.after(wait, move |world| {
                if let Some(line) = line.filter(|_| world.is_on_call(id)) {
                    world.tell(line);
                }
                world.press_key(id, key);
            });
        }
        self.after(wait, move |world| {
            if let Some(person) = world.people.get_mut(&id) {
                person.busy = false;
            }
            world.act(id);
        });
    }

    /// Keys as the transcript shows them: those of a card stay hidden.
    fn shown_keys(&self, id: u64, keys: &str) -> String {
        let pays = self.people.get(&id).is_some_and(|person| self.runs(&person.call, &["pay"]));
        if pays {
            keys.chars().map(|key| if key.is_ascii_digit() { '*' } else { key }).collect()
        } else {
            keys.to_owned()
        }
    }

    fn is_on_call(&self, id: u64) -> bool {
        self.people.get(&id).is_some_and(|person| person.ending.is_none())
    }

    fn press_key(&mut self, id: u64, key: char) {
        if let Some(call) = self.people.get(&id).map(|person| person.call.clone()) {
            self.key_pressed(&call, key);
        }
    }

    /// Presses keys at once.
    pub(crate) fn press(&mut self, id: u64, keys: &str) {
        if !self.is_on_call(id) {
            return;
        }
        let (name, shown) = (self.person_name(id), self.shown_keys(id, keys));
        self.tell(format!("{name} pressed {shown}"));
        keys.chars().for_each(|key| self.press_key(id, key));
    }

    /// Begins to speak, so that it can be understood or not; gives how long it will take.
    pub(crate) fn say(&mut self, id: u64, text: String, clearly: bool) -> Duration {
        let lasts = span(speaking_seconds(&text));
        let Some(call) =
            self.people.get(&id).filter(|person| person.ending.is_none()).map(|person| person.call.clone())
        else {
            return lasts;
        };
        let name = self.person_name(id);
        self.tell(format!("{name} {}: {text}", if clearly { "says" } else { "mumbles" }));
        self.speech_begins(&call, &text);
        self.after(lasts, move |world| world.speech_ends(&call, &text, clearly));
        lasts
    }

    pub(crate) fn hang_up(&mut self, id: u64) {
        let Some(person) = self.people.get(&id).filter(|person| person.ending.is_none()) else { return };
        let (call, name) = (person.call.clone(), person.name.clone());
        let answered = person.answered;
        self.tell(format!("{name} hung up"));
        self.end_call(&call, if answered { "hangup" } else { "abandoned" }, "inbound");
    }

    /// Everybody who is on a call at this number, in the order of the calls.
    pub(crate) fn people_at(&self, number: &str) -> Vec<u64> {
        let mut there: Vec<u64> = self
            .people
            .iter()
            .filter(|(_, person)| person.name == number && person.answered && person.ending.is_none())
            .map(|(id, _)| *id)
            .collect();
        there.sort_unstable();
        there
    }

    /// Somebody's patience is over.
    pub(crate) fn gives_up(&mut self, call_id: &str) {
        if let Some(person) = self.calls.get(call_id).filter(|leg| leg.state < State::Answered).map(|leg| leg.person) {
            self.hang_up(person);
        }
    }

    // What happens to people.

    pub(crate) fn person_answered(&mut self, id: u64) {
        let Some(person) = self.people.get_mut(&id) else { return };
        person.answered = true;
        if let Kind::Machine(machine) = &person.kind {
            let deaf = machine.deaf();
            let lasts = self.real(deaf);
            if let Some(person) = self.people.get_mut(&id) {
                person.greeting = Greeting::Due(lasts);
            }
            self.after_real(GREETING_WAITS, move |world| world.greeting_begins(id));
        }
        self.act(id);
    }

    /// A machine begins its greeting, unless it has.
    pub(crate) fn greeting_begins(&mut self, id: u64) {
        let Some(person) = self.people.get_mut(&id) else { return };
        if let Greeting::Due(lasts) = person.greeting {
            person.greeting = Greeting::Ends(self.clock.after(lasts));
            let Kind::Machine(machine) = &person.kind else { return };
            let (name, greeting, beep, listens) =
                (person.name.clone(), machine.greeting.clone(), machine.beep, machine.listens);
            self.tell(format!("{name} plays the greeting: {greeting}"));
            self.after_real(lasts, move |world| {
                if world.is_on_call(id) {
                    world.tell(format!("{name} {}", if beep { "beeped" } else { "listens" }));
                }
                if let Some(listens) = listens {
                    world.after(listens, move |world| world.hang_up(id));
                }
            });
        }
    }

    /// How much of a machine's greeting is still to come, in simulated seconds.
    pub(crate) fn greeting_left(&self, call_id: &str) -> f64 {
        let left = match self.calls.get(call_id).and_then(|leg| self.people.get(&leg.person)).map(|p| p.greeting) {
            Some(Greeting::Due(lasts)) => lasts,
            Some(Greeting::Ends(Some(ends))) => ends.saturating_duration_since(self.clock.now()),
            _ => Duration::ZERO,
        };
        left.as_secs_f64() * self.settings.speed
    }

    /// Somebody begins to hear something.
    pub(crate) fn hears(&mut self, id: u64, text: &str) {
        let now = self.clock.now();
        let Some(person) = self.people.get_mut(&id) else { return };
        let name = person.name.clone();
        let over_greeting = match person.greeting {
            Greeting::None => false,
            Greeting::Due(_) => true,
            Greeting::Ends(ends) => ends.is_none_or(|ends| now < ends),
        };
        if !over_greeting {
            person.heard.push(text.to_owned());
            let call = person.call.clone();
            self.did(DeedKind::Heard, &name, Some(&call), text);
        }
        if let Some(plan) = self.plans.get_mut(&name) {
            let list = if over_greeting { &mut plan.said_over_greeting } else { &mut plan.heard };
            if list.len() < HEARD_KEPT {
                list.push(text.to_owned());
            }
        }
        let how = if over_greeting { "greeting was talked over with" } else { "heard" };
        self.tell(format!("{name} {how}: {text}"));
        self.act(id);
    }

    /// Something that a person heard is over.
    pub(crate) fn heard_out(&mut self, id: u64, text: Option<String>) {
        if let (Some(person), Some(text)) = (self.people.get_mut(&id), text) {
            person.heard_out.push(text);
        }
        self.act(id);
    }

    pub(crate) fn hears_digits(&mut self, id: u64, digits: &str) {
        let Some(person) = self.people.get_mut(&id) else { return };
        person.digits_heard.push_str(digits);
        let name = person.name.clone();
        if let Some(plan) = self.plans.get_mut(&name) {
            if plan.digits_heard.len() < HEARD_KEPT {
                plan.digits_heard.push_str(digits);
            }
        }
        self.tell(format!("{name} heard the digits {digits}"));
    }

    /// A person's call has ended.
    pub(crate) fn person_left(&mut self, id: u64, ending: Ending) {
        let Some(person) = self.people.get_mut(&id) else { return };
        let name = person.name.clone();
        let line = match (ending.by_program, person.answered) {
            (true, true) => Some(format!("{name} was hung up on by the program ({})", ending.reason)),
            (true, false) => Some(format!("the call of {name} was ended by the program ({})", ending.reason)),
            _ => None,
        };
        person.ending = Some(ending);
        if person.handles == 0 {
            self.people.remove(&id);
        }
        if let Some(line) = line {
            self.tell(line);
        }
    }

    /// A handle on a person is gone.
    pub(crate) fn let_go(&mut self, id: u64) {
        if let Some(person) = self.people.get_mut(&id) {
            person.handles = person.handles.saturating_sub(1);
            if person.handles == 0 && person.ending.is_some() {
                self.people.remove(&id);
            }
        }
    }
}
