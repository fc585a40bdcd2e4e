//! The comparison of two requests: IDs that the program creates may differ, and masked values may be anything.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Length of a UUID in text.
const ID: usize = 36;

/// The placeholders of masked values.
const MASKS: [&str; 2] = ["<secret>", "<content>"];

/// The fields that differ only with the account and the version of the crate.
const FREE: [&str; 2] = ["authentication", "agent"];

/// The UUIDs in a text.
pub(crate) fn ids(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + ID <= bytes.len() {
        if is_id(&bytes[at..at + ID]) {
            found.extend(text.get(at..at + ID));
            at += ID;
        } else {
            at += 1;
        }
    }
    found
}

fn is_id(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Calls `each` with every text in a value.
pub(crate) fn each_text<'a>(value: &'a Value, each: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(object) => object.values().for_each(|value| each_text(value, each)),
        _ => {}
    }
}

/// The IDs of the recording, and the program's present IDs for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    now: HashMap<String, String>,
    taken: HashSet<String>,
    /// IDs of the service, which are the same in the replay.
    fixed: HashSet<String>,
    /// The pairs that were learned since a trial began.
    trial: Option<Vec<(String, String)>>,
}

impl Names {
    pub(crate) fn new(fixed: HashSet<String>) -> Self {
        Self { fixed, ..Self::default() }
    }

    /// `true` if one ID may stand for the other; from then on it does.
    fn same(&mut self, recorded: &str, now: &str) -> bool {
        if recorded == now {
            return true;
        }
        if self.fixed.contains(recorded) || self.fixed.contains(now) {
            return false;
        }
        match self.now.get(recorded) {
            Some(known) => known == now,
            None => {
                let is_new = self.taken.insert(now.to_owned());
                if is_new {
                    self.now.insert(recorded.to_owned(), now.to_owned());
                    if let Some(trial) = &mut self.trial {
                        trial.push((recorded.to_owned(), now.to_owned()));
                    }
                }
                is_new
            }
        }
    }

    /// A value of the recording with the present IDs.
    pub(crate) fn translate(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let old: Vec<(String, String)> = ids(text)
                    .into_iter()
                    .filter_map(|id| self.now.get(id).map(|now| (id.to_owned(), now.clone())))
                    .collect();
                for (old, now) in old {
                    *text = text.replace(&old, &now);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.translate(item)),
            Value::Object(object) => object.values_mut().for_each(|value| self.translate(value)),
            _ => {}
        }
    }

    /// `true` if nothing differs. No IDs are bound by this.
    pub(crate) fn may_be(&mut self, recorded: &Value, now: &Value) -> bool {
        self.trial = Some(Vec::new());
        let same = self.differ(recorded, now).is_none();
        for (recorded, now) in self.trial.take().unwrap_or_default() {
            self.now.remove(&recorded);
            self.taken.remove(&now);
        }
        same
    }

    /// The first difference between two parameters, in words; `None` if they are the same.
    pub(crate) fn differ(&mut self, recorded: &Value, now: &Value) -> Option<String> {
        self.differ_at("params", recorded, now)
    }

    fn differ_at(&mut self, path: &str, recorded: &Value, now: &Value) -> Option<String> {
        match (recorded, now) {
            (Value::Object(old), Value::Object(new)) => {
                let mut keys: Vec<&String> =
                    old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
                keys.retain(|key| !(path == "params" && FREE.contains(&key.as_str())));
                keys.into_iter().find_map(|key| {
                    let path = format!("{path}.{key}");
                    match (old.get(key), new.get(key)) {
                        (Some(old), Some(new)) => self.differ_at(&path, old, new),
                        (Some(old), None) => Some(format!("{path} was {old}, and is missing now")),
                        (None, Some(new)) => Some(format!("{path} was not there, and is {new} now")),
                        (None, None) => None,
                    }
                })
            }
            (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
                let pairs = old.iter().zip(new).enumerate();
                pairs.into_iter().find_map(|(at, (old, new))| self.differ_at(&format!("{path}[{at}]"), old, new))
            }
            (Value::String(old), Value::String(new)) if self.same_text(old, new) => None,
            // Any value may have been masked here, also an object.
            (Value::String(old), _) if MASKS.contains(&old.as_str()) => None,
            (Value::Number(old), Value::Number(new)) if old.as_f64() == new.as_f64() => None,
            (old, new) if old == new => None,
            (old, new) => Some(format!("{path} was {old}, and is {new} now")),
        }
    }

    fn same_text(&mut self, old: &str, new: &str) -> bool {
        if fits(old, new) {
            return true;
        }
        let (old_ids, new_ids) = (ids(old), ids(new));
        let bare = |text: &str, ids: &[&str]| ids.iter().fold(text.to_owned(), |text, id| text.replacen(id, "", 1));
        old_ids.len() == new_ids.len()
            && !old_ids.is_empty()
            && fits(&bare(old, &old_ids), &bare(new, &new_ids))
            && old_ids.iter().zip(&new_ids).all(|(old, new)| self.same(old, new))
    }
}

