//! Transcribing and translating what is said.

use std::time::Duration;

use serde_json::{Value, json};

use super::connect::CONFIRMATION;
use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::choices::{CallSide, TranslationMode};
use crate::protocol::event::{LiveEvent, LiveReport, TranscribeEvent};
use crate::protocol::fields::Fields;
use crate::protocol::states::{EventName, TranscribeState};

params! {
    /// Parameters of [`Call::transcribe`].
    pub struct Transcribe("calling.transcribe") new [] {
        /// URL that receives the text. The events have only the URL of the recording.
        status_url: String,
        /// Control ID of this transcription. Default: a generated one.
        control_id: NonEmpty,
    }
}

/// A transcription in progress.
pub type TranscribeAction = Action<Transcribe>;

impl Sealed for Transcribe {}

impl Operation for Transcribe {
    type Event = TranscribeEvent;
    type Outcome = TranscribeEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    // The event with the URL often follows the end of the call.
    const GRACE: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &TranscribeEvent, _memo: &()) -> Result<TranscribeEvent> {
        Ok(event.clone())
    }

    fn judge(event: &TranscribeEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            TranscribeState::Finished | TranscribeState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }
}

impl Stoppable for Transcribe {
    const STOP: &'static str = "calling.transcribe.stop";
}

params! {
    /// Settings of a live transcription, for [`Call::live_transcribe`].
    pub struct LiveTranscription("calling.live_transcribe") new ["action.start"] {
        in "action.start":
        /// Language, for example `en-US`.
        lang: String,
        /// Sides whose speech is taken: [`CallSide`](crate::choices::CallSide)s.
        direction: Strings,
        /// URL that receives the transcribed text.
        webhook: String,
        /// Whether events report each utterance.
        live_events: bool,
        /// Whether an AI summarizes the conversation at its end.
        ai_summary: bool,
        /// Prompt for the AI's summary.
        ai_summary_prompt: String,
        /// Longest utterance. Sent in milliseconds.
        speech_timeout: Milliseconds,
        /// Silence that ends an utterance. Sent in milliseconds.
        vad_silence: Milliseconds as "vad_silence_ms",
        /// Volume above which a sound counts as speech, on the service's scale.
        vad_thresh: u32,
        /// Engine of speech recognition.
        speech_engine: String,
        /// Words that are likely to be said.
        hints: Strings,
        /// Whether utterances are reported with all details.
        verbose_utterances: bool,
    }
}

params! {
    /// Settings of a live translation, for [`Call::live_translate`].
    pub struct LiveTranslation("calling.live_translate") new ["action.start"] {
        in "action.start":
        /// The language of the party on the call, for example `en-US`.
        from_lang: String,
        /// The language of the other side.
        to_lang: String,
        /// Sides whose speech is taken: [`CallSide`](crate::choices::CallSide)s.
        direction: Strings,
        /// The voice that speaks the language of the party on the call.
        from_voice: String,
        /// The voice that speaks the language of the other side.
        to_voice: String,
        /// A filter for what the party on the call says, such as `polite`.
        filter_from: String,
        /// A filter for what the other side says.
        filter_to: String,
        /// Mode of translation: utterance by utterance, or during the utterance.
        mode: TranslationMode,
        /// URL that receives the translated text.
        webhook: String,
        /// Whether events report each utterance.
        live_events: bool,
        /// Whether an AI summarizes the conversation at its end.
        ai_summary: bool,
        /// Prompt for the AI's summary.
        ai_summary_prompt: String,
        /// Longest utterance. Sent in milliseconds.
        speech_timeout: Milliseconds,
        /// Silence that ends an utterance. Sent in milliseconds.
        vad_silence: Milliseconds as "vad_silence_ms",
        /// Volume above which a sound counts as speech, on the service's scale.
        vad_thresh: u32,
        /// Engine of speech recognition.
        speech_engine: String,
        top:
        /// URL that the service reserves for status callbacks.
        status_url: String,
    }
}

params! {
    /// A summary of what was said so far, from [`Call::live_transcribe`] or [`Call::live_translate`].
    pub struct LiveSummary new ["action.summarize"] {
        in "action.summarize":
        /// URL that receives the summary.
        webhook: String,
        /// Prompt for the AI's summary.
        prompt: String,
    }
}

