//! The common fields of events about speech on a call.

use serde_json::{Value, json};

use crate::simulator::verbs::activity::View;

/// The fields that identify the call in events about speech.
pub(crate) fn call_info(call: &View<'_>) -> Value {
    json!({
        "project_id": call.project,
        "space_id": "51500000-0000-4000-8000-000000000001",
        "content_type": "text/plain",
        "content_disposition": "inline",
        "conversation_type": "voice",
        "call_id": call.call_id,
    })
}
