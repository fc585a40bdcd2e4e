//! The JSON of a request's parameters while they are set.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::frame::push_string;
use super::object::value_of;
use super::redact;
use crate::error::{self, Result};

/// Named parameters at their places on the wire, and the parameters that [`extra`](Self::extra) adds or replaces.
///
/// The members at the top are in two small lists, each ordered by key. Most requests have two or three members, and a
/// map takes more memory for the first one than these lists for all of them.
///
/// This is public only because the sealed trait of operations has it in a signature.
#[derive(Clone, Default, PartialEq)]
pub struct Fields {
    named: Members,
    extra: Members,
}

/// The members of a JSON object, in the order in which they were set.
#[derive(Clone, Default, PartialEq)]
struct Members(Vec<(Cow<'static, str>, Member)>);

/// The value of a member.
#[derive(Clone, PartialEq)]
enum Member {
    Value(Value),
    /// The text of a JSON value that is only sent.
    Json(String),
}

impl Member {
    fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Json(_) => None,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Json(json) => value_of(json),
        }
    }

    fn write_into(&self, out: &mut String) {
        match self {
            Self::Value(Value::String(text)) => push_string(out, text),
            // Writing to a `String` never fails.
            Self::Value(value) => drop(write!(out, "{value}")),
            Self::Json(json) => out.push_str(json),
        }
    }
}

impl Members {
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(there, _)| (**there).cmp(key))
    }

    fn get(&self, key: &str) -> Option<&Member> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    fn put(&mut self, key: Cow<'static, str>, member: Member) {
        match self.place(&key) {
            Ok(at) => self.0[at].1 = member,
            Err(at) => self.0.insert(at, (key, member)),
        }
    }

    fn take(&mut self, key: &str) -> Option<Member> {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    /// Returns the value of a key, `null` if the key was missing.
    fn entry(&mut self, key: &'static str) -> &mut Value {
        let at = match self.place(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key.into(), Member::Value(Value::Null)));
                at
            }
        };
        let member = &mut self.0[at].1;
        if let Member::Json(json) = member {
            *member = Member::Value(value_of(json));
        }
        match member {
            Member::Value(value) => value,
            Member::Json(_) => unreachable!("it was made a value above"),
        }
    }
}

/// Placeholder for a number that is not finite, which JSON cannot express, until the request is rejected. The
/// placeholder begins with a code point that is no character, so that no text of a program is equal.
const NOT_FINITE: &str = "\u{fdd0}not a finite number";

/// Rejects parameters of a request that cannot be sent as they were set.
pub(crate) fn check(method: &str, params: &Value) -> Result<()> {
    check_members(method, params.as_object().into_iter().flatten())
}

fn check_members<'a>(method: &str, members: impl Iterator<Item = (&'a String, &'a Value)>) -> Result<()> {
    refuse(method, members.filter_map(|(key, value)| not_finite(key, value)).next())
}

fn refuse(method: &str, not_finite: Option<&str>) -> Result<()> {
    match not_finite {
        Some(key) => Err(error::refused(method, &format!("`{key}` is not a finite number: set a finite one"))),
        None => Ok(()),
    }
}

/// Returns the key of a number that is not finite, at any depth.
fn not_finite<'a>(key: &'a str, value: &'a Value) -> Option<&'a str> {
    match value {
        Value::String(text) => (text == NOT_FINITE).then_some(key),
        Value::Object(members) => members.iter().find_map(|(key, value)| not_finite(key, value)),
        Value::Array(items) => items.iter().find_map(|item| not_finite(key, item)),
        _ => None,
    }
}

impl Fields {
    /// Creates fields with empty objects at these paths.
    pub(crate) fn with_objects(paths: &[&'static str]) -> Self {
        let mut fields = Self::default();
        for path in paths {
            fields.object(path);
        }
        fields
    }

    /// Writes `value` under `key` in the object at `group`, a path with dots; `""` is the top. `null` is never sent: it
    /// removes the key.
    pub(crate) fn set(&mut self, group: &'static str, key: &'static str, value: Value) {
        match (group, value.is_null()) {
            ("", true) => drop(self.named.take(key)),
            ("", false) => self.named.put(key.into(), Member::Value(value)),
            (_, true) => drop(self.object(group).remove(key)),
            (_, false) => drop(self.object(group).insert(key.to_owned(), value)),
        }
    }

    /// Writes a value that is only sent, as the text of its JSON. [`get`](Self::get) does not find it at the top.
    pub(crate) fn set_json(&mut self, group: &'static str, key: &'static str, json: String) {
        match group {
            "" => self.named.put(key.into(), Member::Json(json)),
            _ => self.set(group, key, value_of(&json)),
        }
    }

    /// Writes a number that is only sent. A number that is not finite makes [`check`](Self::check) fail.
    pub(crate) fn set_number(&mut self, group: &'static str, key: &'static str, value: f64) {
        let value = if value.is_finite() { Value::from(value) } else { Value::from(NOT_FINITE) };
        self.set(group, key, value);
    }

    /// Rejects parameters that cannot be sent as they were set.
    pub(crate) fn check(&self, method: &str) -> Result<()> {
        let not_finite = |(key, member): (&'_ str, &'_ Member)| match member {
            Member::Value(value) => not_finite(key, value).is_some(),
            Member::Json(json) => json.contains(NOT_FINITE),
        };
        // Nearly always all numbers are finite.
        match self.members().find(|(key, member)| not_finite((key, member))) {
            Some((key, Member::Value(value))) => refuse(method, self::not_finite(key, value)),
            Some((key, Member::Json(json))) => refuse(method, self::not_finite(key, &value_of(json)).or(Some(key))),
            None => Ok(()),
        }
    }

    /// Returns the object at `group`, a path that is not empty. The object is created if it is missing.
    pub(crate) fn object(&mut self, group: &'static str) -> &mut Map<String, Value> {
        let mut path = group.split('.');
        let mut object = as_object(self.named.entry(path.next().unwrap_or_default()));
        for key in path {
            object = as_object(object.entry(key).or_insert(Value::Null));
        }
        object
    }

    /// Appends `item` to the array under `key` at the top. The array is created if it is missing.
    pub(crate) fn push(&mut self, key: &'static str, item: Value) {
        let list = self.named.entry(key);
        if list.is_null() {
            *list = Value::Array(Vec::new());
        }
        if let Value::Array(items) = list {
            items.push(item);
        }
    }

    /// Adds a key that is written last and replaces one of the same name.
    pub(crate) fn extra(&mut self, key: String, value: Value) {
        self.extra.put(key.into(), Member::Value(value));
    }

    /// Returns `true` if a key at the top will be sent.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.has_extra(key) || self.named.get(key).is_some()
    }

