//! Transferring and holding a call.

use std::time::Duration;

use serde_json::Value;

use super::confirmed::confirmed;
use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation};
use crate::error::{self, Result};
use crate::protocol::device::{Device, address_fault};
use crate::protocol::event::{HoldEvent, ReferEvent};
use crate::protocol::fields::Fields;
use crate::protocol::states::{HoldState, ReferState};

params! {
    /// Parameters of [`Call::refer`]. A [`Device`], and anything that converts into one, converts into `Refer`.
    pub struct Refer("calling.refer") {
        /// URL that receives the call's status callbacks.
        status_url: String,
    }
}

params! {
    /// Parameters of [`Call::transfer`]. A URL, an SWML document and JSON convert into `Transfer`.
    pub struct Transfer("calling.transfer") {}
}

impl Refer {
    /// Refers the call to a device, which has to be a [`sip`](crate::sip) endpoint.
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
    /// Transfers to `dest`: the URL of an SWML document, the document itself, as text or JSON, or `context:` and the
    /// context of another RELAY application.
    pub fn new(dest: impl Into<Value>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "dest", dest.into());
        Self::of(fields)
    }

    /// Transfers to the RELAY application of this context.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::Transfer;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.transfer(Transfer::to_context("billing"))?;
    /// # Ok(()) }
    /// ```
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

params! {
    /// Parameters of [`Call::hold`].
    pub struct Hold("calling.hold") new [] {}
}

params! {
    /// Parameters of [`Call::unhold`].
    pub struct Unhold("calling.unhold") new [] {}
}

impl Sealed for Refer {}

impl Operation for Refer {
    type Event = ReferEvent;
    type Outcome = ReferEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn check(&self) -> Result<()> {
        let address = self.fields.get("device").and_then(|device| device.get("params")?.get("to")?.as_str());
        match address.and_then(address_fault) {
            Some(why) => Err(error::refused(Self::METHOD, why)),
            None => Ok(()),
        }
    }

    fn judge(event: &ReferEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            ReferState::InProgress | ReferState::Other(_) => Meaning::Progress,
            _ => Meaning::Final,
        }
    }

    fn outcome(event: &ReferEvent, _memo: &()) -> Result<ReferEvent> {
        Ok(event.clone())
    }

    fn doubt_limit(_memo: &()) -> Option<Duration> {
        // The other phone may ring meanwhile.
        Some(Duration::from_secs(60))
    }
}

/// A SIP REFER in progress.
pub type ReferAction = Action<Refer>;

confirmed!(Hold, HoldEvent, |event| event.state == HoldState::Hold);

/// A call that is being put on hold.
pub type HoldAction = Action<Hold>;

confirmed!(Unhold, HoldEvent, |event| event.state == HoldState::Unhold);

/// A call that is being resumed from hold.
pub type UnholdAction = Action<Unhold>;

/// # Transferring and holding
impl Call {
    /// Refers the SIP endpoint of this call to another one (SIP REFER). Sends `calling.refer`, and returns when the
    /// service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the SIP endpoint has responded;
    /// [`state`](ReferEvent::state) and the SIP codes of the result say how. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::sip;
    /// # use signalwire_relay::states::ReferState;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let answer = call.refer(sip("sip:frontdesk@pbx.example"))?.wait(Duration::from_secs(30))?;
    /// if answer.state != ReferState::Success {
    ///     println!("refused: {}", answer.sip_notify_response_code);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `Config` if the `to` of the device cannot be an address: nothing is sent then. Otherwise an error if the
    /// service rejects the request, as it does for a call that is not SIP, or the connection is down for longer than
    /// the request timeout. If the call has already ended, the returned action is already complete.
    pub fn refer(&self, to: impl Into<Refer>) -> Result<ReferAction> {
        self.start(to.into())
    }

    /// Transfers the call to another application. Sends `calling.transfer`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The call then ends for this
    /// client. If it is transferred to a context that this client is subscribed to, the service may offer it again, as
    /// another [`Call`] with the same ID.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::Transfer;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.transfer("https://example.com/next.swml")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    pub fn transfer(&self, dest: impl Into<Transfer>) -> Result<()> {
        self.command(Transfer::METHOD, &dest.into().fields).map(drop)
    }

    /// Puts the call on hold. Sends `calling.hold`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the service confirms it. Dropping the action changes
    /// nothing. The newest documentation of the service has no such method: it may reject it.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.hold()?.wait(None)?;
    /// call.unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn hold(&self) -> Result<HoldAction> {
        self.start(Hold::new())
    }

    /// Resumes the call from hold. Sends `calling.unhold`. See [`hold`](Self::hold).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.unhold()?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`hold`](Self::hold).
    pub fn unhold(&self) -> Result<UnholdAction> {
        self.start(Unhold::new())
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
