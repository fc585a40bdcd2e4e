//! Recording a call.

use super::action::sealed::Sealed;
use super::{Action, Call, Operation, Pausable, Stoppable, Verdict};
use crate::error::Result;
use crate::protocol::event::RecordEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::{AudioDirection, RecordFormat, RecordState};

params! {
    /// What to record and when to stop; sent by [`Call::record`].
    pub struct Record("calling.record") new ["record.audio"] {
        in "record.audio":
        /// Beep before the recording starts.
        beep: bool,
        /// The file format.
        format: RecordFormat,
        /// Record the two sides as two channels.
        stereo: bool,
        /// Which side is recorded; by default what the party on the call says.
        direction: AudioDirection,
        /// End when nothing is said for this long at the beginning; sent in seconds, zero means never.
        initial_timeout: Seconds,
        /// End after this much silence; sent in seconds, zero means never.
        end_silence_timeout: Seconds,
        /// Keys that end the recording, for example `"#"`.
        terminators: String,
        /// How quiet a sound may be that still counts, from 0 to 100.
        input_sensitivity: f64,
        /// End after this time; sent in seconds, zero means never.
        max_length: Seconds,
        top:
        /// Names this recording instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for its states.
        status_url: String,
    }
}

/// A recording that was started.
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

    fn judge(event: &RecordEvent, _memo: &mut ()) -> Verdict {
        match event.state {
            RecordState::Finished | RecordState::NoInput | RecordState::Error => Verdict::Final,
            _ => Verdict::Progress,
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

impl Call {
    /// Starts to record and returns at once: `calling.record`. [`wait`](Action::wait) on the action returns the event
    /// with the URL, the duration in seconds and the size in bytes. Several recordings may run at once.
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
    /// When the service refuses, or the connection is gone. On a call that is over the action ends at once.
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
            ("recording", Verdict::Progress),
            ("paused", Verdict::Progress),
            ("", Verdict::Progress),
            ("finished", Verdict::Final),
            ("no_input", Verdict::Final),
            ("error", Verdict::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.record", "params": {"state": state}}));
            let Event::Record(event) = event else { panic!("a record") };
            assert_eq!(Record::judge(&event, &mut ()), verdict, "{state}");
        }
    }
}
