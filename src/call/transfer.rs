//! Handing a call on, and holding it.

use serde_json::Value;

use super::Call;
use crate::error::{self, Result};
use crate::protocol::device::{Device, address_fault};
use crate::protocol::fields::Fields;

params! {
    /// Whom a SIP leg is referred to; sent by [`Call::refer`]. A [`Device`], and whatever makes one, is one, too.
    pub struct Refer("calling.refer") {
        /// A webhook for how it goes on.
        status_url: String,
    }
}

params! {
    /// Where a call goes on; sent by [`Call::transfer`]. A URL, an SWML document and JSON are one, too.
    pub struct Transfer("calling.transfer") {}
}

impl Refer {
    /// Refers to this device, which has to be a [`sip`](crate::sip) endpoint.
    pub fn new(to: impl Into<Device>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "device", to.into().into_json());
        Self::of(fields)
    }
}

impl<D: Into<Device>> From<D> for Refer {
    fn from(to: D) -> Self {
        Self::new(to)
    }
}

impl Transfer {
    /// Goes on with this: the URL of an SWML document, the document itself, as text or JSON, or `context:` and the
    /// context of another RELAY application.
    pub fn new(dest: impl Into<Value>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "dest", dest.into());
        Self::of(fields)
    }

    /// Goes on with the RELAY application of this context.
    pub fn to_context(context: &str) -> Self {
        Self::new(format!("context:{context}"))
    }
}

impl From<&str> for Transfer {
    fn from(dest: &str) -> Self {
        Self::new(dest)
    }
}

impl From<String> for Transfer {
    fn from(dest: String) -> Self {
        Self::new(dest)
    }
}

impl From<Value> for Transfer {
    fn from(dest: Value) -> Self {
        Self::new(dest)
    }
}

impl Call {
    /// Has a SIP endpoint call somebody else in place of this call, by SIP REFER: `calling.refer`. It returns when the
    /// service has accepted it; [`ReferEvent`](crate::ReferEvent)s tell how it goes on.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Event, EventName, ReferState, sip};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.refer(sip("sip:frontdesk@pbx.example"))?;
    /// let done = |event: &Event| matches!(event, Event::Refer(refer) if refer.state != ReferState::InProgress);
    /// call.wait_for(EventName::Refer, done, Duration::from_secs(30))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the `to` of the device cannot be an address: nothing is sent then. When the service refuses, as it does for
    /// a call that is not SIP, or the connection is gone. A call that is over is no error.
    pub fn refer(&self, to: impl Into<Refer>) -> Result<()> {
        let to = to.into();
        let address = to.fields.get("device").and_then(|device| device.get("params")?.get("to")?.as_str());
        if let Some(why) = address.and_then(address_fault) {
            return Err(error::refused(Refer::METHOD, why));
        }
        self.command(Refer::METHOD, &to.fields).map(drop)
    }

    /// Hands the call to another application: `calling.transfer`. This client has no say in it any more: the call ends
    /// here. When it is handed to a context that this client is subscribed to as well, it may be offered anew, as
    /// another [`Call`] with the same id.
    ///
    /// ```no_run
    /// # use signalwire_relay::Transfer;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.transfer("https://example.com/next.swml")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn transfer(&self, dest: impl Into<Transfer>) -> Result<()> {
        self.command(Transfer::METHOD, &dest.into().fields).map(drop)
    }

    /// Puts the call on hold: `calling.hold`. A [`HoldEvent`](crate::HoldEvent) tells that it is.
    ///
    /// The newest documents of the service have no such method: it may refuse.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.hold()?;
    /// call.unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn hold(&self) -> Result<()> {
        self.command("calling.hold", &Fields::default()).map(drop)
    }

    /// Takes the call back from hold: `calling.unhold`. See [`hold`](Self::hold).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`hold`](Self::hold).
    pub fn unhold(&self) -> Result<()> {
        self.command("calling.unhold", &Fields::default()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::device::sip;

    #[test]
    fn requests_are_as_on_the_wire() {
        let device = json!({"type": "sip", "params": {"to": "sip:dest@example.com"}});
        let to = || sip("sip:dest@example.com");
        for (refer, params) in [
            (Refer::from(to()), json!({"device": device})),
            (Refer::new(to()).status_url(""), json!({"device": device, "status_url": ""})),
            (Refer::new(to()).extra("username", "u"), json!({"device": device, "username": "u"})),
            (Refer::from(Device::raw(device.clone())), json!({"device": device})),
        ] {
            assert_eq!(refer.fields.to_json(), params);
        }
        let swml = r#"{"version":"1.0.0","sections":{}}"#;
        for (transfer, dest) in [
            (Transfer::from("https://example.com/next.swml"), json!("https://example.com/next.swml")),
            (Transfer::from(swml.to_owned()), json!(swml)),
            (Transfer::from(json!({"version": "1.0.0"})), json!({"version": "1.0.0"})),
            (Transfer::to_context("office"), json!("context:office")),
        ] {
            assert_eq!(transfer.fields.to_json(), json!({ "dest": dest }));
        }
    }
}
