//! The place of a call in a queue.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, QueueStatus};

/// The place of a call in a queue changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Kind of the event.
    pub status: QueueStatus,
    /// ID of the queue.
    pub queue_id: String,
    /// Name of the queue.
    pub queue_name: String,
    /// Position of the call in the queue.
    pub position: i64,
    /// Number of calls in the queue.
    pub size: i64,
    /// Average wait, in seconds.
    pub avg_time: f64,
    /// Time at which the call entered, in microseconds since 1970. 0 if it did not.
    #[doc(alias = "enqueue_ts")]
    pub entered_at: i64,
    /// Time at which the call was taken out, in microseconds since 1970. 0 until then.
    #[doc(alias = "dequeue_ts")]
    pub taken_at: i64,
    /// Time at which the call left, in microseconds since 1970. 0 until then.
    #[doc(alias = "leave_ts")]
    pub left_at: i64,
    /// URL that receives the status callbacks too.
    pub status_url: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl QueueEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            status: payload.state("status"),
            queue_id: payload.string("id"),
            queue_name: payload.string("name"),
            position: payload.integer("position"),
            size: payload.integer("size"),
            avg_time: payload.number("avg_time"),
            entered_at: payload.integer("enqueue_ts"),
            taken_at: payload.integer("dequeue_ts"),
            left_at: payload.integer("leave_ts"),
            status_url: payload.string("status_url"),
            raw,
        }
    }
}

impl TypedEvent for QueueEvent {
    const NAME: EventName = EventName::Queue;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Queue(event) = event { Some(event) } else { None }
    }
}