params! {
    /// Parameters of [`Call::live_transcribe`]. A [`LiveTranscription`] starts the transcription, a [`LiveSummary`]
    /// requests a summary.
    pub struct LiveTranscribe("calling.live_transcribe") {}
}

params! {
    /// Parameters of [`Call::live_translate`]. A [`LiveTranslation`] starts the translation, a [`LiveSummary`] requests
    /// a summary.
    pub struct LiveTranslate("calling.live_translate") {
        /// URL that the service reserves for status callbacks.
        status_url: String,
    }
}

fn action(action: Value) -> Fields {
    let mut fields = Fields::default();
    fields.set("", "action", action);
    fields
}

impl LiveTranscribe {
    /// Ends the live transcription or translation.
    pub fn stop() -> Self {
        Self::raw(json!({"stop": {}}))
    }

    /// Makes the parameters from JSON, which is sent as it is: an object with one key, `start`, `stop` or `summarize`.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self::of(action(json.into()))
    }
}

impl LiveTranslate {
    /// Ends the live transcription or translation.
    pub fn stop() -> Self {
        Self::raw(json!({"stop": {}}))
    }

    /// Says a message, translated, as if the party on that side had said it.
    pub fn inject(message: impl Into<String>, side: impl Into<CallSide>) -> Self {
        Self::raw(json!({"inject": {"message": message.into(), "direction": side.into()}}))
    }

    /// Makes the parameters from JSON, which is sent as it is: an object with one key, `start`, `stop`, `summarize` or
    /// `inject`.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self::of(action(json.into()))
    }
}

/// The event that ends a request about live transcription or translation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ends {
    /// The log event: the transcription was started or stopped.
    #[default]
    Log,
    /// The summary, or the log event if that arrives first.
    Summary,
    /// The response to the request.
    Reply,
}

/// State of a request about live transcription or translation.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct LiveMemo {
    ends: Ends,
    /// Whether the request stops the transcription: the log event follows soon.
    stops: bool,
}

impl LiveMemo {
    fn of(fields: &Fields) -> Self {
        let action = fields.get("action");
        let verb = match action {
            Some(Value::String(verb)) => verb.as_str(),
            // Older examples have the verb as a value.
            Some(Value::Object(action)) => match action.get("action").and_then(Value::as_str) {
                Some(verb) => verb,
                None => action.keys().next().map_or("", String::as_str),
            },
            _ => "",
        };
        let ends = match verb {
            "start" | "stop" => Ends::Log,
            "summarize" => Ends::Summary,
            _ => Ends::Reply,
        };
        Self { ends, stops: verb == "stop" }
    }

