//! The state of a transcription.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, TranscribeState};

/// A transcription started or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TranscribeEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: TranscribeState,
    /// URL of the recording, which may be a relative path. Empty until known.
    pub url: String,
    /// ID of the recording.
    pub recording_id: String,
    /// Duration, in seconds. 0 until known.
    pub duration: f64,
    /// Size, in bytes. 0 until known.
    pub size: i64,
    /// Start, in seconds since 1970. 0 until known.
    pub start_time: f64,
    /// End, in seconds since 1970. 0 until known.
    pub end_time: f64,
    /// URL that receives the text.
    pub status_url: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl TranscribeEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url: payload.string("url"),
            recording_id: payload.string("recording_id"),
            duration: payload.number("duration"),
            size: payload.integer("size"),
            start_time: payload.number("start_time"),
            end_time: payload.number("end_time"),
            status_url: payload.string("status_url"),
            raw,
        }
    }
}

impl TypedEvent for TranscribeEvent {
    const NAME: EventName = EventName::Transcribe;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Transcribe(event) = event { Some(event) } else { None }
    }
}
