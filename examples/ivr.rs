//! A menu: one digit, three ways out.

mod inbound;

use std::time::Duration;

use signalwire_relay::{Call, Collect, Connect, HandlerResult, Result, phone, tts};

const AGENT: &str = "+15553334444";

fn main() -> Result<()> {
    let stage = inbound::stage()?;
    let client = stage.client().contexts(["default"]).connect()?;
    client.on_call(menu);
    stage.run(&client, |sim| {
        let _agent = sim.callee(AGENT).answers().when_put_through().says("Hello, how can I help?");
        let caller = sim.caller("+15551230002").calls("+15550000000").when_asked_for_digits().presses("0");
        caller.after_hearing("how can I help").says("By being there. Goodbye!").hangs_up().dials()
    })
}

fn menu(call: Call) -> HandlerResult {
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
            let agent = phone(AGENT).from(call.from_number());
            call.connect(Connect::new(agent).ringback(tts("Please wait.")))?;
            call.wait_for_ended(None)?;
            return Ok(());
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
