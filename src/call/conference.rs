//! Conferences.

use std::time::Duration;

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::queue::StayEnd;
use super::stays::{MOMENT, wait_joined};
use super::{Action, Call, Meaning, Operation};
use crate::error::{self, Result};
use crate::protocol::choices::{
    CallbackFormat, ConferenceAcl, ConferenceBeep, ConferenceRecord, ConferenceRegion, ConferenceTrim, HttpMethod,
};
use crate::protocol::device::StreamDevice;
use crate::protocol::event::ConferenceEvent;
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::protocol::limits::is_name;
use crate::protocol::redact;
use crate::protocol::states::{ConferenceEndReason, ConferenceStatus};

params! {
    /// Parameters of [`Call::join_conference`]. The name of a conference converts into `JoinConference`.
    pub struct JoinConference("calling.join_conference") {
        /// Whether the call is muted. Default: no.
        muted: bool,
        /// When a beep is played. Default: when a participant enters or leaves.
        beep: ConferenceBeep,
        /// Whether the conference starts when this call enters. Default: yes. With `false` it waits for another call
        /// that starts it.
        start_on_enter: bool,
        /// Whether the conference ends when this call leaves. Default: no.
        end_on_exit: bool,
        /// URL of what is heard until the conference starts: an MP3 or WAV file, or a cXML document.
        wait_url: String,
        /// Largest number of participants, `1..=250`. Default: 250.
        max_participants: u32,
        /// Whether the conference is recorded. Default: no.
        record: ConferenceRecord,
        /// Region in which the conference is mixed. Default: chosen by the service.
        region: ConferenceRegion,
        /// Whether silence is trimmed from the recording. Default: yes.
        trim: ConferenceTrim,
        /// ID of the call that this one coaches: only that call hears this one.
        coach: String,
        /// URL that receives the status callbacks of the conference.
        status_callback: String,
        /// Events for which the status callback is called: [`ConferenceCallback`](crate::choices::ConferenceCallback)s.
        status_callback_event: Words,
        /// Format of the status callback. Default: RELAY events.
        status_callback_event_type: CallbackFormat,
        /// HTTP method of the status callback. Default: POST.
        status_callback_method: HttpMethod,
        /// URL that receives the status callbacks of the recording.
        recording_status_callback: String,
        /// Events for which the recording's status callback is called:
        /// [`RecordingCallback`](crate::choices::RecordingCallback)s. Default: the end of the recording.
        recording_status_callback_event: Words,
        /// Format of the recording's status callback. Default: RELAY events.
        recording_status_callback_event_type: CallbackFormat,
        /// HTTP method of the recording's status callback. Default: POST.
        recording_status_callback_method: HttpMethod,
        /// Read permission of the recording.
        acl: ConferenceAcl,
        /// Whether events report the line quality of the participants. Default: no.
        emit_call_quality: bool,
    }
}

impl JoinConference {
    /// Joins the conference of this name. The service creates the conference if there is none.
    pub fn new(name: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "name", Value::String(name.into()));
        Self::of(fields)
    }

    /// Sends the conference's audio to a WebSocket, which may send audio back:
    /// [`stream_to`](crate::devices::stream_to), or its parameters as JSON.
    #[doc(alias = "stream_obj")]
    pub fn stream(mut self, stream: impl Into<ConferenceStream>) -> Self {
        self.fields.set("", "stream", stream.into().0);
        self
    }
}

/// A WebSocket for the audio of a conference: [`stream_to`](crate::devices::stream_to), or its parameters as JSON.
#[derive(Clone, PartialEq)]
pub struct ConferenceStream(Value);

impl std::fmt::Debug for ConferenceStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConferenceStream({})", redact::shown(self.0.clone()))
    }
}

impl From<StreamDevice> for ConferenceStream {
    fn from(device: StreamDevice) -> Self {
        Self(device.fields.to_json())
    }
}

impl From<Value> for ConferenceStream {
    fn from(json: Value) -> Self {
        Self(json)
    }
}

impl From<&str> for JoinConference {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for JoinConference {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

params! {
    /// Parameters of [`Call::leave_conference`]. The ID of a conference converts into `LeaveConference`.
    pub struct LeaveConference("calling.leave_conference") {}
}

impl LeaveConference {
    /// Leaves the conference with this ID.
    pub fn new(conference_id: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "conference_id", Value::String(conference_id.into()));
        Self::of(fields)
    }
}

impl From<&str> for LeaveConference {
    fn from(conference_id: &str) -> Self {
        Self::new(conference_id)
    }
}

impl From<String> for LeaveConference {
    fn from(conference_id: String) -> Self {
        Self::new(conference_id)
    }
}

/// The end of a call's stay in a conference: the outcome of [`Call::join_conference`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConferenceStay {
    /// The reason why the stay ended.
    pub end: StayEnd,
    /// The conference's ID. Empty if the service did not report one.
    pub conference_id: String,
    /// Why the conference ended, with [`StayEnd::ConferenceEnded`].
    pub reason: Option<ConferenceEndReason>,
}

