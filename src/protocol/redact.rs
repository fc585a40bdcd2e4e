//! Masking of frames for traces, logs and `Debug`.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

use crate::secret::{MASK, Mask, Secrets, one_line, short_numbers};

/// Placeholder for content.
pub(crate) const CONTENT: &str = "<content>";

/// Whether content is shown: digits, speech and text of the parties.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    Shown,
    Masked,
}

/// Content, masked for `Debug`: only its presence is shown.
pub(crate) struct Content<'a>(pub(crate) &'a str);

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { CONTENT })
    }
}

/// Masks a frame for a trace: values under secret keys at any depth, every text that contains a secret, all of a
/// payment's payload, and content unless it is to be shown. Of a text that is not JSON only the length is shown.
pub(crate) fn redact(text: &str, mask: &Mask, contents: Contents) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return format!("<{} bytes that are not JSON>", text.len());
    };
    mask_frame(&mut value, mask, contents);
    // Within JSON these escapes are valid.
    one_line(&value.to_string())
}

/// Masks a frame that is parsed already.
pub(crate) fn mask_frame(frame: &mut Value, mask: &Mask, contents: Contents) {
    mask_members(frame, contents);
    mask_texts(frame, mask);
}

/// Masks the phone numbers in every text, except for their last four digits.
pub(crate) fn cut_numbers(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('+') => *text = short_numbers(text),
        Value::Array(items) => items.iter_mut().for_each(cut_numbers),
        Value::Object(object) => object.values_mut().for_each(cut_numbers),
        _ => {}
    }
}

/// Masks a JSON text by its keys alone, for `Debug`: without content.
pub(crate) fn redact_keys(text: &str) -> String {
    redact(text, &Mask::default(), Contents::Masked)
}

/// Notes the secrets in the parameters of a request.
pub(crate) fn learn(params: &str, secrets: &Secrets) {
    // Nearly all requests have none, and need not be parsed a second time.
    if !may_hold_secrets(params.as_bytes()) {
        return;
    }
    if let Ok(value) = serde_json::from_str::<Value>(params) {
        learn_from(&value, secrets);
    }
}

/// Returns `true` if the text contains a part of a secret key, or a URI with a user. This is one pass, because the text
/// may be long.
fn may_hold_secrets(params: &[u8]) -> bool {
    params.iter().enumerate().any(|(at, byte)| {
        let rest = &params[at + 1..];
        let goes_on = |end: &str| rest.get(..end.len()).is_some_and(|start| start.eq_ignore_ascii_case(end.as_bytes()));
        match byte.to_ascii_lowercase() {
            b'a' => goes_on("uth"),
            b'b' => goes_on("earer"),
            b'c' => goes_on("ookie") || goes_on("redential"),
            b'j' => goes_on("wt"),
            b'k' => goes_on("ey"),
            b'p' => goes_on("ass") || goes_on("wd"),
            b's' => goes_on("ecret") || goes_on("ignature"),
            b't' => goes_on("oken"),
            b'@' => true,
            _ => false,
        }
    })
}

