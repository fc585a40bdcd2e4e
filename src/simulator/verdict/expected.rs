//! The expectations of a program.

use std::fmt;

use crate::simulator::verdict::interactions::{Matcher, Scene};

/// Expected number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exactly(usize),
    AtLeast(usize),
}

impl Count {
    fn fits(self, times: usize) -> bool {
        match self {
            Self::Exactly(wanted) => times == wanted,
            Self::AtLeast(least) => times >= least,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(0) => f.write_str("never"),
            Self::Exactly(1) => f.write_str("once"),
            Self::Exactly(times) => write!(f, "{times} times"),
            Self::AtLeast(1) => f.write_str("at least once"),
            Self::AtLeast(times) => write!(f, "at least {times} times"),
        }
    }
}

/// One expected interaction, or several in their order.
#[derive(Debug)]
pub enum Expected {
    Interaction(Matcher, Count),
    Order(Vec<Matcher>),
}

impl Expected {
    pub(crate) fn at_least_once(wanted: Matcher) -> Self {
        Self::Interaction(wanted, Count::AtLeast(1))
    }

    pub(crate) fn never(wanted: Matcher) -> Self {
        Self::Interaction(wanted, Count::Exactly(0))
    }

    /// The expectation for this person only.
    pub(crate) fn with(self, number: &str) -> Self {
        self.narrowed(|wanted| wanted.with(number))
    }

    /// The expectation on this call only.
    pub(crate) fn on_call(self, call_id: &str) -> Self {
        self.narrowed(|wanted| wanted.on_call(call_id))
    }

    fn narrowed(self, narrow: impl Fn(Matcher) -> Matcher) -> Self {
        match self {
            Self::Interaction(wanted, count) => Self::Interaction(narrow(wanted), count),
            Self::Order(all) => Self::Order(all.into_iter().map(narrow).collect()),
        }
    }

    /// The reason why the expectation is unmet, if it is.
    pub(crate) fn unmet(&self, scene: &Scene) -> Option<String> {
        match self {
            Self::Interaction(wanted, count) => {
                let times = wanted.places(scene).len();
                if count.fits(times) {
                    return None;
                }
                let mut line = format!("{wanted}, {count}; it happened {}", times_of(times));
                if times == 0 {
                    tell_all(&mut line, "near it came", &wanted.near(scene));
                }
                Some(line)
            }
            Self::Order(all) => {
                let mut last = None;
                for (at, wanted) in all.iter().enumerate() {
                    let next = wanted.places(scene).into_iter().find(|place| last.is_none_or(|last| *place > last));
                    if next.is_none() {
                        let order: Vec<String> = all.iter().map(ToString::to_string).collect();
                        let mut line = format!("in this order: {}", order.join("; "));
                        line += &format!("\n       what did not come in its place is number {}: {wanted}", at + 1);
                        let what = if at == 0 { "what came" } else { "behind those before it came" };
                        tell_all(&mut line, what, &scene.behind(last));
                        tell_all(&mut line, "near it came", &wanted.near(scene));
                        return Some(line);
                    }
                    last = next;
                }
                None
            }
        }
    }
}

fn times_of(times: usize) -> String {
    match times {
        0 => "never".into(),
        1 => "once".into(),
        times => format!("{times} times"),
    }
}

fn tell_all(line: &mut String, what: &str, all: &[String]) {
    if !all.is_empty() {
        *line += &format!("\n       {what}:");
        all.iter().for_each(|one| *line += &format!("\n         {one}"));
    }
}

/// All expectations, each with its number.
#[derive(Default)]
pub(crate) struct Book {
    added: u64,
    all: Vec<(u64, Expected)>,
}

impl Book {
    /// Adds an expectation; returns its number.
    pub(crate) fn add(&mut self, expected: Expected) -> u64 {
        self.added += 1;
        self.all.push((self.added, expected));
        self.added
    }

    /// The expectation with this number, unless it was checked already.
    pub(crate) fn get(&mut self, id: u64) -> Option<&mut Expected> {
        self.all.iter_mut().find(|(known, _)| *known == id).map(|(_, expected)| expected)
    }

    /// Takes all expectations, to be checked.
    pub(crate) fn take(&mut self) -> Vec<Expected> {
        std::mem::take(&mut self.all).into_iter().map(|(_, expected)| expected).collect()
    }
}
