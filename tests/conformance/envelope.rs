//! The envelope of an event, which no row has: its time and its channel.

use serde_json::{Value, json};
use signalwire_relay::events::parse_event;

use super::wire::{LONG, Wire};

/// Envelopes, with their time and their channel.
fn envelopes() -> Vec<(Value, f64, &'static str)> {
    let kind = "calling.call.play";
    let inner = json!({"call_id": "c-1", "control_id": "k", "state": "playing"});
    let mut stamped = inner.clone();
    stamped["timestamp"] = json!(1_600_000_000.5);
    vec![
        (json!({"event_type": kind, "params": inner}), 0.0, ""),
        (json!({"event_type": kind, "params": inner, "timestamp": 1_700_000_000.25}), 1_700_000_000.25, ""),
        (json!({"event_type": kind, "params": inner, "timestamp": "1700000000.25"}), 1_700_000_000.25, ""),
        (json!({"event_type": kind, "params": inner, "timestamp": null}), 0.0, ""),
        (json!({"event_type": kind, "params": inner, "timestamp": {"at": 1}}), 0.0, ""),
        // The payload's own counts where the envelope has none, and the envelope's where both have one.
        (json!({"event_type": kind, "params": stamped}), 1_600_000_000.5, ""),
        (json!({"event_type": kind, "params": stamped, "timestamp": 5}), 5.0, ""),
        (json!({"event_type": kind, "params": stamped, "timestamp": "soon"}), 1_600_000_000.5, ""),
        (json!({"event_type": kind, "params": inner, "event_channel": "swml:c-1", "space_id": "s"}), 0.0, "swml:c-1"),
        (json!({"event_type": kind, "params": inner, "event_channel": 7, "timestamp": 2}), 2.0, ""),
    ]
}

#[test]
fn the_envelope_tells_the_time_and_the_channel() {
    for (envelope, timestamp, channel) in envelopes() {
        let event = parse_event(&envelope);
        assert_eq!((event.timestamp(), event.raw().event_channel()), (timestamp, channel), "{envelope}");
        assert_eq!(event.raw().timestamp(), timestamp);
        assert_eq!(event.raw().value(), envelope["params"], "the payload stays as it came");
    }
}

#[test]
fn the_envelope_comes_through_the_socket() {
    let wire = Wire::new();
    let (client, link, call) = wire.call("c-1", "n-1", "answered");
    let mut events = call.events();
    for (envelope, timestamp, channel) in envelopes() {
        link.send(&link.event(&envelope));
        let event = events.next_within(LONG).expect("an event");
        assert_eq!((event.timestamp(), event.raw().event_channel()), (timestamp, channel), "{envelope}");
    }
    client.disconnect();
}
