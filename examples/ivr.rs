//! A menu: the caller presses a digit, and hears a message or is connected to an agent.

use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Call, Client, Collect, Connect, ErrorKind, HandlerResult, Result, phone, tts};

const AGENT: &str = "+15553334444";

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
            tts("Press 1 for sales, 2 for support, 0 for an agent."),
            Collect::digits(1).initial_timeout(Duration::from_secs(10)),
        )?
        .wait(None)?;
    match choice.digits() {
        Some("1") => say(&call, "Sales will be with you shortly.")?,
        Some("2") => say(&call, "Connecting you to support.")?,
        Some("0") => {
            let agent = phone(AGENT).from(call.from_number()).timeout(Duration::from_secs(30));
            let bridge = call.connect(Connect::new(agent).ringback(tts("Please wait.")))?;
            match bridge.wait(None) {
                Ok(_) => drop(bridge.wait_disconnected(None)?),
                Err(error) if error.kind() == ErrorKind::ConnectFailed => say(&call, "No agent is free. Goodbye.")?,
                Err(error) => return Err(error.into()),
            }
        }
        _ => say(&call, "We did not get that. Goodbye.")?,
    }
    call.hangup()?;
    Ok(())
}

fn say(call: &Call, text: &str) -> Result<()> {
    call.play(tts(text))?.wait(None)?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let _agent = sim.callee(AGENT).answers().when_put_through().says("Hello, how can I help?");
    let caller = sim.caller("+15551230002").calls("+15550000000").when_asked_for_digits().presses("0");
    let caller = caller.after_hearing("how can I help").says("You have. Goodbye!").hangs_up().dials();
    caller.wait_ended(Duration::from_secs(60))
}
