//! The script: who calls, who is called, what becomes of texts, what goes wrong.

use std::path::Path;

use serde::Deserialize;

use super::faults::Fault;
use super::people::{Callee, Caller, Message, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    pub callers: Vec<Caller>,
    pub callees: Vec<Callee>,
    pub messages: Vec<Message>,
    pub texts: Vec<Text>,
    pub faults: Vec<Fault>,
    pub credentials: Option<Credentials>,
}

/// The only ones that are let in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub project: Option<String>,
    pub token: Option<String>,
}

impl Script {
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("the script {shown}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("the script {shown}, {}", explained(&error, &text)))
    }
}

/// What is wrong with a piece of JSON, and what was expected there, without the place.
pub fn complaint(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = whole.strip_suffix(&place).unwrap_or(&whole);
    // The parser speaks of how it reads, where a person asks what to write.
    what.replace("expected unit", "expected the word alone, in quotes")
        .replace("unit variant, expected newtype variant", "a word alone, expected an object with the word as its key")
        .replace("unit variant, expected struct variant", "a word alone, expected an object with the word as its key")
}

/// The same with the place, and the line that it is in.
fn explained(error: &serde_json::Error, text: &str) -> String {
    let (number, column, what) = (error.line(), error.column(), complaint(error));
    // An empty file has no line.
    let line = number.checked_sub(1).and_then(|at| text.lines().nth(at)).unwrap_or_default();
    // The column counts bytes. Of a long line the part around it is shown.
    let at = column.saturating_sub(1).min(line.len());
    let from = (at.saturating_sub(80)..=at).find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    let before = line.get(from..at).unwrap_or_default();
    let shown: String = line.get(from..).unwrap_or_default().chars().take(120).collect();
    let space: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("line {number}, column {column}: {what}\n  {shown}\n  {space}^")
}
