//! What of a frame may be shown.

use serde_json::Value;

use crate::secret::{MASK, Mask, Secrets};

/// A frame as it may stand in a trace: what is secret by its key, at any depth, and every text that contains a secret,
/// is masked; so is all of a payment's payload. Of a text that is not JSON only the length is told.
pub(crate) fn redact(text: &str, mask: &Mask) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return format!("<{} bytes that are not JSON>", text.len());
    };
    mask_keys(&mut value);
    mask_texts(&mut value, mask);
    value.to_string()
}

/// The same of what nothing more is known of than its keys.
pub(crate) fn redact_keys(text: &str) -> String {
    redact(text, &Mask::default())
}

/// Notes what is secret in the parameters of a request.
pub(crate) fn learn(params: &str, secrets: &Secrets) {
    // Nearly all requests have none, and are not parsed a second time for that.
    if !may_hold_secrets(params.as_bytes()) {
        return;
    }
    if let Ok(value) = serde_json::from_str::<Value>(params) {
        learn_from(&value, secrets);
    }
}

/// Whether a part of a key that is secret, or a URL with a user in it, is anywhere in this. One pass: it may be long.
fn may_hold_secrets(params: &[u8]) -> bool {
    let (mut url, mut user) = (false, false);
    for (at, byte) in params.iter().enumerate() {
        let rest = &params[at + 1..];
        let ends_in = |end: &[u8]| rest.starts_with(end);
        let found = match byte {
            b'a' => ends_in(b"ssw") || ends_in(b"pi"),
            b'A' => ends_in(b"SSW"),
            b'o' => ends_in(b"ken"),
            b'O' => ends_in(b"KEN"),
            b'e' => ends_in(b"cret"),
            b'r' => ends_in(b"edent"),
            b'u' => ends_in(b"thoriz"),
            b'j' => ends_in(b"wt"),
            b':' => {
                url |= ends_in(b"//");
                false
            }
            b'@' => {
                user = true;
                false
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    url && user
}

fn learn_from(value: &Value, secrets: &Secrets) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                // A project is in many texts, and is our own or no secret; card data is masked by its key alone, as
                // a month and a year would be found everywhere.
                if is_secret(key, value) && !key.eq_ignore_ascii_case("project") && !is_of_card(key) {
                    learn_all(value, secrets);
                } else {
                    learn_from(value, secrets);
                }
            }
            if let Some(value) = secret_header(object) {
                learn_all(&object[value], secrets);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| learn_from(item, secrets)),
        Value::String(text) => {
            for place in passwords_in_urls(text) {
                let user_and_password = &text[place];
                secrets.learn(user_and_password);
                if let Some((_, password)) = user_and_password.split_once(':') {
                    secrets.learn(password);
                }
            }
        }
        _ => {}
    }
}

/// Everything in a value that is secret as a whole.
fn learn_all(value: &Value, secrets: &Secrets) {
    match value {
        Value::String(text) => {
            secrets.learn(text);
            // `Bearer x`: the x alone is as secret.
            if let Some((_, credential)) = text.split_once(' ').filter(|(scheme, _)| is_scheme(scheme)) {
                secrets.learn(credential);
            }
        }
        Value::Number(number) => secrets.learn(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| learn_all(item, secrets)),
        Value::Object(object) => object.values().for_each(|value| learn_all(value, secrets)),
        _ => {}
    }
}

fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "digest", "token"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Where in a text a URL has a user and a password, as in `https://user:password@host/`.
fn passwords_in_urls(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let rest = &text[start..];
        let authority = &rest[..rest.find(['/', '?', '#', '"', '<', ' ']).unwrap_or(rest.len())];
        if let Some(length) = authority.rfind('@').filter(|length| authority[..*length].contains(':')) {
            found.push(start..start + length);
        }
        from = start;
    }
    found
}

/// The key of what a header is set to, in an object that has a name beside it and the name is of a secret.
fn secret_header(object: &serde_json::Map<String, Value>) -> Option<&'static str> {
    let name = object.get("name")?.as_str()?;
    let is =
        ["authorization", "proxy-authorization", "cookie", "x-api-key"].iter().any(|n| name.eq_ignore_ascii_case(n));
    (is && object.contains_key("value")).then_some("value")
}