fn learn_from(value: &Value, secrets: &Secrets) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                // A project occurs in many texts, and is known already or no secret. Card data is masked by its key
                // alone, because a month and a year occur everywhere.
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
            for place in secrets_within(text) {
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

/// Notes every text in a value that is secret as a whole.
fn learn_all(value: &Value, secrets: &Secrets) {
    match value {
        Value::String(text) => {
            secrets.learn(text);
            // In `Bearer x`, the `x` alone is as secret.
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

/// Returns `true` for a character that ends a URI within a text.
fn ends_uri(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | ',')
}

/// Finds secrets in a text by their context: the user of `https://user:password@host/`, the password of
/// `sip:user:password@host`, the value of `?token=value`, and the word after `Bearer`. The result is in order, and each
/// word is checked once.
fn secrets_within(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut bears = false;
    for word in text.split_inclusive(ends_uri) {
        let bare = word.trim_end_matches(ends_uri);
        if bears && bare.len() >= 4 {
            found.push(start..start + bare.len());
        } else {
            within_word(bare, start, &mut found);
        }
        let name = bare.rsplit([':', '=', '\'']).next().unwrap_or(bare);
        bears = if bare.is_empty() { bears } else { name.eq_ignore_ascii_case("bearer") };
        start += word.len();
    }
    found
}

/// Finds the secrets of one word, which is at `start` of the text.
fn within_word(word: &str, start: usize, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = word[from..].find("://") {
        let begin = from + at + 3;
        let length = word[begin..].find(['/', '?', '#']).unwrap_or(word.len() - begin);
        if let Some(length) = word[begin..begin + length].rfind('@').filter(|length| *length > 0) {
            found.push(start + begin..start + begin + length);
        }
        from = begin;
    }
    let scheme = word.find(':').map(|at| &word[..at]);
    if let Some(scheme) =
        scheme.filter(|scheme| scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips"))
    {
        let user = &word[..word.find('@').unwrap_or(0)];
        let password = user.get(scheme.len() + 1..).and_then(|user| user.find(':')).map(|at| scheme.len() + at + 2);
        if let Some(password) = password.filter(|password| *password < user.len()) {
            found.push(start + password..start + user.len());
        }
    }
    let mut from = 0;
    for part in word.split_inclusive(['?', '&', ';', '#']) {
        let bare = part.trim_end_matches(['?', '&', ';', '#']);
        if let Some((name, value)) =
            bare.split_once('=').filter(|(name, value)| is_secret_key(name) && !value.is_empty())
        {
            let begin = start + from + name.len() + 1;
            if found.last().is_none_or(|last| last.end <= begin) {
                found.push(begin..begin + value.len());
            }
        }
        from += part.len();
    }
}

/// Returns the key of a header's value, in an object whose name is that of a secret header.
fn secret_header(object: &serde_json::Map<String, Value>) -> Option<&'static str> {
    let name = object.get("name")?.as_str()?;
    (is_secret_key(name) && object.contains_key("value")).then_some("value")
}

/// Formats a value for `Debug`, on one line. Values under secret keys and content are masked.
pub(crate) fn shown(mut value: Value) -> String {
    mask_members(&mut value, Contents::Masked);
    one_line(&value.to_string())
}

fn mask_members(value: &mut Value, contents: Contents) {
    match value {
        Value::Object(object) => {
            let is_payment = object.get("event_type").is_some_and(|name| name == "calling.call.pay");
            if let Some(key) = secret_header(object) {
                object[key] = Value::from(MASK);
            }
            for (key, value) in object {
                if is_secret(key, value) || (is_payment && key == "params") {
                    *value = Value::from(MASK);
                } else if contents == Contents::Masked && is_content(key, value) {
                    *value = Value::from(CONTENT);
                } else {
                    mask_members(value, contents);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_members(item, contents)),
        Value::String(text) => {
            let found = secrets_within(text);
            if !found.is_empty() {
                let mut shown = String::with_capacity(text.len());
                let mut done = 0;
                for place in found {
                    shown.push_str(text.get(done..place.start).unwrap_or_default());
                    shown.push_str(MASK);
                    done = place.end;
                }
                shown.push_str(text.get(done..).unwrap_or_default());
                *text = shown;
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
    // This is a header. An object of that name contains the permissions of the client.
    is_secret_key(key) && (value.is_string() || !key.eq_ignore_ascii_case("authorization"))
}

/// Returns `true` if a value under this name is secret, in any spelling of the name.
fn is_secret_key(key: &str) -> bool {
    const KEYS: [&str; 24] = [
        "accesskey",
        "apikey",
        "auth",
        "authorization",
        "authorizationstate",
        "authuser",
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "jwt",
        "pass",
        "passphrase",
        "passwd",
        "privatekey",
        "project",
        "proxyauthorization",
        "pwd",
        "secretaccesskey",
        "secretkey",
        "setcookie",
        "signature",
        "signingkey",
        "xapikey",
    ];
    // For example `web_hook_auth_password`, `authorization_bearer_token`, `client_secret`, `aws_secret_access_key`.
    const ENDS: [&str; 7] = ["password", "token", "secret", "apikey", "accesskey", "privatekey", "signingkey"];
    const LONGEST: usize = 64;
    if key.len() > LONGEST {
        // The end of a long name is sufficient.
        let end = (key.len() - LONGEST..key.len()).find(|at| key.is_char_boundary(*at)).unwrap_or(key.len());
        return is_secret_key(&key[end..]);
    }
    let name: String = key.chars().filter(|c| !matches!(c, '-' | '_' | ' ' | '.')).collect();
    let name = name.to_ascii_lowercase();
    KEYS.binary_search(&name.as_str()).is_ok() || ENDS.iter().any(|end| name.ends_with(end)) || is_of_card(key)
}

/// Returns `true` for content: digits, the body of a text message, a transcript. An object or a list under such a name
/// contains settings, or content under other names.
fn is_content(key: &str, value: &Value) -> bool {
    const KEYS: [&str; 11] = [
        "body",
        "combined_text",
        "content",
        "delta",
        "digits",
        "message_text",
        "response",
        "send_digits",
        "terminator",
        "text",
        "utterance",
    ];
    match value {
        Value::String(text) => {
            let text: &str = text;
            let is_digit = || text.len() == 1 && text.bytes().all(|byte| b"0123456789*#ABCDabcd".contains(&byte));
            // A detector reports a digit as its event.
            !text.is_empty()
                && (KEYS.contains(&key) || key.ends_with("conversation_summary") || (key == "event" && is_digit()))
        }
        Value::Number(_) => matches!(key, "digits" | "send_digits"),
        _ => false,
    }
}

/// Returns `true` if the key belongs to a payment.
fn is_of_card(key: &str) -> bool {
    const KEYS: [&str; 8] =
        ["security_code", "expiration_date", "pin", "cvv", "cvc", "card_number", "pan", "account_number"];
    const PAYMENT: &str = "payment_";
    let is = |name: &str| {
        name.len() == key.len()
            && name.bytes().zip(key.bytes()).all(|(a, b)| a == b.to_ascii_lowercase() || (a == b'_' && b == b'-'))
    };
    KEYS.into_iter().any(is) || key.get(..PAYMENT.len()).is_some_and(|start| start.eq_ignore_ascii_case(PAYMENT))
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
            let mask = secrets(&["canary-1", "canary-2", "canary-3"]).mask();
            let shown = redact(frame, &mask, Contents::Shown);
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

    #[test]
    fn what_is_secret_by_its_key_is_masked_however_the_key_is_written() {
        let keys = "pwd pass passphrase bearer api-key x-api-key access_key aws_secret_access_key private-key signing_key \
            Proxy-Authorization cookie Set-Cookie auth auth_user pin cvv cvc card_number pan account_number signature \
            PIN Card-Number clientSecret X-Auth-Token authToken privateKey APIKEY x_api_key";
        for key in keys.split_whitespace() {
            for frame in [
                serde_json::json!({key: "canary"}),
                serde_json::json!({"deep": [{key: {"a": ["canary"]}}]}),
                serde_json::json!({"name": key, "value": "canary"}),
                serde_json::json!({"url": format!("https://example.com/a?b=c&{key}=canary&d=e")}),
            ] {
                let shown = redact_keys(&frame.to_string());
                assert!(!shown.contains("canary") && shown.contains(MASK), "{frame}: {shown}");
            }
        }
        let plain = r#"{"account":"a","authorization":{"a":"b"},"digits":{"max":1},"key":"k","name":"n","pants":"x","value":"v"}"#;
        assert_eq!(redact_keys(plain), plain);
    }

    #[test]
    fn what_is_secret_by_what_stands_beside_it_is_masked_under_any_key() {
        for (text, shown) in [
            ("https://ann:canary@example.com/a?b=c", "https://<secret>@example.com/a?b=c"),
            ("see wss://canary@h and http://a:canary@h:80", "see wss://<secret>@h and http://<secret>@h:80"),
            ("https://h/a@b?token=canary&c=d#e", "https://h/a@b?token=<secret>&c=d#e"),
            ("https://h/?a=b&api_key=canary", "https://h/?a=b&api_key=<secret>"),
            ("sip:ann:canary@h;transport=tls", "sip:ann:<secret>@h;transport=tls"),
            ("<SIPS:ann:canary:x@h>", "<SIPS:ann:<secret>@h>"),
            ("sip:ann@h:5060", "sip:ann@h:5060"),
            ("Bearer canary", "Bearer <secret>"),
            ("Authorization: bearer  canary, x", "Authorization: bearer  <secret>, x"),
            ("a bearer", "a bearer"),
            ("no secret: https://h/a?b=c", "no secret: https://h/a?b=c"),
        ] {
            let frame = serde_json::json!({"x": text}).to_string();
            assert_eq!(redact_keys(&frame), serde_json::json!({"x": shown}).to_string());
        }
    }

    #[test]
    fn contents_are_masked_unless_they_are_to_be_shown() {
        for (frame, shown) in [
            (
                r##"{"result":{"type":"digit","params":{"digits":"4711","terminator":"#"}}}"##,
                r#"{"result":{"params":{"digits":"<content>","terminator":"<content>"},"type":"digit"}}"#,
            ),
            (
                r#"{"result":{"type":"speech","params":{"text":"4711","confidence":83.2}}}"#,
                r#"{"result":{"params":{"confidence":83.2,"text":"<content>"},"type":"speech"}}"#,
            ),
            (
                r#"{"detect":{"type":"digit","params":{"event":"7"}}}"#,
                r#"{"detect":{"params":{"event":"<content>"},"type":"digit"}}"#,
            ),
            (
                r#"{"detect":{"type":"machine","params":{"event":"MACHINE"}}}"#,
                r#"{"detect":{"params":{"event":"MACHINE"},"type":"machine"}}"#,
            ),
            (r#"{"body":"4711","digits":4711}"#, r#"{"body":"<content>","digits":"<content>"}"#),
            (r#"{"send_digits":"4711"}"#, r#"{"send_digits":"<content>"}"#),
            (r#"{"message_text":"4711"}"#, r#"{"message_text":"<content>"}"#),
            (r#"{"utterance":{"content":"4711"}}"#, r#"{"utterance":{"content":"<content>"}}"#),
            (r#"{"primary_conversation_summary":"4711"}"#, r#"{"primary_conversation_summary":"<content>"}"#),
            (r#"{"collect":{"digits":{"max":4}},"text":""}"#, r#"{"collect":{"digits":{"max":4}},"text":""}"#),
        ] {
            assert_eq!(redact_keys(frame), shown);
            let as_it_came: Value = serde_json::from_str(frame).expect("JSON");
            assert_eq!(redact(frame, &Mask::default(), Contents::Shown), as_it_came.to_string());
        }
        assert_eq!(format!("{:?} {:?}", Content("4711"), Content("")), "<content> \"\"");
    }

    #[test]
    fn a_traced_frame_is_one_line_and_still_json() {
        let frame = serde_json::json!({"a\u{85}": "x\u{2028}\u{202e}\u{9b}2J\n\u{1b}[2J \u{e0041}"});
        let shown = redact_keys(&frame.to_string());
        assert!(shown.chars().all(|c| !c.is_control() && c.is_ascii()), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), frame);
    }

    fn secrets(own: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        secrets.set_own(own.iter().map(|secret| crate::secret::Secret::new(*secret)).collect());
        secrets
    }
}
