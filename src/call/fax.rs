//! Sending and receiving faxes.

use serde_json::Value;

use super::action::sealed::Sealed;
use super::{Action, Call, Operation, Stoppable, Verdict};
use crate::error::Result;
use crate::protocol::event::FaxEvent;
use crate::protocol::fields::Fields;

params! {
    /// A document to fax; sent by [`Call::send_fax`]. The URL of a PDF is one, too.
    pub struct SendFax("calling.send_fax") {
        /// How our station names itself to the other.
        identity: String,
        /// The text at the head of each page, `SignalWire` by default; an empty one leaves it out.
        header_info: String,
        /// Names this fax instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for its pages and its end.
        status_url: String,
    }
}

params! {
    /// How a fax is received; sent by [`Call::receive_fax`].
    pub struct ReceiveFax("calling.receive_fax") new [] {
        /// Names this fax instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for its pages and its end.
        status_url: String,
    }
}

/// A fax that is being sent.
#[doc(alias = "FaxAction")]
pub type SendFaxAction = Action<SendFax>;

/// A fax that is being received.
#[doc(alias = "FaxAction")]
pub type ReceiveFaxAction = Action<ReceiveFax>;

impl SendFax {
    /// Faxes the PDF at this URL.
    pub fn new(document: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "document", Value::String(document.into()));
        Self::of(fields)
    }
}

impl From<&str> for SendFax {
    fn from(document: &str) -> Self {
        Self::new(document)
    }
}

impl From<String> for SendFax {
    fn from(document: String) -> Self {
        Self::new(document)
    }
}

fn judge(event: &FaxEvent) -> Verdict {
    if event.is_end() { Verdict::Final } else { Verdict::Progress }
}

impl Sealed for SendFax {}

impl Operation for SendFax {
    type Event = FaxEvent;
    type Outcome = FaxEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    // The other station often hangs up before the result is told.
    const GRACE: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &FaxEvent, _memo: &()) -> Result<FaxEvent> {
        Ok(event.clone())
    }

    fn judge(event: &FaxEvent, _memo: &mut ()) -> Verdict {
        judge(event)
    }
}

impl Stoppable for SendFax {
    const STOP: &'static str = "calling.send_fax.stop";
}

impl Sealed for ReceiveFax {}

impl Operation for ReceiveFax {
    type Event = FaxEvent;
    type Outcome = FaxEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    const GRACE: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &FaxEvent, _memo: &()) -> Result<FaxEvent> {
        Ok(event.clone())
    }

    fn judge(event: &FaxEvent, _memo: &mut ()) -> Verdict {
        judge(event)
    }
}

impl Stoppable for ReceiveFax {
    const STOP: &'static str = "calling.receive_fax.stop";
}

impl Call {
    /// Starts to send a fax and returns at once: `calling.send_fax`. [`wait`](Action::wait) on the action returns the
    /// event that says whether it succeeded, and how many pages there were; each page is an event before.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::SendFax;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let fax = call.send_fax(SendFax::new("https://example.com/offer.pdf").header_info("Example Ltd."))?.wait(None)?;
    /// println!("{} pages, arrived: {}", fax.pages, fax.is_success);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. On a call that is over the action ends at once.
    pub fn send_fax(&self, what: impl Into<SendFax>) -> Result<SendFaxAction> {
        self.start(what.into())
    }

    /// Starts to receive a fax and returns at once: `calling.receive_fax`. [`wait`](Action::wait) on the action
    /// returns the event with the URL of the document; each page is an event before.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::ReceiveFax;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// let fax = call.receive_fax(ReceiveFax::new())?.wait(None)?;
    /// println!("{} pages at {}", fax.pages, fax.document);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. On a call that is over the action ends at once.
    pub fn receive_fax(&self, how: impl Into<ReceiveFax>) -> Result<ReceiveFaxAction> {
        self.start(how.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        let document = "https://example.com/doc.pdf";
        for (fax, params) in [
            (SendFax::from(document), json!({"document": document})),
            (
                SendFax::new(document).identity("").header_info("").control_id(""),
                json!({"document": document, "identity": "", "header_info": ""}),
            ),
            (
                SendFax::new(document)
                    .identity("+15551230009")
                    .header_info("Page header")
                    .control_id("fax-1")
                    .status_url("https://example.com/fax"),
                json!({"control_id": "fax-1", "document": document, "identity": "+15551230009",
                    "header_info": "Page header", "status_url": "https://example.com/fax"}),
            ),
        ] {
            assert_eq!(fax.fields.to_json(), params);
        }
        for (fax, params) in [
            (ReceiveFax::new(), json!({})),
            (
                ReceiveFax::new().control_id("fax-2").status_url("https://example.com/fax"),
                json!({"control_id": "fax-2", "status_url": "https://example.com/fax"}),
            ),
        ] {
            assert_eq!(fax.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_by_its_type_or_by_the_state_of_older_servers() {
        for (payload, verdict) in [
            (json!({"fax": {"type": "page", "params": {"number": 1}}}), Verdict::Progress),
            (json!({"fax": {"type": "page"}, "state": "finished"}), Verdict::Progress),
            (json!({"fax": {"type": "finished", "params": {"success": true}}}), Verdict::Final),
            (json!({"fax": {"type": "error"}}), Verdict::Final),
            (json!({"state": "finished"}), Verdict::Final),
            (json!({"state": "error"}), Verdict::Final),
            (json!({"state": "page"}), Verdict::Progress),
            (json!({"state": "FINISHED"}), Verdict::Progress),
            (json!({}), Verdict::Progress),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.fax", "params": payload}));
            let Event::Fax(event) = event else { panic!("a fax") };
            assert_eq!(
                (SendFax::judge(&event, &mut ()), ReceiveFax::judge(&event, &mut ())),
                (verdict, verdict),
                "{payload}"
            );
        }
    }
}
