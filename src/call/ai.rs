//! AI agents on a call.

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::choices::AiRole;
use crate::protocol::event::AiEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::AiState;

params! {
    /// Instructions for an AI, for [`Ai::prompt`], [`Ai::post_prompt`] and [`AmazonBedrock::prompt`]. A string and a
    /// JSON object convert into `AiPrompt`.
    pub struct AiPrompt new [] {
        /// Instructions, as text.
        text: String,
        /// Instructions, as an array of sections in the Prompt Object Model.
        pom: Json,
        /// Randomness of the AI's responses, `0.0..=1.5` on most models.
        temperature: f64,
        /// Share of the likely words that are considered (nucleus sampling), `0.0..=1.0`.
        top_p: f64,
        /// Least confidence of speech recognition, `0.0..=1.0`.
        confidence: f64,
        /// Penalty for topics that were mentioned before.
        presence_penalty: f64,
        /// Penalty for words that were used before.
        frequency_penalty: f64,
        /// Largest length of a response, in tokens.
        max_tokens: u32,
        /// Steps of the conversation, as the service describes them.
        contexts: Json,
    }
}

impl From<&str> for AiPrompt {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl From<String> for AiPrompt {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

impl From<Value> for AiPrompt {
    /// Reads the members of an object. Any other value is the text.
    fn from(prompt: Value) -> Self {
        match prompt {
            Value::Object(members) => {
                members.into_iter().fold(Self::new(), |prompt, (key, value)| prompt.extra(key, value))
            }
            text => Self::new().extra("text", text),
        }
    }
}

impl From<AiPrompt> for Value {
    fn from(prompt: AiPrompt) -> Self {
        prompt.fields.to_json()
    }
}

params! {
    /// A language of an AI, for [`Ai::language`].
    pub struct AiLanguage {
        /// The voice.
        voice: String,
        /// The model of the voice.
        model: String,
        /// The voice's emotion.
        emotion: String,
        /// Speed of the voice, in the terms of the voice's engine.
        speed: String,
        /// The engine of the voice.
        engine: String,
        /// Parameters of the engine, as a JSON object.
        params: Json,
        /// Phrases that the AI says while it listens or thinks.
        fillers: Strings,
    }
}

impl AiLanguage {
    /// Makes a language from a name and a code, for example `English` and `en-US`.
    pub fn new(name: impl Into<String>, code: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "name", Value::String(name.into()));
        fields.set("", "code", Value::String(code.into()));
        Self::of(fields)
    }
}

impl From<AiLanguage> for Value {
    fn from(language: AiLanguage) -> Self {
        language.fields.to_json()
    }
}

params! {
    /// A rule of pronunciation, for [`Ai::pronounce`].
    pub struct Pronounce {
        /// Whether upper and lower case are treated alike.
        ignore_case: bool,
    }
}

impl Pronounce {
    /// Pronounces `replace` as `with`.
    pub fn new(replace: impl Into<String>, with: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "replace", Value::String(replace.into()));
        fields.set("", "with", Value::String(with.into()));
        Self::of(fields)
    }
}

impl From<Pronounce> for Value {
    fn from(rule: Pronounce) -> Self {
        rule.fields.to_json()
    }
}

params! {
    /// A word that an AI is likely to hear, with a correction of what was recognized; for [`Ai::hint`]. A string is
    /// accepted there, too.
    pub struct Hint {
        /// Whether upper and lower case are treated alike.
        ignore_case: bool,
    }
}

impl Hint {
    /// Makes a hint for the word `hint`; text that matches `pattern` is replaced by `replace`.
    pub fn new(hint: impl Into<String>, pattern: impl Into<String>, replace: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "hint", Value::String(hint.into()));
        fields.set("", "pattern", Value::String(pattern.into()));
        fields.set("", "replace", Value::String(replace.into()));
        Self::of(fields)
    }
}

impl From<Hint> for Value {
    fn from(hint: Hint) -> Self {
        hint.fields.to_json()
    }
}

params! {
    /// Functions that an AI may call, for [`Ai::swaig`]. Their descriptions are JSON, because the service leaves them
    /// open; a whole JSON object converts into `Swaig`.
    #[doc(alias = "SWAIG")]
    pub struct Swaig new [] {
        /// Settings of all functions, such as `web_hook_url`.
        defaults: Json,
        /// Functions that other servers describe: an array of objects with `url` and `functions`.
        includes: Json,
        /// The service's own functions, by their names.
        native_functions: Strings,
        /// Servers that speak the Model Context Protocol.
        mcp_servers: Json,
        /// Phrases that the AI says while a function runs.
        internal_fillers: Json,
    }
}

