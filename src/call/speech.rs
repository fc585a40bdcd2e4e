//! Transcribing and translating what is said.

use serde_json::{Value, json};

use super::action::sealed::Sealed;
use super::{Action, Call, Operation, Stoppable, Verdict};
use crate::error::Result;
use crate::protocol::choices::TranslationMode;
use crate::protocol::event::TranscribeEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::TranscribeState;

params! {
    /// How a call is transcribed; sent by [`Call::transcribe`].
    pub struct Transcribe("calling.transcribe") new [] {
        /// A webhook that gets the text; the events only say where the recording is.
        status_url: String,
        /// Names this transcription instead of a generated id.
        control_id: NonEmpty,
    }
}

/// A transcription that was started.
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

    fn judge(event: &TranscribeEvent, _memo: &mut ()) -> Verdict {
        match event.state {
            TranscribeState::Finished | TranscribeState::Error => Verdict::Final,
            _ => Verdict::Progress,
        }
    }
}

impl Stoppable for Transcribe {
    const STOP: &'static str = "calling.transcribe.stop";
}

params! {
    /// How what is said is transcribed while it is said; started by [`Call::live_transcribe`].
    pub struct LiveTranscription("calling.live_transcribe") new ["action.start"] {
        in "action.start":
        /// The language, for example `en-US`.
        lang: String,
        /// Whose speech: [`CallSide`](crate::CallSide)s.
        direction: Strings,
        /// A webhook for what is transcribed.
        webhook: String,
        /// Whether events tell each utterance.
        live_events: bool,
        /// Whether an AI summarises it at the end.
        ai_summary: bool,
        /// What the AI is asked for.
        ai_summary_prompt: String,
        /// How long an utterance may be; sent in milliseconds.
        speech_timeout: Milliseconds,
        /// The silence that ends an utterance; sent in milliseconds.
        vad_silence: Milliseconds as "vad_silence_ms",
        /// How loud a sound has to be that counts, on the service's scale.
        vad_thresh: u32,
        /// The engine of speech recognition.
        speech_engine: String,
        /// Words that are likely.
        hints: Strings,
        /// Whether the utterances are told with all details.
        verbose_utterances: bool,
    }
}

params! {
    /// How what is said is translated while it is said; started by [`Call::live_translate`].
    pub struct LiveTranslation("calling.live_translate") new ["action.start"] {
        in "action.start":
        /// The language of the party on the call, for example `en-US`.
        from_lang: String,
        /// The language of the other side.
        to_lang: String,
        /// Whose speech: [`CallSide`](crate::CallSide)s.
        direction: Strings,
        /// The voice that speaks the language of the party on the call.
        from_voice: String,
        /// The voice that speaks the language of the other side.
        to_voice: String,
        /// A filter for what the party on the call says, such as `polite`.
        filter_from: String,
        /// A filter for what the other side says.
        filter_to: String,
        /// Utterance by utterance, or while one speaks.
        mode: TranslationMode,
        /// A webhook for what is translated.
        webhook: String,
        /// Whether events tell each utterance.
        live_events: bool,
        /// Whether an AI summarises it at the end.
        ai_summary: bool,
        /// What the AI is asked for.
        ai_summary_prompt: String,
        /// How long an utterance may be; sent in milliseconds.
        speech_timeout: Milliseconds,
        /// The silence that ends an utterance; sent in milliseconds.
        vad_silence: Milliseconds as "vad_silence_ms",
        /// How loud a sound has to be that counts, on the service's scale.
        vad_thresh: u32,
        /// The engine of speech recognition.
        speech_engine: String,
        top:
        /// A webhook that the service reserves.
        status_url: String,
    }
}

params! {
    /// A summary of what was said so far, from [`Call::live_transcribe`] or [`Call::live_translate`].
    pub struct LiveSummary new ["action.summarize"] {
        in "action.summarize":
        /// A webhook that gets it.
        webhook: String,
        /// What the AI is asked for.
        prompt: String,
    }
}

