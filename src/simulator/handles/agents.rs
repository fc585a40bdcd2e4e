//! What AI agents say.

use serde_json::{Map, Value};

use crate::simulator::handles::instance::Simulator;

/// What AI agents say, since there is no model behind them.
impl Simulator {
    /// Has agents answer this to whatever contains `heard`; upper and lower case are the same, and what was said first
    /// wins. What no answer fits is answered with `You said: ...`.
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

    /// What agents make of a post prompt: these are the fields of the event `calling.ai.post_prompt`, which comes just
    /// before the agent's end when the program gave a post prompt. Without this it does not come. What is no object
    /// is in the field `post_prompt_data`.
    pub fn agent_post_prompt_result(&self, result: Value) {
        let fields = match result {
            Value::Object(fields) => fields,
            other => Map::from_iter([("post_prompt_data".to_owned(), other)]),
        };
        self.shared.with(|world| world.numbers.script_mut().summary = Some(fields));
    }
}
