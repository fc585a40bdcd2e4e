//! Unmet expectations.

use std::fmt;

use crate::simulator::record::journal::FrameRecord;
use crate::simulator::record::ladder;

/// Number of lines of the transcript, and of rows of the ladder, that a failure shows.
pub(crate) const SHOWN: usize = 20;

/// Expectations that were not met, and violations of clients.
///
/// `Display` and `Debug` are the same: each unmet expectation with its near misses, each violation, then the end of
/// the transcript and of the [ladder](crate::ladder).
#[derive(Clone)]
pub struct VerificationError {
    expectations: Vec<String>,
    violations: Vec<String>,
    transcript: Vec<String>,
    ladder: Vec<String>,
}

impl VerificationError {
    /// Creates a failure from the unmet expectations, with the end of the transcript and of the frames.
    pub(crate) fn new(
        expectations: Vec<String>,
        violations: Vec<String>,
        transcript: Vec<String>,
        entries: &[FrameRecord],
    ) -> Self {
        Self { expectations, violations, transcript, ladder: ladder::end_of(entries, SHOWN) }
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
        for (what, lines) in [("the transcript ends with", &self.transcript), ("the last frames", &self.ladder)] {
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
