//! Answers every inbound call, greets the caller and hangs up.

use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Client, Result, tts};

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Welcome to SignalWire!").voice("en-US-Neural2-A"))?.wait(None)?;
        call.hangup()?;
        Ok(())
    });
    client.run()
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let ann = sim.caller("+15551230001").calls("+15550000000").dials();
    ann.wait_ended(Duration::from_secs(60))
}
