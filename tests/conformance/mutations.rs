//! The sensitivity of the checks: one recorded value is changed at a time, and the check of its row must fail.
//!
//! A row is played once. The observations are then compared with the recorded row and with each changed one, which
//! takes no time. The longer form plays every row; by default one in seven is played.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use super::deviations::{self, List, Rule, Verdict};
use super::json::{lists, name};
use super::{actions, dials, events, messages, replies, requests, results};

type Judge = Box<dyn Fn(&Value) -> Verdict>;

/// A row that has been played, and how what was seen is compared with it.
pub struct Case {
    pub row: Value,
    /// The columns that say what the client does.
    columns: &'static [&'static str],
    /// The rules that are listed for the row.
    listed: BTreeSet<Rule>,
    judge: Judge,
}

impl Case {
    pub fn new(
        row: Value,
        columns: &'static [&'static str],
        list: List,
        judge: impl Fn(&Value) -> Verdict + 'static,
    ) -> Self {
        let listed = deviations::listed(list, &row);
        Self { row, columns, listed, judge: Box::new(judge) }
    }

    pub fn verdict(&self) -> Verdict {
        (self.judge)(&self.row)
    }

    /// Whether the check of the row fails when a value is another.
    fn notices(&self, pointer: &str, value: Value) -> Result<bool, String> {
        let mut row = self.row.clone();
        *row.pointer_mut(pointer).expect("a value of the row") = value;
        let verdict = catch_unwind(AssertUnwindSafe(|| (self.judge)(&row)));
        let verdict = verdict.map_err(|_| format!("{} {pointer}: the check panics", name(&self.row)))?;
        Ok(verdict.as_ref() != Ok(&self.listed))
    }
}

/// Another value of the same kind.
pub fn changed(value: &Value) -> Value {
    match value {
        Value::Null => "other".into(),
        Value::Bool(flag) => (!flag).into(),
        // Far enough away that it is another number as an `f64`, too.
        Value::Number(number) => number.as_i64().map_or_else(
            || Value::from(number.as_f64().unwrap_or_default() * 2.0 + 1.0),
            |number| Value::from(number.wrapping_add(1)),
        ),
        Value::String(text) => format!("{text}~").into(),
        Value::Array(items) => {
            let mut items = items.clone();
            items.push("other".into());
            items.into()
        }
        Value::Object(members) => {
            let mut members = members.clone();
            members.insert("other".into(), 1.into());
            members.into()
        }
    }
}

/// The places of a value and of all values within.
fn places(value: &Value, pointer: String, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, format!("{pointer}/{index}"), into);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                places(member, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}

/// Values that may be others unnoticed: the file, whether it is one of them, and why.
type Free = (&'static str, fn(&Value, &str) -> bool, &'static str);

const FREE: &[Free] = &[
    (
        "requests",
        |row, pointer| row["rpc_method"] == "signalwire.connect" && pointer == "/params/agent",
        "the agent names the client; that ours is this crate's is compared",
    ),
    (
        "events",
        |_, pointer| pointer == "/python_raises",
        "how the reference fails where no client should is its own affair",
    ),
    (
        "results",
        |row, pointer| row["free"].as_array().is_some_and(|free| free.iter().any(|column| is_within(pointer, column))),
        "the row leaves the column free",
    ),
    (
        "results",
        |row, pointer| row["odd"] == true && ["value", "error"].iter().any(|key| pointer.contains(&format!("/{key}"))),
        "of an odd answer only whether it is an error matters, not the code and the text",
    ),
    (
        "actions",
        |row, pointer| {
            let step = pointer.strip_prefix("/after/").and_then(|rest| rest.split('/').next()?.parse::<u64>().ok());
            row["free_from_step"].as_u64().is_some_and(|free| step.is_some_and(|step| step >= free))
        },
        "the row leaves everything from this step on free",
    ),
    (
        "actions",
        |row, pointer| row["free_from_step"].is_u64() && ["/resolved_at_step", "/result_class"].contains(&pointer),
        "the operation ends in a step that the row leaves free",
    ),
    (
        "actions",
        |row, pointer| {
            let has_failed = row["start_result"] != "ok";
            let state = pointer.rsplit_once('/').map_or("", |(state, _)| state);
            let says = row.pointer(state).is_some_and(|state| state.get("raises").is_some());
            let is_state = state.starts_with("/after/");
            let is_whole = pointer.starts_with("/after/") && pointer.matches('/').count() == 2;
            let is_said = row.pointer(pointer).is_some_and(|state| state.get("raises").is_some());
            let of_handle = ["/class", "/resolved_at_step", "/result_class"].contains(&pointer);
            let is_told = pointer.ends_with("/started");
            has_failed && (of_handle || (is_state && !says && !is_told) || (is_whole && !is_said))
        },
        "an operation that could not be started has no handle to ask",
    ),
    (
        "messages",
        |row, pointer| {
            let is_after = pointer.starts_with("/after/") && !pointer.ends_with("/started");
            let state: String = pointer.split('/').take(3).collect::<Vec<_>>().join("/");
            let is_sent = row.pointer(&state).is_some_and(|state| state["started"] == true);
            row["python_loses_events"] == true && ((is_after && is_sent) || pointer == "/resolved_at_step")
        },
        "the row shows what the reference has lost; that ours has all is compared with the events",
    ),
    (
        "dials",
        |_, pointer| pointer.ends_with("/tracked_calls"),
        "how many calls the reference keeps is for information",
    ),
];

