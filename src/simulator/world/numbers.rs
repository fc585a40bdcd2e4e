//! Numbers: the people on the phone, the plans of numbers, the outcomes of text messages.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::simulator::people::person::Person;
use crate::simulator::people::plan::NumberPlan;
use crate::simulator::verbs::activity::AgentScript;

/// Number of the program's text messages that are kept.
const TEXTS_KEPT: usize = 50_000;

/// The outcome of a text message to a number.
#[derive(Clone, Debug, Default)]
pub(crate) enum Outlook {
    #[default]
    Delivered,
    Undelivered(String),
    Failed(String),
    /// The service rejects the message.
    Refused(i64, String),
}

/// The outcomes of successive text messages to a number; the last one applies to all further messages.
#[derive(Debug, Default)]
pub(crate) struct Outlooks(VecDeque<Outlook>);

impl Outlooks {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn add(&mut self, outlook: Outlook) {
        self.0.push_back(outlook);
    }

    pub(crate) fn next(&mut self) -> Outlook {
        let last = self.0.len() < 2;
        let next = if last { self.0.front().cloned() } else { self.0.pop_front() };
        next.unwrap_or_default()
    }
}

/// A text message of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// Number of the sender.
    pub from: String,
    /// Number of the recipient.
    pub to: String,
    /// Text of the message. Empty if it has media only.
    pub body: String,
    /// The URLs of the message's media.
    pub media: Vec<String>,
}

/// The numbers that are set up, and the people on the phone.
#[derive(Default)]
pub(crate) struct Numbers {
    people: HashMap<u64, Person>,
    plans: HashMap<String, NumberPlan>,
    /// The plan of every number that is not set up.
    unlisted: NumberPlan,
    outlooks: HashMap<String, Outlooks>,
    texts_sent: Vec<Text>,
    /// Text messages for contexts without a subscribed session.
    unrouted: VecDeque<(String, Value)>,
    script: AgentScript,
}

impl Numbers {
    pub(crate) fn person(&self, id: u64) -> Option<&Person> {
        self.people.get(&id)
    }

    pub(crate) fn person_mut(&mut self, id: u64) -> Option<&mut Person> {
        self.people.get_mut(&id)
    }

    pub(crate) fn add_person(&mut self, id: u64, person: Person) {
        self.people.insert(id, person);
    }

    pub(crate) fn remove_person(&mut self, id: u64) {
        self.people.remove(&id);
    }

    /// All people on a call at this number, in the order of the calls.
    pub(crate) fn people_at(&self, number: &str) -> Vec<u64> {
        let there = |person: &Person| person.name == number && person.answered && person.ending.is_none();
        let mut all: Vec<u64> = self.people.iter().filter(|(_, person)| there(person)).map(|(id, _)| *id).collect();
        all.sort_unstable();
        all
    }

    /// The plan of a number that is set up.
    pub(crate) fn plan(&self, number: &str) -> Option<&NumberPlan> {
        self.plans.get(number)
    }

    pub(crate) fn plan_mut(&mut self, number: &str) -> Option<&mut NumberPlan> {
        self.plans.get_mut(number)
    }

    /// The plan of a number; for a number that is not set up, a copy of the plan of unlisted numbers.
    pub(crate) fn plan_or_new(&mut self, number: &str) -> &mut NumberPlan {
        self.plans.entry(number.to_owned()).or_insert_with(|| self.unlisted.of_another())
    }

    /// The plan of every number that is not set up.
    pub(crate) fn unlisted(&mut self) -> &mut NumberPlan {
        &mut self.unlisted
    }

    /// The outcomes of text messages to a number.
    pub(crate) fn outlooks(&mut self, number: &str) -> &mut Outlooks {
        self.outlooks.entry(number.to_owned()).or_default()
    }

    /// The outcome of the next text message to a number.
    pub(crate) fn next_outlook(&mut self, number: &str) -> Outlook {
        self.outlooks.get_mut(number).map(Outlooks::next).unwrap_or_default()
    }

    pub(crate) fn text_sent(&mut self, text: Text) {
        if self.texts_sent.len() < TEXTS_KEPT {
            self.texts_sent.push(text);
        }
    }

    pub(crate) fn texts_sent(&self) -> &[Text] {
        &self.texts_sent
    }

    /// Lets a text message wait for a session that is subscribed to its context.
    pub(crate) fn text_waits(&mut self, context: String, event: Value) {
        self.unrouted.push_back((context, event));
    }

    pub(crate) fn take_unrouted(&mut self) -> VecDeque<(String, Value)> {
        std::mem::take(&mut self.unrouted)
    }

    /// The sentences of AI agents.
    pub(crate) fn script(&self) -> &AgentScript {
        &self.script
    }

    pub(crate) fn script_mut(&mut self) -> &mut AgentScript {
        &mut self.script
    }
}
