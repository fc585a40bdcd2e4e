//! Calls out and speaks differently to people and machines.

mod outbound;

use std::time::Duration;

use signalwire_relay::{Heard, Result, machine, phone, tts};

fn main() -> Result<()> {
    let stage = outbound::stage(|sim| {
        let greeting = "You have reached Bob. Please leave a message after the tone.";
        sim.callee("+15552222222").is_machine(greeting, true);
    })?;
    let (to, from) = stage.to_and_from();
    let client = stage.client().connect()?;
    let call = client.dial(phone(to).from(from))?;
    let detector = call.detect(machine().timeout(Duration::from_secs(30)))?;
    let heard = detector.wait(None)?.heard;
    println!("heard: {heard:?}");
    let text = match heard {
        Heard::Human => "Hello! Press any key to confirm your appointment.",
        Heard::Machine => {
            detector.wait_ready(Duration::from_secs(30))?; // the beep: do not talk over the greeting
            "This is a reminder of your appointment tomorrow."
        }
        _ => "Hello.",
    };
    call.play(tts(text))?.wait(None)?;
    call.hangup()
}