fn is_within(pointer: &str, column: &Value) -> bool {
    let column = column.as_str().unwrap_or_default();
    pointer
        .strip_prefix('/')
        .and_then(|rest| rest.strip_prefix(column))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The results of the changes of one file.
#[derive(Default)]
struct Counts {
    noticed: usize,
    /// By reason.
    free: BTreeMap<&'static str, usize>,
    unnoticed: Vec<String>,
    panics: Vec<String>,
}

fn count(file: &str, cases: &[Case]) -> Counts {
    let mut counts = Counts::default();
    for case in cases {
        assert_eq!(case.verdict().as_ref(), Ok(&case.listed), "{}: as it was recorded", name(&case.row));
        for column in case.columns.iter().filter(|column| case.row.get(**column).is_some()) {
            let mut pointers = Vec::new();
            places(&case.row[*column], format!("/{column}"), &mut pointers);
            for pointer in pointers {
                let value = case.row.pointer(&pointer).expect("a value");
                match case.notices(&pointer, changed(value)) {
                    Ok(true) => counts.noticed += 1,
                    Ok(false) => {
                        let free = FREE.iter().find(|(of, is_free, _)| *of == file && is_free(&case.row, &pointer));
                        match free {
                            Some((_, _, reason)) => *counts.free.entry(reason).or_default() += 1,
                            None => counts.unnoticed.push(format!("{} {pointer}: {value}", name(&case.row))),
                        }
                    }
                    Err(why) => counts.panics.push(why),
                }
            }
        }
    }
    counts
}

#[test]
fn mutations_of_recorded_values_are_noticed() {
    let is_all = std::env::var("MUTATE").is_ok_and(|mutate| mutate == "all");
    let pick = move |number: usize| is_all || number % 7 == 3;
    type Cases = fn(&dyn Fn(usize) -> bool) -> Vec<Case>;
    let files: [(&str, Cases); 7] = [
        ("actions", actions::cases),
        ("dials", dials::cases),
        ("events", events::cases),
        ("messages", messages::cases),
        ("replies", replies::cases),
        ("requests", requests::cases),
        ("results", results::cases),
    ];
    let (mut wrong, mut needed) = (Vec::new(), BTreeSet::new());
    for (file, cases) in files {
        let cases = cases(&pick);
        let counts = count(file, &cases);
        let free: usize = counts.free.values().sum();
        let (noticed, unnoticed) = (counts.noticed, counts.unnoticed.len());
        let all = noticed + free + unnoticed + counts.panics.len();
        println!(
            "{file}: {} rows, {all} mutations, {noticed} noticed, {free} free, {unnoticed} unnoticed",
            cases.len()
        );
        for (reason, number) in &counts.free {
            println!("    {number} free: {reason}");
            needed.insert((file, *reason));
        }
        assert!(noticed > 0, "{file}: nothing is noticed");
        wrong.extend(counts.unnoticed.into_iter().chain(counts.panics).map(|what| format!("{file}: {what}")));
    }
    let needless: Vec<_> =
        FREE.iter().map(|(file, _, why)| (*file, *why)).filter(|free| !needed.contains(free)).collect();
    assert!(!is_all || needless.is_empty(), "listed as free, and noticed: {needless:#?}");
    assert!(wrong.is_empty(), "{} mutations go unnoticed:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_check_that_does_not_see_a_value_is_found() {
    let row = json!({"name": "made.up", "seen": {"a": 1}, "unseen": [true]});
    let judge = |row: &Value| if row["seen"]["a"] == 1 { Ok([].into()) } else { Err("another".into()) };
    let counts = count("none", &[Case::new(row, &["seen", "unseen"], &[], judge)]);
    let unnoticed = ["made.up /seen: {\"a\":1}", "made.up /unseen/0: true", "made.up /unseen: [true]"];
    assert_eq!((counts.noticed, counts.unnoticed.as_slice()), (1, unnoticed.map(String::from).as_slice()));
}

#[test]
fn a_changed_value_is_another() {
    for value in [
        json!(null),
        json!(true),
        json!(5),
        json!(1.5),
        json!(12_345_678_901_234_567_890_u64),
        json!(""),
        json!([]),
        json!({}),
    ] {
        assert!(!super::json::same(&changed(&value), &value), "{value}");
    }
    let mut pointers = Vec::new();
    places(&json!({"a": [1, {"b/c": null}]}), String::new(), &mut pointers);
    assert_eq!(pointers, ["/a/0", "/a/1/b~1c", "/a/1", "/a", ""]);
    assert!(lists(&json!(["x"]), "x") && !lists(&json!(null), "x"));
}
