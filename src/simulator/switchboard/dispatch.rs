//! The methods that address a call: a row each, with its fields and its function.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::simulator::verbs::ALL;
use crate::simulator::verbs::activity::{Last, Verb};
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Reply, refuse};
use crate::simulator::wire::schema::Methods;
use crate::simulator::world::outbox::Trigger;
use crate::simulator::world::state::World;

/// A method that addresses a call.
pub(crate) struct Row {
    pub(crate) fields: &'static str,
    pub(crate) last: Last,
    pub(crate) secrets: bool,
    run: Run,
}

/// The part of the simulator that carries out a method.
enum Run {
    /// The method moves calls.
    Call(Carry),
    /// The method begins an activity on the call.
    Verb(&'static Verb),
    /// The method is a command to a running activity: the family, and the command.
    Command(&'static str, &'static str),
    /// The service does not have the method, although the reference names it.
    Refused,
}

/// The function that carries out a method of a call.
type Carry = fn(&mut World, &str, &Params) -> Reply;

/// The methods that move calls: name, fields, last event, secrets, and function.
const CALLS: &[(&str, &str, Last, bool, Carry)] = &[
    (
        "calling.answer",
        "+ codecs:[s] max_duration:i",
        Last::OnCall("calling.call.state", "call_state", &["answered"]),
        false,
        World::on_answer,
    ),
    ("calling.end", "+ reason:s", Last::OnCall("calling.call.state", "call_state", &["ended"]), false, World::on_end),
    ("calling.pass", "+", Last::OfOperation, false, |world, call_id, _| world.on_pass(call_id)),
    (
        "calling.connect",
        "+ devices:[[@Device]]! ringback:[@Media] tag:s max_duration:i max_price_per_minute:n status_url:s \
         timeout:n send_digits:s",
        Last::OnCall("calling.call.connect", "connect_state", &["connected", "failed"]),
        true,
        World::on_connect_call,
    ),
    ("calling.disconnect", "+ reason:s", Last::OfOperation, false, |world, call_id, _| {
        world.on_disconnect_call(call_id)
    }),
    ("calling.transfer", "+ dest:so!", Last::OfOperation, false, World::on_transfer),
    (
        "calling.refer",
        "+ device:@ReferDevice! status_url:s",
        Last::OnCall("calling.call.refer", "state", &["success", "busy", "noAnswer", "error"]),
        true,
        World::on_refer,
    ),
    ("calling.hold", "+", Last::OnCall("calling.call.hold", "", &[]), false, |world, call_id, _| {
        world.on_hold(call_id, true)
    }),
    ("calling.unhold", "+", Last::OnCall("calling.call.hold", "", &[]), false, |world, call_id, _| {
        world.on_hold(call_id, false)
    }),
    (
        "calling.join_conference",
        "+ name:s! muted:b beep:s start_on_enter:b end_on_exit:b wait_url:s max_participants:i record:s \
         region:s trim:s coach:s status_callback:s status_callback_event:s status_callback_event_type:s \
         status_callback_method:s recording_status_callback:s recording_status_callback_event:s \
         recording_status_callback_event_type:s recording_status_callback_method:s stream:Stream acl:s \
         emit_call_quality:b swml:b",
        Last::OnCall("calling.conference", "status", &["participant-join"]),
        true,
        World::on_join_conference,
    ),
    (
        "calling.leave_conference",
        "+ conference_id:s! async:b",
        Last::OnCall("calling.conference", "status", &["participant-leave"]),
        false,
        World::on_leave_conference,
    ),
    (
        "calling.queue.enter",
        "+ control_id:s! queue_name:s! status_url:s wait_url:s wait_time:i execute_after_queue:s \
         whisper_url:s",
        Last::OfOperation,
        false,
        World::on_queue_enter,
    ),
    (
        "calling.queue.leave",
        "+ control_id:s! queue_name:s! queue_id:s status_url:s",
        Last::OfOperation,
        false,
        World::on_queue_leave,
    ),
];

/// A row for each method that addresses a call, by its name.
pub(crate) static ROWS: LazyLock<HashMap<String, Row>> = LazyLock::new(|| {
    let mut rows = HashMap::new();
    for (method, fields, last, secrets, carry) in CALLS {
        rows.insert((*method).to_owned(), Row { fields, last: *last, secrets: *secrets, run: Run::Call(*carry) });
    }
    for verb in ALL {
        let Verb { method, fields, last, secrets, .. } = verb;
        rows.insert((*method).to_owned(), Row { fields, last: *last, secrets: *secrets, run: Run::Verb(verb) });
        let commands = verb.commands.iter().map(|(name, fields)| (*name, *fields, Run::Command(verb.family(), name)));
        let refused = verb.refused.iter().map(|(name, fields)| (*name, *fields, Run::Refused));
        for (name, fields, run) in commands.chain(refused) {
            let row = Row { fields, last: Last::OfOperation, secrets: false, run };
            rows.insert(format!("{method}.{name}"), row);
        }
    }
    rows
});

static METHODS: LazyLock<Methods> =
    LazyLock::new(|| Methods::new(ROWS.iter().map(|(method, row)| (method.as_str(), row.fields))));

/// The fields that methods which address a call accept.
pub(crate) fn methods() -> &'static Methods {
    &METHODS
}

impl World {
    /// Carries out a request for an existing call.
    pub(crate) fn dispatch_call(&mut self, call_id: &str, method: &str, params: &Params) -> Reply {
        match ROWS.get(method).map(|row| &row.run) {
            Some(Run::Call(carry)) => carry(self, call_id, params),
            Some(Run::Verb(verb)) => self.begin(verb, call_id, params),
            Some(Run::Command(family, command)) => self.command(call_id, family, command, params),
            Some(Run::Refused) | None => refuse(-32601, "Method not found"),
        }
    }
}

/// The rule that recognizes the last event of a request.
pub(crate) fn last_event(last: Last, method: &str, params: &Params, reply: &Value) -> Option<Trigger> {
    fn is(event: &Value, key: &str, any: &[&str]) -> bool {
        event.get(key).and_then(Value::as_str).is_some_and(|value| any.contains(&value))
    }
    let own = |key: &str| {
        let given = text(params, key).or_else(|| reply["result"][key].as_str());
        given.unwrap_or_default().to_owned()
    };
    let (by, wanted, key, values) = match last {
        Last::Never => return None,
        Last::OnCall(event, key, values) => ("call_id", event, key, values),
        Last::By { by, event, key, values } => (by, event, key, values),
        Last::OfOperation => {
            let control_id = text(params, "control_id").unwrap_or_default().to_owned();
            let prompts = method == "calling.play_and_collect";
            return (!control_id.is_empty()).then(|| -> Trigger {
                Box::new(move |kind, event| {
                    let mark = event.pointer("/detect/params/event").and_then(Value::as_str);
                    let fax = event.pointer("/fax/type").and_then(Value::as_str);
                    let last = mark == Some("finished")
                        || matches!(fax, Some("finished" | "error"))
                        || is(event, "status", &["leave", "dequeue"])
                        || event.get("result").is_some()
                        || is(event, "state", &["finished", "error", "no_input"]);
                    // The prompt of a collect shares its control ID, and its end is not the end of the collect.
                    is(event, "control_id", &[&control_id]) && last && !(prompts && kind == "calling.call.play")
                })
            });
        }
    };
    let id = own(by);
    Some(Box::new(move |kind, event| {
        kind == wanted && is(event, by, &[&id]) && (values.is_empty() || is(event, key, values))
    }))
}
