//! Sends a code by text message, and speaks it on a call if the message does not arrive.

use std::env;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::{Client, Collect, ErrorKind, MessageState, Result, phone, sms, tts};

fn main() -> Result<()> {
    env_logger::init();
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["+15552222222", "+15551111111"], people);
    let (Some(to), Some(from)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: two_factor TO FROM, two numbers such as +15552222222");
        std::process::exit(2);
    };
    let client = Client::from_env()?;
    // A real program generates a random code, and forgets it after a few minutes.
    println!("the code was delivered by {:?}", deliver(&client, &to, &from, "471108")?);
    Ok(())
}

/// The way in which a code was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Text,
    Call,
    /// Neither the text message nor the call reached a person.
    Neither,
}

/// Delivers a code by text message, or otherwise by a call.
pub fn deliver(client: &Client, to: &str, from: &str, code: &str) -> Result<Way> {
    let text = format!("Your code is {code}. Do not tell it to anybody.");
    match client.send_message(sms(to).from(from).body(text)).and_then(|text| text.wait(Duration::from_secs(30))) {
        Ok(last) if last.state == MessageState::Delivered => return Ok(Way::Text),
        Ok(last) => println!("not delivered: {}", last.reason.unwrap_or_default()),
        // No outcome was reported in time: the phone may be off, or a landline.
        Err(error) if error.is_timeout() => println!("no outcome of the text yet: calling"),
        // The message was rejected, for example because the number is a landline, which a call can reach.
        Err(error) if error.kind() == ErrorKind::Rejected => println!("{error}"),
        Err(error) => return Err(error),
    }
    let call = match client.dial(phone(to).from(from).timeout(Duration::from_secs(25))) {
        Ok(call) => call,
        Err(error) if error.kind() == ErrorKind::DialFailed => return Ok(Way::Neither),
        Err(error) => return Err(error),
    };
    // An answering machine presses no digit, so it does not hear the code.
    let present = call.prompt(tts("This is your code. Press 1 to hear it."), Collect::digits(1))?.wait(None);
    let way = match present.as_ref().map(|input| input.digits()) {
        Ok(Some("1")) => {
            let spoken: String = code.chars().flat_map(|digit| [digit, ' ']).collect();
            call.play(tts(format!("Your code is: {spoken}")))?.wait(None)?;
            Way::Call
        }
        _ => Way::Neither,
    };
    call.hangup()?;
    Ok(way)
}

fn people(sim: &Simulator) {
    sim.number("+15552222222").undelivered("landline");
    sim.callee("+15552222222").answers().when_asked_for_digits().presses("1");
}
