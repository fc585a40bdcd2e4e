//! Progress of a recording, and the URL of its file.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{AudioDirection, EventName, PauseBehavior, RecordFormat, RecordState};

/// A recording progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: RecordState,
    /// URL of the file. Empty until known.
    pub url: String,
    /// Duration, in seconds. 0 until known.
    pub duration: f64,
    /// Size, in bytes. 0 until known.
    pub size: i64,
    /// ID of the recording.
    pub recording_id: String,
    /// Start, in seconds since 1970. 0 until known.
    pub start_time: f64,
    /// End, in seconds since 1970. 0 until known.
    pub end_time: f64,
    /// First captured audio, in seconds since 1970. 0 until known.
    pub first_frame_time: f64,
    /// Content of the recording for the time of a pause, where the service reports it.
    pub pause_behavior: Option<PauseBehavior>,
    /// The format of the file.
    #[doc(alias = "record")]
    pub format: Option<RecordFormat>,
    /// Whether the two sides are two channels.
    pub is_stereo: bool,
    /// Which side is recorded.
    pub direction: Option<AudioDirection>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl RecordEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let nested = payload.object("record");
        let audio = nested.object("audio");
        let url = nested.optional("url").unwrap_or_else(|| payload.string("url"));
        let number = |key| nested.optional_number(key).or_else(|| payload.optional_number(key)).unwrap_or_default();
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url,
            duration: number("duration"),
            size: number("size") as i64,
            recording_id: payload.string("recording_id"),
            start_time: payload.number("start_time"),
            end_time: payload.number("end_time"),
            first_frame_time: payload.number("first_frame_time"),
            pause_behavior: payload.optional_state("pause_behavior"),
            format: audio.optional_state("format"),
            is_stereo: audio.flag("stereo").unwrap_or_default(),
            direction: audio.optional_state("direction"),
            raw,
        }
    }
}

impl TypedEvent for RecordEvent {
    const NAME: EventName = EventName::Record;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Record(event) = event { Some(event) } else { None }
    }
}
