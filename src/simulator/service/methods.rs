//! Every method: those of calls, and those of sessions, a row each.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::simulator::switchboard::dispatch::{self, last_event};
use crate::simulator::verbs::activity::Last;
use crate::simulator::wire::reply::{Params, Reply, refuse};
use crate::simulator::wire::schema::Methods;
use crate::simulator::world::outbox::Trigger;
use crate::simulator::world::state::World;

/// The sender of a request: the connection and its session.
pub(crate) type From<'a> = (u64, &'a str);

/// The function that carries out a method of the session.
type Carry = fn(&mut World, From<'_>, &Params) -> Reply;

/// The methods that address no call: name, fields, last event, and function.
const SESSION: &[(&str, &str, Last, Carry)] = &[
    (
        "signalwire.connect",
        "version:Version! agent:s event_acks:b authentication:o! contexts:[s] protocol:s \
         authorization_state:s dpop_token:s topics:[s] eventing:[s] host:s identity:s params:o protocols:[o] \
         project:s token:s",
        Last::Never,
        // This method creates the session, so it arrives before there is one.
        |_, _, _| refuse(-32600, "Already connected"),
    ),
    ("signalwire.ping", "timestamp:n payload:s", Last::Never, |_, _, params| Ok(params.clone())),
    ("signalwire.receive", "contexts:[s]! context:s", Last::Never, |world, (conn, session), params| {
        world.on_receive(conn, session, params)
    }),
    ("signalwire.unreceive", "contexts:[s]!", Last::Never, |world, (_, session), params| {
        world.on_unreceive(session, params)
    }),
    ("signalwire.reauthenticate", "authentication:o! dpop_token:s", Last::Never, |world, _, params| {
        world.on_reauthenticate(params)
    }),
    (
        "calling.dial",
        "tag:s! devices:[[@Device]]! max_duration:i region:s max_price_per_minute:n timeout:n send_digits:s \
         dest_swml:so node_id:s",
        Last::By { by: "tag", event: "calling.call.dial", key: "dial_state", values: &["answered", "failed"] },
        |world, (_, session), params| world.on_dial(session, params),
    ),
    (
        "messaging.send",
        "context:s to_number:s! from_number:s! body:s media:[s] tags:[s] region:s tag:s status_callback:s \
         send_as_mms:b message_type:s template_id:s header_template_parameters:any \
         body_template_parameters:any button_template_parameters:any",
        Last::By {
            by: "message_id",
            event: "messaging.state",
            key: "message_state",
            values: &["delivered", "undelivered", "failed"],
        },
        |world, (_, session), params| world.on_send(session, params),
    ),
];

static METHODS: LazyLock<Methods> = LazyLock::new(|| {
    let sessions = SESSION.iter().map(|(method, fields, ..)| (*method, *fields));
    let calls = dispatch::ROWS.iter().map(|(method, row)| (method.as_str(), row.fields));
    Methods::new(sessions.chain(calls))
});

static BY_NAME: LazyLock<HashMap<&'static str, (Last, Carry)>> =
    LazyLock::new(|| SESSION.iter().map(|(method, _, last, carry)| (*method, (*last, *carry))).collect());

/// The fields that all methods accept.
pub(crate) fn all() -> &'static Methods {
    &METHODS
}

/// The function that carries out a method that addresses no call.
pub(crate) fn of_session(method: &str) -> Option<Carry> {
    BY_NAME.get(method).map(|(_, carry)| *carry)
}

/// The rule that recognizes the last event of a request.
pub(crate) fn last_event_of(method: &str, params: &Params, reply: &Value) -> Option<Trigger> {
    let of_session = BY_NAME.get(method).map(|(last, _)| *last);
    let last = of_session.or_else(|| dispatch::ROWS.get(method).map(|row| row.last))?;
    last_event(last, method, params, reply)
}

/// `true` if a frame of this method or event may hold secrets.
pub(crate) fn may_carry_secrets(method: &str) -> bool {
    method.starts_with("signalwire.")
        || method == "calling.dial"
        || dispatch::ROWS.get(method).is_some_and(|row| row.secrets)
}

#[cfg(test)]
mod tests {
    use crate::simulator::service::methods::all;
    use crate::simulator::wire::schema;

    /// Every method, including those that are rejected.
    fn names() -> Vec<&'static str> {
        all().names().chain(schema::refused_names()).collect()
    }

    #[test]
    fn the_page_on_methods_has_one_line_for_each() {
        let page = include_str!("../methods.md");
        let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for method in names() {
            assert_eq!(listed.iter().filter(|name| **name == method).count(), 1, "{method}");
        }
        for name in listed {
            assert!(names().contains(&name), "{name} is no method");
        }
    }

    #[test]
    fn every_method_is_sent_by_a_test() {
        let tests = [
            include_str!("../tests/mod.rs"),
            include_str!("../tests/service.rs"),
            include_str!("../tests/operations.rs"),
            include_str!("../tests/together.rs"),
            include_str!("../tests/agents.rs"),
        ]
        .concat();
        for method in names() {
            assert!(tests.contains(&format!("\"{method}\"")), "{method}");
        }
    }
}
