//! Tolerant reading of JSON: a value of the wrong type, or `null`, counts as absent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON value other than a container. Every container counts as absent.
enum Scalar<'a> {
    Nothing,
    Flag(bool),
    Number(f64),
    Text(Cow<'a, str>),
}

/// A string, borrowed if it has no escapes. `None` if the value has another type.
#[derive(Default)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

/// A finite number, or a string with one. `None` if the value has another type.
#[derive(Default)]
pub(crate) struct Number(pub(crate) Option<f64>);

/// The members of a JSON object, each as unparsed text.
#[derive(Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Some members of a JSON object, each as unparsed text, and the number of all members. Unlike an [`Object`], it keeps
/// no list of them.
pub(crate) struct Picked<'a, const N: usize> {
    pub(crate) values: [Option<&'a RawValue>; N],
    pub(crate) count: usize,
}

/// Returns the members of these names: `None` for one that is absent or `null`. Returns `None` if the text is no
/// object.
pub(crate) fn pick<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Picked<'a, N> {
    let picked = Pick(names).deserialize(&mut serde_json::Deserializer::from_str(json));
    picked.unwrap_or(Picked { values: [None; N], count: 0 })
}

/// Parses a text that was cut from a valid frame.
pub(crate) fn value_of(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Parses one member of such a text. Returns `None` if the member is absent or `null`, or if the text is no object.
pub(crate) fn member_of(json: &str, key: &str) -> Option<Value> {
    let raw = Object::parse_text(json).get(key)?;
    serde_json::from_str(raw.get()).ok()
}

impl<'a> Object<'a> {
    /// Reads the members of `raw`; none if `raw` is no object.
    pub(crate) fn parse(raw: &'a RawValue) -> Self {
        Self::parse_text(raw.get())
    }

    pub(crate) fn parse_text(json: &'a str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the members.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// Returns the value of a key, unless it is `null`. For a repeated key the last value counts.
    pub(crate) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().rev().find(|(name, _)| name == key)?;
        (raw.get() != "null").then_some(*raw)
    }

    pub(crate) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        text_of(self.get(key)?)
    }

    /// Returns a string, empty if absent.
    pub(crate) fn string(&self, key: &str) -> String {
        self.text(key).map(Cow::into_owned).unwrap_or_default()
    }

    pub(crate) fn optional(&self, key: &str) -> Option<String> {
        self.text(key).map(Cow::into_owned)
    }

    /// Returns a string, or the digits of a number.
    pub(crate) fn code(&self, key: &str) -> String {
        match self.get(key).map(scalar_of) {
            Some(Scalar::Text(text)) => text.into_owned(),
            Some(Scalar::Number(_)) => self.get(key).map(|raw| raw.get().to_owned()).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// Returns a value of an open set, created from `""` if absent.
    pub(crate) fn state<T: for<'t> From<&'t str>>(&self, key: &str) -> T {
        T::from(self.text(key).as_deref().unwrap_or_default())
    }

    /// Returns a value of an open set, if present and not empty.
    pub(crate) fn optional_state<T: for<'t> From<&'t str>>(&self, key: &str) -> Option<T> {
        self.text(key).filter(|text| !text.is_empty()).map(|text| T::from(&text))
    }

    pub(crate) fn optional_number(&self, key: &str) -> Option<f64> {
        number_of(self.get(key)?)
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.optional_number(key).unwrap_or_default()
    }

    /// Returns a whole number without its fraction. 0 if absent or out of range.
    pub(crate) fn integer(&self, key: &str) -> i64 {
        self.get(key).and_then(integer_of).unwrap_or_default()
    }

    /// Returns a boolean, also from the string `"true"`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match scalar_of(self.get(key)?) {
            Scalar::Flag(flag) => Some(flag),
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Number(_) | Scalar::Nothing => None,
        }
    }

    pub(crate) fn object(&self, key: &str) -> Object<'a> {
        self.get(key).map(Object::parse).unwrap_or_default()
    }

    /// Returns the strings of an array, without its other items.
    pub(crate) fn strings(&self, key: &str) -> Vec<String> {
        let items: Vec<Text<'a>> =
            self.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        items.into_iter().filter_map(|Text(text)| text.map(Cow::into_owned)).collect()
    }
}

