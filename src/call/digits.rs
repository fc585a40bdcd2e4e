//! Pressing keys on a call, and having keys do something.

use std::time::Duration;

use serde_json::Value;

use super::action::sealed::Sealed;
use super::connect::CONFIRMATION;
use super::core::Leaving;
use super::{Action, Call, Operation, Transfer, Verdict};
use crate::error::Result;
use crate::protocol::event::SendDigitsEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::SendDigitsState;

params! {
    /// Keys to send; sent by [`Call::send_digits`]. A string is one, too.
    pub struct SendDigits("calling.send_digits") {
        /// Names this operation instead of a generated id; the event that tells its end carries the name.
        control_id: NonEmpty,
    }
}

params! {
    /// What keys do; sent by [`Call::bind_digit`].
    pub struct BindDigit("calling.bind_digit") {
        /// The parameters of the method, as a JSON object.
        #[doc(alias = "bind_params")]
        params: Json,
        /// A name for a group of bindings, which can be removed together; `default` by default.
        realm: String,
        /// How often it may happen; as often as the caller likes by default.
        max_triggers: u32,
    }
}

params! {
    /// Which bindings are removed; sent by [`Call::clear_digit_bindings_with`].
    pub struct ClearDigitBindings("calling.clear_digit_bindings") new [] {
        /// Only those of this group.
        realm: String,
    }
}

impl BindDigit {
    /// When the caller presses `digits`, for example `*1`, the service runs `method`, for example `calling.play`.
    pub fn new(digits: impl Into<String>, method: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "digits", Value::String(digits.into()));
        fields.set("", "bind_method", Value::String(method.into()));
        Self::of(fields)
    }
}

impl SendDigits {
    /// Sends these: `0` to `9`, `*`, `#`, `A` to `D`, and `w` and `W` for pauses, of which `W` is the longer.
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
    /// How many digits there are.
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

    fn judge(event: &SendDigitsEvent, _memo: &mut u32) -> Verdict {
        match event.state {
            SendDigitsState::Finished | SendDigitsState::Error => Verdict::Final,
            SendDigitsState::Other(_) => Verdict::Progress,
        }
    }

    fn outcome(event: &SendDigitsEvent, _memo: &u32) -> Result<SendDigitsEvent> {
        Ok(event.clone())
    }

    fn doubt_limit(digits: &u32) -> Option<Duration> {
        // A second for each digit is more than any of them takes, the longer pause included.
        Some(CONFIRMATION.saturating_add(Duration::from_secs(u64::from(*digits))))
    }
}

/// Digits that are being sent.
pub type SendDigitsAction = Action<SendDigits>;

/// # Sending digits
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
    /// An error if the service rejects the request, or the connection is down for longer than the request timeout. If
    /// the call has already ended, the returned action is already complete.
    pub fn send_digits(&self, digits: impl Into<SendDigits>) -> Result<SendDigitsAction> {
        self.start(digits.into())
    }

    /// Has the service run a method whenever the caller presses these digits. Sends `calling.bind_digit`.
    ///
    /// RELAY has no event that reports on a binding, so there is no action to wait on. The method that the service runs
    /// reports as ever: its events are events of the call ([`events`](Self::events)).
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
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn bind_digit(&self, what: impl Into<BindDigit>) -> Result<()> {
        let what = what.into();
        self.command(BindDigit::METHOD, &what.fields)?;
        if what.fields.text("bind_method") == Some(Transfer::METHOD) {
            // A key may hand the call over now, and nothing but its end will tell.
            self.core.leaves(Leaving::Transferred);
        }
        Ok(())
    }

    /// Removes what [`bind_digit`](Self::bind_digit) bound: `calling.clear_digit_bindings`. The service's documents
    /// disagree on whether that is all bindings, or those of the group `default` only; with a group it is clear.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.clear_digit_bindings()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn clear_digit_bindings(&self) -> Result<()> {
        self.clear_digit_bindings_with(ClearDigitBindings::new())
    }

    /// Removes the bindings of a group: `calling.clear_digit_bindings`.
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
    /// As for [`clear_digit_bindings`](Self::clear_digit_bindings).
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
