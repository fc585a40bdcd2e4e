//! The JSON of a request's parameters, while it is put together.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::redact;
use crate::error::{self, Result};

/// Named parameters at their places on the wire, and what [`extra`](Self::extra) adds to or puts over them.
///
/// Public only because the trait of operations, which nobody else implements, has it in a signature.
#[derive(Clone, Default, PartialEq)]
pub struct Fields {
    named: Map<String, Value>,
    extra: Map<String, Value>,
}

/// Stands for a number that is not finite, which JSON cannot write, until the request is refused. It begins with a code
/// point that is no character, so that no text of a program is the same.
const NOT_FINITE: &str = "\u{fdd0}not a finite number";

/// Refuses the parameters of a request that cannot be sent as they were given.
pub(crate) fn check(method: &str, params: &Value) -> Result<()> {
    check_members(method, params.as_object().into_iter().flatten())
}

fn check_members<'a>(method: &str, mut members: impl Iterator<Item = (&'a String, &'a Value)>) -> Result<()> {
    match members.find_map(|(key, value)| not_finite(key, value)) {
        Some(key) => Err(error::refused(method, &format!("`{key}` is not a finite number: give one"))),
        None => Ok(()),
    }
}

/// The key of a number that is not finite, at any depth.
fn not_finite<'a>(key: &'a str, value: &'a Value) -> Option<&'a str> {
    match value {
        Value::String(text) => (text == NOT_FINITE).then_some(key),
        Value::Object(members) => members.iter().find_map(|(key, value)| not_finite(key, value)),
        Value::Array(items) => items.iter().find_map(|item| not_finite(key, item)),
        _ => None,
    }
}

impl Fields {
    /// Nothing but empty objects at these paths.
    pub(crate) fn with_objects(paths: &[&str]) -> Self {
        let mut fields = Self::default();
        for path in paths {
            fields.object(path);
        }
        fields
    }

    /// Writes `value` under `key` in the object at `group`, a path with dots; `""` is the top. `null` is never sent:
    /// it takes the key away.
    pub(crate) fn set(&mut self, group: &str, key: &str, value: Value) {
        let object = self.object(group);
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.to_owned(), value);
        }
    }

    /// The same of a number. One that is not finite makes [`check`](Self::check) fail.
    pub(crate) fn set_number(&mut self, group: &str, key: &str, value: f64) {
        let value = if value.is_finite() { Value::from(value) } else { Value::from(NOT_FINITE) };
        self.set(group, key, value);
    }

    /// Refuses what cannot be sent as it was given.
    pub(crate) fn check(&self, method: &str) -> Result<()> {
        check_members(method, self.members())
    }

    /// The object at `group`, made if it is not there.
    pub(crate) fn object(&mut self, group: &str) -> &mut Map<String, Value> {
        let mut object = &mut self.named;
        for key in group.split('.').filter(|key| !key.is_empty()) {
            object = as_object(object.entry(key).or_insert(Value::Null));
        }
        object
    }

    /// Adds `item` to the array under `key` at the top, which is made if it is not there.
    pub(crate) fn push(&mut self, key: &str, item: Value) {
        let list = self.named.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = list {
            items.push(item);
        }
    }

    /// Adds a key that is written last, over one of the same name.
    pub(crate) fn extra(&mut self, key: String, value: Value) {
        self.extra.insert(key, value);
    }

    /// What will be sent under a key at the top.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.extra.get(key).or_else(|| self.named.get(key))
    }

    /// A string at the top, when it is there and not empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Takes a key away from the top.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        let named = self.named.remove(key);
        self.extra.remove(key).or(named)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.extra.is_empty()
    }

    /// Appends the members without the braces, so that ids can stand beside them.
    pub(crate) fn write_into(&self, out: &mut String) {
        let mut first = true;
        for (key, value) in self.members() {
            if !first {
                out.push(',');
            }
            first = false;
            write_key(out, key);
            out.push(':');
            // Writing into a String does not fail.
            let _ = write!(out, "{value}");
        }
    }

    /// All of it as one JSON object.
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.members().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn members(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.named.iter().filter(|(key, _)| !self.extra.contains_key(*key)).chain(&self.extra)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::shown(self.to_json()))
    }
}

/// The object in `value`, which becomes one if it is none.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("it was made an object above"),
    }
}

fn write_key(out: &mut String, key: &str) {
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        out.push('"');
        out.push_str(key);
        out.push('"');
    } else {
        out.push_str(&Value::from(key).to_string());
    }
}

/// A string, or nothing when it is empty.
pub(crate) fn unless_empty(text: String) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text) }
}

/// An array of strings.
pub(crate) fn strings(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::String(item.into())).collect())
}

/// An array of strings, or nothing when it is empty.
pub(crate) fn strings_unless_empty(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    match strings(items) {
        Value::Array(items) if items.is_empty() => Value::Null,
        items => items,
    }
}

/// Strings in one, with spaces between them.
pub(crate) fn words(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    Value::String(items.into_iter().map(Into::into).collect::<Vec<String>>().join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_nest_and_extra_wins() {
        let mut fields = Fields::default();
        assert!(fields.is_empty());
        fields.set("record.audio", "beep", json!(true));
        fields.extra("tag".into(), json!("extra"));
        fields.set("", "tag", json!("named"));
        fields.set("", "size", json!(4));
        assert_eq!(fields.to_json(), json!({"record": {"audio": {"beep": true}}, "tag": "extra", "size": 4}));
        let mut text = String::from("{\"id\":1,");
        fields.write_into(&mut text);
        text.push('}');
        let read: Value = serde_json::from_str(&text).expect("written as JSON");
        assert_eq!(read, json!({"id": 1, "record": {"audio": {"beep": true}}, "tag": "extra", "size": 4}));
    }

    #[test]
    fn null_takes_a_key_away() {
        let mut fields = Fields::default();
        fields.set("", "tag", json!("a"));
        fields.set("", "tag", Value::Null);
        assert!(fields.is_empty());
    }

    #[test]
    fn debug_masks_by_key_at_any_depth() {
        let mut fields = Fields::default();
        fields.set("device.params", "password", json!("canary"));
        fields.extra("list".into(), json!([{"Token": "canary"}]));
        let text = format!("{fields:?}");
        assert!(!text.contains("canary"), "{text}");
    }
}
