//! Detecting answering machines, humans, faxes and digits.

use std::time::Duration;

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::event::{DetectEvent, Heard};
use crate::protocol::fields::Fields;
use crate::protocol::states::{DetectKind, FaxTone};

/// Makes a detector that distinguishes a human from an answering machine.
pub fn machine() -> Machine {
    Machine::of(detector(DetectKind::Machine))
}

/// Makes a detector for the tone of a fax machine.
pub fn fax_tone() -> FaxDetector {
    FaxDetector::of(detector(DetectKind::Fax))
}

/// Makes a detector for DTMF digits.
pub fn digit_detector() -> DigitDetector {
    DigitDetector::of(detector(DetectKind::Digit))
}

fn detector(kind: DetectKind) -> Fields {
    let mut fields = Fields::default();
    fields.set("detect", "type", kind.as_str().into());
    fields.object("detect.params");
    fields
}

params! {
    /// A detector that distinguishes a human from an answering machine, for [`Call::detect`].
    pub struct Machine("calling.detect") {
        in "detect.params":
        /// Longest time until a voice is heard. Sent in seconds. Default: 4.5 s.
        initial_timeout: Seconds,
        /// Silence that ends an utterance. Sent in seconds. Default: 1 s.
        end_silence_timeout: Seconds,
        /// Silence after which an answering machine counts as ready. Sent in seconds. Default: as
        /// `end_silence_timeout`.
        machine_ready_timeout: Seconds,
        /// Length of an utterance above which the voice is that of an answering machine. Sent in seconds. Default: 1.25
        /// s.
        machine_voice_threshold: Seconds,
        /// Number of words above which the voice is that of an answering machine. Default: 6.
        machine_words_threshold: u32,
        /// Whether the detector reports that an answering machine that was ready speaks again ([`Heard::NotReady`]).
        /// Default: no.
        detect_interruptions: bool,
        /// Whether the detector continues until the answering machine is ready ([`Heard::Ready`]). Default: yes. With
        /// `false` the detector ends when it has recognized an answering machine.
        detect_message_end: bool,
        top:
        /// Longest time for which the detector runs. Sent in seconds. Default: 30 s.
        timeout: Seconds,
        /// Control ID of this detector. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives what the detector reports, as status callbacks.
        status_url: String,
    }
}

params! {
    /// A detector for fax tones, for [`Call::detect`]. Made by [`fax_tone`].
    pub struct FaxDetector("calling.detect") {
        in "detect.params":
        /// Tone to detect: CED or CNG. Default: CED.
        tone: FaxTone,
        top:
        /// Longest time for which the detector runs. Sent in seconds. Default: 30 s.
        timeout: Seconds,
        /// Control ID of this detector. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives what the detector reports, as status callbacks.
        status_url: String,
    }
}

params! {
    /// A detector for DTMF digits, for [`Call::detect`]. Made by [`digit_detector`].
    pub struct DigitDetector("calling.detect") {
        in "detect.params":
        /// Digits to detect. Default: `0123456789#*`.
        digits: String,
        top:
        /// Longest time for which the detector runs. Sent in seconds. Default: 30 s.
        timeout: Seconds,
        /// Control ID of this detector. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives what the detector reports, as status callbacks.
        status_url: String,
    }
}

params! {
    /// Parameters of [`Call::detect`]. Made by [`machine`], [`fax_tone`], [`digit_detector`], or from JSON by
    /// [`Detect::raw`].
    pub struct Detect("calling.detect") {
        /// Longest time for which the detector runs. Sent in seconds. Default: 30 s.
        timeout: Seconds,
        /// Control ID of this detector. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives what the detector reports, as status callbacks.
        status_url: String,
    }
}

/// A detector in progress.
pub type DetectAction = Action<Detect>;

impl Detect {
    /// Makes a detector from JSON with `type` and `params`, which is sent as it is.
    pub fn raw(detect: impl Into<Value>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "detect", detect.into());
        Self::of(fields)
    }
}

impl From<Machine> for Detect {
    fn from(detector: Machine) -> Self {
        Self::of(detector.fields)
    }
}

impl From<FaxDetector> for Detect {
    fn from(detector: FaxDetector) -> Self {
        Self::of(detector.fields)
    }
}

impl From<DigitDetector> for Detect {
    fn from(detector: DigitDetector) -> Self {
        Self::of(detector.fields)
    }
}

impl From<FaxTone> for FaxDetector {
    fn from(tone: FaxTone) -> Self {
        fax_tone().tone(tone)
    }
}

impl From<&str> for DigitDetector {
    fn from(digits: &str) -> Self {
        digit_detector().digits(digits)
    }
}

impl Sealed for Detect {}

impl Operation for Detect {
    type Event = DetectEvent;
    type Outcome = DetectEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &DetectEvent, _memo: &()) -> Result<DetectEvent> {
        Ok(event.clone())
    }

    fn judge(event: &DetectEvent, _memo: &mut ()) -> Meaning {
        match event.heard {
            Heard::None => Meaning::Progress,
            Heard::Finished | Heard::Error => Meaning::Final,
            _ => Meaning::Outcome,
        }
    }

    fn ready(event: &DetectEvent, _memo: &()) -> Option<DetectEvent> {
        (event.heard == Heard::Ready).then(|| event.clone())
    }
}

impl Stoppable for Detect {
    const STOP: &'static str = "calling.detect.stop";
}

