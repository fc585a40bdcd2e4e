//! The differences of a program from its recording.

use std::fmt;
use std::time::Duration;

use crate::ladder::Ladder;

/// A request of the program: the recorded one, and the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Time, method, and line of the file.
    recorded: Option<(Duration, String, usize)>,
    now: Option<(Duration, String)>,
    what: Option<String>,
}

impl Entry {
    pub(crate) fn new(
        recorded: Option<(Duration, String, usize)>,
        now: Option<(Duration, String)>,
        what: Option<String>,
    ) -> Self {
        Self { recorded, now, what }
    }

    pub(crate) fn is_different(&self) -> bool {
        self.recorded.is_none() || self.now.is_none() || self.what.is_some()
    }
}

/// One difference between a program and its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The ID of the call that the request is about, if it is about one.
    pub call_id: Option<String>,
    /// The line of the recording that has the request. `None` if the request was not recorded.
    pub line: Option<usize>,
    /// The difference, as a sentence.
    pub what: String,
}

/// Differences between what a program did and what was recorded.
///
/// `Display` prints, for each call with a difference, the requests of the recording and those of now in two columns.
#[derive(Clone)]
pub struct Differences {
    calls: Vec<(Option<String>, Vec<Entry>)>,
    problems: Vec<String>,
    ladders: Box<Ladders>,
}

/// The ladders of the recording and of the replay.
#[derive(Clone)]
struct Ladders {
    recorded: Ladder,
    replayed: Ladder,
}

impl Differences {
    pub(crate) fn new(
        calls: Vec<(Option<String>, Vec<Entry>)>,
        problems: Vec<String>,
        recorded: Ladder,
        replayed: Ladder,
    ) -> Self {
        Self { calls, problems, ladders: Box::new(Ladders { recorded, replayed }) }
    }

    /// The differences, call by call and in the order of the requests.
    #[must_use]
    pub fn list(&self) -> Vec<Difference> {
        let entries = self.calls.iter().flat_map(|(call, entries)| entries.iter().map(move |entry| (call, entry)));
        let different = entries.filter(|(_, entry)| entry.is_different());
        let one = |(call, entry): (&Option<String>, &Entry)| Difference {
            call_id: call.clone(),
            line: entry.recorded.as_ref().map(|(_, _, line)| *line),
            what: match (&entry.recorded, &entry.now, &entry.what) {
                (_, Some((_, method)), Some(what)) => format!("{method}: {what}"),
                (Some((_, method, _)), None, _) => format!("{method} was recorded, and is not sent now"),
                (_, Some((_, method)), None) => format!("{method} was not recorded here"),
                (None, None, _) => String::new(),
            },
        };
        different.map(one).collect()
    }

    /// The ladder of the recording.
    #[must_use]
    pub fn recorded(&self) -> &Ladder {
        &self.ladders.recorded
    }

    /// The ladder of the replay.
    #[must_use]
    pub fn replayed(&self) -> &Ladder {
        &self.ladders.replayed
    }

    /// Draws both ladders beside each other, a section for each call with a difference, each ladder at most `width`
    /// characters wide (at least 60).
    #[must_use]
    pub fn side_by_side(&self, width: usize) -> String {
        let mut text = String::new();
        for (call, _) in &self.calls {
            let draw = |ladder: &Ladder| match call {
                Some(call) => ladder.call(call).to_text(width, false),
                None => ladder.to_text(width, false),
            };
            let (left, right) = (draw(&self.ladders.recorded), draw(&self.ladders.replayed));
            let wide = left.lines().map(|line| line.chars().count()).max().unwrap_or(0).max("recorded".len());
            let (mut left, mut right) = (left.lines(), right.lines());
            let mut row = |left: &str, right: &str| {
                let gap = " ".repeat(wide - left.chars().count().min(wide));
                text.push_str(format!("{left}{gap} | {right}").trim_end());
                text.push('\n');
            };
            row("recorded", "now");
            loop {
                match (left.next(), right.next()) {
                    (None, None) => break,
                    (one, other) => row(one.unwrap_or_default(), other.unwrap_or_default()),
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Width of a column of `Display`.
const COLUMN: usize = 42;

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list().len();
        let noun = if count == 1 { "difference" } else { "differences" };
        write!(f, "the program does not do what was recorded: {count} {noun}")?;
        for (call, entries) in &self.calls {
            let title = call.as_ref().map_or_else(|| "no call".to_owned(), |call| format!("call {call}"));
            write!(f, "\n{title}\n  {:<COLUMN$} | now", "recorded")?;
            for entry in entries {
                let mark = match (&entry.recorded, &entry.now, &entry.what) {
                    (Some(_), Some(_), None) => ' ',
                    (Some(_), Some(_), Some(_)) => '!',
                    (Some(_), None, _) => '-',
                    (None, ..) => '+',
                };
                let cell = |at: &Duration, method: &str| format!("{:>9.3} {method}", at.as_secs_f64());
                let left = entry.recorded.as_ref().map(|(at, method, _)| cell(at, method)).unwrap_or_default();
                let right = entry.now.as_ref().map(|(at, method)| cell(at, method)).unwrap_or_default();
                write!(f, "\n{mark} {left:<COLUMN$} | {right}")?;
                if let Some(what) = entry.what.as_ref().filter(|_| entry.recorded.is_some()) {
                    write!(f, "\n    {what}")?;
                }
            }
        }
        if !self.problems.is_empty() {
            write!(f, "\nnot used of the recording:")?;
            self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Differences {}