    fn judge(&self, event: &LiveEvent) -> Meaning {
        match (event.report, self.ends) {
            (LiveReport::Log, _) | (LiveReport::Summary, Ends::Summary) => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn ended_by_call(&self, name: EventName, call_id: &str) -> Option<LiveEvent> {
        (self.ends == Ends::Log).then(|| LiveEvent::unsent(LiveReport::Log, name, call_id))
    }

    fn done_by_reply(&self, name: EventName, call_id: &str) -> Option<LiveEvent> {
        (self.ends == Ends::Reply).then(|| LiveEvent::unsent(LiveReport::Accepted, name, call_id))
    }

    fn doubt_limit(&self) -> Option<Duration> {
        self.stops.then_some(CONFIRMATION)
    }
}

macro_rules! live {
    ($name:ident: $($event:ident)+, log $log:ident) => {
        impl Sealed for $name {}

        impl Operation for $name {
            type Event = LiveEvent;
            type Outcome = LiveEvent;
            type Memo = LiveMemo;
            const METHOD: &'static str = Self::METHOD;
            const NEEDS_CALL_ONLY: bool = false;
            const BY_KIND: bool = true;
            const NAMES: &'static [EventName] = &[$(EventName::$event),+];
            const SHARES: bool = true;

            fn fields(&self) -> &Fields {
                &self.fields
            }

            fn memo(&self) -> LiveMemo {
                LiveMemo::of(&self.fields)
            }

            fn judge(event: &LiveEvent, memo: &mut LiveMemo) -> Meaning {
                memo.judge(event)
            }

            fn outcome(event: &LiveEvent, _memo: &LiveMemo) -> Result<LiveEvent> {
                Ok(event.clone())
            }

            fn ended_by_call(call_id: &str, _control_id: &str, memo: &LiveMemo) -> Option<LiveEvent> {
                memo.ended_by_call(EventName::$log, call_id)
            }

            fn done_by_reply(call_id: &str, memo: &LiveMemo) -> Option<LiveEvent> {
                memo.done_by_reply(EventName::$log, call_id)
            }

            fn doubt_limit(memo: &LiveMemo) -> Option<Duration> {
                memo.doubt_limit()
            }
        }
    };
}

live!(LiveTranscribe: AiTranscribeUtterance AiTranscribeLiveSummarize AiTranscribeConversationLog,
    log AiTranscribeConversationLog);
live!(LiveTranslate: AiTranslateTranscriptDelta AiTranslateLiveSummary AiTranslateConversationLog,
    log AiTranslateConversationLog);

/// A live transcription in progress, or a request about one.
pub type LiveTranscribeAction = Action<LiveTranscribe>;

/// A live translation in progress, or a request about one.
pub type LiveTranslateAction = Action<LiveTranslate>;

impl From<LiveTranscription> for LiveTranscribe {
    fn from(start: LiveTranscription) -> Self {
        Self::of(start.fields)
    }
}

impl From<LiveSummary> for LiveTranscribe {
    fn from(summary: LiveSummary) -> Self {
        Self::of(summary.fields)
    }
}

impl From<LiveTranslation> for LiveTranslate {
    fn from(start: LiveTranslation) -> Self {
        Self::of(start.fields)
    }
}

impl From<LiveSummary> for LiveTranslate {
    fn from(summary: LiveSummary) -> Self {
        Self::of(summary.fields)
    }
}

/// # Transcribing and translating
impl Call {
    /// Transcribes the call. Sends `calling.transcribe`, and returns when the service has accepted the request.
    ///
    /// A call has one transcription at a time. [`wait`](Action::wait) on the returned action blocks until the
    /// transcription has ended, and returns the event with the URL of the recording; the text goes to the
    /// [`status_url`](Transcribe::status_url). Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::Transcribe;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let transcription = call.transcribe(Transcribe::new().status_url("https://example.com/text"))?;
    /// call.wait_for_ended(None)?;
    /// println!("{}s", transcription.wait(None)?.duration);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, as it does when a transcription is already running (code
    /// 409), or the connection is down for longer than the request timeout. If the call has already ended, the returned
    /// action is already complete.
    pub fn transcribe(&self, how: impl Into<Transcribe>) -> Result<TranscribeAction> {
        self.start(how.into())
    }

    /// Starts or stops a live transcription, or requests a summary. Sends `calling.live_transcribe`, and returns when
    /// the service has accepted the request. A call has one live transcription at a time.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the log of the conversation arrives, which ends both
    /// a start and a stop. After a [`LiveSummary`] it blocks until the summary arrives. [`events`](Action::events)
    /// reports each utterance, if the transcription was started with `live_events`, each summary, and the log. Dropping
    /// the action changes nothing.
    ///
    /// The service reports on live transcription without a control ID: the next summary of the call ends every request
    /// for one. If the log was missed while the connection was down, a `wait` that times out is `OutcomeUnknown`, and one
    /// without a timeout lasts until the call ends ([`ended_by_call`](field@LiveEvent::ended_by_call)); after a stop it
    /// ends within 10 s.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::CallSide;
    /// # use signalwire_relay::params::{LiveTranscribe, LiveTranscription};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let live = LiveTranscription::new().lang("en-US").direction([CallSide::Remote]).live_events(true);
    /// let transcription = call.live_transcribe(live)?;
    /// for event in transcription.events().take(3) {
    ///     println!("{}: {}", event.role, event.text);
    /// }
    /// call.live_transcribe(LiveTranscribe::stop())?;
    /// println!("{:?}", transcription.wait(None)?.turns());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, as it does when a live transcription runs already (code
    /// 409), or the connection is down for longer than the request timeout. If the call has already ended, or nothing
    /// runs that could be stopped, the returned action is already complete.
    pub fn live_transcribe(&self, what: impl Into<LiveTranscribe>) -> Result<LiveTranscribeAction> {
        self.start(what.into())
    }

    /// Starts or stops a live translation, requests a summary, or says a message. Sends `calling.live_translate`, and
    /// returns when the service has accepted the request. A call has one live translation at a time.
    ///
    /// The returned action works as that of [`live_transcribe`](Self::live_transcribe). The service does not report
    /// that an injected message was said: the action of [`LiveTranslate::inject`] is complete when the request is
    /// accepted ([`LiveReport::Accepted`]).
    ///
    /// ```no_run
    /// # use signalwire_relay::params::{LiveTranslate, LiveTranslation};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.live_translate(LiveTranslation::new().from_lang("en-US").to_lang("es-ES"))?;
    /// let log = call.live_translate(LiveTranslate::stop())?.wait(None)?;
    /// println!("{:?}", log.translated_turns());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`live_transcribe`](Self::live_transcribe).
    pub fn live_translate(&self, what: impl Into<LiveTranslate>) -> Result<LiveTranslateAction> {
        self.start(what.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::choices::CallSide;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        for (transcribe, params) in [
            (Transcribe::new(), json!({})),
            (Transcribe::new().control_id("").status_url(""), json!({"status_url": ""})),
            (
                Transcribe::new().control_id("tr-1").status_url("https://example.com/tr"),
                json!({"control_id": "tr-1", "status_url": "https://example.com/tr"}),
            ),
        ] {
            assert_eq!(transcribe.fields.to_json(), params);
        }
        let start =
            json!({"start": {"lang": "en-US", "webhook": "https://example.com/lt", "direction": ["local-caller"]}});
        let started =
            || LiveTranscription::new().lang("en-US").webhook("https://example.com/lt").direction([CallSide::Local]);
        for (live, params) in [
            (LiveTranscribe::from(started()), json!({"action": start})),
            (
                started().extra("status_url", "https://example.com/lt").into(),
                json!({"action": start, "status_url": "https://example.com/lt"}),
            ),
            (LiveTranscribe::raw(start.clone()), json!({"action": start})),
            (LiveTranscription::new().into(), json!({"action": {"start": {}}})),
            (
                LiveTranscription::new()
                    .speech_timeout(Duration::from_secs(2))
                    .vad_silence(Duration::from_micros(500_001))
                    .vad_thresh(400)
                    .hints(["a"])
                    .ai_summary(true)
                    .into(),
                json!({"action": {"start": {"speech_timeout": 2000, "vad_silence_ms": 501, "vad_thresh": 400,
                    "hints": ["a"], "ai_summary": true}}}),
            ),
            (LiveTranscribe::stop(), json!({"action": {"stop": {}}})),
            (LiveTranscribe::raw("stop"), json!({"action": "stop"})),
            (
                LiveSummary::new().webhook("https://example.com/s").into(),
                json!({"action": {"summarize": {"webhook": "https://example.com/s"}}}),
            ),
        ] {
            assert_eq!(live.fields.to_json(), params);
        }
        let start = json!({"start": {"from_lang": "en-US", "to_lang": "es-ES"}});
        let started = || LiveTranslation::new().from_lang("en-US").to_lang("es-ES");
        for (live, params) in [
            (LiveTranslate::from(started()), json!({"action": start})),
            (
                started().status_url("https://example.com/lx").into(),
                json!({"action": start, "status_url": "https://example.com/lx"}),
            ),
            (LiveTranslate::from(started()).status_url(""), json!({"action": start, "status_url": ""})),
            (LiveTranslate::stop(), json!({"action": {"stop": {}}})),
            (
                LiveTranslate::inject("Hello", CallSide::Remote),
                json!({"action": {"inject": {"message": "Hello", "direction": "remote-caller"}}}),
            ),
            (LiveSummary::new().prompt("p").into(), json!({"action": {"summarize": {"prompt": "p"}}})),
        ] {
            assert_eq!(live.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_when_finished_or_failed() {
        for (state, verdict) in [
            (json!("transcribing"), Meaning::Progress),
            (json!(5), Meaning::Progress),
            (json!("FINISHED"), Meaning::Progress),
            (json!("finished"), Meaning::Final),
            (json!("error"), Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.transcribe", "params": {"state": state}}));
            let Event::Transcribe(event) = event else { panic!("a transcription") };
            assert_eq!(Transcribe::judge(&event, &mut ()), verdict, "{state}");
        }
    }
}
