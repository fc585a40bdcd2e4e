//! The journal as a ladder.

use crate::ladder::Ladder;
use crate::simulator::record::journal::{FrameRecord, Journal};

impl Journal {
    /// Returns the journal as a ladder: columns for the program, the service and each phone.
    ///
    /// ```
    /// use signalwire_relay::simulator::Simulator;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::builder().virtual_time().start()?;
    /// println!("{}", sim.journal().ladder().to_text(100, false));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ladder(&self) -> Ladder {
        drawn(self.entries())
    }
}

impl From<&Journal> for Ladder {
    fn from(journal: &Journal) -> Self {
        journal.ladder()
    }
}

/// The ladder of some frames.
pub(crate) fn drawn(entries: &[FrameRecord]) -> Ladder {
    let mut ladder = Ladder::new();
    for entry in entries {
        // An entry has the same form as a line of a trace, for which the ladder is made.
        let _always_taken = ladder.push(&entry.to_json());
    }
    ladder
}

/// The last rows of a ladder, as lines of text, for the message of a failed test.
pub(crate) fn end_of(entries: &[FrameRecord], rows: usize) -> Vec<String> {
    let recent = &entries[entries.len().saturating_sub(RECENT)..];
    drawn(recent).last(rows).to_text(WIDTH, false).lines().map(str::to_owned).collect()
}

/// Number of frames that a failure searches to find the owners of the last rows.
const RECENT: usize = 5_000;

/// Width of a ladder in the message of a failed test.
const WIDTH: usize = 110;
