//! Rows, and the comparison of JSON values.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The rows of a file.
pub fn rows(text: &str) -> Vec<Value> {
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect();
    let names: HashSet<&str> = rows.iter().map(name).collect();
    assert_eq!(names.len(), rows.len(), "each row has a name of its own");
    rows
}

pub fn name(row: &Value) -> &str {
    row["name"].as_str().expect("a row has a name")
}

/// `true` if two values are equal, where 5 equals 5.0 and the order of keys is free.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// The values that a row leaves open, with their values in this run.
#[derive(Default)]
pub struct Holes {
    filled: Vec<(&'static str, String)>,
    /// Holes that any string fills that is not empty.
    open: Vec<&'static str>,
}

impl Holes {
    pub fn fill(mut self, hole: &'static str, with: impl Into<String>) -> Self {
        self.filled.push((hole, with.into()));
        self
    }

    pub fn open(mut self, hole: &'static str) -> Self {
        self.open.push(hole);
        self
    }

    /// As [`same`], where `recorded` may have holes.
    pub fn same(&self, recorded: &Value, sent: &Value) -> bool {
        match (recorded, sent) {
            (Value::String(recorded), Value::String(sent)) => {
                if let Some((_, with)) = self.filled.iter().find(|(hole, _)| hole == recorded) {
                    return with == sent;
                }
                recorded == sent || (self.open.contains(&recorded.as_str()) && !sent.is_empty())
            }
            (Value::Array(recorded), Value::Array(sent)) => {
                recorded.len() == sent.len() && recorded.iter().zip(sent).all(|(one, other)| self.same(one, other))
            }
            (Value::Object(recorded), Value::Object(sent)) => {
                recorded.len() == sent.len()
                    && recorded.iter().all(|(key, one)| sent.get(key).is_some_and(|other| self.same(one, other)))
            }
            (recorded, sent) => same(recorded, sent),
        }
    }
}

/// The members of an object; none when it is absent or `null`.
pub fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// `RelayError: RELAY error 500: broken`, as code and message; `None` when it is no such text.
pub fn relay_error(text: &str) -> Option<(i64, &str)> {
    let (code, message) = text.strip_prefix("RelayError: RELAY error ")?.split_once(": ")?;
    Some((code.parse().ok()?, message))
}

/// Whether an array of a row, for example `free`, names this.
pub fn lists(array: &Value, name: &str) -> bool {
    array.as_array().is_some_and(|items| items.iter().any(|item| item == name))
}

#[test]
fn values_are_the_same_when_they_mean_the_same() {
    use serde_json::json;
    assert!(same(&json!({"a": 5, "b": [1.0]}), &json!({"b": [1], "a": 5.0})));
    for (one, other) in [
        (json!({"a": 1}), json!({"a": 1, "b": null})),
        (json!([1, 2]), json!([2, 1])),
        (json!("5"), json!(5)),
        (json!(null), json!(false)),
    ] {
        assert!(!same(&one, &other) && !same(&other, &one), "{one} {other}");
    }
    let holes = Holes::default().fill("{call_id}", "c").open("{tag}");
    assert!(holes.same(&json!({"x": ["{call_id}", "{tag}"]}), &json!({"x": ["c", "any"]})));
    assert!(!holes.same(&json!("{call_id}"), &json!("d")));
    assert!(!holes.same(&json!("{tag}"), &json!("")));
    assert!(!holes.same(&json!("{control_id}"), &json!("any")));
}
