//! The sentences of AI agents.

use serde_json::{Map, Value};

use crate::simulator::handles::instance::Simulator;

/// # AI agents
///
/// No model is behind them: a test sets their responses.
impl Simulator {
    /// Sets the response of AI agents to speech that contains `heard`; case is ignored. If several match, the one that
    /// was set first applies. Speech without a match gets the response `You said: ...`.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.agent_answers("opening hours", "We open at nine.");
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn agent_answers(&self, heard: &str, answer: &str) {
        let answer = (heard.to_lowercase(), answer.to_owned());
        self.shared.with(|world| world.numbers.script_mut().answers.push(answer));
    }

    /// Sets the result of a post prompt: the fields of the event `calling.ai.post_prompt`, which is sent just before
    /// the end of the agent if the program set a post prompt. Without this setting the event is not sent. A value that
    /// is not an object is sent in the field `post_prompt_data`.
    pub fn agent_post_prompt_result(&self, result: Value) {
        let fields = match result {
            Value::Object(fields) => fields,
            other => Map::from_iter([("post_prompt_data".to_owned(), other)]),
        };
        self.shared.with(|world| world.numbers.script_mut().summary = Some(fields));
    }
}