/// Masks what is secret by its key.
pub(crate) fn mask_keys(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_payment = object.get("event_type").is_some_and(|name| name == "calling.call.pay");
            if let Some(key) = secret_header(object) {
                object[key] = Value::from(MASK);
            }
            for (key, value) in object {
                if is_secret(key, value) || (is_payment && key == "params") {
                    *value = Value::from(MASK);
                } else {
                    mask_keys(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_keys),
        Value::String(text) => {
            for place in passwords_in_urls(text).into_iter().rev() {
                text.replace_range(place, MASK);
            }
        }
        _ => {}
    }
}

/// Masks every text that contains a secret.
pub(crate) fn mask_texts(value: &mut Value, mask: &Mask) {
    match value {
        Value::String(text) => *text = mask.clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_texts(item, mask)),
        Value::Object(object) => {
            let members = std::mem::take(object);
            *object = members
                .into_iter()
                .map(|(key, mut value)| {
                    mask_texts(&mut value, mask);
                    (mask.clean(&key), value)
                })
                .collect();
        }
        Value::Number(number) => {
            if mask.is(&number.to_string()) {
                *value = Value::from(MASK);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_secret(key: &str, value: &Value) -> bool {
    const KEYS: [&str; 9] = [
        "jwt",
        "project",
        "credential",
        "credentials",
        "authorization_state",
        "passwd",
        "api_key",
        "apikey",
        "private_key",
    ];
    // `web_hook_auth_password`, `authorization_bearer_token`, `client_secret` and the like.
    const ENDS: [&str; 3] = ["password", "token", "secret"];
    let ends = |end: &&str| {
        let start = key.len().checked_sub(end.len());
        start.and_then(|start| key.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
        || ENDS.iter().any(ends)
        || is_of_card(key)
        // A header; the object of that name says what the client may do.
        || (key.eq_ignore_ascii_case("authorization") && value.is_string())
}

/// Whether it belongs to a payment.
fn is_of_card(key: &str) -> bool {
    const PAYMENT: &str = "payment_";
    key.eq_ignore_ascii_case("security_code")
        || key.eq_ignore_ascii_case("expiration_date")
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
            r#"{"params":{"web_hook_auth_password":"canary","client_secret":"canary","Authorization":"Basic canary"}}"#,
            r#"{"params":{"headers":[{"name":"authorization","value":"Bearer canary"}]}}"#,
            r#"{"params":{"post_prompt_url":"https://ann:canary@example.com/a?b=c"}}"#,
            "not json canary",
        ];
        for frame in frames {
            let shown = redact(frame, &secrets(&["canary-1", "canary-2", "canary-3"]).mask());
            assert!(!shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn the_secrets_of_a_request_are_found_in_what_is_said_about_it() {
        for params in [
            r#"{"devices":[[{"type":"sip","params":{"to":"sip:a@b","password":"canary-1"}}]]}"#,
            r#"{"authorization_bearer_token":"canary-1"}"#,
            r#"{"post_prompt_auth_password":"canary-1"}"#,
            r#"{"SWAIG":{"defaults":{"web_hook_auth_password":"canary-1"}}}"#,
            r#"{"post_prompt_url":"https://ann:canary-1@example.com/a@b"}"#,
            r#"{"headers":[{"name":"Authorization","value":"Bearer canary-1"}]}"#,
            r#"{"Authorization":"Basic canary-1"}"#,
            r#"{"PASSWORD":"canary-1"}"#,
            r#"{"credential":{"deep":["canary-1"]}}"#,
        ] {
            let secrets = Secrets::default();
            learn(params, &secrets);
            assert_eq!(secrets.clean("say canary-1 again"), "say <secret> again", "{params}");
        }
        let secrets = Secrets::default();
        let params = r#"{"project":"default","to":"sip:a@b","url":"https://example.com:80/a@b","security_code":true}"#;
        learn(params, &secrets);
        assert_eq!(secrets.clean("default example.com:80 sip:a@b true"), "default example.com:80 sip:a@b true");
    }

    fn secrets(own: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        secrets.set_own(own.iter().map(|secret| crate::secret::Secret::new(*secret)).collect());
        secrets
    }
}