impl Swaig {
    /// Adds a function: a JSON object with name, purpose and argument.
    #[doc(alias = "functions")]
    pub fn function(mut self, function: impl Into<Value>) -> Self {
        self.fields.push("functions", function.into());
        self
    }
}

impl From<Value> for Swaig {
    fn from(swaig: Value) -> Self {
        match swaig {
            Value::Object(members) => {
                members.into_iter().fold(Self::new(), |swaig, (key, value)| swaig.extra(key, value))
            }
            functions => Self::new().extra("functions", functions),
        }
    }
}

params! {
    /// Parameters of [`Call::ai`]. Requires [`agent`](Self::agent) or [`prompt`](Self::prompt).
    ///
    /// ```
    /// use serde_json::json;
    /// use signalwire_relay::params::{Ai, AiLanguage, AiPrompt, Pronounce, Swaig};
    ///
    /// let ai = Ai::new()
    ///     .prompt(AiPrompt::from("You take orders for a bakery.").temperature(0.3))
    ///     .language(AiLanguage::new("English", "en-US").voice("rime.spore"))
    ///     .pronounce([Pronounce::new("SW", "SignalWire").ignore_case(true)])
    ///     .hints(["croissant", "brioche"])
    ///     .post_prompt("Summarize the order.")
    ///     .post_prompt_url("https://example.com/orders")
    ///     .swaig(Swaig::new().function(json!({"function": "order", "purpose": "Places an order"})))
    ///     .ai_params(json!({"end_of_speech_timeout": 700}));
    /// ```
    pub struct Ai("calling.ai") new [] {
        /// ID of an agent that is stored at the service.
        agent: String,
        /// URL that receives the AI's response to [`post_prompt`](Self::post_prompt).
        post_prompt_url: String,
        /// User name for that URL.
        post_prompt_auth_user: String,
        /// Password for that URL. `Debug` does not show the password.
        post_prompt_auth_password: String,
        /// Data of the session, as a JSON object.
        global_data: Json,
        /// Settings of the service for the session, as a JSON object; times in it are in milliseconds.
        #[doc(alias = "params")]
        ai_params: Json as "params",
        /// Control ID of this session. Default: a generated one.
        control_id: NonEmpty,
    }
}

/// An AI session in progress.
#[doc(alias = "AIAction")]
pub type AiAction = Action<Ai>;

impl Ai {
    /// Sets the AI's instructions.
    pub fn prompt(mut self, prompt: impl Into<AiPrompt>) -> Self {
        self.fields.set("", "prompt", prompt.into().into());
        self
    }

    /// Sets the prompt that the AI responds to when the conversation has ended.
    pub fn post_prompt(mut self, prompt: impl Into<AiPrompt>) -> Self {
        self.fields.set("", "post_prompt", prompt.into().into());
        self
    }

    /// Adds a language that the AI speaks.
    pub fn language(mut self, language: impl Into<Value>) -> Self {
        self.fields.push("languages", language.into());
        self
    }

    /// Sets the languages that the AI speaks: [`AiLanguage`]s or JSON objects.
    pub fn languages(mut self, languages: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "languages", list(languages));
        self
    }

    /// Sets the rules of pronunciation: [`Pronounce`]s or JSON objects.
    pub fn pronounce(mut self, rules: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "pronounce", list(rules));
        self
    }

    /// Adds a word that the AI is likely to hear: a string, a [`Hint`] or a JSON object.
    ///
    /// ```
    /// use signalwire_relay::params::{Ai, Hint};
    ///
    /// let ai = Ai::new().hint("croissant").hint(Hint::new("RELAY", "re ?lay", "RELAY"));
    /// ```
    pub fn hint(mut self, hint: impl Into<Value>) -> Self {
        self.fields.push("hints", hint.into());
        self
    }

    /// Sets the words that the AI is likely to hear: strings, [`Hint`]s or JSON objects.
    pub fn hints(mut self, hints: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "hints", list(hints));
        self
    }

    /// Sets the functions that the AI may call.
    #[doc(alias = "SWAIG")]
    pub fn swaig(mut self, swaig: impl Into<Swaig>) -> Self {
        self.fields.set("", "SWAIG", swaig.into().fields.to_json());
        self
    }
}