/// State of a stay in a conference, from the events so far.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct ConferenceMemo {
    name: String,
    conference_id: String,
    joined: bool,
    leaving: bool,
    /// The call's ID, once an event has reported that the call left although the program did not request that.
    left: Option<String>,
}

impl ConferenceMemo {
    fn stay(&self, end: StayEnd, reason: Option<ConferenceEndReason>) -> ConferenceStay {
        ConferenceStay { end, conference_id: self.conference_id.clone(), reason }
    }
}

impl Sealed for JoinConference {}

impl Operation for JoinConference {
    type Event = ConferenceEvent;
    type Outcome = ConferenceStay;
    type Memo = ConferenceMemo;
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn memo(&self) -> ConferenceMemo {
        let name = self.fields.text("name").unwrap_or_default().to_owned();
        ConferenceMemo { name, ..ConferenceMemo::default() }
    }

    fn concerns(event: &ConferenceEvent, memo: &ConferenceMemo, _in_doubt: bool) -> bool {
        event.name == memo.name
            && (memo.conference_id.is_empty()
                || event.conference_id.is_empty()
                || memo.conference_id == event.conference_id)
    }

    fn judge(event: &ConferenceEvent, memo: &mut ConferenceMemo) -> Meaning {
        if memo.conference_id.is_empty() {
            memo.conference_id.clone_from(&event.conference_id);
        }
        match event.status {
            // The conference has ended because the call has left, not the other way round.
            ConferenceStatus::End if memo.left.as_ref().is_some_and(|left| *left == event.ended_by) => {
                Meaning::Progress
            }
            ConferenceStatus::End => Meaning::Final,
            ConferenceStatus::ParticipantLeave if memo.leaving => Meaning::Final,
            // The end of the conference or of the call may follow, and is more precise.
            ConferenceStatus::ParticipantLeave => {
                memo.left = Some(event.call_id.clone()).filter(|id| !id.is_empty());
                Meaning::Within(MOMENT)
            }
            ConferenceStatus::Start => Meaning::Progress,
            _ => {
                memo.joined |= !event.call_id.is_empty();
                Meaning::Progress
            }
        }
    }

    fn outcome(event: &ConferenceEvent, memo: &ConferenceMemo) -> Result<ConferenceStay> {
        Ok(match event.status {
            ConferenceStatus::End => memo.stay(StayEnd::ConferenceEnded, event.end_reason.clone()),
            _ if memo.leaving => memo.stay(StayEnd::Left, None),
            _ => memo.stay(StayEnd::Removed, None),
        })
    }

    fn ready(_event: &ConferenceEvent, memo: &ConferenceMemo) -> Option<ConferenceStay> {
        // Only the existence of the outcome counts here; the end of the stay is not known yet.
        memo.joined.then(|| memo.stay(StayEnd::CallEnded, None))
    }

    fn accepted(reply: &Reply, memo: &mut ConferenceMemo) {
        if let Some(id) = reply.text("conference_id").filter(|id| is_name(id)) {
            memo.conference_id = id;
        }
    }

    fn ended_by_call(_call_id: &str, _control_id: &str, memo: &ConferenceMemo) -> Option<ConferenceStay> {
        Some(memo.stay(StayEnd::CallEnded, None))
    }

    fn leaving(memo: &mut ConferenceMemo, is: bool) {
        memo.leaving = is;
    }
}

/// A call's stay in a conference.
pub type ConferenceAction = Action<JoinConference>;

/// # A stay in a conference
impl ConferenceAction {
    /// Returns the conference's ID. `None` until the response or an event has reported the ID.
    #[must_use]
    pub fn conference_id(&self) -> Option<String> {
        self.core.memo(|memo| Some(memo.conference_id.clone()).filter(|id| !id.is_empty()))
    }

    /// Blocks until the call takes part in the conference, at most `timeout`. With `None` it blocks indefinitely.
    /// Returns at once when it has joined.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let stay = call.join_conference("stand-up")?;
    /// stay.wait_joined(Duration::from_secs(10))?;
    /// println!("in conference {:?}", stay.conference_id());
    /// // Later:
    /// stay.leave()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `CallEnded` if the stay ended before the call had joined; otherwise as [`wait`](Self::wait).
    pub fn wait_joined(&self, timeout: impl Into<Option<Duration>>) -> Result<()> {
        wait_joined(self, |memo| memo.joined, "joining the conference", timeout.into())
    }

    /// Takes the call out of the conference. Sends `calling.leave_conference`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The stay has ended when its last
    /// event arrives: see [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. A stay that has ended is no error.
    pub fn leave(&self) -> Result<()> {
        match self.conference_id() {
            Some(id) => self.call.leave_conference(id),
            None => Err(error::refused(
                LeaveConference::METHOD,
                "the conference's ID is not known yet: wait for the stay to begin",
            )),
        }
    }
}

