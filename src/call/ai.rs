//! AI agents on a call.

use serde_json::Value;

use super::action::sealed::Sealed;
use super::{Action, Call, Operation, Stoppable, Verdict};
use crate::error::Result;
use crate::protocol::choices::AiRole;
use crate::protocol::event::AiEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::AiState;

params! {
    /// What an AI is told to be; for [`Ai::prompt`], [`Ai::post_prompt`] and [`AmazonBedrock::prompt`]. A string is one,
    /// too, and so is a JSON object.
    pub struct AiPrompt new [] {
        /// What it is told, as text.
        text: String,
        /// What it is told, as an array of sections in the Prompt Object Model.
        pom: Json,
        /// How free its answers are; from 0 to 1.5 on most models.
        temperature: f64,
        /// How many of the likely words count; from 0 to 1.
        top_p: f64,
        /// How sure speech recognition has to be; from 0 to 1.
        confidence: f64,
        /// How much it avoids what was talked about.
        presence_penalty: f64,
        /// How much it avoids words that it has used.
        frequency_penalty: f64,
        /// How long an answer may be, in tokens.
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
    /// The members of an object; anything else is the text.
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
    /// A language that an AI speaks; for [`Ai::language`].
    pub struct AiLanguage {
        /// The voice.
        voice: String,
        /// The model of the voice.
        model: String,
        /// The voice's emotion.
        emotion: String,
        /// How fast it speaks, in the words of the voice's engine.
        speed: String,
        /// The engine of the voice.
        engine: String,
        /// What the engine takes, as a JSON object.
        params: Json,
        /// What it says while it listens or thinks.
        fillers: Strings,
    }
}

impl AiLanguage {
    /// A language by its name and code, for example `English` and `en-US`.
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
    /// How an AI pronounces something; for [`Ai::pronounce`].
    pub struct Pronounce {
        /// Whether it counts in any case.
        ignore_case: bool,
    }
}

impl Pronounce {
    /// Says `with` where `replace` is written.
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
    /// A word that an AI is likely to hear, and what is made of what was heard; for [`Ai::hint`]. A string is one, too.
    pub struct Hint {
        /// Whether it counts in any case.
        ignore_case: bool,
    }
}

impl Hint {
    /// The word `hint`; what matches `pattern` is replaced by `replace`.
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
    /// The functions that an AI may call; for [`Ai::swaig`]. Their descriptions are JSON, as the service leaves them
    /// open; a whole JSON object is one, too.
    #[doc(alias = "SWAIG")]
    pub struct Swaig new [] {
        /// What the functions have in common, such as `web_hook_url`.
        defaults: Json,
        /// Functions that other servers describe: an array of objects with `url` and `functions`.
        includes: Json,
        /// The service's own functions, by their names.
        native_functions: Strings,
        /// Servers that speak the Model Context Protocol.
        mcp_servers: Json,
        /// What is said while a function runs.
        internal_fillers: Json,
    }
}

impl Swaig {
    /// Adds a function, with its name, purpose and argument.
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
    /// An AI agent; sent by [`Call::ai`]. It needs [`agent`](Self::agent) or [`prompt`](Self::prompt).
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
    ///     .swaig(Swaig::new().function(json!({"function": "order", "purpose": "Places an order"})))
    ///     .ai_params(json!({"end_of_speech_timeout": 700}));
    /// ```
    pub struct Ai("calling.ai") new [] {
        /// The id of an agent that is stored at the service.
        agent: String,
        /// A webhook that gets what the AI says to [`post_prompt`](Self::post_prompt).
        post_prompt_url: String,
        /// The user name for that webhook.
        post_prompt_auth_user: String,
        /// The password for that webhook. It is not shown by `Debug`.
        post_prompt_auth_password: String,
        /// What the session knows, as a JSON object.
        global_data: Json,
        /// The service's tuning, as a JSON object; in it, times are in milliseconds.
        #[doc(alias = "params")]
        ai_params: Json as "params",
        /// Names this session instead of a generated id.
        control_id: NonEmpty,
    }
}

/// An AI session that was started.
#[doc(alias = "AIAction")]
pub type AiAction = Action<Ai>;

impl Ai {
    /// What the AI is told to be.
    pub fn prompt(mut self, prompt: impl Into<AiPrompt>) -> Self {
        self.fields.set("", "prompt", prompt.into().into());
        self
    }

    /// What the AI is asked when the conversation is over.
    pub fn post_prompt(mut self, prompt: impl Into<AiPrompt>) -> Self {
        self.fields.set("", "post_prompt", prompt.into().into());
        self
    }

    /// Adds a language that it speaks.
    pub fn language(mut self, language: impl Into<Value>) -> Self {
        self.fields.push("languages", language.into());
        self
    }

    /// The languages that it speaks: [`AiLanguage`]s or JSON objects.
    pub fn languages(mut self, languages: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "languages", list(languages));
        self
    }

    /// How it pronounces things: [`Pronounce`]s or JSON objects.
    pub fn pronounce(mut self, rules: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "pronounce", list(rules));
        self
    }

    /// Adds a word that it is likely to hear: a string, a [`Hint`] or a JSON object.
    pub fn hint(mut self, hint: impl Into<Value>) -> Self {
        self.fields.push("hints", hint.into());
        self
    }

    /// The words that it is likely to hear: strings, [`Hint`]s or JSON objects.
    pub fn hints(mut self, hints: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.fields.set("", "hints", list(hints));
        self
    }

    /// The functions that it may call.
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

    fn judge(event: &AiEvent, _memo: &mut ()) -> Verdict {
        match event.state {
            AiState::Finished | AiState::Error => Verdict::Final,
            AiState::Other(_) => Verdict::Progress,
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
    /// An agent at Amazon Bedrock; sent by [`Call::amazon_bedrock`].
    pub struct AmazonBedrock("calling.amazon_bedrock") new [] {
        /// What the AI is told to be: an [`AiPrompt`], or JSON.
        prompt: Json,
        /// The service's tuning, as a JSON object.
        #[doc(alias = "params")]
        ai_params: Json as "params",
        /// What the session knows, as a JSON object.
        global_data: Json,
        /// What the AI is asked when the conversation is over: an [`AiPrompt`], or JSON.
        post_prompt: Json,
        /// A webhook that gets what it says to that.
        post_prompt_url: String,
    }
}

impl AmazonBedrock {
    /// The functions that it may call.
    #[doc(alias = "SWAIG")]
    pub fn swaig(mut self, swaig: impl Into<Swaig>) -> Self {
        self.fields.set("", "SWAIG", swaig.into().fields.to_json());
        self
    }
}

params! {
    /// What is put into an AI session; sent by [`Call::ai_message`]. A string is one, too.
    pub struct AiMessage("calling.ai_message") new [] {
        /// What is said to it.
        message_text: String,
        /// In whose name.
        role: AiRole,
        /// What the session knows, as a JSON object that is merged into it; a `null` takes a key away.
        global_data: Json,
        in "reset":
        /// Begins the conversation anew. With any reset, text and data of this message are ignored.
        full_reset: bool,
        /// Begins it anew with this said by the caller.
        user_prompt: String,
        /// Begins it anew with this instruction.
        system_prompt: String,
    }
}

impl AiMessage {
    /// Begins the conversation anew as this JSON object says; `{}` is sent as it is.
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
    /// How an AI session is held; sent by [`Call::ai_hold_with`].
    pub struct AiHold("calling.ai_hold") new [] {
        /// How long at most; sent in whole seconds, as a string. 300 by default, and at most.
        timeout: TextOfSeconds,
        /// What the AI is to say before.
        prompt: String,
    }
}

params! {
    /// How a held AI session goes on; sent by [`Call::ai_unhold_with`].
    pub struct AiUnhold("calling.ai_unhold") new [] {
        /// What the AI is to say. The newest documents of the service do not have it.
        prompt: String,
    }
}

impl Call {
    /// Has an AI talk to the party on the call, and returns at once: `calling.ai`. It goes on until the AI ends it, it
    /// is stopped, or the call ends; [`wait`](Action::wait) on the action returns then, and `ended_by_call` of the
    /// outcome tells the last from the others. What happens meanwhile is told by events such as
    /// [`EventName::AiResponse`](crate::events::EventName::AiResponse).
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
    /// When the service refuses, or the connection is gone. On a call that is over the action ends at once.
    pub fn ai(&self, how: impl Into<Ai>) -> Result<AiAction> {
        self.start(how.into())
    }

    /// Has an AI at Amazon Bedrock talk to the party on the call: `calling.amazon_bedrock`. It goes on until the call
    /// ends; no event tells its end.
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
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn amazon_bedrock(&self, how: impl Into<AmazonBedrock>) -> Result<()> {
        self.command(AmazonBedrock::METHOD, &how.into().fields).map(drop)
    }

    /// Puts something into the AI session that runs on the call: `calling.ai_message`.
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
    /// When the service refuses, or the connection is gone. A call or a session that is over is no error.
    pub fn ai_message(&self, what: impl Into<AiMessage>) -> Result<()> {
        self.command(AiMessage::METHOD, &what.into().fields).map(drop)
    }

    /// Holds the AI session that runs on the call: `calling.ai_hold`.
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
    /// When the service refuses, or the connection is gone. A call or a session that is over is no error.
    pub fn ai_hold(&self) -> Result<()> {
        self.ai_hold_with(AiHold::new())
    }

    /// Holds the AI session that runs on the call, with parameters: `calling.ai_hold`.
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
    /// As for [`ai_hold`](Self::ai_hold).
    pub fn ai_hold_with(&self, how: AiHold) -> Result<()> {
        self.command(AiHold::METHOD, &how.fields).map(drop)
    }

    /// Lets the held AI session go on: `calling.ai_unhold`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.ai_unhold()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`ai_hold`](Self::ai_hold).
    pub fn ai_unhold(&self) -> Result<()> {
        self.ai_unhold_with(AiUnhold::new())
    }

    /// Lets the held AI session go on, with parameters: `calling.ai_unhold`.
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
    /// As for [`ai_hold`](Self::ai_hold).
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
            (json!("started"), Verdict::Progress),
            (json!(true), Verdict::Progress),
            (json!("finished"), Verdict::Final),
            (json!("error"), Verdict::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.ai", "params": {"state": state}}));
            let Event::Ai(event) = event else { panic!("an AI session") };
            assert_eq!(Ai::judge(&event, &mut ()), verdict, "{state}");
        }
        assert!(Ai::ended_by_call("c", "k", &()).is_some_and(|end| end.ended_by_call && end.control_id == "k"));
    }
}