fn list(items: impl IntoIterator<Item = impl Into<Value>>) -> Value {
    Value::Array(items.into_iter().map(Into::into).collect())
}

impl Sealed for Ai {}

impl Operation for Ai {
    type Event = AiEvent;
    type Outcome = AiEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &AiEvent, _memo: &()) -> Result<AiEvent> {
        Ok(event.clone())
    }

    fn judge(event: &AiEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            AiState::Finished | AiState::Error => Meaning::Final,
            AiState::Other(_) => Meaning::Progress,
        }
    }

    fn ended_by_call(call_id: &str, control_id: &str, _memo: &()) -> Option<AiEvent> {
        Some(AiEvent::ended_by_call(call_id, control_id))
    }
}

impl Stoppable for Ai {
    const STOP: &'static str = "calling.ai.stop";
}

params! {
    /// Parameters of [`Call::amazon_bedrock`].
    pub struct AmazonBedrock("calling.amazon_bedrock") new [] {
        /// Instructions for the AI: an [`AiPrompt`], or JSON.
        prompt: Json,
        /// Settings of the service for the session, as a JSON object.
        #[doc(alias = "params")]
        ai_params: Json as "params",
        /// Data of the session, as a JSON object.
        global_data: Json,
        /// Prompt that the AI responds to when the conversation has ended: an [`AiPrompt`], or JSON.
        post_prompt: Json,
        /// URL that receives that response.
        post_prompt_url: String,
    }
}

impl AmazonBedrock {
    /// Sets the functions that the AI may call.
    #[doc(alias = "SWAIG")]
    pub fn swaig(mut self, swaig: impl Into<Swaig>) -> Self {
        self.fields.set("", "SWAIG", swaig.into().fields.to_json());
        self
    }
}

params! {
    /// Parameters of [`Call::ai_message`]. A string converts into `AiMessage`.
    pub struct AiMessage("calling.ai_message") new [] {
        /// Text of the message.
        message_text: String,
        /// Role in whose name the message is added.
        role: AiRole,
        /// Data that is merged into that of the session, as a JSON object. A `null` removes a key.
        global_data: Json,
        in "reset":
        /// Whether the conversation starts again. With any reset, text and data of this message are ignored.
        full_reset: bool,
        /// Text of the caller with which the conversation starts again.
        user_prompt: String,
        /// Instruction with which the conversation starts again.
        system_prompt: String,
    }
}

impl AiMessage {
    /// Restarts the conversation with the settings in this JSON object. `{}` is sent unchanged.
    ///
    /// ```
    /// use serde_json::json;
    /// use signalwire_relay::params::AiMessage;
    ///
    /// let message = AiMessage::new().reset(json!({"full_reset": true, "system_prompt": "You take reservations."}));
    /// ```
    pub fn reset(mut self, reset: impl Into<Value>) -> Self {
        self.fields.set("", "reset", reset.into());
        self
    }
}

impl From<&str> for AiMessage {
    fn from(text: &str) -> Self {
        Self::new().message_text(text)
    }
}

impl From<String> for AiMessage {
    fn from(text: String) -> Self {
        Self::new().message_text(text)
    }
}

params! {
    /// Parameters of [`Call::ai_hold_with`].
    pub struct AiHold("calling.ai_hold") new [] {
        /// Longest time on hold. Sent in whole seconds, as a string. Default and maximum: 300 s.
        timeout: TextOfSeconds,
        /// Text that the AI says before.
        prompt: String,
    }
}

params! {
    /// Parameters of [`Call::ai_unhold_with`].
    pub struct AiUnhold("calling.ai_unhold") new [] {
        /// Text that the AI says. The newest documentation of the service does not have this parameter.
        prompt: String,
    }
}

