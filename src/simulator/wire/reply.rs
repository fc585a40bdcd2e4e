//! The responses to requests.

use serde_json::{Map, Value};

use crate::simulator::wire::frame::text;

/// The parameters of a request.
pub(crate) type Params = Map<String, Value>;

/// The reason of a rejected request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// The fields of the response to a request beside `code`.
pub(crate) type Reply = Result<Params, Refusal>;

pub(crate) fn refuse<T>(code: i64, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, message: message.into() })
}

/// Rejects a field whose value is none of these.
pub(crate) fn one_of(params: &Params, key: &str, values: &[&str]) -> Result<(), Refusal> {
    match text(params, key) {
        Some(value) if !values.contains(&value) => {
            refuse(400, format!("{key} has the unknown value {value:?}; it is one of {}", values.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The fields of a response.
pub(crate) fn reply(message: &str) -> Params {
    let mut fields = Map::new();
    fields.insert("message".into(), message.into());
    fields
}

/// The fields of a response about an activity with a control ID.
pub(crate) fn started(message: &str, call_id: &str, params: &Params) -> Params {
    let mut fields = reply(message);
    fields.insert("call_id".into(), call_id.into());
    if let Some(control_id) = text(params, "control_id") {
        fields.insert("control_id".into(), control_id.into());
    }
    fields
}
