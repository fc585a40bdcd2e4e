//! The page that maps the reference API to this crate has a line for every name of that API.
//!
//! `cargo doc` checks that the right side of a line exists: it rejects broken links.

use std::collections::HashSet;
use std::time::Duration;

use signalwire_relay::connection::DEFAULT_HOST;
use signalwire_relay::constants;

const PAGE: &str = include_str!("../../src/docs/python_sdk.md");
const NAMES: &str = include_str!("../reference_names.txt");

/// The names, and the values of those that are constants with one.
fn names() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    NAMES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| match line.split_once(" = ") {
        Some((name, value)) => (name, Some(value)),
        None => (line, None),
    })
}

/// The names on the left of the page's tables, and what stands on the right.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
}

#[test]
fn the_page_maps_every_name_of_the_reference() {
    let mapped: HashSet<&str> = lines().map(|(name, _)| name).collect();
    let missing: Vec<&str> = names().map(|(name, _)| name).filter(|name| !mapped.contains(name)).collect();
    assert!(missing.is_empty(), "src/docs/python_sdk.md has no line for {missing:?}");
    let known: HashSet<&str> = names().map(|(name, _)| name).collect();
    let invented: Vec<&str> = mapped.into_iter().filter(|name| !known.contains(name)).collect();
    assert!(invented.is_empty(), "the reference has no {invented:?}");
    for (name, here) in lines() {
        assert!(here.contains("crate::") || here.contains('`') || name == "__all__", "{name}: {here}");
    }
    assert!(known.len() > 600 && lines().count() == known.len());
}

#[test]
fn constants_have_the_values_of_the_reference() {
    let tables = [include_str!("../../src/protocol/states.rs"), include_str!("../../src/protocol/constants.rs")];
    for (name, value) in names().filter_map(|(name, value)| Some((name, value?))) {
        let variant = format!("= {value:?} as {name:?}");
        let constant = format!("pub const {name}: &str = {value:?};");
        match name {
            "RECONNECT_MIN_DELAY" => assert_eq!(constants::RECONNECT_MIN_DELAY, seconds(value)),
            "RECONNECT_MAX_DELAY" => assert_eq!(constants::RECONNECT_MAX_DELAY, seconds(value)),
            "RECONNECT_BACKOFF_FACTOR" => assert_eq!(f64::from(constants::RECONNECT_BACKOFF_FACTOR), number(value)),
            "DEFAULT_RELAY_HOST" => assert_eq!(DEFAULT_HOST, value),
            // Ours is another: it says who this is.
            "AGENT_STRING" => assert_ne!(constants::AGENT, value),
            _ => {
                let found = tables.iter().any(|table| table.contains(&variant) || table.contains(&constant));
                assert!(found, "{name} = {value:?} is nowhere");
            }
        }
    }
    assert_eq!(constants::PROTOCOL_VERSION, (2, 0, 0));
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(number(text))
}