/// # AI agents
impl Call {
    /// Starts an AI agent on the call. Sends `calling.ai`, and returns when the service has accepted the request.
    ///
    /// The session continues until the AI ends it, it is stopped, or the call ends. [`wait`](Action::wait) on the
    /// returned action blocks until then; `ended_by_call` of the result is `true` if the call ended. Events such as
    /// [`EventName::AiResponse`](crate::events::EventName::AiResponse) report what happens meanwhile. Dropping the
    /// action changes nothing.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::Ai;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// let session = call.ai(Ai::new().prompt("You take orders for a bakery. Be brief."))?;
    /// if !session.wait(None)?.ended_by_call {
    ///     call.hangup()?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn ai(&self, how: impl Into<Ai>) -> Result<AiAction> {
        self.start(how.into())
    }

    /// Starts an AI agent of Amazon Bedrock on the call. Sends `calling.amazon_bedrock`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The agent continues until the
    /// call ends; no event reports its end.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::{AiPrompt, AmazonBedrock};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.amazon_bedrock(AmazonBedrock::new().prompt(AiPrompt::from("You are Nova.").extra("voice_id", "tiffany")))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    pub fn amazon_bedrock(&self, how: impl Into<AmazonBedrock>) -> Result<()> {
        self.command(AmazonBedrock::METHOD, &how.into().fields).map(drop)
    }

    /// Adds a message to the AI session that runs on the call. Sends `calling.ai_message`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::AiRole;
    /// # use signalwire_relay::params::AiMessage;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_message(AiMessage::from("The caller pressed 1.").role(AiRole::System))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call or the AI session has already ended, the method returns `Ok`.
    pub fn ai_message(&self, what: impl Into<AiMessage>) -> Result<()> {
        self.command(AiMessage::METHOD, &what.into().fields).map(drop)
    }

    /// Puts the AI session that runs on the call on hold. Sends `calling.ai_hold`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_hold()?;
    /// call.ai_unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call or the AI session has already ended, the method returns `Ok`.
    pub fn ai_hold(&self) -> Result<()> {
        self.ai_hold_with(AiHold::new())
    }

    /// Puts the AI session that runs on the call on hold, with parameters. Sends `calling.ai_hold`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::params::AiHold;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_hold_with(AiHold::new().timeout(Duration::from_secs(60)).prompt("One moment, please."))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`ai_hold`](Self::ai_hold).
    pub fn ai_hold_with(&self, how: AiHold) -> Result<()> {
        self.command(AiHold::METHOD, &how.fields).map(drop)
    }

    /// Resumes the AI session from hold. Sends `calling.ai_unhold`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`ai_hold`](Self::ai_hold).
    pub fn ai_unhold(&self) -> Result<()> {
        self.ai_unhold_with(AiUnhold::new())
    }

    /// Resumes the AI session from hold, with parameters. Sends `calling.ai_unhold`.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::AiUnhold;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_unhold_with(AiUnhold::new().prompt("Thank you for waiting."))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`ai_hold`](Self::ai_hold).
    pub fn ai_unhold_with(&self, how: AiUnhold) -> Result<()> {
        self.command(AiUnhold::METHOD, &how.fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn agents_are_as_on_the_wire() {
        let none: [Value; 0] = [];
        for (ai, params) in [
            (Ai::new(), json!({})),
            (
                Ai::new().prompt(AiPrompt::from("You are helpful.").temperature(0.3).top_p(0.9)),
                json!({"prompt": {"text": "You are helpful.", "temperature": 0.3, "top_p": 0.9}}),
            ),
            (
                Ai::new().prompt(json!({"text": "You are helpful.", "top_p": 0.9})),
                json!({"prompt": {"text": "You are helpful.", "top_p": 0.9}}),
            ),
            (
                Ai::new()
                    .control_id("")
                    .agent("")
                    .prompt(AiPrompt::new())
                    .post_prompt(json!({}))
                    .post_prompt_url("")
                    .post_prompt_auth_user("")
                    .post_prompt_auth_password("")
                    .global_data(json!({}))
                    .pronounce(none.clone())
                    .hints(none.clone())
                    .languages(none)
                    .swaig(Swaig::new())
                    .ai_params(json!({})),
                json!({"agent": "", "prompt": {}, "post_prompt": {}, "post_prompt_url": "", "post_prompt_auth_user": "",
                    "post_prompt_auth_password": "", "global_data": {}, "pronounce": [], "hints": [], "languages": [],
                    "SWAIG": {}, "params": {}}),
            ),
            (
                Ai::new()
                    .control_id("ai-1")
                    .agent("support-agent")
                    .post_prompt("Summarise the call.")
                    .post_prompt_auth_user("user")
                    .post_prompt_auth_password("pass")
                    .global_data(json!({"customer": {"id": 7, "vip": true}}))
                    .pronounce([Pronounce::new("SW", "SignalWire").ignore_case(true)])
                    .hint("SignalWire")
                    .hint(Hint::new("RELAY", "re ?lay", "RELAY"))
                    .language(AiLanguage::new("English", "en-US").voice("rime.spore"))
                    .swaig(
                        Swaig::new()
                            .function(json!({"function": "get_weather"}))
                            .defaults(json!({"web_hook_url": "https://example.com/swaig"}))
                            .native_functions(["check_time"]),
                    )
                    .ai_params(json!({"attention_timeout": 10000}))
                    .extra("engine", "default"),
                json!({"control_id": "ai-1", "agent": "support-agent", "post_prompt": {"text": "Summarise the call."},
                    "post_prompt_auth_user": "user", "post_prompt_auth_password": "pass",
                    "global_data": {"customer": {"id": 7, "vip": true}},
                    "pronounce": [{"replace": "SW", "with": "SignalWire", "ignore_case": true}],
                    "hints": ["SignalWire", {"hint": "RELAY", "pattern": "re ?lay", "replace": "RELAY"}],
                    "languages": [{"name": "English", "code": "en-US", "voice": "rime.spore"}],
                    "SWAIG": {"functions": [{"function": "get_weather"}], "native_functions": ["check_time"],
                        "defaults": {"web_hook_url": "https://example.com/swaig"}},
                    "params": {"attention_timeout": 10000}, "engine": "default"}),
            ),
        ] {
            assert_eq!(ai.fields.to_json(), params);
        }
        let shown = format!("{:?}", Ai::new().post_prompt_auth_password("canary"));
        assert!(!shown.contains("canary"), "{shown}");
        for (bedrock, params) in [
            (AmazonBedrock::new(), json!({})),
            (
                AmazonBedrock::new().prompt("plain string prompt").global_data(json!({})),
                json!({"prompt": "plain string prompt", "global_data": {}}),
            ),
            (
                AmazonBedrock::new()
                    .prompt(AiPrompt::from("You are Nova.").extra("voice_id", "tiffany"))
                    .swaig(json!({"functions": []}))
                    .ai_params(json!({"attention_timeout": 5000}))
                    .post_prompt(AiPrompt::from("Summary please"))
                    .post_prompt_url("https://example.com/bp")
                    .extra("region", "us-east-1"),
                json!({"prompt": {"text": "You are Nova.", "voice_id": "tiffany"}, "SWAIG": {"functions": []},
                    "params": {"attention_timeout": 5000}, "post_prompt": {"text": "Summary please"},
                    "post_prompt_url": "https://example.com/bp", "region": "us-east-1"}),
            ),
        ] {
            assert_eq!(bedrock.fields.to_json(), params);
        }
    }

    #[test]
    fn what_is_put_into_a_session_is_as_on_the_wire() {
        for (message, params) in [
            (AiMessage::new(), json!({})),
            (AiMessage::new().global_data(json!({"step": 2})), json!({"global_data": {"step": 2}})),
            (AiMessage::new().reset(json!({})), json!({"reset": {}})),
            (
                AiMessage::from("The caller pressed 1")
                    .role(AiRole::System)
                    .full_reset(true)
                    .system_prompt("New persona")
                    .global_data(json!({"step": 2})),
                json!({"message_text": "The caller pressed 1", "role": "system",
                    "reset": {"full_reset": true, "system_prompt": "New persona"}, "global_data": {"step": 2}}),
            ),
        ] {
            assert_eq!(message.fields.to_json(), params);
        }
        for (hold, params) in [
            (AiHold::new(), json!({})),
            (AiHold::new().extra("timeout", "").prompt(""), json!({"timeout": "", "prompt": ""})),
            (
                AiHold::new().timeout(Duration::from_secs(60)).prompt("One moment please"),
                json!({"timeout": "60", "prompt": "One moment please"}),
            ),
        ] {
            assert_eq!(hold.fields.to_json(), params);
        }
        assert_eq!(AiUnhold::new().fields.to_json(), json!({}));
        let unhold = AiUnhold::new().prompt("Thanks for waiting").extra("swml", true);
        assert_eq!(unhold.fields.to_json(), json!({"prompt": "Thanks for waiting", "swml": true}));
    }

    #[test]
    fn a_session_ends_when_finished_or_failed_and_well_with_its_call() {
        for (state, verdict) in [
            (json!("started"), Meaning::Progress),
            (json!(true), Meaning::Progress),
            (json!("finished"), Meaning::Final),
            (json!("error"), Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.ai", "params": {"state": state}}));
            let Event::Ai(event) = event else { panic!("an AI session") };
            assert_eq!(Ai::judge(&event, &mut ()), verdict, "{state}");
        }
        assert!(Ai::ended_by_call("c", "k", &()).is_some_and(|end| end.ended_by_call && end.control_id == "k"));
    }
}
