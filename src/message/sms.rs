//! A text message to send.

use serde_json::Value;

use crate::error::{self, Result};
use crate::protocol::device::number_fault;
use crate::protocol::fields::Fields;
use crate::protocol::limits::LONGEST_NAME;

/// Makes a text message to a number, for [`Client::send_message`](crate::Client::send_message).
///
/// ```
/// use signalwire_relay::sms;
///
/// let message = sms("+15552222222").from("+15551111111").body("Your code is 4711");
/// ```
pub fn sms(to: impl Into<String>) -> Sms {
    let mut fields = Fields::default();
    fields.set("", "to_number", Value::String(to.into()));
    Sms::of(fields)
}

params! {
    /// A text message to send. Made by [`sms`]. Requires a sender ([`from`](Self::from)), and a body or media.
    pub struct Sms("messaging.send") {
        /// Sender: one of the project's numbers.
        #[doc(alias = "from_number")]
        from: String as "from_number",
        /// Body of the message. An empty one is not sent.
        body: NonEmpty,
        /// URLs of media. At most 8.
        media: NonEmptyStrings,
        /// Labels of the message.
        tags: NonEmptyStrings,
        /// Region from which the message is sent.
        region: NonEmpty,
        /// Context to which the states of the message are delivered. Default: this client's own.
        context: NonEmpty,
        /// Label that the states of the message carry.
        tag: String,
        /// URL that receives the status callbacks of the message.
        status_callback: String,
        /// Whether the message is sent as MMS in any case.
        send_as_mms: bool,
        /// Kind of a WhatsApp message.
        message_type: String,
        /// Template of a WhatsApp message.
        template_id: String,
        /// Parameters for the header of the template.
        header_template_parameters: Json,
        /// Parameters for the body of the template.
        body_template_parameters: Json,
        /// Parameters for the buttons of the template.
        button_template_parameters: Json,
    }
}

impl Sms {
    /// Rejects a message that certainly cannot be sent.
    pub(crate) fn check(&self) -> Result<()> {
        let refused = |why| Err(error::refused(Self::METHOD, why));
        let to = self.fields.get("to_number").and_then(Value::as_str);
        if let Some(why) = to.and_then(number_fault) {
            return refused(why);
        }
        if self.fields.text("context").is_some_and(|context| context.len() > LONGEST_NAME) {
            return refused("its context has more than 1,024 bytes: give a shorter one");
        }
        let has_media = self.fields.get("media").and_then(Value::as_array).is_some_and(|media| !media.is_empty());
        // A template has its own text.
        if self.fields.text("body").is_none() && !has_media && self.fields.text("template_id").is_none() {
            return refused("it has neither body nor media: give it one");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (message, params) in [
            (sms("+1").from("+2").body("Hello"), json!({"to_number": "+1", "from_number": "+2", "body": "Hello"})),
            (
                sms("+1").from("+2").body("a").media(["u", "v"]).tags(["t"]).region("us").context("office"),
                json!({"to_number": "+1", "from_number": "+2", "body": "a", "media": ["u", "v"], "tags": ["t"],
                    "region": "us", "context": "office"}),
            ),
            (
                sms("+1").from("+2").body("a").media([""; 0]).tags([""; 0]).region("").context(""),
                json!({"to_number": "+1", "from_number": "+2", "body": "a"}),
            ),
            (sms("+1").media(["u"]).body(""), json!({"to_number": "+1", "media": ["u"]})),
        ] {
            assert_eq!(message.fields.to_json(), params);
            assert!(message.check().is_ok());
        }
    }

    #[test]
    fn only_what_cannot_be_sent_is_refused() {
        for message in [sms("+1"), sms("+1").body(""), sms("").body("a"), sms("+1 2").body("a"), sms("+1\n").body("a")]
        {
            assert_eq!(message.check().map_err(|error| error.kind()), Err(crate::ErrorKind::Config), "{message:?}");
        }
        assert!(sms("nonsense").body("a").check().is_ok());
    }
}
