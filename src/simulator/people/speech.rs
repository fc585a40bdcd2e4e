//! Speech and other sounds: their audible text, and their duration.

use std::time::Duration;

use serde_json::Value;

/// Number of characters that are spoken in a second.
const CHARACTERS_PER_SECOND: f64 = 12.0;

/// The duration of a spoken text, in seconds.
pub(crate) fn speaking_seconds(text: &str) -> f64 {
    let mut in_tag = false;
    let spoken = text.chars().filter(|c| match c {
        '<' => {
            in_tag = true;
            false
        }
        '>' => {
            in_tag = false;
            false
        }
        _ => !in_tag,
    });
    // The length of a text fits into a float exactly.
    (spoken.count() as f64 / CHARACTERS_PER_SECOND).max(0.1)
}

/// The text that a person hears of one item of media; `None` for silence.
pub(crate) fn audible(media: &Value) -> Option<String> {
    let params = &media["params"];
    match media["type"].as_str()? {
        "tts" => params["text"].as_str().map(str::to_owned),
        "audio" => params["url"].as_str().map(str::to_owned),
        "ringtone" => params["name"].as_str().map(|name| format!("ringtone {name}")),
        _ => None,
    }
}

/// Seconds as a `Duration`; invalid values count as zero, values beyond a year as a year.
pub(crate) fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(31_536_000.0)).unwrap_or_default()
}
