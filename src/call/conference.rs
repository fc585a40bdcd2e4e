//! Conferences.

use serde_json::Value;

use super::Call;
use crate::error::Result;
use crate::protocol::choices::{
    CallbackFormat, ConferenceAcl, ConferenceBeep, ConferenceRecord, ConferenceRegion, ConferenceTrim, HttpMethod,
};
use crate::protocol::device::StreamDevice;
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;

params! {
    /// Which conference, and how the call takes part; sent by [`Call::join_conference`]. A name is one, too.
    pub struct JoinConference("calling.join_conference") {
        /// Whether the call is muted; not by default.
        muted: bool,
        /// When there is a beep; when somebody comes and when somebody leaves by default.
        beep: ConferenceBeep,
        /// Whether the conference begins with this call, as it does by default, or waits for another that begins it.
        start_on_enter: bool,
        /// Whether the conference ends when this call leaves; not by default.
        end_on_exit: bool,
        /// What is heard until it begins: the URL of an MP3 or WAV file, or of a cXML document.
        wait_url: String,
        /// How many may take part: 1 to 250, the default.
        max_participants: u32,
        /// Whether it is recorded; not by default.
        record: ConferenceRecord,
        /// Where it is mixed; wherever it is best by default.
        region: ConferenceRegion,
        /// Whether silence is cut off its recording, as it is by default.
        trim: ConferenceTrim,
        /// The id of the call that this one coaches: only that one hears it.
        coach: String,
        /// A webhook for what happens in the conference.
        status_callback: String,
        /// What the webhook is told: [`ConferenceCallback`](crate::ConferenceCallback)s.
        status_callback_event: Words,
        /// The form in which the webhook is told; RELAY events by default.
        status_callback_event_type: CallbackFormat,
        /// How the webhook is called; POST by default.
        status_callback_method: HttpMethod,
        /// A webhook for the recording.
        recording_status_callback: String,
        /// What that webhook is told: [`RecordingCallback`](crate::RecordingCallback)s; the end by default.
        recording_status_callback_event: Words,
        /// The form in which that webhook is told; RELAY events by default.
        recording_status_callback_event_type: CallbackFormat,
        /// How that webhook is called; POST by default.
        recording_status_callback_method: HttpMethod,
        /// Who may read the recording.
        acl: ConferenceAcl,
        /// Whether events tell the quality of the participants' lines; not by default.
        emit_call_quality: bool,
    }
}

impl JoinConference {
    /// Joins the conference of this name, which is made if there is none.
    pub fn new(name: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "name", Value::String(name.into()));
        Self::of(fields)
    }

    /// A WebSocket that takes the conference's audio and answers with its own: [`stream_to`](crate::stream_to), or its
    /// parameters as JSON.
    #[doc(alias = "stream_obj")]
    pub fn stream(mut self, stream: impl Into<ConferenceStream>) -> Self {
        self.fields.set("", "stream", stream.into().0);
        self
    }
}

/// A WebSocket for the audio of a conference: [`stream_to`](crate::stream_to), or its parameters as JSON.
#[derive(Clone, PartialEq)]
pub struct ConferenceStream(Value);

impl std::fmt::Debug for ConferenceStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut json = self.0.clone();
        crate::protocol::redact::mask_keys(&mut json);
        write!(f, "ConferenceStream({json})")
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
    /// Which conference is left; sent by [`Call::leave_conference`]. A conference's id is one, too.
    pub struct LeaveConference("calling.leave_conference") {}
}

impl LeaveConference {
    /// Leaves the conference of this id.
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

impl Call {
    /// Has the call take part in a conference: `calling.join_conference`. It returns when the service has accepted it.
    /// The reply tells the conference's id under `conference_id`; what happens in it is told by
    /// [`ConferenceEvent`](crate::ConferenceEvent)s: those about a participant come to its call, the beginning and the
    /// end to [`Client::on_event`](crate::Client::on_event).
    ///
    /// ```no_run
    /// # use signalwire_relay::{ConferenceBeep, ConferenceRecord, JoinConference};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let joined = call.join_conference(
    ///     JoinConference::new("stand-up").beep(ConferenceBeep::OnEnter).record(ConferenceRecord::FromStart),
    /// )?;
    /// if let Some(id) = joined.text("conference_id") {
    ///     call.leave_conference(id)?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error; the reply is empty then.
    pub fn join_conference(&self, which: impl Into<JoinConference>) -> Result<Reply> {
        self.command(JoinConference::METHOD, &which.into().fields)
    }

    /// Takes the call out of a conference, given by its id: `calling.leave_conference`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_conference("b8e4d2c1-37fa-4190-8c5d-e21f609a7b33")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call or a conference that is over is no error.
    pub fn leave_conference(&self, which: impl Into<LeaveConference>) -> Result<()> {
        self.command(LeaveConference::METHOD, &which.into().fields).map(drop)
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
