//! The names and numbers of the protocol.

use std::time::Duration;

use super::states::{CallState, EventName, MessageState};

/// The version of the protocol that a client announces: major, minor, revision.
pub const PROTOCOL_VERSION: (u32, u32, u32) = (2, 0, 0);

/// The name that a client announces, unless [`Builder::agent`](crate::Builder::agent) says otherwise.
#[doc(alias = "AGENT_STRING")]
pub const AGENT: &str = concat!("signalwire-relay-rust/", env!("CARGO_PKG_VERSION"));

/// Start of a session: the first request on every connection.
pub const METHOD_SIGNALWIRE_CONNECT: &str = "signalwire.connect";
/// Event of the service, which the client acknowledges.
pub const METHOD_SIGNALWIRE_EVENT: &str = "signalwire.event";
/// Ping, in both directions.
pub const METHOD_SIGNALWIRE_PING: &str = "signalwire.ping";
/// Announcement that the service is about to close the connection.
pub const METHOD_SIGNALWIRE_DISCONNECT: &str = "signalwire.disconnect";
/// Subscribes to contexts: [`Client::receive`](crate::Client::receive).
pub const METHOD_SIGNALWIRE_RECEIVE: &str = "signalwire.receive";
/// Ends the subscription to contexts: [`Client::unreceive`](crate::Client::unreceive).
pub const METHOD_SIGNALWIRE_UNRECEIVE: &str = "signalwire.unreceive";

/// The wait before the first attempt to reconnect. Each wait is drawn between a quarter and the whole of its step.
pub const RECONNECT_MIN_DELAY: Duration = Duration::from_secs(1);
/// The longest wait before an attempt to reconnect.
pub const RECONNECT_MAX_DELAY: Duration = Duration::from_secs(30);
/// Factor by which each delay before an attempt to reconnect grows.
pub const RECONNECT_BACKOFF_FACTOR: u32 = 2;
/// Number of attempts with credentials that are rejected at first.
pub const RECONNECT_MAX_AUTH_ATTEMPTS: u32 = 3;

/// Timeout of connecting, from the name lookup to the session.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of a dial.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(120);
/// Silence after which the client sends a ping.
pub const PING_AFTER: Duration = Duration::from_secs(15);
/// Time that the service has to respond to a ping.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The states of a call, in the order that it goes through them.
pub const CALL_STATES: &[CallState] = CallState::ALL;

/// Final states of an outbound message.
pub const MESSAGE_TERMINAL_STATES: &[MessageState] = MessageState::TERMINAL;

/// The types of events that have a type of their own here, with its name.
#[doc(alias = "EVENT_CLASS_MAP")]
pub const EVENT_TYPES: &[(EventName, &str)] = &[
    (EventName::CallState, "CallStateEvent"),
    (EventName::CallReceive, "CallReceiveEvent"),
    (EventName::Play, "PlayEvent"),
    (EventName::Record, "RecordEvent"),
    (EventName::Collect, "CollectEvent"),
    (EventName::Connect, "ConnectEvent"),
    (EventName::Detect, "DetectEvent"),
    (EventName::Fax, "FaxEvent"),
    (EventName::Tap, "TapEvent"),
    (EventName::Stream, "StreamEvent"),
    (EventName::SendDigits, "SendDigitsEvent"),
    (EventName::Dial, "DialEvent"),
    (EventName::Refer, "ReferEvent"),
    (EventName::Denoise, "DenoiseEvent"),
    (EventName::Pay, "PayEvent"),
    (EventName::Queue, "QueueEvent"),
    (EventName::Echo, "EchoEvent"),
    (EventName::Transcribe, "TranscribeEvent"),
    (EventName::Hold, "HoldEvent"),
    (EventName::Ai, "AiEvent"),
    (EventName::Conference, "ConferenceEvent"),
    (EventName::CallingError, "CallingErrorEvent"),
    (EventName::MessageReceive, "MessageReceiveEvent"),
    (EventName::MessageState, "MessageStateEvent"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::event::parse_event;

    #[test]
    fn the_table_names_the_types_that_events_have() {
        for name in EventName::ALL {
            let event = parse_event(&json!({"event_type": name, "params": {}}));
            let listed = EVENT_TYPES.iter().find(|(of, _)| of == name).map(|(_, name)| *name);
            let shown = format!("{event:?}");
            let typed = shown.split([' ', '{']).next().filter(|first| first.ends_with("Event"));
            // The reference has no class for these.
            let typed = typed.filter(|typed| !["RoomEvent", "LiveEvent"].contains(typed));
            assert_eq!(listed, typed, "{shown}");
        }
        assert_eq!(CALL_STATES.len(), 5);
        assert_eq!(MESSAGE_TERMINAL_STATES.len(), 3);
    }
}
