//! Answers every inbound call and says hello.

mod inbound;

use signalwire_relay::{Result, tts};

fn main() -> Result<()> {
    let stage = inbound::stage()?;
    let client = stage.client().contexts(["default"]).connect()?;
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Welcome to SignalWire!").voice("en-US-Neural2-A"))?.wait(None)?;
        call.hangup()?;
        Ok(())
    });
    stage.run(&client, |sim| sim.caller("+15551230001").calls("+15550000000").dials())
}
