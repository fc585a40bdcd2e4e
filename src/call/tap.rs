//! Copying the audio of a call to a receiver.

use std::fmt;

use serde_json::{Value, json};

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::event::TapEvent;
use crate::protocol::fields::Fields;
use crate::protocol::redact;
use crate::protocol::states::{AudioDirection, Codec, DeviceKind, TapState};

/// Makes an RTP receiver for [`Call::tap`], from a public IPv4 address and a port.
pub fn rtp(addr: impl Into<String>, port: u16) -> Rtp {
    let mut fields = Fields::default();
    fields.set("", "addr", Value::String(addr.into()));
    fields.set("", "port", Value::from(port));
    Rtp::of(fields)
}

/// Makes a WebSocket receiver for [`Call::tap`], from a `ws` or `wss` URL.
pub fn ws(uri: impl Into<String>) -> Ws {
    let mut fields = Fields::default();
    fields.set("", "uri", Value::String(uri.into()));
    Ws::of(fields)
}

params! {
    /// An RTP receiver for [`Call::tap`]. Made by [`rtp`].
    pub struct Rtp {
        /// Codec: OPUS, PCMA or PCMU.
        codec: Codec,
        /// Length of a packet, in milliseconds.
        ptime: u32,
    }
}

params! {
    /// A WebSocket receiver for [`Call::tap`]. Made by [`ws`].
    pub struct Ws {
        /// Codec of the audio.
        codec: Codec,
        /// Sampling rate, in Hz.
        rate: u32,
    }
}

/// Receiver of a tap's audio: [`rtp`], [`ws`], or JSON.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct TapDevice(Value);

impl TapDevice {
    /// Makes a receiver from JSON with `type` and `params`, which is sent as it is.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self(json.into())
    }
}

impl fmt::Debug for TapDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TapDevice({})", redact::shown(self.0.clone()))
    }
}

impl From<Rtp> for TapDevice {
    fn from(device: Rtp) -> Self {
        Self(json!({ "type": DeviceKind::Rtp, "params": device.fields.to_json() }))
    }
}

impl From<Ws> for TapDevice {
    fn from(device: Ws) -> Self {
        Self(json!({ "type": DeviceKind::Ws, "params": device.fields.to_json() }))
    }
}

params! {
    /// Parameters of [`Call::tap`]. A [`TapDevice`], and anything that converts into one, converts into `Tap`.
    pub struct Tap("calling.tap") {
        in "tap.params":
        /// Side of the call whose audio is copied.
        direction: AudioDirection,
        top:
        /// Control ID of this tap. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives the operation's status callbacks.
        status_url: String,
    }
}

/// A tap in progress.
pub type TapAction = Action<Tap>;

impl Tap {
    /// Copies the audio to this receiver.
    pub fn new(to: impl Into<TapDevice>) -> Self {
        let mut fields = Fields::with_objects(&["tap.params"]);
        fields.set("tap", "type", "audio".into());
        fields.set("", "device", to.into().0);
        Self::of(fields)
    }
}

impl<D: Into<TapDevice>> From<D> for Tap {
    fn from(to: D) -> Self {
        Self::new(to)
    }
}

impl Sealed for Tap {}

impl Operation for Tap {
    type Event = TapEvent;
    type Outcome = TapEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &TapEvent, _memo: &()) -> Result<TapEvent> {
        Ok(event.clone())
    }

    fn judge(event: &TapEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            TapState::Finished | TapState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn ended_by_call(call_id: &str, control_id: &str, _memo: &()) -> Option<TapEvent> {
        Some(TapEvent::ended_by_call(call_id, control_id))
    }
}

impl Stoppable for Tap {
    const STOP: &'static str = "calling.tap.stop";
}

/// # Copying the audio to a receiver
impl Call {
    /// Copies the call's audio to an RTP or WebSocket receiver. Sends `calling.tap`, and returns when the service has
    /// accepted the request.
    ///
    /// The tap continues until it is stopped or the call ends; [`wait`](Action::wait) on the returned action blocks
    /// until then. The [`reply`](Action::reply) has, under `source_device`, how the audio is delivered. Dropping the
    /// action changes nothing.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::{AudioDirection, Codec};
    /// # use signalwire_relay::devices::rtp;
    /// # use signalwire_relay::params::Tap;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let tap = call.tap(Tap::new(rtp("192.0.2.10", 5000).codec(Codec::Pcmu)).direction(AudioDirection::Both))?;
    /// tap.stop()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn tap(&self, what: impl Into<Tap>) -> Result<TapAction> {
        self.start(what.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        let device = json!({"type": "rtp", "params": {"addr": "192.0.2.10", "port": 5000}});
        let both = json!({"type": "audio", "params": {"direction": "both"}});
        for (tap, params) in [
            (Tap::from(rtp("192.0.2.10", 5000)), json!({"tap": {"type": "audio", "params": {}}, "device": device})),
            (
                Tap::new(rtp("192.0.2.10", 5000)).direction(AudioDirection::Both).control_id(""),
                json!({"tap": both, "device": device}),
            ),
            (
                Tap::new(TapDevice::raw(device.clone())).direction("both").control_id("tap-1").extra("swml", true),
                json!({"control_id": "tap-1", "tap": both, "device": device, "swml": true}),
            ),
            (
                Tap::new(rtp("a", 1).codec(Codec::Opus).ptime(20)).status_url("u"),
                json!({"tap": {"type": "audio", "params": {}}, "status_url": "u",
                    "device": {"type": "rtp", "params": {"addr": "a", "port": 1, "codec": "OPUS", "ptime": 20}}}),
            ),
            (
                Tap::from(ws("wss://x").codec("PCMU").rate(8000)),
                json!({"tap": {"type": "audio", "params": {}},
                    "device": {"type": "ws", "params": {"uri": "wss://x", "codec": "PCMU", "rate": 8000}}}),
            ),
        ] {
            assert_eq!(tap.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_when_finished_or_failed_and_well_with_its_call() {
        for (state, verdict) in [
            (json!("tapping"), Meaning::Progress),
            (json!("FINISHED"), Meaning::Progress),
            (json!(["finished"]), Meaning::Progress),
            (json!("finished"), Meaning::Final),
            (json!("error"), Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.tap", "params": {"state": state}}));
            let Event::Tap(event) = event else { panic!("a tap") };
            assert_eq!(Tap::judge(&event, &mut ()), verdict, "{state}");
            assert!(!event.ended_by_call);
        }
        let end = Tap::ended_by_call("c", "k", &()).expect("an outcome");
        assert!(end.ended_by_call && end.raw.json() == "{}");
        assert_eq!((end.control_id.as_str(), end.raw.call_id(), end.raw.control_id()), ("k", Some("c"), Some("k")));
    }
}
