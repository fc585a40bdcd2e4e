//! What of a frame may be shown.

use serde_json::Value;

const MASK: &str = "<secret>";

/// A value shorter than this is not looked for in other texts: it would mask half of every frame.
const SHORTEST_SECRET: usize = 4;

/// A frame as it may stand in a trace: what is secret by its key, at any depth, and every text that contains one of
/// `secrets`, is masked; so is all of a payment's payload. Of a text that is not JSON only the length is told.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return format!("<{} bytes that are not JSON>", text.len());
    };
    mask_keys(&mut value);
    mask_texts(&mut value, secrets);
    value.to_string()
}

/// `text` with each of `secrets` masked wherever it stands.
pub(crate) fn mask_values(text: &str, secrets: &[&str]) -> String {
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
    // The longest first: one secret may be a part of another, whose rest would stay.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(
        text.to_owned(),
        |text, secret| {
            if text.contains(secret) { text.replace(secret, MASK) } else { text }
        },
    )
}

/// Masks what is secret by its key.
pub(crate) fn mask_keys(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_payment = object.get("event_type").is_some_and(|name| name == "calling.call.pay");
            for (key, value) in object {
                if is_secret(key) || (is_payment && key == "params") {
                    *value = Value::from(MASK);
                } else {
                    mask_keys(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_keys),
        _ => {}
    }
}

fn mask_texts(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::String(text) => *text = mask_values(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_texts(item, secrets)),
        Value::Object(object) => {
            let members = std::mem::take(object);
            *object = members
                .into_iter()
                .map(|(key, mut value)| {
                    mask_texts(&mut value, secrets);
                    (mask_values(&key, secrets), value)
                })
                .collect();
        }
        Value::Number(number) => {
            let digits = number.to_string();
            if digits.len() >= SHORTEST_SECRET && secrets.contains(&digits.as_str()) {
                *value = Value::from(MASK);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_secret(key: &str) -> bool {
    const KEYS: [&str; 12] = [
        "token",
        "jwt_token",
        "dpop_token",
        "project",
        "password",
        "credential",
        "authorization_state",
        "authorization_bearer_token",
        "post_prompt_auth_password",
        "security_code",
        "expiration_date",
        "jwt",
    ];
    const PAYMENT: &str = "payment_";
    KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
        || key.get(..PAYMENT.len()).is_some_and(|start| start.eq_ignore_ascii_case(PAYMENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_canary_survives() {
        let frames = [
            r#"{"params":{"authentication":{"project":"canary-1","token":"canary-2"}}}"#,
            r#"{"params":{"authentication":{"jwt_token":"canary-3"},"authorization_state":"canary-1"}}"#,
            r#"{"result":{"identity":"x-canary-1@y","authorization":{"deep":[{"k":"canary-2"}]}}}"#,
            r#"{"error":{"code":-32002,"message":"bad token canary-2"}}"#,
            r#"{"error":{"message":"c\u0061nary-3"}}"#,
            r#"{"canary-1":1}"#,
            r#"{"params":{"devices":[[{"type":"sip","params":{"password":"canary"}}]]}}"#,
            r#"{"params":{"ice_servers":[{"credential":{"a":"canary"}}]}}"#,
            r#"{"params":{"event_type":"calling.call.pay","params":{"digits":"canary"}}}"#,
            r#"{"params":{"payment_card_number":"canary","Security_Code":"canary","expiration_date":"canary"}}"#,
            r#"{"params":{"post_prompt_auth_password":"canary","authorization_bearer_token":"canary"}}"#,
            "not json canary",
        ];
        for frame in frames {
            let shown = redact(frame, &["canary-1", "canary-2", "canary-3"]);
            assert!(!shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn only_what_is_long_enough_is_looked_for_in_texts() {
        let shown = redact(r#"{"method":"calling.play","params":{"call_id":"c","n":1}}"#, &["call", "1", ""]);
        assert_eq!(shown, r#"{"method":"<secret>ing.play","params":{"<secret>_id":"c","n":1}}"#);
    }

    #[test]
    fn a_secret_that_contains_another_is_masked_whole() {
        assert_eq!(mask_values("say canary-and-more", &["canary", "canary-and-more"]), "say <secret>");
    }
}
