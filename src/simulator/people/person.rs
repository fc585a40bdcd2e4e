//! A person on a call: the heard texts, and the progress of the script.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::simulator::people::plan::PersonKind;
use crate::simulator::people::script::{Act, Occasion, Step};

/// The reason of the end of a person's call, and the side that ended it.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) reason: String,
    pub(crate) by_program: bool,
}

/// The progress of a machine's greeting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Greeting {
    None,
    /// The greeting is about to begin, and will last this long in real time.
    Due(Duration),
    Ends(Option<Instant>),
}

/// The key that distinguishes one occasion from others: the operation, and the number of its question.
pub(crate) type Question = (u64, u64);

/// The occasions on a call that a script may wait for.
pub(crate) struct Open {
    /// The occasions, those of the oldest operation first.
    pub(crate) occasions: Vec<(Occasion, Question)>,
    pub(crate) put_through: bool,
}

/// A person on a call. The person has no access to the call: the occasions to wait for are handed in.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) call: String,
    pub(crate) kind: PersonKind,
    script: Vec<Step>,
    at: usize,
    /// `true` while a step is carried out.
    pub(crate) busy: bool,
    pub(crate) heard: Vec<String>,
    pub(crate) heard_out: Vec<String>,
    heard_used: usize,
    heard_out_used: usize,
    pub(crate) digits_heard: String,
    /// Occasions that a step has waited for already.
    used: HashSet<Question>,
    pub(crate) greeting: Greeting,
    pub(crate) passed: bool,
    pub(crate) answered: bool,
    pub(crate) ending: Option<Ending>,
    /// Number of handles that may still read the person.
    pub(crate) handles: usize,
}

impl Person {
    pub(crate) fn new(name: &str, kind: PersonKind, script: Vec<Step>) -> Self {
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

    /// `true` if the script may continue: the person is on the phone and idle.
    pub(crate) fn is_free(&self) -> bool {
        !self.busy && self.ending.is_none() && self.answered && self.at < self.script.len()
    }

    /// The person's next act. `None` while they are busy, wait for something, or are done.
    pub(crate) fn next(&mut self, open: &Open) -> Option<Act> {
        while self.is_free() {
            let step = self.script.get(self.at)?.clone();
            let happened = match &step {
                Step::AfterHearing(text) => find(&self.heard_out, &mut self.heard_out_used, text),
                Step::WhileHearing(text) => find(&self.heard, &mut self.heard_used, text),
                Step::When(occasion) => self.uses(*occasion, open),
                Step::WhenPutThrough => open.put_through,
                Step::Waits(_) | Step::Presses(..) | Step::Says(_) | Step::Mumbles(_) | Step::HangsUp => true,
            };
            if !happened {
                return None;
            }
            self.at += 1;
            match step {
                Step::Waits(wait) => return Some(Act::Waits(wait)),
                Step::Presses(keys, before_each) => return Some(Act::Presses(keys, before_each)),
                Step::Says(text) => return Some(Act::Says(text, true)),
                Step::Mumbles(text) => return Some(Act::Says(text, false)),
                Step::HangsUp => return Some(Act::HangsUp),
                _ => {}
            }
        }
        None
    }

    /// Finds an occasion that no step has waited for yet.
    fn uses(&mut self, wanted: Occasion, open: &Open) -> bool {
        let fitting = open.occasions.iter().filter(|(occasion, _)| *occasion == wanted);
        let found = fitting.map(|(_, question)| *question).find(|question| !self.used.contains(question));
        found.is_some_and(|question| self.used.insert(question))
    }

    /// `true` if words that are said now are said during a machine's greeting.
    pub(crate) fn greets(&self, now: Instant) -> bool {
        match self.greeting {
            Greeting::None => false,
            Greeting::Due(_) => true,
            Greeting::Ends(ends) => ends.is_none_or(|ends| now < ends),
        }
    }

    /// Remaining time of a machine's greeting, in real time.
    pub(crate) fn greeting_left(&self, now: Instant) -> Duration {
        match self.greeting {
            Greeting::Due(lasts) => lasts,
            Greeting::Ends(Some(ends)) => ends.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }
}

/// Finds a text among those heard since the last time, and marks it as used.
fn find(heard: &[String], used: &mut usize, wanted: &str) -> bool {
    match heard.iter().skip(*used).position(|text| text.to_lowercase().contains(wanted)) {
        Some(at) => {
            *used += at + 1;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_waits_for_each_occasion_once() {
        let asked = Step::When(Occasion::AskedForDigits);
        let script =
            vec![asked.clone(), Step::Says("one".into()), asked, Step::AfterHearing("bye".into()), Step::HangsUp];
        let mut ann = Person::new("+1555", PersonKind::Person, script);
        let mut open = Open { occasions: vec![(Occasion::AskedForDigits, (1, 0))], put_through: false };
        assert_eq!(ann.next(&open), None, "before the answer nobody does anything");
        ann.answered = true;
        assert_eq!(ann.next(&open), Some(Act::Says("one".into(), true)));
        assert_eq!(ann.next(&open), None, "the same question");
        open.occasions.push((Occasion::AskedForDigits, (1, 1)));
        assert_eq!(ann.next(&open), None);
        ann.heard_out.push("Goodbye".into());
        ann.busy = true;
        assert_eq!(ann.next(&open), None);
        ann.busy = false;
        assert_eq!(ann.next(&open), Some(Act::HangsUp));
        assert_eq!(ann.next(&open), None);
    }
}
