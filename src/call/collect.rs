//! Collecting digits and speech, with and without a prompt.

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::{Action, Call, HasVolume, InputTimers, Meaning, Operation, Pausable, Stoppable};
use crate::error::Result;
use crate::protocol::event::{CollectEvent, CollectResult};
use crate::protocol::fields::Fields;
use crate::protocol::media::{Audio, Playlist, Tts};
use crate::protocol::states::{CollectState, SpeechEngine, SpeechModel};

params! {
    /// Parameters of [`Call::collect`], and of [`Call::prompt`] together with a [`Prompt`]: digits, speech, or both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use signalwire_relay::Collect;
    ///
    /// let pin = Collect::digits(4).terminators("#").digit_timeout(Duration::from_secs(3));
    /// let yes_or_1 = Collect::digits(1).or_speech().hints(["yes", "no"]).language("en-US");
    /// ```
    pub struct Collect("calling.collect") new [] {
        in "digits":
        /// Least number of digits. With a prompt only.
        min: u32,
        /// Digits that end the input, for example `"#"`.
        terminators: String,
        /// Longest time between two digits. Sent in seconds. Default: 5 s.
        digit_timeout: Seconds,
        in "speech":
        /// Silence that ends an utterance. Sent in seconds. Default: 1 s.
        end_silence_timeout: Seconds,
        /// Longest utterance. Sent in seconds. Default: 60 s.
        speech_timeout: Seconds,
        /// Language of the speech. Default: `en-US`.
        language: String,
        /// Words that the caller is likely to say.
        hints: Strings,
        /// Engine of speech recognition. The service has deprecated this choice.
        engine: SpeechEngine,
        /// Model of speech recognition.
        model: SpeechModel,
        top:
        /// Longest time until the first input. Sent in seconds. Default: 4 s.
        initial_timeout: Seconds,
        /// Whether interim results are reported, each in an event.
        partial_results: bool,
        /// Whether the collect continues after a result, until it is stopped. Each result is an event; `wait` returns
        /// the last one. Without a prompt only.
        continuous: bool,
        /// Whether the start of input is reported in an event. Without a prompt only.
        send_start_of_input: bool,
        /// Whether `initial_timeout` runs from the start. With `false`, the result "no input" cannot come before
        /// [`start_input_timers`](Action::start_input_timers): give the wait a timeout.
        start_input_timers: bool,
        /// Control ID of this operation. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives the results as status callbacks.
        status_url: String,
    }
}

/// A collect in progress, without a prompt.
pub type StandaloneCollectAction = Action<Collect>;

/// A prompt in progress, with its collect.
pub type CollectAction = Action<Prompt>;

impl Collect {
    /// Collects at most `max` digits.
    pub fn digits(max: u32) -> Self {
        Self::new().or_digits(max)
    }

    /// Collects speech.
    pub fn speech() -> Self {
        Self::new().or_speech()
    }

    /// Collects digits as well, at most `max`.
    pub fn or_digits(mut self, max: u32) -> Self {
        self.fields.set("digits", "max", Value::from(max));
        self
    }

    /// Collects speech as well.
    pub fn or_speech(mut self) -> Self {
        self.fields.object("speech");
        self
    }
}

impl Sealed for Collect {}

impl Operation for Collect {
    type Event = CollectEvent;
    type Outcome = CollectEvent;
    type Memo = bool;
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn memo(&self) -> bool {
        // The second name is an older one, which can only be set as an extra.
        ["continuous", "continue"].iter().any(|key| self.fields.get(key) == Some(&Value::Bool(true)))
    }

    fn outcome(event: &CollectEvent, _continuous: &bool) -> Result<CollectEvent> {
        Ok(event.clone())
    }

    fn judge(event: &CollectEvent, continuous: &mut bool) -> Meaning {
        judge(event, *continuous)
    }
}

impl Stoppable for Collect {
    const STOP: &'static str = "calling.collect.stop";
}

impl InputTimers for Collect {
    const START: &'static str = START_INPUT_TIMERS;
}

params! {
    /// Media and settings of a prompt, for [`Call::prompt`]. A [`Playlist`], and anything that converts into one,
    /// converts into `Prompt`.
    pub struct Prompt("calling.play_and_collect") {
        /// Volume of the prompt in dB, `-40.0..=40.0`. Default: 0.0, the original volume.
        volume: f64,
        /// Control ID of this operation. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives the results as status callbacks.
        status_url: String,
    }
}

impl Prompt {
    /// Says this: one medium, or several in a row.
    pub fn new(what: impl Into<Playlist>) -> Self {
        let mut fields = Fields::default();
        fields.set_json("", "play", what.into().to_text());
        Self::of(fields)
    }

    /// Returns the whole request. The control ID and the status URL are beside the settings for input, not among them.
    fn collecting(mut self, mut collect: Collect) -> Self {
        for key in ["control_id", "status_url"] {
            if let Some(value) = collect.fields.take(key).filter(|_| self.fields.get(key).is_none()) {
                self.fields.set("", key, value);
            }
        }
        self.fields.set("", "collect", collect.fields.to_json());
        self
    }
}

