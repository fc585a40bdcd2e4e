//! Sending and receiving faxes.

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::event::FaxEvent;
use crate::protocol::fields::Fields;

params! {
    /// Parameters of [`Call::send_fax`]. The URL of a PDF document converts into `SendFax`.
    pub struct SendFax("calling.send_fax") {
        /// Identity of the sending station.
        identity: String,
        /// Text at the head of each page. Default: `SignalWire`. An empty text removes the header.
        header_info: String,
        /// Control ID of this fax. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives a status callback for each page and for the end.
        status_url: String,
    }
}

params! {
    /// Parameters of [`Call::receive_fax`].
    pub struct ReceiveFax("calling.receive_fax") new [] {
        /// Control ID of this fax. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives a status callback for each page and for the end.
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
    /// Sends the PDF document at this URL.
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

fn judge(event: &FaxEvent) -> Meaning {
    if event.is_end() { Meaning::Final } else { Meaning::Progress }
}

impl Sealed for SendFax {}

impl Operation for SendFax {
    type Event = FaxEvent;
    type Outcome = FaxEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    // The other station often hangs up before the result is reported.
    const GRACE: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &FaxEvent, _memo: &()) -> Result<FaxEvent> {
        Ok(event.clone())
    }

    fn judge(event: &FaxEvent, _memo: &mut ()) -> Meaning {
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

    fn judge(event: &FaxEvent, _memo: &mut ()) -> Meaning {
        judge(event)
    }
}

impl Stoppable for ReceiveFax {
    const STOP: &'static str = "calling.receive_fax.stop";
}

/// # Faxes
impl Call {
    /// Sends a fax. Sends `calling.send_fax`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the fax has ended. The result says whether the fax
    /// was sent, and how many pages; [`events`](Action::events) reports each page. Dropping the action changes nothing.
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
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn send_fax(&self, what: impl Into<SendFax>) -> Result<SendFaxAction> {
        self.start(what.into())
    }

    /// Receives a fax. Sends `calling.receive_fax`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the fax has ended. The result has the URL of the
    /// document; [`events`](Action::events) reports each page. Dropping the action changes nothing.
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
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
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
            (json!({"fax": {"type": "page", "params": {"number": 1}}}), Meaning::Progress),
            (json!({"fax": {"type": "page"}, "state": "finished"}), Meaning::Progress),
            (json!({"fax": {"type": "finished", "params": {"success": true}}}), Meaning::Final),
            (json!({"fax": {"type": "error"}}), Meaning::Final),
            (json!({"state": "finished"}), Meaning::Final),
            (json!({"state": "error"}), Meaning::Final),
            (json!({"state": "page"}), Meaning::Progress),
            (json!({"state": "FINISHED"}), Meaning::Progress),
            (json!({}), Meaning::Progress),
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
