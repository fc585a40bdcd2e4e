//! Bridging a call with another.

use super::Call;
use crate::error::{self, Result};
use crate::protocol::device::{Devices, devices_fault};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;

params! {
    /// Whom to bridge the call with; sent by [`Call::connect`]. [`Devices`], and whatever makes them, are one, too.
    pub struct Connect("calling.connect") {
        /// What the party on the call hears while the other side rings.
        ringback: Playlist,
        /// A label that the events of the new leg carry.
        tag: String,
        /// How long the bridge may last. Sources dispute the unit: minutes in the older ones, seconds in the newest.
        max_duration: u32,
        /// Destinations above this price are left out.
        max_price_per_minute: f64,
        /// A webhook for the states of the bridge.
        status_url: String,
        /// How long devices may ring that say nothing themselves; sent in seconds.
        timeout: Seconds,
        /// Keys to send after the answer.
        send_digits: String,
    }
}

params! {
    /// How a bridge is taken apart; sent by [`Call::disconnect_with`].
    pub struct Disconnect("calling.disconnect") new [] {
        /// A label of your own.
        reason: String,
    }
}

impl Connect {
    /// Bridges with whoever of these answers first.
    pub fn new(devices: impl Into<Devices>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "devices", devices.into().into_json());
        Self::of(fields)
    }
}

impl<D: Into<Devices>> From<D> for Connect {
    fn from(devices: D) -> Self {
        Self::new(devices)
    }
}

impl Call {
    /// Calls other devices and bridges the first that answers with this call: `calling.connect`. It returns when the
    /// service has accepted it; how it goes on is told by [`ConnectEvent`](crate::ConnectEvent)s. One at a time.
    ///
    /// The reply may say, under `message_data`, which destinations cannot be called.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Connect, phone, tts};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.connect(Connect::new(phone("+15553334444").from("+15551111111")).ringback(tts("Please wait.")))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no device to call, or the `to` of one cannot be an address: nothing is sent then. When the
    /// service refuses, or the connection is gone. A call that is over is no error.
    pub fn connect(&self, to: impl Into<Connect>) -> Result<Reply> {
        let to = to.into();
        if let Some(why) = devices_fault(to.fields.get("devices")) {
            return Err(error::refused(Connect::METHOD, why));
        }
        self.command(Connect::METHOD, &to.fields)
    }

    /// Takes the bridge with another call apart; both calls stay up: `calling.disconnect`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.disconnect()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn disconnect(&self) -> Result<()> {
        self.disconnect_with(Disconnect::new())
    }

    /// Takes the bridge with another call apart, with parameters: `calling.disconnect`.
    ///
    /// ```no_run
    /// # use signalwire_relay::Disconnect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.disconnect_with(Disconnect::new().reason("back to the menu"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`disconnect`](Self::disconnect).
    pub fn disconnect_with(&self, how: Disconnect) -> Result<()> {
        self.command(Disconnect::METHOD, &how.fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::device::{phone, sip};
    use crate::protocol::media::{ringtone, tts};

    #[test]
    fn requests_are_as_on_the_wire() {
        let to = phone("+15551230001").from("+15551230002").timeout(Duration::from_secs(30));
        let params = json!({"to_number": "+15551230001", "from_number": "+15551230002", "timeout": 30});
        let device = json!({"type": "phone", "params": params});
        let desk = json!({"type": "sip", "params": {"to": "sip:desk@pbx.example"}});
        for (connect, params) in [
            (Connect::from(to.clone()), json!({"devices": [[device]]})),
            (
                Connect::new(to.clone()).tag("").max_duration(0).max_price_per_minute(0.0),
                json!({"devices": [[device]], "tag": "", "max_duration": 0, "max_price_per_minute": 0.0}),
            ),
            (
                Connect::new(Devices::at_once([to.clone(), to]).then(sip("sip:desk@pbx.example")))
                    .ringback(tts("Please wait.").then(ringtone("us")))
                    .tag("bridge-1")
                    .extra("call_state_events", json!(["answered", "ended"])),
                json!({
                    "devices": [[device, device], [desk]],
                    "ringback": [
                        {"type": "tts", "params": {"text": "Please wait."}},
                        {"type": "ringtone", "params": {"name": "us"}},
                    ],
                    "tag": "bridge-1",
                    "call_state_events": ["answered", "ended"],
                }),
            ),
        ] {
            assert_eq!(connect.fields.to_json(), params);
        }
    }
}
