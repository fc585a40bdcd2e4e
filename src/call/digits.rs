//! Sending DTMF digits on a call, and binding digits to methods.

use std::time::Duration;

use serde_json::Value;

use super::connect::CONFIRMATION;
use super::operation::sealed::Sealed;
use super::over::Leaving;
use super::{Action, Call, Meaning, Operation, Transfer};
use crate::error::Result;
use crate::protocol::event::SendDigitsEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::SendDigitsState;

params! {
    /// Parameters of [`Call::send_digits`]. A string of digits converts into `SendDigits`.
    pub struct SendDigits("calling.send_digits") {
        /// Control ID of this operation, which its last event carries. Default: a generated one.
        control_id: NonEmpty,
    }
}

params! {
    /// Parameters of [`Call::bind_digit`].
    pub struct BindDigit("calling.bind_digit") {
        /// Parameters of the method, as a JSON object.
        #[doc(alias = "bind_params")]
        params: Json,
        /// Group of bindings that can be removed together. Default: `default`.
        realm: String,
        /// Largest number of times the method runs. Default: no limit.
        max_triggers: u32,
    }
}

params! {
    /// Parameters of [`Call::clear_digit_bindings_with`].
    pub struct ClearDigitBindings("calling.clear_digit_bindings") new [] {
        /// Group whose bindings are removed.
        realm: String,
    }
}

impl BindDigit {
    /// Runs `method`, for example `calling.play`, when the caller presses `digits`, for example `*1`.
    pub fn new(digits: impl Into<String>, method: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "digits", Value::String(digits.into()));
        fields.set("", "bind_method", Value::String(method.into()));
        Self::of(fields)
    }
}

impl SendDigits {
    /// Sends `digits`: `0` to `9`, `*`, `#`, `A` to `D`, and `w` and `W` for pauses, of which `W` is the longer.
    pub fn new(digits: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "digits", Value::String(digits.into()));
        Self::of(fields)
    }
}

impl From<&str> for SendDigits {
    fn from(digits: &str) -> Self {
        Self::new(digits)
    }
}

impl From<String> for SendDigits {
    fn from(digits: String) -> Self {
        Self::new(digits)
    }
}

impl Sealed for SendDigits {}

impl Operation for SendDigits {
    type Event = SendDigitsEvent;
    type Outcome = SendDigitsEvent;
    /// The number of digits.
    type Memo = u32;
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn memo(&self) -> u32 {
        let digits = self.fields.text("digits").unwrap_or_default().chars().count();
        u32::try_from(digits).unwrap_or(u32::MAX)
    }

    fn judge(event: &SendDigitsEvent, _memo: &mut u32) -> Meaning {
        match event.state {
            SendDigitsState::Finished | SendDigitsState::Error => Meaning::Final,
            SendDigitsState::Other(_) => Meaning::Progress,
        }
    }

    fn outcome(event: &SendDigitsEvent, _memo: &u32) -> Result<SendDigitsEvent> {
        Ok(event.clone())
    }

    fn doubt_limit(digits: &u32) -> Option<Duration> {
        // One second for each digit is more than any of them takes, the longer pause included.
        Some(CONFIRMATION.saturating_add(Duration::from_secs(u64::from(*digits))))
    }
}

/// Digits that are being sent.
pub type SendDigitsAction = Action<SendDigits>;

/// # DTMF digits
impl Call {
    /// Sends DTMF digits. Sends `calling.send_digits`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the last digit is sent. Dropping the action changes
    /// nothing.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.send_digits("1W234#")?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn send_digits(&self, digits: impl Into<SendDigits>) -> Result<SendDigitsAction> {
        self.start(digits.into())
    }

    /// Binds digits to a method, which the service runs whenever the caller presses them. Sends `calling.bind_digit`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. RELAY has no event that reports
    /// on a binding, so there is no action to wait on. The events of the bound method are events of the call
    /// ([`events`](Self::events)).
    ///
    /// ```no_run
    /// # use serde_json::json;
    /// # use signalwire_relay::params::BindDigit;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let hello = json!({"play": [{"type": "tts", "params": {"text": "Hello!"}}]});
    /// call.bind_digit(BindDigit::new("*1", "calling.play").params(hello).realm("menu").max_triggers(2))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    pub fn bind_digit(&self, what: impl Into<BindDigit>) -> Result<()> {
        let what = what.into();
        self.command(BindDigit::METHOD, &what.fields)?;
        if what.fields.text("bind_method") == Some(Transfer::METHOD) {
            // A digit may transfer the call from now on, and only the end of the call reports that.
            self.core.leaves(Leaving::Transferred);
        }
        Ok(())
    }

    /// Removes digit bindings. Sends `calling.clear_digit_bindings`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.clear_digit_bindings()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    pub fn clear_digit_bindings(&self) -> Result<()> {
        self.clear_digit_bindings_with(ClearDigitBindings::new())
    }

    /// Removes the digit bindings of a group. Sends `calling.clear_digit_bindings`.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::ClearDigitBindings;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.clear_digit_bindings_with(ClearDigitBindings::new().realm("menu"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`clear_digit_bindings`](Self::clear_digit_bindings).
    pub fn clear_digit_bindings_with(&self, which: ClearDigitBindings) -> Result<()> {
        self.command(ClearDigitBindings::METHOD, &which.fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (digits, params) in [
            (SendDigits::from("W1w2*3#ABCD"), json!({"digits": "W1w2*3#ABCD"})),
            (SendDigits::new("").control_id(""), json!({"digits": ""})),
            (SendDigits::new("1").control_id("k"), json!({"digits": "1", "control_id": "k"})),
        ] {
            assert_eq!(digits.fields.to_json(), params);
        }
    }
    #[test]
    fn bindings_are_as_on_the_wire() {
        let params = json!({"play": [{"type": "tts", "params": {"text": "Welcome to Example Corp."}}]});
        for (bind, wire) in [
            (BindDigit::new("*1", "calling.play"), json!({"digits": "*1", "bind_method": "calling.play"})),
            (
                BindDigit::new("*1", "calling.play").params(params.clone()).realm("menu").max_triggers(2),
                json!({"digits": "*1", "bind_method": "calling.play", "params": params, "realm": "menu",
                    "max_triggers": 2}),
            ),
            (
                BindDigit::new("*1", "calling.play").max_triggers(0).extra("swml", false),
                json!({"digits": "*1", "bind_method": "calling.play", "max_triggers": 0, "swml": false}),
            ),
        ] {
            assert_eq!(bind.fields.to_json(), wire);
        }
        for (clear, wire) in [
            (ClearDigitBindings::new(), json!({})),
            (ClearDigitBindings::new().realm(""), json!({"realm": ""})),
            (ClearDigitBindings::new().extra("all", true), json!({"all": true})),
        ] {
            assert_eq!(clear.fields.to_json(), wire);
        }
    }
}
