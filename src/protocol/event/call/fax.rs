//! Progress of a fax.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, FaxKind};

/// A page of a fax was sent or received, or the fax ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaxEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Kind of the event.
    #[doc(alias = "fax")]
    pub kind: FaxKind,
    /// Number of the page that was sent or received. 0 if the event is not about a page.
    #[doc(alias = "number")]
    pub page: i64,
    /// Number of pages, at the end.
    pub pages: i64,
    /// Whether the fax succeeded, at the end.
    #[doc(alias = "success")]
    pub is_success: bool,
    /// URL of the document, at the end.
    pub document: String,
    /// Format of the document.
    pub format: String,
    /// `send` or `receive`.
    pub direction: String,
    /// Identity of this station.
    pub identity: String,
    /// Identity of the remote station.
    pub remote_identity: String,
    /// Code of the result. 0 is success.
    pub result: i64,
    /// Text of the result.
    pub result_text: String,
    /// State of the fax. Only older servers send it.
    pub state: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl FaxEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let fax = payload.object("fax");
        let params = fax.object("params");
        Self {
            control_id: payload.string("control_id"),
            kind: fax.state("type"),
            page: params.integer("number"),
            pages: params.integer("pages"),
            is_success: params.flag("success").unwrap_or_default(),
            document: params.string("document"),
            format: params.string("format"),
            direction: params.string("direction"),
            identity: params.string("identity"),
            remote_identity: params.string("remote_identity"),
            result: params.integer("result"),
            result_text: params.string("result_text"),
            state: payload.string("state"),
            raw,
        }
    }

    /// `true` if the fax has ended, with success or not: [`is_success`](Self::is_success).
    #[must_use]
    pub fn is_end(&self) -> bool {
        match &self.kind {
            FaxKind::Finished | FaxKind::Error => true,
            // Older servers say it in a state.
            kind => kind.as_str().is_empty() && matches!(self.state.as_str(), "finished" | "error"),
        }
    }
}

impl TypedEvent for FaxEvent {
    const NAME: EventName = EventName::Fax;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Fax(event) = event { Some(event) } else { None }
    }
}