params! {
    /// What live transcription is to do; sent by [`Call::live_transcribe`]. A [`LiveTranscription`] starts it, a
    /// [`LiveSummary`] asks for a summary.
    pub struct LiveTranscribe("calling.live_transcribe") {}
}

params! {
    /// What live translation is to do; sent by [`Call::live_translate`]. A [`LiveTranslation`] starts it, a
    /// [`LiveSummary`] asks for a summary.
    pub struct LiveTranslate("calling.live_translate") {
        /// A webhook that the service reserves.
        status_url: String,
    }
}

fn action(action: Value) -> Fields {
    let mut fields = Fields::default();
    fields.set("", "action", action);
    fields
}

impl LiveTranscribe {
    /// Ends it.
    pub fn stop() -> Self {
        Self::raw(json!({"stop": {}}))
    }

    /// An action given as JSON: an object with one key, `start`, `stop` or `summarize`; sent as it is.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self::of(action(json.into()))
    }
}

impl LiveTranslate {
    /// Ends it.
    pub fn stop() -> Self {
        Self::raw(json!({"stop": {}}))
    }

    /// Has this said, translated, as if the party on that side had said it.
    pub fn inject(message: impl Into<String>, side: impl Into<crate::CallSide>) -> Self {
        Self::raw(json!({"inject": {"message": message.into(), "direction": side.into()}}))
    }

    /// An action given as JSON: an object with one key, `start`, `stop`, `summarize` or `inject`; sent as it is.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self::of(action(json.into()))
    }
}

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

impl Call {
    /// Starts to transcribe the call and returns at once: `calling.transcribe`. One at a time. [`wait`](Action::wait)
    /// on the action returns the event with the URL of the recording; the text goes to the webhook.
    ///
    /// ```no_run
    /// # use signalwire_relay::Transcribe;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let transcription = call.transcribe(Transcribe::new().status_url("https://example.com/text"))?;
    /// call.wait_for_ended(None)?;
    /// println!("{}s", transcription.wait(None)?.duration);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, as it does when one runs already (code 409), or the connection is gone. On a call that
    /// is over the action ends at once.
    pub fn transcribe(&self, how: impl Into<Transcribe>) -> Result<TranscribeAction> {
        self.start(how.into())
    }

    /// Starts or stops the transcription of what is said while it is said, or asks for a summary:
    /// `calling.live_transcribe`. What was said comes in events such as
    /// [`EventName::AiTranscribeUtterance`](crate::EventName::AiTranscribeUtterance), and to the webhook.
    ///
    /// ```no_run
    /// # use signalwire_relay::{CallSide, LiveTranscribe, LiveTranscription};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.live_transcribe(LiveTranscription::new().lang("en-US").direction([CallSide::Local]).live_events(true))?;
    /// call.live_transcribe(LiveTranscribe::stop())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn live_transcribe(&self, what: impl Into<LiveTranscribe>) -> Result<()> {
        self.command(LiveTranscribe::METHOD, &what.into().fields).map(drop)
    }

    /// Starts or stops the translation of what is said while it is said, asks for a summary, or has something said:
    /// `calling.live_translate`. What was said comes in events such as
    /// [`EventName::AiTranslateTranscriptDelta`](crate::EventName::AiTranslateTranscriptDelta), and to the webhook.
    ///
    /// ```no_run
    /// # use signalwire_relay::{LiveTranslate, LiveTranslation};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.live_translate(LiveTranslation::new().from_lang("en-US").to_lang("es-ES"))?;
    /// call.live_translate(LiveTranslate::stop())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn live_translate(&self, what: impl Into<LiveTranslate>) -> Result<()> {
        self.command(LiveTranslate::METHOD, &what.into().fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            (json!("transcribing"), Verdict::Progress),
            (json!(5), Verdict::Progress),
            (json!("FINISHED"), Verdict::Progress),
            (json!("finished"), Verdict::Final),
            (json!("error"), Verdict::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.transcribe", "params": {"state": state}}));
            let Event::Transcribe(event) = event else { panic!("a transcription") };
            assert_eq!(Transcribe::judge(&event, &mut ()), verdict, "{state}");
        }
    }
}