impl<M: Into<Playlist>> From<M> for Prompt {
    fn from(what: M) -> Self {
        Self::new(what)
    }
}

impl Sealed for Prompt {}

impl Operation for Prompt {
    type Event = CollectEvent;
    type Outcome = CollectEvent;
    type Memo = bool;
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn memo(&self) -> bool {
        let collect = self.fields.get("collect");
        ["continuous", "continue"].iter().any(|key| collect.and_then(|c| c.get(key)) == Some(&Value::Bool(true)))
    }

    fn outcome(event: &CollectEvent, _continuous: &bool) -> Result<CollectEvent> {
        Ok(event.clone())
    }

    fn judge(event: &CollectEvent, continuous: &mut bool) -> Meaning {
        judge(event, *continuous)
    }
}

impl Stoppable for Prompt {
    const STOP: &'static str = "calling.play_and_collect.stop";
}

impl Pausable for Prompt {
    const PAUSE: &'static str = "calling.play_and_collect.pause";
    const RESUME: &'static str = "calling.play_and_collect.resume";
}

impl HasVolume for Prompt {
    const VOLUME: &'static str = "calling.play_and_collect.volume";
}

impl InputTimers for Prompt {
    const START: &'static str = START_INPUT_TIMERS;
}

/// # Asking for input
impl Call {
    /// Collects input without a prompt. Sends `calling.collect`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the collect has ended, and returns the input, or that
    /// there was none. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let pin = call.collect(Collect::digits(4).terminators("#"))?.wait(None)?;
    /// println!("{:?}", pin.digits());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn collect(&self, what: impl Into<Collect>) -> Result<StandaloneCollectAction> {
        self.start(what.into())
    }

    /// Plays a prompt and collects input at the same time. Sends `calling.play_and_collect`, and returns when the
    /// service has accepted the request.
    ///
    /// The first input ends the prompt. [`wait`](Action::wait) on the returned action blocks until the collect has
    /// ended, and returns the input, or that there was none. A call has one prompt at a time.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Collect, tts};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let choice = call
    ///     .prompt(tts("Press 1 or 2."), Collect::digits(1).initial_timeout(Duration::from_secs(10)))?
    ///     .wait(None)?;
    /// match choice.digits() {
    ///     Some("1") => println!("one"),
    ///     _ => println!("something else"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    #[doc(alias = "gather")]
    #[doc(alias = "menu")]
    pub fn prompt(&self, what: impl Into<Prompt>, collect: impl Into<Collect>) -> Result<CollectAction> {
        self.start(what.into().collecting(collect.into()))
    }

    /// Plays a prompt and collects input: [`prompt`](Self::prompt) under the name of the RELAY method.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Collect, audio};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play_and_collect(audio("https://example.com/menu.mp3"), Collect::digits(1))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`prompt`](Self::prompt).
    pub fn play_and_collect(&self, what: impl Into<Prompt>, collect: impl Into<Collect>) -> Result<CollectAction> {
        self.prompt(what, collect)
    }

    /// Prompts with speech: [`prompt`](Self::prompt) with [`tts`](crate::tts).
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let answer = call.prompt_tts("Your PIN, please.", Collect::digits(4).terminators("#"))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`prompt`](Self::prompt).
    pub fn prompt_tts(&self, text: impl Into<Tts>, collect: impl Into<Collect>) -> Result<CollectAction> {
        self.prompt(text.into(), collect)
    }

    /// Prompts with an audio file: [`prompt`](Self::prompt) with [`audio`](crate::audio).
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let answer = call.prompt_audio("https://example.com/pin.mp3", Collect::digits(4))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`prompt`](Self::prompt).
    pub fn prompt_audio(&self, url: impl Into<Audio>, collect: impl Into<Collect>) -> Result<CollectAction> {
        self.prompt(url.into(), collect)
    }
}

const START_INPUT_TIMERS: &str = "calling.collect.start_input_timers";

