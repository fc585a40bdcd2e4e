//! An AI agent that answers calls, looks up orders in your web service (SWAIG) and hands calls over to a human.

use std::time::Duration;

use serde_json::json;
use signalwire_relay::events::EventName;
use signalwire_relay::params::{Ai, AiLanguage, AiPrompt, Swaig};
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Call, Client, Connect, HandlerResult, Result, phone, tts};

const HUMAN: &str = "+15553330001";

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(bakery);
    client.run()
}

pub fn bakery(call: Call) -> HandlerResult {
    call.answer()?;
    // A function of the web service sends this event on behalf of the AI. The program then ends the AI session.
    let mut handover = call.waiter(EventName::UserEvent);
    let agent = call.ai(Ai::new()
        .prompt(AiPrompt::from("You answer the phone of a bakery. Say when an order will be ready.").temperature(0.3))
        .language(AiLanguage::new("English", "en-US").voice("rime.spore"))
        .hints(["croissant", "brioche"])
        .swaig(
            Swaig::new()
                .defaults(json!({"web_hook_url": "https://bakery.example.com/swaig"}))
                .function(json!({
                    "function": "order_status",
                    "purpose": "Tells when an order will be ready",
                    "argument": {"type": "object", "properties": {"order": {"type": "string"}}}
                }))
                .function(json!({"function": "hand_over", "purpose": "Connects the caller with a human"})),
        )
        .post_prompt(AiPrompt::from("Summarize the conversation in one sentence."))
        .post_prompt_url("https://bakery.example.com/summary"))?;
    // If the caller hangs up, the wait returns an error, which ends the handler.
    handover.wait(None)?;
    agent.stop()?;
    agent.wait(Duration::from_secs(10))?;
    let bridge =
        call.connect(Connect::new(phone(HUMAN).from(call.to_number())).ringback(tts("One moment, please.")))?;
    match bridge.wait(None) {
        Ok(_) => drop(bridge.wait_disconnected(None)?),
        Err(error) if error.is_call_gone() => return Err(error.into()),
        Err(error) => {
            println!("nobody at the counter: {error}");
            call.play(tts("Nobody is at the counter. Please call again later."))?.wait(None)?;
        }
    }
    call.hangup()?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    // The simulator has no model: the answers of its agents are set here.
    sim.agent_answers("croissants", "Your croissants will be ready at nine.");
    sim.agent_answers("a human", "I will connect you.");
    let _human = sim.callee(HUMAN).answers().when_put_through().says("The bakery, good morning!");
    let ann = sim.caller("+15551230001").calls("+15550000000");
    let ann = ann.waits(Duration::from_secs(2)).says("When will my croissants be ready?");
    let ann = ann.after_hearing("at nine").says("I would like to talk to a human.");
    let ann = ann.after_hearing("good morning").says("Good morning! Never mind.").hangs_up().dials();
    ann.wait_heard("I will connect you", Duration::from_secs(60))?;
    sim.push_event("calling.user_event", json!({"call_id": ann.call_id(), "event": "hand_over"}));
    ann.wait_ended(Duration::from_secs(60))
}