/// Whether a text is the recorded one, as far as that is not masked: `<secret>` stands for anything, and `+...2222` for a
/// number with these last digits.
fn fits(recorded: &str, text: &str) -> bool {
    if recorded == text {
        return true;
    }
    let hidden = MASKS.into_iter().chain(["+..."]).filter_map(|mask| Some((recorded.find(mask)?, mask))).min();
    let Some((at, mask)) = hidden else { return false };
    let Some(rest) = text.strip_prefix(&recorded[..at]) else { return false };
    let behind = &recorded[at + mask.len()..];
    if mask != "+..." {
        let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        return starts.into_iter().any(|at| fits(behind, &rest[at..]));
    }
    let Some(number) = rest.strip_prefix('+') else { return false };
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let shown = behind.bytes().take_while(u8::is_ascii_digit).count();
    digits > shown && number[..digits].ends_with(&behind[..shown]) && fits(&behind[shown..], &number[digits..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "00005e55-0000-4000-8000-00000000000a";
    const B: &str = "00005e55-0000-4000-8000-00000000000b";
    const C: &str = "00005e55-0000-4000-8000-00000000000c";

    #[test]
    fn ids_of_the_program_are_free_and_stay_what_they_are() {
        let mut names = Names::new([C.to_owned()].into());
        let request =
            |control: &str, call: &str| json!({"control_id": control, "call_id": call, "tag": format!("x-{control}")});
        assert_eq!(names.differ(&request(A, C), &request(B, C)), None);
        assert_eq!(names.differ(&request(A, C), &request(B, C)), None);
        assert!(names.differ(&request(A, C), &request(A, C)).is_none(), "an ID that is the same is the same");
        let other = "00005e55-0000-4000-8000-00000000000d";
        assert!(names.differ(&request(A, C), &request(other, C)).is_some(), "it was another one before");
        assert!(names.differ(&request(A, C), &request(B, other)).is_some(), "the ID of a call is the service's");
        assert!(names.may_be(&json!([other]), &json!([A])) && names.may_be(&json!([other]), &json!([A])));
        assert!(names.differ(&json!([other]), &json!([other])).is_none(), "a trial decides nothing");
        let mut event = json!({"params": {"control_id": A, "call_id": C}});
        names.translate(&mut event);
        assert_eq!(event, json!({"params": {"control_id": B, "call_id": C}}));
    }

    #[test]
    fn a_difference_names_its_place() {
        let mut names = Names::default();
        for (recorded, now, what) in [
            (json!({"a": [{"b": "x"}]}), json!({"a": [{"b": "y"}]}), r#"params.a[0].b was "x", and is "y" now"#),
            (json!({"a": 1}), json!({}), "params.a was 1, and is missing now"),
            (json!({}), json!({"a": null}), "params.a was not there, and is null now"),
            (json!({"a": [1]}), json!({"a": [1, 2]}), "params.a was [1], and is [1,2] now"),
        ] {
            assert_eq!(names.differ(&recorded, &now).as_deref(), Some(what));
        }
        assert_eq!(names.differ(&json!({"agent": "a", "volume": 1}), &json!({"agent": "b", "volume": 1.0})), None);
    }

    #[test]
    fn what_is_masked_may_be_anything() {
        for (recorded, text, same) in [
            ("<content>", "anything", true),
            ("<secret>", "", true),
            ("https://<secret>@host/", "https://user:password@host/", true),
            ("https://<secret>@host/", "https://user:password@other/", false),
            ("+...2222", "+15552222222", true),
            ("+...2222", "+15552222223", false),
            ("sip:+...2222@h", "sip:+15552222222@h", true),
            ("+...2222", "2222", false),
            ("a", "b", false),
        ] {
            assert_eq!(fits(recorded, text), same, "{recorded} and {text}");
        }
        assert_eq!(Names::default().differ(&json!({"a": "<secret>"}), &json!({"a": {"b": 1}})), None);
    }
}
