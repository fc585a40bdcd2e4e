//! Names and numbers of the protocol.

use std::time::Duration;

use super::states::{CallState, EventName, MessageState};

/// The version of the protocol that a client announces: major, minor, revision.
pub const PROTOCOL_VERSION: (u32, u32, u32) = (2, 0, 0);

/// The name that a client announces, unless [`Builder::agent`](crate::Builder::agent) says otherwise.
#[doc(alias = "AGENT_STRING")]
pub const AGENT: &str = concat!("signalwire-relay-rust/", env!("CARGO_PKG_VERSION"));

/// Opens a session: the first request on every connection.
pub const METHOD_SIGNALWIRE_CONNECT: &str = "signalwire.connect";
/// Brings an event; the service sends it, and it is acknowledged.
pub const METHOD_SIGNALWIRE_EVENT: &str = "signalwire.event";
/// Asks whether the other end is there.
pub const METHOD_SIGNALWIRE_PING: &str = "signalwire.ping";
/// Tells that the service is about to close the connection.
pub const METHOD_SIGNALWIRE_DISCONNECT: &str = "signalwire.disconnect";
/// Subscribes to contexts: [`Client::receive`](crate::Client::receive).
pub const METHOD_SIGNALWIRE_RECEIVE: &str = "signalwire.receive";
/// Ends the subscription to contexts: [`Client::unreceive`](crate::Client::unreceive).
pub const METHOD_SIGNALWIRE_UNRECEIVE: &str = "signalwire.unreceive";

/// The wait before the first attempt to reconnect. Each wait is drawn between a quarter and the whole of its step.
pub const RECONNECT_MIN_DELAY: Duration = Duration::from_secs(1);
/// The longest wait before an attempt to reconnect.
pub const RECONNECT_MAX_DELAY: Duration = Duration::from_secs(30);
/// By how much each wait before an attempt to reconnect is longer than the one before.
pub const RECONNECT_BACKOFF_FACTOR: u32 = 2;
/// How often credentials that are refused at first are tried.
pub const RECONNECT_MAX_AUTH_ATTEMPTS: u32 = 3;

/// How long a connection may take, from the lookup of the name to the session.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for its reply.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a dial waits for somebody to answer.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(120);
/// The silence after which the service is asked whether it is there.
pub const PING_AFTER: Duration = Duration::from_secs(15);
/// How long it may take to answer that.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The states of a call, in the order that it goes through them.
pub const CALL_STATES: &[CallState] = CallState::ALL;

/// The states after which an outbound message has no other.
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
