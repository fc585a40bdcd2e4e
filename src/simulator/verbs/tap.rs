//! Copies of a call's audio for other destinations: taps and streams.
//!
//! No connection to the destination is made, and no audio is sent. Several may run at once. Where the documentation of
//! the service is silent: a stream goes to `wss://` or `ws://`; both end with `finished` when their call ends.

use serde_json::{Value, json};

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Verb, View};
use crate::simulator::wire::frame::{inner, text};
use crate::simulator::wire::reply::{Params, Refusal, one_of, refuse, started};

pub(crate) const TAP: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new("calling.tap", "+ control_id:s! tap:@Tap! device:@TapDevice! status_url:s", tap)
};

pub(crate) const STREAM: Verb = Verb {
    commands: &[("stop", "+ control_id:s! async:b swml:b")],
    secrets: true,
    ..Verb::new(
        "calling.stream",
        "+ control_id:s! url:s! name:s codec:s track:s status_url:s status_url_method:s \
         authorization_bearer_token:s custom_parameters:o async:b swml:b",
        stream,
    )
};

/// A tap or a stream, with the fields of its events.
struct Copying {
    is_tap: bool,
    shown: Value,
}

fn tap(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if let Some(tap) = inner(params, &["tap", "params"]) {
        one_of(tap, "direction", &["listen", "speak", "both"])?;
    }
    let mut device = params.get("device").cloned().unwrap_or(Value::Null);
    let is_rtp = device["type"] == "rtp";
    let port = device["params"]["port"].as_i64();
    if is_rtp && !port.is_some_and(|port| (1..=65_535).contains(&port)) {
        return refuse(400, "the port is not between 1 and 65535");
    }
    let uri = device["params"]["uri"].as_str().unwrap_or_default();
    if !is_rtp && !is_socket(uri) {
        return refuse(400, format!("{uri:?} is no address of a WebSocket"));
    }
    if let Some(settled) = device["params"].as_object_mut() {
        settled.entry("codec").or_insert_with(|| "PCMU".into());
        settled.entry("rate").or_insert_with(|| 8000.into());
        if is_rtp {
            settled.entry("ptime").or_insert_with(|| 20.into());
        }
    }
    let shown = json!({"tap": params.get("tap"), "device": params.get("device")});
    let mut fields = started("Tapping call", call.call_id, params);
    fields.insert("source_device".into(), device);
    Ok(Copying { is_tap: true, shown }.begun(fields, out))
}

fn stream(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let url = text(params, "url").unwrap_or_default();
    if !is_socket(url) {
        return refuse(400, format!("{url:?} is no address of a WebSocket"));
    }
    one_of(params, "track", &["inbound_track", "outbound_track", "both_tracks", "inbound", "outbound", "both"])?;
    one_of(params, "status_url_method", &["GET", "POST"])?;
    let mut shown = json!({"url": url});
    if let Some(name) = text(params, "name") {
        shown["name"] = name.into();
    }
    Ok(Copying { is_tap: false, shown }.begun(started("Starting stream", call.call_id, params), out))
}

impl Copying {
    fn begun(self, fields: Params, out: &mut Steps) -> Begun {
        out.emit(self.event_type(), self.event(if self.is_tap { "tapping" } else { "streaming" }));
        Begun::Runs(Box::new(self), fields)
    }

    fn event_type(&self) -> &'static str {
        if self.is_tap { "calling.call.tap" } else { "calling.call.stream" }
    }

    fn event(&self, state: &str) -> Value {
        let mut event = self.shown.clone();
        event["state"] = state.into();
        event
    }
}

impl Activity for Copying {
    fn family(&self) -> &'static str {
        if self.is_tap { "tap" } else { "stream" }
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.end(self.event_type(), self.event("finished"));
    }
}

fn is_socket(url: &str) -> bool {
    url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://")).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_stream_goes_to_a_websocket_and_ends_when_it_is_stopped() {
        assert!(Rig::begin(&STREAM, json!({"url": "https://x.example"})).is_err());
        let mut rig = Rig::begin(&STREAM, json!({"url": "wss://x.example", "name": "n"})).expect("it runs");
        assert!(rig.command("stop", json!({})).is_ok());
        let event = |state| ("calling.call.stream", json!({"url": "wss://x.example", "name": "n", "state": state}));
        assert_eq!(rig.told(), [event("streaming"), event("finished")]);
    }
}
