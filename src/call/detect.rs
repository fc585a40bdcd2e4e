//! Finding out who, or what, is on the line.

use std::time::Duration;

use serde_json::Value;

use super::action::sealed::Sealed;
use super::{Action, Call, Operation, Stoppable, Verdict};
use crate::error::Result;
use crate::protocol::event::{DetectEvent, Heard};
use crate::protocol::fields::Fields;
use crate::protocol::states::{DetectKind, FaxTone};

/// Tells a person from an answering machine.
pub fn machine() -> Machine {
    Machine::of(detector(DetectKind::Machine))
}

/// Listens for the tone of a fax.
pub fn fax_tone() -> FaxDetector {
    FaxDetector::of(detector(DetectKind::Fax))
}

/// Listens for keys.
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
    /// How to tell a person from an answering machine; made by [`machine`], for [`Call::detect`].
    pub struct Machine("calling.detect") {
        in "detect.params":
        /// How long to wait for a voice before giving up; sent in seconds, 4.5 by default.
        initial_timeout: Seconds,
        /// The silence after a voice that means it is done; sent in seconds, 1 by default.
        end_silence_timeout: Seconds,
        /// The silence after which a machine is ready; sent in seconds, as `end_silence_timeout` by default.
        machine_ready_timeout: Seconds,
        /// A voice that goes on for longer is a machine; sent in seconds, 1.25 by default.
        machine_voice_threshold: Seconds,
        /// More words than this are a machine; 6 by default.
        machine_words_threshold: u32,
        /// Whether to tell that a machine that was ready speaks again ([`Heard::NotReady`]); not by default.
        detect_interruptions: bool,
        /// Whether to go on until the machine is ready ([`Heard::Ready`]), as is the default, or to end when it is
        /// known to be one.
        detect_message_end: bool,
        top:
        /// How long the detector runs; sent in seconds, 30 by default.
        timeout: Seconds,
        /// Names this detector instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for what it hears.
        status_url: String,
    }
}

params! {
    /// How to listen for a fax; made by [`fax_tone`], for [`Call::detect`].
    pub struct FaxDetector("calling.detect") {
        in "detect.params":
        /// The tone: CED, the default, or CNG.
        tone: FaxTone,
        top:
        /// How long the detector runs; sent in seconds, 30 by default.
        timeout: Seconds,
        /// Names this detector instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for what it hears.
        status_url: String,
    }
}

params! {
    /// How to listen for keys; made by [`digit_detector`], for [`Call::detect`].
    pub struct DigitDetector("calling.detect") {
        in "detect.params":
        /// The keys to listen for; `0123456789#*` by default.
        digits: String,
        top:
        /// How long the detector runs; sent in seconds, 30 by default.
        timeout: Seconds,
        /// Names this detector instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for what it hears.
        status_url: String,
    }
}

params! {
    /// A detector; sent by [`Call::detect`]. [`machine`], [`fax_tone`] and [`digit_detector`] make one, and
    /// [`Detect::raw`] does of JSON.
    pub struct Detect("calling.detect") {
        /// How long the detector runs; sent in seconds, 30 by default.
        timeout: Seconds,
        /// Names this detector instead of a generated id.
        control_id: NonEmpty,
        /// A webhook for what it hears.
        status_url: String,
    }
}

/// A detector that was started.
pub type DetectAction = Action<Detect>;

impl Detect {
    /// A detector given as JSON, with `type` and `params`; sent as it is.
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

    fn judge(event: &DetectEvent, _memo: &mut ()) -> Verdict {
        match event.heard {
            Heard::None => Verdict::Progress,
            Heard::Finished | Heard::Error => Verdict::Final,
            _ => Verdict::Outcome,
        }
    }

    fn ready(event: &DetectEvent, _memo: &()) -> Option<DetectEvent> {
        (event.heard == Heard::Ready).then(|| event.clone())
    }
}

impl Stoppable for Detect {
    const STOP: &'static str = "calling.detect.stop";
}

impl DetectAction {
    /// Waits until an answering machine's greeting is over, so that a message can be left after the beep; at once
    /// when it is. `None` waits as long as the detector runs.
    ///
    /// It returns the event that says so ([`Heard::Ready`]), or the end of the detector when it ended without: a
    /// machine that never beeps is spoken to all the same. It needs a detector that waits for the end of the
    /// greeting, which is the default.
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
    /// `Timeout` when the time is up; `CallEnded` and the like when the call or the connection went before.
    pub fn wait_ready(&self, timeout: impl Into<Option<Duration>>) -> Result<DetectEvent> {
        self.wait_until_ready(timeout.into())
    }
}

impl Call {
    /// Starts a detector and returns at once: `calling.detect`. [`wait`](Action::wait) on the action returns the
    /// first thing that it heard, or its end when it heard nothing; the detector goes on until its own end, or
    /// [`stop`](Action::stop). Several may run at once.
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
    /// When the service refuses, or the connection is gone. On a call that is over the action ends at once.
    pub fn detect(&self, what: impl Into<Detect>) -> Result<DetectAction> {
        self.start(what.into())
    }

    /// Tells a person from an answering machine: [`detect`](Self::detect) of [`machine`].
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
    /// As for [`detect`](Self::detect).
    #[doc(alias = "amd")]
    pub fn detect_answering_machine(&self, how: impl Into<Machine>) -> Result<DetectAction> {
        self.detect(how.into())
    }

    /// Listens for a fax: [`detect`](Self::detect) of [`fax_tone`]. A [`FaxTone`] will do.
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
    /// As for [`detect`](Self::detect).
    pub fn detect_fax(&self, how: impl Into<FaxDetector>) -> Result<DetectAction> {
        self.detect(how.into())
    }

    /// Listens for keys: [`detect`](Self::detect) of [`digit_detector`]. A string of the keys will do.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.detect_digit("0#")?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`detect`](Self::detect).
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
            (json!({"detect": {"type": "machine", "params": {"event": "MACHINE"}}}), Verdict::Outcome),
            (json!({"detect": {"type": "machine", "params": {"event": "READY"}}}), Verdict::Outcome),
            (json!({"detect": {"type": "digit", "params": {"event": "5"}}}), Verdict::Outcome),
            (json!({"detect": {"type": "machine"}}), Verdict::Outcome),
            (json!({"detect": {"type": "machine", "params": {"event": "finished"}}}), Verdict::Final),
            (json!({"detect": {"type": "fax", "params": {"event": "error"}}}), Verdict::Final),
            (json!({"state": "finished"}), Verdict::Final),
            (json!({"detect": {}, "state": "error"}), Verdict::Final),
            (json!({"detect": {}}), Verdict::Progress),
            (json!({"state": "detecting"}), Verdict::Progress),
            (json!({"state": "FINISHED"}), Verdict::Progress),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.detect", "params": payload}));
            let Event::Detect(event) = event else { panic!("a detect") };
            assert_eq!(Detect::judge(&event, &mut ()), verdict, "{payload}");
        }
    }
}