/// # Answering machines
impl DetectAction {
    /// Blocks until the greeting of an answering machine has ended, so that a message can be left after the beep, at
    /// most `timeout`. With `None` it blocks as long as the detector runs. Returns at once if the greeting has ended
    /// already.
    ///
    /// Returns the event that reports it ([`Heard::Ready`]), or the last event of the detector if the detector ended
    /// without one: the program can leave a message without a beep, too. The detector must wait for the end of the
    /// greeting, which is the default ([`Machine::detect_message_end`]).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{machine, tts};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.detect(machine())?.wait_ready(Duration::from_secs(30))?;
    /// call.play(tts("Please call us back."))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `CallEnded` or another kind if the call or the connection ended first.
    pub fn wait_ready(&self, timeout: impl Into<Option<Duration>>) -> Result<DetectEvent> {
        self.wait_until_ready(timeout.into())
    }
}

/// # Detecting answering machines, faxes and digits
impl Call {
    /// Starts a detector. Sends `calling.detect`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the detector has heard something, or has ended
    /// without a result ([`Heard::Finished`](crate::Heard::Finished)). The detector then continues until its timeout, or
    /// until [`stop`](Action::stop). Several detectors may run at the same time. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Heard, machine};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let detector = call.detect(machine().timeout(Duration::from_secs(30)))?;
    /// match detector.wait(None)?.heard {
    ///     Heard::Human => println!("a person"),
    ///     Heard::Machine => println!("a machine"),
    ///     _ => println!("who knows"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn detect(&self, what: impl Into<Detect>) -> Result<DetectAction> {
        self.start(what.into())
    }

    /// Detects a human or an answering machine: [`detect`](Self::detect) with [`machine`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::machine;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let heard = call.detect_answering_machine(machine().timeout(Duration::from_secs(20)))?.wait(None)?.heard;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`detect`](Self::detect).
    #[doc(alias = "amd")]
    pub fn detect_answering_machine(&self, how: impl Into<Machine>) -> Result<DetectAction> {
        self.detect(how.into())
    }

    /// Detects a fax tone: [`detect`](Self::detect) with [`fax_tone`]. Takes a [`FaxTone`] as well.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::FaxTone;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.detect_fax(FaxTone::Cng)?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`detect`](Self::detect).
    pub fn detect_fax(&self, how: impl Into<FaxDetector>) -> Result<DetectAction> {
        self.detect(how.into())
    }

    /// Detects DTMF digits: [`detect`](Self::detect) with [`digit_detector`]. Takes a string of digits as well.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.detect_digit("0#")?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`detect`](Self::detect).
    pub fn detect_digit(&self, how: impl Into<DigitDetector>) -> Result<DetectAction> {
        self.detect(how.into())
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
        for (detect, params) in [
            (Detect::from(machine()), json!({"detect": {"type": "machine", "params": {}}})),
            (
                machine()
                    .initial_timeout(seconds(4.5))
                    .end_silence_timeout(seconds(1.0))
                    .machine_ready_timeout(seconds(1.0))
                    .machine_voice_threshold(seconds(1.25))
                    .machine_words_threshold(6)
                    .detect_interruptions(false)
                    .detect_message_end(true)
                    .timeout(seconds(30.0))
                    .into(),
                json!({"detect": {"type": "machine", "params": {"initial_timeout": 4.5, "end_silence_timeout": 1,
                    "machine_ready_timeout": 1, "machine_voice_threshold": 1.25, "machine_words_threshold": 6,
                    "detect_interruptions": false, "detect_message_end": true}}, "timeout": 30}),
            ),
            (fax_tone().into(), json!({"detect": {"type": "fax", "params": {}}})),
            (FaxDetector::from(FaxTone::Ced).into(), json!({"detect": {"type": "fax", "params": {"tone": "CED"}}})),
            (
                DigitDetector::from("").timeout(Duration::ZERO).into(),
                json!({"detect": {"type": "digit", "params": {"digits": ""}}, "timeout": 0}),
            ),
            (
                Detect::raw(json!({"type": "digit", "params": {"digits": "12"}}))
                    .control_id("det-1")
                    .extra("wait_for_beep", true),
                json!({"control_id": "det-1", "detect": {"type": "digit", "params": {"digits": "12"}}, "wait_for_beep": true}),
            ),
        ] {
            assert_eq!(detect.fields.to_json(), params);
        }
    }

    #[test]
    fn a_verdict_is_an_outcome_and_the_end_is_final() {
        for (payload, verdict) in [
            (json!({"detect": {"type": "machine", "params": {"event": "MACHINE"}}}), Meaning::Outcome),
            (json!({"detect": {"type": "machine", "params": {"event": "READY"}}}), Meaning::Outcome),
            (json!({"detect": {"type": "digit", "params": {"event": "5"}}}), Meaning::Outcome),
            (json!({"detect": {"type": "machine"}}), Meaning::Outcome),
            (json!({"detect": {"type": "machine", "params": {"event": "finished"}}}), Meaning::Final),
            (json!({"detect": {"type": "fax", "params": {"event": "error"}}}), Meaning::Final),
            (json!({"state": "finished"}), Meaning::Final),
            (json!({"detect": {}, "state": "error"}), Meaning::Final),
            (json!({"detect": {}}), Meaning::Progress),
            (json!({"state": "detecting"}), Meaning::Progress),
            (json!({"state": "FINISHED"}), Meaning::Progress),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.detect", "params": payload}));
            let Event::Detect(event) = event else { panic!("a detect") };
            assert_eq!(Detect::judge(&event, &mut ()), verdict, "{payload}");
        }
    }
}
