//! Frames as the service writes and reads them: JSON-RPC 2.0, one object to a text frame.

use serde_json::{Map, Value, json};

/// A frame of a client.
#[derive(Debug)]
pub(crate) enum Incoming {
    Request { id: Value, method: String, params: Map<String, Value> },
    Reply { id: Value },
}

/// Sorts a frame by the rules of JSON-RPC, or returns the error in it.
pub(crate) fn sort(frame: &Value) -> Result<Incoming, String> {
    let Some(object) = frame.as_object() else { return Err("the frame is not an object".into()) };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("jsonrpc is not \"2.0\"".into());
    }
    if let Some(key) =
        object.keys().find(|key| !["jsonrpc", "id", "method", "params", "result", "error"].contains(&key.as_str()))
    {
        return Err(format!("unknown top-level key {key:?}"));
    }
    let id = object.get("id").cloned().unwrap_or(Value::Null);
    if let Some(method) = object.get("method") {
        let Some(method) = method.as_str() else { return Err("method is not a string".into()) };
        if !id.is_string() {
            return Err("the id of a request is not a string".into());
        }
        let params = match object.get("params") {
            Some(Value::Object(params)) => params.clone(),
            _ => return Err("params is not an object".into()),
        };
        return Ok(Incoming::Request { id, method: method.to_owned(), params });
    }
    if object.contains_key("result") || object.contains_key("error") {
        return Ok(Incoming::Reply { id });
    }
    Err("neither method, result nor error".into())
}

pub(crate) fn result(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

pub(crate) fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

pub(crate) fn request(id: &str, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// Keys whose values are never kept or printed.
const SECRETS: &[&str] = &[
    "token",
    "jwt_token",
    "authorization_state",
    "password",
    "authorization_bearer_token",
    "dpop_token",
    "post_prompt_auth_password",
];

/// Puts a placeholder in the place of every secret.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                if SECRETS.contains(&key.as_str()) && inner.is_string() {
                    *inner = Value::from("<secret>");
                } else {
                    redact(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// A text field.
pub(crate) fn text<'a>(from: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    from.get(key).and_then(Value::as_str)
}

/// A field in seconds; negative ones count as zero.
pub(crate) fn seconds(from: &Map<String, Value>, key: &str) -> Option<f64> {
    from.get(key).and_then(Value::as_f64).map(|seconds| seconds.max(0.0))
}

pub(crate) fn flag(from: &Map<String, Value>, key: &str) -> bool {
    from.get(key).and_then(Value::as_bool).unwrap_or(false)
}

pub(crate) fn object<'a>(from: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    from.get(key).and_then(Value::as_object)
}

/// An object inside of objects.
pub(crate) fn inner<'a>(params: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Map<String, Value>> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object(params, first)?, |inner, key| object(inner, key))
}

pub(crate) fn list<'a>(from: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    from.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_at_any_depth() {
        let mut frame = json!({"params": {"authentication": {"project": "p", "token": "canary"},
            "devices": [[{"type": "sip", "params": {"password": "canary"}}]]}});
        redact(&mut frame);
        let text = frame.to_string();
        assert!(!text.contains("canary") && text.contains("\"project\":\"p\""), "{text}");
    }

    #[test]
    fn frames_are_sorted_by_method_first() {
        let both = json!({"jsonrpc": "2.0", "id": "1", "method": "m", "params": {}, "result": {}});
        assert!(matches!(sort(&both), Ok(Incoming::Request { .. })));
        assert!(sort(&json!({"jsonrpc": "2.0", "id": 5, "method": "m", "params": {}})).is_err());
        assert!(sort(&json!([1])).is_err());
    }
}
