//! Copies of a call's audio that go elsewhere: taps and streams.
//!
//! Nobody connects to the destination, and no audio is sent. Several may run at once. What the published material
//! leaves open: a stream goes to `wss://` or `ws://`; both end with `finished` when their call ends.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, one_of, refuse};
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::switchboard::calls::settings;
use crate::simulator::wire::frame::text;
use crate::simulator::world::state::World;

/// A tap or a stream: what it is, and what its events say.
pub(crate) struct Copying {
    is_tap: bool,
    shown: Value,
}

impl Copying {
    pub(crate) fn family(&self) -> &'static str {
        if self.is_tap { "tap" } else { "stream" }
    }

    pub(crate) fn event(&self) -> &'static str {
        if self.is_tap { "calling.call.tap" } else { "calling.call.stream" }
    }
}

/// An event of a tap or a stream.
pub(crate) fn copied(copying: &Copying, state: &str) -> Value {
    let mut event = copying.shown.clone();
    event["state"] = state.into();
    event
}

impl World {
    pub(crate) fn on_tap(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        if let Some(tap) = settings(params, &["tap", "params"]) {
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
        let mut fields = self.start_copy(call_id, params, Copying { is_tap: true, shown }, "Tapping call")?;
        fields.insert("source_device".into(), device);
        Ok(fields)
    }

    pub(crate) fn on_stream(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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
        self.start_copy(call_id, params, Copying { is_tap: false, shown }, "Starting stream")
    }

    fn start_copy(&mut self, call_id: &str, params: &Map<String, Value>, copying: Copying, message: &str) -> Verdict {
        let begun = copied(&copying, if copying.is_tap { "tapping" } else { "streaming" });
        let event_type = copying.event();
        let key = self.start(call_id, params, What::Copy(copying))?;
        self.emit_operation(call_id, key, event_type, begun);
        Ok(started(message, call_id, params))
    }

    pub(crate) fn finish_copy(&mut self, call_id: &str, key: u64) {
        let Some(operation) = self.take(call_id, key) else { return };
        if let What::Copy(copying) = &operation.what {
            self.tell_operation(call_id, copying.event(), &operation, copied(copying, "finished"));
        }
    }
}

fn is_socket(url: &str) -> bool {
    url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://")).is_some_and(|rest| !rest.is_empty())
}
