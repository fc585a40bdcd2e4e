//! What was expected and did not happen.

use std::fmt;

use crate::simulator::record::journal::{Direction, FrameKind, FrameRecord};
use crate::simulator::verdict::deeds::shortened;

/// How many lines of the transcript, and how many frames, a failure shows.
pub(crate) const SHOWN: usize = 20;

/// What was expected and did not happen, and what a client did that the service would not accept.
///
/// `Display` and `Debug` are the same: each unmet expectation with what came near it, each violation, then the end of
/// the transcript and the last frames.
#[derive(Clone)]
pub struct VerificationError {
    expectations: Vec<String>,
    violations: Vec<String>,
    transcript: Vec<String>,
    frames: Vec<String>,
}

impl VerificationError {
    /// What is unmet, with the end of the transcript and of the frames.
    pub(crate) fn new(
        expectations: Vec<String>,
        violations: Vec<String>,
        transcript: Vec<String>,
        entries: &[FrameRecord],
    ) -> Self {
        // Acknowledgements say nothing.
        let told: Vec<&FrameRecord> = entries.iter().filter(|entry| entry.kind() != FrameKind::Ack).collect();
        let skip = told.len().saturating_sub(SHOWN);
        let frames = told.into_iter().skip(skip).map(in_brief).collect();
        Self { expectations, violations, transcript, frames }
    }

    /// The expectations that are not met, a sentence or more each.
    #[must_use]
    pub fn expectations(&self) -> &[String] {
        &self.expectations
    }

    /// The violations that were not allowed.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

impl fmt::Display for VerificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.expectations.is_empty() {
            write!(f, "the program did not do what was expected:")?;
            for (at, line) in self.expectations.iter().enumerate() {
                write!(f, "\n  {:>2}. {line}", at + 1)?;
            }
        }
        if !self.violations.is_empty() {
            let next = if self.expectations.is_empty() { "" } else { "\n" };
            write!(f, "{next}what the service would not accept (`allow_violations()` lets it pass):")?;
            self.violations.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        for (what, lines) in [("the transcript ends with", &self.transcript), ("the last frames", &self.frames)] {
            match lines.is_empty() {
                true => write!(f, "\n{what}: nothing")?,
                false => write!(f, "\n{what}:")?,
            }
            lines.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for VerificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for VerificationError {}

/// A frame in one line that can be read: what of it tells something, and the end of the call's id.
fn in_brief(entry: &FrameRecord) -> String {
    let arrow = match entry.direction() {
        Direction::FromClient => "→",
        Direction::ToClient => "←",
    };
    let mut params = entry.params().clone();
    if let Some(fields) = params.as_object_mut() {
        for dull in ["node_id", "call_id", "segment_id", "tag"] {
            fields.remove(dull);
        }
    }
    let what = if entry.kind() == FrameKind::Raw { entry.text() } else { params.to_string() };
    let id = entry.call_id().map_or_else(String::new, |id| {
        let from = id.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
        format!(" (call …{})", &id[from..])
    });
    let reply = if matches!(entry.kind(), FrameKind::Reply | FrameKind::ErrorReply) { " reply" } else { "" };
    shortened(&format!("{:.3} s {arrow} {}{reply}{id} {what}", entry.at().as_secs_f64(), entry.method()))
}
