//! An error that belongs to no request.

use std::borrow::Cow;

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::{Object, text_of};
use crate::protocol::states::EventName;

/// An error without a request that waits for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallingErrorEvent {
    /// Error code. `None` if there is none.
    pub code: String,
    /// Error message: text, or JSON if the service sent a structure.
    pub message: String,
    /// Whether the error ended the running operation.
    #[doc(alias = "fatal")]
    pub is_fatal: Option<bool>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl CallingErrorEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        // Two shapes are in use: code and message, or error and fatal.
        let message = ["message", "error"].iter().find_map(|key| payload.get(key));
        let message = message.map(|raw| text_of(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned));
        Self { code: payload.code("code"), message: message.unwrap_or_default(), is_fatal: payload.flag("fatal"), raw }
    }
}

impl TypedEvent for CallingErrorEvent {
    const NAME: EventName = EventName::CallingError;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::CallingError(event) = event { Some(event) } else { None }
    }
}
