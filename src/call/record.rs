//! Recording a call.

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Pausable, Stoppable};
use crate::error::Result;
use crate::protocol::event::RecordEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::{AudioDirection, RecordFormat, RecordState};

params! {
    /// Parameters of [`Call::record`].
    pub struct Record("calling.record") new ["record.audio"] {
        in "record.audio":
        /// Whether a beep is played before the recording starts. Default: no.
        beep: bool,
        /// File format of the recording.
        format: RecordFormat,
        /// Whether the two sides are recorded as two channels. Default: no.
        stereo: bool,
        /// Side of the call that is recorded. Default: what the party on the call says.
        direction: AudioDirection,
        /// Silence at the start that ends the recording. Sent in seconds. Zero disables it.
        initial_timeout: Seconds,
        /// Silence that ends the recording. Sent in seconds. Zero disables it.
        end_silence_timeout: Seconds,
        /// Digits that end the recording, for example `"#"`.
        terminators: String,
        /// Sensitivity to quiet sounds, `0.0..=100.0`.
        input_sensitivity: f64,
        /// Longest duration of the recording. Sent in seconds. Zero disables the limit.
        max_length: Seconds,
        top:
        /// Control ID of this recording. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives the operation's status callbacks.
        status_url: String,
    }
}

/// A recording in progress.
pub type RecordAction = Action<Record>;

impl Sealed for Record {}

impl Operation for Record {
    type Event = RecordEvent;
    type Outcome = RecordEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    // The event with the URL often follows the end of the call.
    const GRACE: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &RecordEvent, _memo: &()) -> Result<RecordEvent> {
        Ok(event.clone())
    }

    fn judge(event: &RecordEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            RecordState::Finished | RecordState::NoInput | RecordState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }
}

impl Stoppable for Record {
    const STOP: &'static str = "calling.record.stop";
}

impl Pausable for Record {
    const PAUSE: &'static str = "calling.record.pause";
    const RESUME: &'static str = "calling.record.resume";
}

/// # Recording
impl Call {
    /// Starts a recording. Sends `calling.record`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the recording is stored. The result has its URL, its
    /// duration in seconds and its size in bytes. If the call ends first, the wait continues for at most
    /// [`Tuning::final_event_grace`](crate::connection::Tuning::final_event_grace), because the URL is often reported after the end of
    /// the call. The state of the result is `NoInput` if nothing was said within the initial timeout, and `Error` if the
    /// recording failed. Several recordings may run at the same time. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::Record;
    /// # use signalwire_relay::choices::RecordFormat;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let recording = call
    ///     .record(Record::new().beep(true).format(RecordFormat::Mp3).terminators("#"))?
    ///     .wait(Duration::from_secs(120))?;
    /// println!("{}s at {}", recording.duration, recording.url);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    #[doc(alias = "voicemail")]
    pub fn record(&self, how: impl Into<Record>) -> Result<RecordAction> {
        self.start(how.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        let seconds = Duration::from_secs_f64;
        for (record, params) in [
            (Record::new(), json!({"record": {"audio": {}}})),
            (Record::default().control_id(""), json!({"record": {"audio": {}}})),
            (
                Record::new()
                    .beep(true)
                    .format(RecordFormat::Wav)
                    .stereo(true)
                    .direction(AudioDirection::Both)
                    .initial_timeout(seconds(5.0))
                    .end_silence_timeout(seconds(2.5))
                    .terminators("#*")
                    .input_sensitivity(44.0)
                    .control_id("rec-1"),
                json!({"control_id": "rec-1", "record": {"audio": {"beep": true, "format": "wav", "stereo": true,
                    "direction": "both", "initial_timeout": 5, "end_silence_timeout": 2.5, "terminators": "#*",
                    "input_sensitivity": 44.0}}}),
            ),
            (
                Record::new().format("mp3").terminators("").max_length(seconds(300.0)).beep(false).status_url("u"),
                json!({"record": {"audio": {"format": "mp3", "terminators": "", "max_length": 300, "beep": false}},
                    "status_url": "u"}),
            ),
        ] {
            assert_eq!(record.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_when_finished_silent_or_failed() {
        for (state, verdict) in [
            ("recording", Meaning::Progress),
            ("paused", Meaning::Progress),
            ("", Meaning::Progress),
            ("finished", Meaning::Final),
            ("no_input", Meaning::Final),
            ("error", Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.record", "params": {"state": state}}));
            let Event::Record(event) = event else { panic!("a record") };
            assert_eq!(Record::judge(&event, &mut ()), verdict, "{state}");
        }
    }
}
