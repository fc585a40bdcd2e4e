//! A conference and its participants.

use std::collections::BTreeMap;

use crate::protocol::choices::ConferenceRegion;
use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{ConferenceEndReason, ConferenceStatus, EventName};

/// A conference or a participant changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConferenceEvent {
    /// ID of the conference.
    pub conference_id: String,
    /// Name of the conference.
    pub name: String,
    /// Kind of the event.
    pub status: ConferenceStatus,
    /// Number of participants.
    pub size: i64,
    /// Region in which the conference is mixed.
    pub region: Option<ConferenceRegion>,
    /// ID of the participant's call. Empty at the start and the end of the conference.
    pub call_id: String,
    /// Node of that call.
    pub node_id: String,
    /// Whether that call is muted.
    #[doc(alias = "muted")]
    pub is_muted: bool,
    /// Whether that call is on hold.
    #[doc(alias = "hold")]
    pub is_on_hold: bool,
    /// Whether that call coaches another.
    #[doc(alias = "coaching")]
    pub is_coaching: bool,
    /// The call that is coached.
    pub call_id_to_coach: String,
    /// Whether the conference ends when that call leaves.
    pub end_on_leave: bool,
    /// Whether the conference started when that call entered.
    pub start_on_join: bool,
    /// ID of the call that ended the conference by leaving, at the end.
    #[doc(alias = "call_id_ending_conf")]
    pub ended_by: String,
    /// Reason for the end, at the end.
    #[doc(alias = "reason_ended")]
    pub end_reason: Option<ConferenceEndReason>,
    /// URL of the recording, at the end, if the conference was recorded.
    pub recording_url: String,
    /// Duration of the recording, in seconds. 0 until known.
    pub recording_duration: i64,
    /// Size of the recording, in bytes. 0 until known.
    pub recording_file_size: i64,
    /// Media of the announcement.
    pub announce_url: String,
    /// Figures of the line quality, with [`ConferenceStatus::CallQuality`], such as `rtt_avg`, `in_mos` and
    /// `out_jitter_max`, by the service's names. Otherwise empty.
    pub qos: BTreeMap<String, f64>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl ConferenceEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let status: ConferenceStatus = payload.state("status");
        let flag = |key| payload.flag(key).unwrap_or_default();
        let qos = if status == ConferenceStatus::CallQuality { quality(payload) } else { BTreeMap::new() };
        Self {
            conference_id: payload.string("conference_id"),
            name: payload.string("name"),
            size: payload.integer("size"),
            region: payload.optional_state("region"),
            call_id: payload.string("call_id"),
            node_id: payload.string("node_id"),
            is_muted: flag("muted"),
            is_on_hold: flag("hold"),
            is_coaching: flag("coaching"),
            call_id_to_coach: payload.string("call_id_to_coach"),
            end_on_leave: flag("end_on_leave"),
            start_on_join: flag("start_on_join"),
            ended_by: payload.string("call_id_ending_conf"),
            end_reason: payload.optional_state("reason_ended"),
            recording_url: payload.string("recording_url"),
            recording_duration: payload.integer("recording_duration"),
            recording_file_size: payload.integer("recording_file_size"),
            announce_url: payload.string("announce_url"),
            qos,
            status,
            raw,
        }
    }
}

impl TypedEvent for ConferenceEvent {
    const NAME: EventName = EventName::Conference;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Conference(event) = event { Some(event) } else { None }
    }
}

/// The figures stand among the other members, each a number, or a string of one.
fn quality(payload: &Object<'_>) -> BTreeMap<String, f64> {
    let is_figure = |key: &str| ["rtt_", "in_", "out_"].iter().any(|start| key.starts_with(start));
    let keys = payload.keys().filter(|key| is_figure(key));
    keys.filter_map(|key| Some((key.to_owned(), payload.optional_number(key)?))).collect()
}
