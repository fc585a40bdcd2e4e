//! Sends a text message and waits until the carrier reports its outcome.

use std::env;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::{Client, MessageState, Result, sms};

fn main() -> Result<()> {
    env_logger::init();
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["+15552222222", "+15551111111"], people);
    let (Some(to), Some(from)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: send_sms TO FROM, two numbers such as +15552222222");
        std::process::exit(2);
    };
    let client = Client::from_env()?;
    let message = client.send_message(sms(to).from(from).body("Your order is on its way."))?;
    match message.wait(Duration::from_secs(60)) {
        Ok(last) if last.state == MessageState::Delivered => println!("delivered"),
        Ok(last) => println!("{}: {}", last.state, last.reason.unwrap_or_default()),
        Err(error) if error.is_timeout() => println!("no outcome yet"),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn people(sim: &Simulator) {
    sim.number("+15552222222").delivers();
}
