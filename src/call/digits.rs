//! Pressing keys on a call.

use serde_json::Value;
use uuid::Uuid;

use super::Call;
use crate::error::Result;
use crate::protocol::fields::Fields;

params! {
    /// Keys to send; sent by [`Call::send_digits`]. A string is one, too.
    pub struct SendDigits("calling.send_digits") {
        /// Names this operation instead of a generated id; the event that tells its end carries the name.
        control_id: NonEmpty,
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

impl Call {
    /// Sends keys as tones: `calling.send_digits`. It returns when the service has accepted them; a
    /// [`SendDigitsEvent`](crate::SendDigitsEvent) tells when all were sent.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.send_digits("1W234#")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn send_digits(&self, digits: impl Into<SendDigits>) -> Result<()> {
        let mut digits = digits.into();
        if digits.fields.text("control_id").is_none() {
            digits = digits.control_id(Uuid::new_v4().to_string());
        }
        self.command(SendDigits::METHOD, &digits.fields).map(drop)
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
}
