//! Dials a number and plays a message to the callee: `cargo run --example dial_and_play -- +15552222222 +15551111111`.

use std::env;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::{Client, ErrorKind, Result, phone, silence, tts};

fn main() -> Result<()> {
    env_logger::init();
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["+15552222222", "+15551111111"], people);
    let (Some(to), Some(from)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: dial_and_play TO FROM, two numbers such as +15552222222");
        std::process::exit(2);
    };
    let client = Client::from_env()?;
    let call = match client.dial(phone(to).from(from).timeout(Duration::from_secs(30))) {
        Ok(call) => call,
        Err(error) if error.kind() == ErrorKind::DialFailed => {
            println!("not reached: {error}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    println!("{} answered", call.to_number());
    let pause = silence(Duration::from_millis(500));
    call.play(pause.then(tts("Your order is on its way.")))?.wait(Duration::from_secs(60))?;
    call.hangup()?;
    println!("ended: {:?}", call.wait_for_ended(Duration::from_secs(10))?.reason);
    Ok(())
}

fn people(sim: &Simulator) {
    sim.callee("+15552222222").answers_after(Duration::from_secs(3));
}