/// # Conferences
impl Call {
    /// Puts the call into a conference. Sends `calling.join_conference`, and returns when the service has accepted the
    /// request.
    ///
    /// The returned action has the conference's [ID](Action::conference_id).
    /// [`wait_joined`](Action::wait_joined) blocks until the call takes part, [`wait`](Action::wait) until the stay
    /// ends: left, removed, the conference ended around the call, or the call ended. [`events`](Action::events) reports
    /// what happens to this call in the conference, and the beginning and the end of the conference. Dropping the
    /// action changes nothing.
    ///
    /// A stay has no limit that could be checked after the connection was interrupted: if its end was missed, a
    /// `wait` that times out is `OutcomeUnknown`, and one without a timeout lasts until the call ends.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::{ConferenceBeep, ConferenceRecord};
    /// # use signalwire_relay::params::JoinConference;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let stand_up = JoinConference::new("stand-up").beep(ConferenceBeep::OnEnter).record(ConferenceRecord::FromStart);
    /// let ended = call.join_conference(stand_up)?.wait(None)?;
    /// println!("{:?} {:?}", ended.end, ended.reason);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn join_conference(&self, which: impl Into<JoinConference>) -> Result<ConferenceAction> {
        let which = which.into();
        let name = which.fields.text("name").unwrap_or_default();
        // The end of a conference is not reported to its calls.
        let held = self.core.session().map(|session| session.sink().attend(name, self.id()));
        self.start_holding(which, held)
    }

    /// Takes the call out of a conference, given by its ID. Sends `calling.leave_conference`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_conference("b8e4d2c1-37fa-4190-8c5d-e21f609a7b33")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call or the conference has already ended, the method returns `Ok`.
    pub fn leave_conference(&self, which: impl Into<LeaveConference>) -> Result<()> {
        self.leave_stays(JoinConference::METHOD, LeaveConference::METHOD, &which.into().fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::choices::{ConferenceCallback, RecordingCallback};
    use crate::protocol::device::stream_to;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (join, params) in [
            (JoinConference::from("room-1"), json!({"name": "room-1"})),
            (
                JoinConference::new("Équipe 1").muted(false).beep(ConferenceBeep::Never).max_participants(250),
                json!({"name": "Équipe 1", "muted": false, "beep": "false", "max_participants": 250}),
            ),
            (
                JoinConference::new("room-1")
                    .muted(true)
                    .beep(ConferenceBeep::OnEnter)
                    .start_on_enter(true)
                    .end_on_exit(true)
                    .wait_url("https://example.com/wait")
                    .max_participants(20)
                    .record(ConferenceRecord::FromStart)
                    .region("us-east")
                    .trim(ConferenceTrim::TrimSilence)
                    .coach("call-coach-1")
                    .status_callback("https://example.com/cb")
                    .status_callback_event([
                        ConferenceCallback::Start,
                        ConferenceCallback::End,
                        ConferenceCallback::Join,
                        ConferenceCallback::Leave,
                    ])
                    .status_callback_event_type("conference")
                    .status_callback_method(HttpMethod::Post)
                    .recording_status_callback("https://example.com/rcb")
                    .recording_status_callback_event([RecordingCallback::InProgress, RecordingCallback::Completed])
                    .recording_status_callback_event_type("recording")
                    .recording_status_callback_method(HttpMethod::Get)
                    .stream(json!({"url": "wss://example.com/conf", "track": "both"}))
                    .extra("result", json!({"ok": 1})),
                json!({"name": "room-1", "muted": true, "beep": "onEnter", "start_on_enter": true, "end_on_exit": true,
                    "wait_url": "https://example.com/wait", "max_participants": 20, "record": "record-from-start",
                    "region": "us-east", "trim": "trim-silence", "coach": "call-coach-1",
                    "status_callback": "https://example.com/cb", "status_callback_event": "start end join leave",
                    "status_callback_event_type": "conference", "status_callback_method": "POST",
                    "recording_status_callback": "https://example.com/rcb",
                    "recording_status_callback_event": "in-progress completed",
                    "recording_status_callback_event_type": "recording", "recording_status_callback_method": "GET",
                    "stream": {"url": "wss://example.com/conf", "track": "both"}, "result": {"ok": 1}}),
            ),
            (
                JoinConference::new("r")
                    .stream(stream_to("wss://x").name("n"))
                    .acl(ConferenceAcl::PublicRead)
                    .emit_call_quality(true)
                    .status_callback_event(["start end"]),
                json!({"name": "r", "stream": {"url": "wss://x", "name": "n"}, "acl": "public-read",
                    "emit_call_quality": true, "status_callback_event": "start end"}),
            ),
        ] {
            assert_eq!(join.fields.to_json(), params);
        }
        for id in ["conf-1", ""] {
            assert_eq!(LeaveConference::from(id).fields.to_json(), json!({ "conference_id": id }));
        }
    }
}
