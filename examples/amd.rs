//! Dials a number and speaks differently to a human and an answering machine.

use std::env;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::{Client, Heard, Result, machine, phone, tts};

fn main() -> Result<()> {
    env_logger::init();
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["+15552222222", "+15551111111"], people);
    let (Some(to), Some(from)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: amd TO FROM, two numbers such as +15552222222");
        std::process::exit(2);
    };
    let client = Client::from_env()?;
    let call = client.dial(phone(to).from(from))?;
    let detector = call.detect(machine().timeout(Duration::from_secs(30)))?;
    let heard = detector.wait(None)?.heard;
    println!("heard: {heard:?}");
    let text = match heard {
        Heard::Human => "Hello! Press any key to confirm your appointment.",
        Heard::Machine => {
            detector.wait_ready(Duration::from_secs(30))?; // The beep: the greeting is not talked over.
            "This is a reminder of your appointment tomorrow."
        }
        _ => "Hello.",
    };
    call.play(tts(text))?.wait(None)?;
    call.hangup()
}

fn people(sim: &Simulator) {
    let greeting = "You have reached Bob. Please leave a message after the tone.";
    sim.callee("+15552222222").is_machine(greeting, true);
}