/// Judges whether an event ends the operation. A final state and the results `error` and `finished` always do. Interim
/// results do not, and with `continuous` other results do not either.
fn judge(event: &CollectEvent, continuous: bool) -> Meaning {
    use CollectState::{Error, Finished, NoInput, NoMatch};
    if matches!(event.state, Some(Finished | Error | NoInput | NoMatch)) {
        return Meaning::Final;
    }
    match &event.result {
        CollectResult::Error | CollectResult::Finished => Meaning::Final,
        CollectResult::StartOfInput | CollectResult::None => Meaning::Progress,
        _ if event.is_final == Some(false) || continuous => Meaning::Progress,
        _ => Meaning::Final,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn a_collect_ends_by_its_rule() {
        use Meaning::{Final, Progress};
        for (payload, once, continuous) in [
            (json!({"result": {"type": "start_of_input"}}), Progress, Progress),
            (json!({"result": {"type": "digit", "params": {"digits": "1"}}}), Final, Progress),
            (json!({"result": {"type": "digit", "params": {"digits": "1"}}, "state": "collecting"}), Final, Progress),
            (json!({"result": {"type": "digit", "params": {"digits": "1"}}, "final": false}), Progress, Progress),
            (json!({"result": {"type": "speech", "params": {"text": "a"}}, "final": true}), Final, Progress),
            (json!({"result": {"type": "no_input"}}), Final, Progress),
            (json!({"result": {"type": "no_match"}}), Final, Progress),
            (json!({"result": {"type": "error"}}), Final, Final),
            (json!({"result": {"type": "finished"}}), Final, Final),
            (json!({"result": {"type": "digit"}, "state": "error"}), Final, Final),
            (json!({"result": {"type": "digit", "params": {"digits": "1"}}, "state": "finished"}), Final, Final),
            (json!({"result": {"type": "speech", "params": {"text": "a"}}, "state": "no_match"}), Final, Final),
            (json!({"result": {"type": "no_input"}, "state": "no_input"}), Final, Final),
            (json!({"result": {"type": "no_match"}, "state": "no_match"}), Final, Final),
            (json!({"result": {"type": "no_match"}, "state": "collecting"}), Final, Progress),
            (json!({"result": {"type": "start_of_input"}, "state": "finished"}), Final, Final),
            (json!({"result": {"type": "speech"}, "final": false, "state": "error"}), Final, Final),
            (json!({"result": {"type": "speech"}, "final": false, "state": "collecting"}), Progress, Progress),
            (json!({"result": {}, "state": "finished"}), Final, Final),
            (json!({"state": "no_input"}), Final, Final),
            (json!({"state": "no_match"}), Final, Final),
            (json!({"state": "error"}), Final, Final),
            (json!({"state": "collecting"}), Progress, Progress),
            (json!({}), Progress, Progress),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.collect", "params": payload}));
            let Event::Collect(event) = event else { panic!("a collect") };
            assert_eq!(Collect::judge(&event, &mut false), once, "{payload}");
            assert_eq!(Prompt::judge(&event, &mut true), continuous, "{payload}");
        }
    }

    #[test]
    fn requests_are_as_on_the_wire() {
        let seconds = Duration::from_secs;
        let digits = json!({"max": 4, "digit_timeout": 5, "terminators": "#*"});
        let speech =
            json!({"end_silence_timeout": 1, "speech_timeout": 60, "language": "en-US", "hints": ["yes", "no"]});
        let keys = || Collect::digits(4).digit_timeout(seconds(5)).terminators("#*");
        let voice = |collect: Collect| {
            let collect = collect.end_silence_timeout(seconds(1)).speech_timeout(seconds(60));
            collect.language("en-US").hints(["yes", "no"])
        };
        for (collect, params) in [
            (Collect::new(), json!({})),
            (keys(), json!({"digits": digits})),
            (voice(Collect::speech()), json!({"speech": speech})),
            (
                Collect::new().start_input_timers(false).control_id("col-1"),
                json!({"start_input_timers": false, "control_id": "col-1"}),
            ),
            (
                voice(keys().or_speech())
                    .initial_timeout(seconds(4))
                    .partial_results(true)
                    .continuous(false)
                    .send_start_of_input(true)
                    .extra("swml", false),
                json!({"digits": digits, "speech": speech, "initial_timeout": 4, "partial_results": true,
                    "continuous": false, "send_start_of_input": true, "swml": false}),
            ),
            (
                Collect::speech()
                    .or_digits(0)
                    .min(0)
                    .model(SpeechModel::EnhancedPhoneCall)
                    .engine("Google.V2")
                    .hints([""; 0]),
                json!({"speech": {"model": "enhanced.phone_call", "engine": "Google.V2", "hints": []},
                    "digits": {"max": 0, "min": 0}}),
            ),
        ] {
            assert_eq!(collect.fields.to_json(), params);
        }
        let prompt = Prompt::new(Tts::from("Enter your PIN")).volume(0.0).control_id("").collecting(keys());
        assert_eq!(
            prompt.fields.to_json(),
            json!({"play": [{"type": "tts", "params": {"text": "Enter your PIN"}}], "collect": {"digits": digits}, "volume": 0.0})
        );
    }

    #[test]
    fn what_names_a_prompt_stands_beside_its_settings() {
        let collect = Collect::digits(1).control_id("k").status_url("u").continuous(true);
        let request = Prompt::new([] as [Tts; 0]).status_url("v").collecting(collect);
        assert!(request.memo());
        assert_eq!(
            request.fields.to_json(),
            json!({"play": [], "collect": {"digits": {"max": 1}, "continuous": true}, "control_id": "k", "status_url": "v"})
        );
        assert_eq!(Collect::speech().fields.to_json(), json!({"speech": {}}));
        assert!(Collect::new().extra("continue", true).memo());
    }
}
