//! The execution of people's scripts.

use crate::simulator::people::person::{Ending, Greeting, Open};
use crate::simulator::people::plan::PersonKind;
use crate::simulator::people::script::{Act, Occasion};
use crate::simulator::people::speech::{span, speaking_seconds};
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::world::calls::State;
use crate::simulator::world::state::World;
use std::time::Duration;

/// Number of heard texts that are kept for a number.
const HEARD_KEPT: usize = 10_000;

/// Longest time, in real time, that a machine's greeting waits for a request of the program on the call.
///
/// The program's own reaction is not scaled: without this, at a high speed the greeting would be over before the
/// fastest program could have listened to it.
const GREETING_WAITS: Duration = Duration::from_millis(250);

impl World {
    pub(crate) fn person_name(&self, person: u64) -> String {
        self.numbers.person(person).map_or_else(String::new, |person| person.name.clone())
    }

    /// Continues the script of the person of a call.
    pub(crate) fn act_at(&mut self, call_id: &str) {
        if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
            self.act(person);
        }
    }

    /// Continues a script as far as possible.
    pub(crate) fn act(&mut self, id: u64) {
        while let Some(act) = self.next_act(id) {
            match act {
                Act::Waits(wait) => self.busy_for(id, wait),
                Act::Presses(keys, before_each) => self.press_slowly(id, &keys, before_each),
                Act::Says(text, clearly) => {
                    let lasts = self.say(id, text, clearly);
                    self.busy_for(id, lasts);
                }
                Act::HangsUp => self.hang_up(id),
            }
        }
    }

    /// The person's next act; `None` while they are busy, wait for something, or are done.
    fn next_act(&mut self, id: u64) -> Option<Act> {
        let person = self.numbers.person(id).filter(|person| person.is_free())?;
        let open = self.open(&person.call);
        self.numbers.person_mut(id)?.next(&open)
    }

    /// The occasions on a call that a script may wait for.
    fn open(&self, call_id: &str) -> Open {
        let mut occasions = Vec::new();
        for (key, running) in self.calls.get(call_id).iter().flat_map(|leg| &leg.running) {
            let what = running.what.as_ref();
            let asks = |which: Occasion| Some((which, (*key, what?.occasion(which)?)));
            occasions.extend(Occasion::ALL.into_iter().filter_map(asks));
        }
        Open { occasions, put_through: self.is_put_through(call_id) }
    }

    fn busy_for(&mut self, id: u64, wait: Duration) {
        if let Some(person) = self.numbers.person_mut(id) {
            person.busy = true;
            self.after(wait, move |world| {
                if let Some(person) = world.numbers.person_mut(id) {
                    person.busy = false;
                }
                world.act(id);
            });
        }
    }

    fn press_slowly(&mut self, id: u64, keys: &str, before_each: Duration) {
        let shown = self.shown_keys(id, keys);
        let Some(person) = self.numbers.person_mut(id) else { return };
        person.busy = true;
        let mut wait = Duration::ZERO;
        let last = keys.chars().count();
        for (at, key) in keys.chars().enumerate() {
            wait = wait.saturating_add(before_each);
            let last_shown = (at + 1 == last).then(|| shown.clone());
            self.after(wait, move |world| {
                if let Some(shown) = last_shown.filter(|_| world.is_on_call(id)) {
                    world.has_pressed(id, &shown);
                }
                world.press_key(id, key);
            });
        }
        self.after(wait, move |world| {
            if let Some(person) = world.numbers.person_mut(id) {
                person.busy = false;
            }
            world.act(id);
        });
    }

    /// Digits as the transcript shows them: those of a card stay hidden.
    fn shown_keys(&self, id: u64, keys: &str) -> String {
        let pays = self
            .numbers
            .person(id)
            .and_then(|person| self.calls.get(&person.call))
            .is_some_and(|leg| leg.runs(&["pay"]));
        if pays {
            keys.chars().map(|key| if key.is_ascii_digit() { '*' } else { key }).collect()
        } else {
            keys.to_owned()
        }
    }

    fn is_on_call(&self, id: u64) -> bool {
        self.numbers.person(id).is_some_and(|person| person.ending.is_none())
    }

    fn press_key(&mut self, id: u64, key: char) {
        if let Some(call) = self.numbers.person(id).map(|person| person.call.clone()) {
            self.key_pressed(&call, key);
        }
    }

    /// Presses digits, all at once.
    pub(crate) fn press(&mut self, id: u64, keys: &str) {
        if !self.is_on_call(id) {
            return;
        }
        let shown = self.shown_keys(id, keys);
        self.has_pressed(id, &shown);
        keys.chars().for_each(|key| self.press_key(id, key));
    }

    /// Notes that a person pressed digits, as they are shown.
    fn has_pressed(&mut self, id: u64, shown: &str) {
        let Some(person) = self.numbers.person(id) else { return };
        let (name, call) = (person.name.clone(), person.call.clone());
        self.tell(format!("{name} pressed {shown}"));
        self.did(InteractionKind::Pressed, &name, Some(&call), shown);
    }

    /// Begins to speak, recognizably or not; returns the duration.
    pub(crate) fn say(&mut self, id: u64, text: String, clearly: bool) -> Duration {
        let lasts = span(speaking_seconds(&text));
        let Some(call) =
            self.numbers.person(id).filter(|person| person.ending.is_none()).map(|person| person.call.clone())
        else {
            return lasts;
        };
        let name = self.person_name(id);
        self.tell(format!("{name} {}: {text}", if clearly { "says" } else { "mumbles" }));
        self.did(InteractionKind::Spoke, &name, Some(&call), &text);
        self.speech_begins(&call, &text);
        self.after(lasts, move |world| world.speech_ends(&call, &text, clearly));
        lasts
    }

    pub(crate) fn hang_up(&mut self, id: u64) {
        let Some(person) = self.numbers.person(id).filter(|person| person.ending.is_none()) else { return };
        let (call, name) = (person.call.clone(), person.name.clone());
        let answered = person.answered;
        if self.person_declines(&call, "decline") {
            return;
        }
        self.tell(format!("{name} hung up"));
        self.end_call(&call, if answered { "hangup" } else { "abandoned" }, "inbound");
    }

    /// Ends the patience of a person.
    pub(crate) fn gives_up(&mut self, call_id: &str) {
        if let Some(person) = self.calls.get(call_id).filter(|leg| leg.state < State::Answered).map(|leg| leg.person) {
            self.hang_up(person);
        }
    }

    // Events that reach people.

    pub(crate) fn person_answered(&mut self, id: u64) {
        let Some(person) = self.numbers.person_mut(id) else { return };
        person.answered = true;
        if let PersonKind::Machine(machine) = &person.kind {
            let deaf = machine.deaf();
            let lasts = self.time.real(deaf);
            if let Some(person) = self.numbers.person_mut(id) {
                person.greeting = Greeting::Due(lasts);
            }
            self.after_real(GREETING_WAITS, move |world| world.greeting_begins(id));
        }
        self.act(id);
    }

    /// Begins the greeting of a machine, unless it has begun.
    pub(crate) fn greeting_begins(&mut self, id: u64) {
        let Some(person) = self.numbers.person_mut(id) else { return };
        if let Greeting::Due(lasts) = person.greeting {
            person.greeting = Greeting::Ends(self.time.after(lasts));
            let PersonKind::Machine(machine) = &person.kind else { return };
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

    /// Notes that a person begins to hear a text.
    pub(crate) fn hears(&mut self, id: u64, text: &str) {
        let now = self.time.now();
        let Some(person) = self.numbers.person_mut(id) else { return };
        let name = person.name.clone();
        let over_greeting = person.greets(now);
        if !over_greeting {
            person.heard.push(text.to_owned());
            let call = person.call.clone();
            self.did(InteractionKind::Heard, &name, Some(&call), text);
        }
        if let Some(plan) = self.numbers.plan_mut(&name) {
            let list = if over_greeting { &mut plan.said_over_greeting } else { &mut plan.heard };
            if list.len() < HEARD_KEPT {
                list.push(text.to_owned());
            }
        }
        let how = if over_greeting { "greeting was talked over with" } else { "heard" };
        self.tell(format!("{name} {how}: {text}"));
        self.act(id);
    }

    /// Notes that a person has heard a text to its end.
    pub(crate) fn heard_out(&mut self, id: u64, text: Option<String>) {
        if let (Some(person), Some(text)) = (self.numbers.person_mut(id), text) {
            let name = person.name.clone();
            person.heard_out.push(text.clone());
            if let Some(plan) = self.numbers.plan_mut(&name).filter(|plan| plan.heard_out.len() < HEARD_KEPT) {
                plan.heard_out.push(text);
            }
        }
        self.act(id);
    }

    pub(crate) fn hears_digits(&mut self, id: u64, digits: &str) {
        let Some(person) = self.numbers.person_mut(id) else { return };
        person.digits_heard.push_str(digits);
        let name = person.name.clone();
        if let Some(plan) = self.numbers.plan_mut(&name) {
            if plan.digits_heard.len() < HEARD_KEPT {
                plan.digits_heard.push_str(digits);
            }
        }
        self.tell(format!("{name} heard the digits {digits}"));
    }

    /// Notes the end of a person's call.
    pub(crate) fn person_left(&mut self, id: u64, ending: Ending) {
        let Some(person) = self.numbers.person_mut(id) else { return };
        let name = person.name.clone();
        let line = match (ending.by_program, person.answered) {
            (true, true) => Some(format!("{name} was hung up on by the program ({})", ending.reason)),
            (true, false) => Some(format!("the call of {name} was ended by the program ({})", ending.reason)),
            _ => None,
        };
        person.ending = Some(ending);
        if person.handles == 0 {
            self.numbers.remove_person(id);
        }
        if let Some(line) = line {
            self.tell(line);
        }
    }

    /// Notes that a handle to a person was dropped.
    pub(crate) fn let_go(&mut self, id: u64) {
        if let Some(person) = self.numbers.person_mut(id) {
            person.handles = person.handles.saturating_sub(1);
            if person.handles == 0 && person.ending.is_some() {
                self.numbers.remove_person(id);
            }
        }
    }
}
