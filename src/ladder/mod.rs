//! Draws what went over a connection as a ladder: one column for the program, one for the service and one for each phone.
//!
//! A [`Ladder`] is made from a trace of a client or from a journal of the simulator, and is
//! drawn as text, as SVG or as an HTML page.
//!
//! ```
//! use signalwire_relay::ladder::Ladder;
//!
//! # fn main() -> std::io::Result<()> {
//! let file = concat!(
//!     r#"{"at":1.5,"connection":1,"direction":"from_client","kind":"request","method":"calling.answer","#,
//!     r#""frame":{"id":"1","method":"calling.answer","params":{"call_id":"c1","node_id":"n1"}}}"#,
//! );
//! let ladder = Ladder::read(file.as_bytes())?;
//! assert_eq!(ladder.rows()[0].text(), "calling.answer");
//! println!("{}", ladder.to_text(100, false));
//! # Ok(()) }
//! ```
//!
//! Pings, acknowledgements and the token that resumes a session are not drawn.

mod beside;
mod page;
mod row;
mod story;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

pub use row::{Column, Row, RowKind};
use story::Story;

/// The newest version of a trace that can be read.
const VERSION: u64 = 1;

/// A ladder: the rows of a trace or a journal, in the order in which they happened.
///
/// A clone is a copy of its own.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    story: Story,
    problems: Vec<String>,
}

impl Ladder {
    /// Returns a ladder without rows. [`push`](Self::push) adds some.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a trace or a journal: a file of JSON lines.
    ///
    /// Lines that are not understood, such as the last one of a file that is cut off, are left out, and
    /// [`problems`](Self::problems) names them.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub fn read(reader: impl Read) -> io::Result<Self> {
        let mut ladder = Self::new();
        let mut lines = BufReader::new(reader);
        let mut bytes = Vec::new();
        for number in 1_u64.. {
            bytes.clear();
            if lines.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(line) => {
                    if let Err(what) = ladder.push(&line) {
                        ladder.problems.push(format!("line {number}: {what}"));
                    }
                }
                Err(error) if error.is_eof() => ladder.problems.push(format!("line {number}: the line is cut off")),
                Err(error) => ladder.problems.push(format!("line {number}: not JSON: {error}")),
            }
        }
        Ok(ladder)
    }

    /// Reads a trace or a journal from a file. The same as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::read(std::fs::File::open(path)?)
    }

    /// Adds one line of a trace or a journal. It adds no row, one, or several.
    ///
    /// Members and kinds of lines that are not known are left out silently, because a newer version may have them.
    ///
    /// # Errors
    ///
    /// What is wrong with a line that is none of a trace or a journal, or that begins a trace of a newer version.
    pub fn push(&mut self, line: &Value) -> Result<(), String> {
        if let Some(version) = line.get("trace") {
            return match version.as_u64() {
                Some(version) if version <= VERSION => Ok(()),
                _ => {
                    Err(format!("a trace of version {version}, and version {VERSION} is the newest that is understood"))
                }
            };
        }
        self.story.push(line)
    }

    /// Returns the rows in the order in which they happened.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.story.rows
    }

    /// Returns what could not be read, a line for each: `line 7: the line is cut off`.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns a ladder with one call alone: its rows, those of the calls that it was connected with, and what happened to
    /// the connection meanwhile. It is empty when no line names the call.
    #[must_use]
    pub fn call(&self, call_id: &str) -> Self {
        Self { story: self.story.of_call(call_id), problems: self.problems.clone() }
    }

    /// Returns a ladder with the last `count` rows alone.
    #[must_use]
    pub fn last(&self, count: usize) -> Self {
        Self { story: self.story.last(count), problems: self.problems.clone() }
    }

    /// Returns the IDs of the calls that appear, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<&str> {
        self.story.calls()
    }

    /// Draws the ladder as text, a section for each call. Lines have at most `width` characters; less than 60 count as 60.
    /// With `colours` terminal colours distinguish the kinds of rows.
    #[must_use]
    pub fn to_text(&self, width: usize, colours: bool) -> String {
        text::draw(&self.story, width, colours)
    }

    /// Draws this ladder and another one side by side, as text, with the heads above them. Rows that only one of them has are
    /// marked by `<` or `>`; times and IDs make no difference. Lines have at most `width` characters; less than 80 count as
    /// 80.
    #[must_use]
    pub fn beside(&self, other: &Self, heads: (&str, &str), width: usize) -> String {
        beside::draw(&self.story, &other.story, heads, width)
    }

    /// Draws the ladder as an SVG image, which is light or dark as the reader's system is.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(&self.story)
    }

    /// Draws the ladder as one HTML page that needs nothing else: calls can be folded and chosen, and a click on a row
    /// shows its frame.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::draw(&self.story, &self.problems)
    }
}

/// Returns the script and the style sheet that draw rows into a page: `(page.js, page.css)`.
///
/// The script defines `ladderPage(element)`, which returns an object with `append(rows)` for rows as
/// [`Row::to_json`] has them, and `clear()`.
#[must_use]
pub fn page_parts() -> (&'static str, &'static str) {
    (page::SCRIPT, page::STYLE)
}
