//! The far end of a number, and its behaviour when it is called.

use std::collections::VecDeque;
use std::time::Duration;

use crate::simulator::people::script::Step;
use crate::simulator::people::speech::{span, speaking_seconds};

/// The kind of the far end of a line.
#[derive(Clone, Debug, Default)]
pub enum PersonKind {
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
    /// Length of the greeting.
    pub(crate) lasts: Duration,
    /// The silence between the greeting and the beep.
    pub(crate) pause: Duration,
    /// Time that the machine listens before it hangs up.
    pub(crate) listens: Option<Duration>,
}

impl Machine {
    pub(crate) fn new(greeting: String, beep: bool) -> Self {
        let lasts = span(speaking_seconds(&greeting));
        Self { greeting, beep, lasts, pause: Duration::ZERO, listens: None }
    }

    /// Time that the machine does not listen.
    pub(crate) fn deaf(&self) -> Duration {
        if self.beep { self.lasts.saturating_add(self.pause) } else { self.lasts }
    }
}

/// Behaviour of a fax machine.
#[derive(Clone, Debug)]
pub struct FaxManner {
    pub(crate) pages: u32,
    /// Number of pages after which the fax fails, and the reason.
    pub(crate) fails: Option<(u32, String)>,
}

impl Default for FaxManner {
    fn default() -> Self {
        Self { pages: 2, fails: None }
    }
}

/// The behaviour of a number that is dialled.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Answers(Duration),
    Busy,
    NoAnswer,
    Declines,
    NotFound,
}

/// The behaviour of a callee on one call, and not on the calls after it.
#[derive(Clone, Debug)]
pub(crate) struct OneCall {
    manner: Manner,
    kind: PersonKind,
    script: Vec<Step>,
}

/// The settings and the records of a number, before and after its calls.
#[derive(Debug)]
pub(crate) struct NumberPlan {
    /// The behaviour on the next calls, one each. `manner`, `kind` and `script` are for all calls after these.
    next: VecDeque<OneCall>,
    pub(crate) manner: Manner,
    pub(crate) kind: PersonKind,
    pub(crate) script: Vec<Step>,
    pub(crate) times_called: usize,
    pub(crate) said_over_greeting: Vec<String>,
    pub(crate) heard: Vec<String>,
    pub(crate) heard_out: Vec<String>,
    pub(crate) digits_heard: String,
    pub(crate) faxes: Vec<String>,
}

impl NumberPlan {
    /// A plan for another number, with the same behaviour and without calls.
    pub(crate) fn of_another(&self) -> Self {
        let (next, manner) = (self.next.clone(), self.manner.clone());
        Self { next, manner, kind: self.kind.clone(), script: self.script.clone(), ..Self::default() }
    }

    /// Reserves the present settings for one call, and begins with the defaults for the calls after it.
    pub(crate) fn then(&mut self) {
        let Self { manner, kind, script, .. } = Self::default();
        let manner = std::mem::replace(&mut self.manner, manner);
        let kind = std::mem::replace(&mut self.kind, kind);
        let script = std::mem::replace(&mut self.script, script);
        self.next.push_back(OneCall { manner, kind, script });
    }

    /// Counts a call of the number, and returns the behaviour on this call.
    pub(crate) fn is_called(&mut self) -> (Manner, PersonKind, Vec<Step>) {
        self.times_called += 1;
        match self.next.pop_front() {
            Some(OneCall { manner, kind, script }) => (manner, kind, script),
            None => (self.manner.clone(), self.kind.clone(), self.script.clone()),
        }
    }
}

impl Default for NumberPlan {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            manner: Manner::Answers(Duration::from_secs(2)),
            kind: PersonKind::Person,
            script: Vec::new(),
            times_called: 0,
            said_over_greeting: Vec::new(),
            heard: Vec::new(),
            heard_out: Vec::new(),
            digits_heard: String::new(),
            faxes: Vec::new(),
        }
    }
}
