//! A menu with a transfer: two agents are called in turn, and the caller hears a message if neither is free.

use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Call, Client, Collect, Connect, ErrorKind, HandlerResult, Result, phone, tts};

const AGENTS: [&str; 2] = ["+15553330001", "+15553330002"];

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(menu);
    client.run()
}

pub fn menu(call: Call) -> HandlerResult {
    call.answer()?;
    let choice = call
        .prompt(
            tts("Press 1 for an agent, 2 for our opening hours."),
            Collect::digits(1).initial_timeout(Duration::from_secs(10)),
        )?
        .wait(None)?;
    match choice.digits() {
        Some("1") => transfer(&call)?,
        Some("2") => say(&call, "We are here from nine to five.")?,
        _ => say(&call, "We did not get that. Goodbye.")?,
    }
    call.hangup()?;
    Ok(())
}

/// Bridges the caller with the first agent who answers, and returns when the bridge has ended.
fn transfer(call: &Call) -> Result<()> {
    for agent in AGENTS {
        let device = phone(agent).from(call.from_number()).timeout(Duration::from_secs(20));
        let bridge = call.connect(Connect::new(device).ringback(tts("Please wait.")))?;
        match bridge.wait(None) {
            Ok(_) => {
                bridge.wait_disconnected(None)?;
                return say(call, "Thank you for calling.");
            }
            // Busy, no answer, declined: the next agent is called.
            Err(error) if error.kind() == ErrorKind::ConnectFailed => println!("{error}"),
            Err(error) => return Err(error),
        }
    }
    say(call, "All agents are busy. Please call again later.")
}

fn say(call: &Call, text: &str) -> Result<()> {
    call.play(tts(text))?.wait(None)?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let _first = sim.callee(AGENTS[0]).is_busy();
    let _second = sim.callee(AGENTS[1]).answers().when_put_through().says("Hello, how can I help?");
    let caller = sim.caller("+15551230002").calls("+15550000000").when_asked_for_digits().presses("1");
    let caller = caller.after_hearing("how can I help").says("You have. Goodbye!").hangs_up().dials();
    caller.wait_ended(Duration::from_secs(60))
}
