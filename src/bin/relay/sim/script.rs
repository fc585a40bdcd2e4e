//! The script: callers, callees, outcomes of text messages, and faults.

use std::path::Path;

use serde::Deserialize;

use super::faults::Fault;
use super::people::{Callee, Caller, Message, Text};

/// The contents of a script file.
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

/// The only credentials that are accepted.
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

/// The mistake in a piece of JSON and the expected value, without the position.
pub fn complaint(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = whole.strip_suffix(&place).unwrap_or(&whole);
    // The parser describes its own reading, but the user needs to know what to write.
    what.replace("expected unit", "expected the word alone, in quotes")
        .replace("unit variant, expected newtype variant", "a word alone, expected an object with the word as its key")
        .replace("unit variant, expected struct variant", "a word alone, expected an object with the word as its key")
}

/// The mistake with its position and line.
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