/// Returns `raw` as a string.
pub(crate) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Returns `raw` as a number, also from a string.
pub(crate) fn number_of(raw: &RawValue) -> Option<f64> {
    match scalar_of(raw) {
        Scalar::Number(number) => Some(number),
        Scalar::Text(text) => finite(&text),
        Scalar::Flag(_) | Scalar::Nothing => None,
    }
}

/// Returns a whole number, also from a string, without its fraction. `None` for another type, or out of the range of
/// the type.
pub(crate) fn integer_of(raw: &RawValue) -> Option<i64> {
    let exact = match scalar_of(raw) {
        Scalar::Text(text) => text.trim().parse().ok(),
        // The text is parsed directly, because a float cannot hold every digit.
        _ => raw.get().parse().ok(),
    };
    exact.or_else(|| {
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        let number = number_of(raw)?.trunc();
        (-BOUND..BOUND).contains(&number).then_some(number as i64)
    })
}

fn scalar_of(raw: &RawValue) -> Scalar<'_> {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'"') => text_of(raw).map_or(Scalar::Nothing, Scalar::Text),
        Some(b't') => Scalar::Flag(true),
        Some(b'f') => Scalar::Flag(false),
        Some(b'-' | b'0'..=b'9') => finite(json).map_or(Scalar::Nothing, Scalar::Number),
        _ => Scalar::Nothing,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Text(text) => Self(Some(text)),
            _ => Self(None),
        })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Number(number) => Self(Some(number)),
            Scalar::Text(text) => Self(finite(&text)),
            _ => Self(None),
        })
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Reads a JSON value, and keeps it if it is a scalar.
struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Nothing)
    }

    // A container counts as absent, but must be read to its end.

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }
}

/// Reads the members with these names.
struct Pick<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Pick<'_, N> {
    type Value = Picked<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
    type Value = Picked<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Picked { values: [None; N], count: 0 };
        while let Some(Text(key)) = map.next_key()? {
            picked.count += 1;
            match self.0.iter().position(|name| key.as_deref() == Some(*name)) {
                // For a repeated key the last value counts.
                Some(at) => {
                    let value: &RawValue = map.next_value()?;
                    picked.values[at] = (value.get() != "null").then_some(value);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(picked)
    }
}

/// Reads the members of a JSON object.
struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(12);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            members.push((key.0.unwrap_or_default(), map.next_value()?));
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_and_null_count_as_absent() {
        let object = Object::parse_text(
            r#"{"text":"a\nb","number":"2.5","null":null,"list":[1,"x",{}],"flag":"true","deep":{"k":1},"text2":{}}"#,
        );
        assert_eq!(object.string("text"), "a\nb");
        assert_eq!(object.number("number"), 2.5);
        assert!(object.get("null").is_none());
        assert_eq!(object.strings("list"), ["x"]);
        assert_eq!(object.flag("flag"), Some(true));
        assert_eq!(object.object("deep").integer("k"), 1);
        assert_eq!((object.string("text2").as_str(), object.number("text"), object.integer("list")), ("", 0.0, 0));
        assert!(Object::parse_text("[]").is_empty());
        assert!(Object::parse_text("nonsense").is_empty());
    }

    #[test]
    fn members_are_picked_as_an_object_finds_them() {
        for json in [
            r#"{"a":1,"b":{"c":[1,{}]},"d":"x"}"#,
            r#"{"d":null,"a":"1","a":null,"b":2,"b":3,"\u0061x":0}"#,
            "{}",
            "[1]",
            "7",
            "nonsense",
            r#"{"a":1,"b""#,
        ] {
            let names = ["a", "b", "d", "none"];
            let (picked, object) = (pick(json, names), Object::parse_text(json));
            let found = picked.values.map(|value| value.map(RawValue::get));
            assert_eq!(found, names.map(|name| object.get(name).map(RawValue::get)), "{json}");
            assert_eq!(picked.count, object.keys().count(), "{json}");
        }
    }

    #[test]
    fn the_last_of_a_key_that_stands_twice_counts() {
        assert_eq!(Object::parse_text(r#"{"a":"1","a":"2"}"#).string("a"), "2");
    }
}
