//! Events of the program's own.
//!
//! A user event is sent back to the program's session; a value that is not an object is in the field `event`.

use serde_json::Value;

use crate::simulator::verbs::activity::{Begun, Last, Steps, Verb, View};
use crate::simulator::wire::reply::{Params, Refusal, reply};

pub(crate) const USER_EVENT: Verb = Verb {
    last: Last::OnCall(EVENT, "", &[]),
    ..Verb::new("calling.user_event", "+ event:any async:b swml:b *", send)
};

const EVENT: &str = "calling.user_event";

fn send(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let mut event = match params.get("event") {
        Some(Value::Object(event)) => event.clone(),
        Some(other) => Params::from_iter([("event".to_owned(), other.clone())]),
        None => Params::new(),
    };
    // The program cannot set the fields that identify the call.
    for key in ["node_id", "call_id", "segment_id"].into_iter().chain(call.has_tag.then_some("tag")) {
        event.remove(key);
    }
    out.announce(EVENT, Value::Object(event));
    Ok(Begun::Done(reply("Event sent")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn an_event_is_sent_without_what_names_a_call() {
        let rig = Rig::begin(&USER_EVENT, json!({"event": {"a": 1, "call_id": "x", "tag": "t"}})).expect("it runs");
        assert_eq!(rig.told(), [(EVENT, json!({"a": 1, "tag": "t"}))]);
        let rig = Rig::begin(&USER_EVENT, json!({"event": [1]})).expect("it runs");
        assert_eq!(rig.told(), [(EVENT, json!({"event": [1]}))]);
    }
}