    /// Whether [`extra`](Self::extra) has set a key.
    pub(crate) fn has_extra(&self, key: &str) -> bool {
        self.extra.get(key).is_some()
    }

    /// The value that will be sent under a key at the top.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.extra.get(key).or_else(|| self.named.get(key)).and_then(Member::value)
    }

    /// A string at the top, unless it is missing or empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Removes a key from the top.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        let named = self.named.take(key);
        self.extra.take(key).or(named).map(|member| member.to_value())
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.named.0.is_empty() && self.extra.0.is_empty()
    }

    /// Appends the members without the braces, so that IDs can be written beside them: each with a comma in front,
    /// unless `out` ends with a brace. The key `but` is omitted, because `out` has it already.
    pub(crate) fn write_into(&self, out: &mut String, but: Option<&str>) {
        for (key, member) in self.members().filter(|(key, _)| Some(*key) != but) {
            if !out.ends_with('{') {
                out.push(',');
            }
            push_string(out, key);
            out.push(':');
            member.write_into(out);
        }
    }

    /// Returns all fields as one JSON object.
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.members().map(|(key, member)| (key.to_owned(), member.to_value())).collect())
    }

    fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        let named = self.named.0.iter().filter(|(key, _)| !self.has_extra(key));
        named.chain(&self.extra.0).map(|(key, member)| (&**key, member))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::shown(self.to_json()))
    }
}

/// Returns the object in `value`, which is replaced by an object if it is none.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("it was made an object above"),
    }
}

/// Returns a string, or `null` if the string is empty.
pub(crate) fn unless_empty(text: String) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text) }
}

/// An array of strings.
pub(crate) fn strings(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::String(item.into())).collect())
}

/// Returns an array of strings, or `null` if the array is empty.
pub(crate) fn strings_unless_empty(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    match strings(items) {
        Value::Array(items) if items.is_empty() => Value::Null,
        items => items,
    }
}

/// Joins strings with spaces.
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
        let mut text = String::from("{\"id\":1");
        fields.write_into(&mut text, Some("size"));
        text.push('}');
        assert_eq!(text, r#"{"id":1,"record":{"audio":{"beep":true}},"tag":"extra"}"#);
    }

    #[test]
    fn null_takes_a_key_away() {
        let mut fields = Fields::default();
        fields.set("", "tag", json!("a"));
        fields.set("", "tag", Value::Null);
        assert!(fields.is_empty());
    }

    #[test]
    fn the_order_of_the_setters_makes_no_difference() {
        let (mut one, mut other) = (Fields::default(), Fields::default());
        for key in ["b", "a", "c"] {
            one.set("", key, json!(key));
        }
        for key in ["c", "b", "a"] {
            other.set("", key, json!(key));
        }
        assert!(one == other);
        let mut text = String::from("{");
        one.write_into(&mut text, None);
        assert_eq!(text, r#"{"a":"a","b":"b","c":"c""#);
    }

    #[test]
    fn a_value_that_is_only_sent_is_written_as_it_is() {
        let mut fields = Fields::default();
        fields.set_json("", "list", r#"[{"a":1}]"#.into());
        assert!(fields.has("list") && fields.get("list").is_none() && fields.check("m").is_ok());
        assert_eq!(fields.to_json(), json!({"list": [{"a": 1}]}));
        fields.push("list", json!("b"));
        assert_eq!(fields.get("list"), Some(&json!([{"a": 1}, "b"])));
        fields.set_json("", "list", json!([{"deep": NOT_FINITE}]).to_string());
        assert!(fields.check("m").is_err_and(|error| error.to_string().contains("`deep`")));
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
