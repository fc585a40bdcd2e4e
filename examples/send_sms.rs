//! Sends a text and waits for the carrier's verdict.

mod outbound;

use std::time::Duration;

use signalwire_relay::{MessageState, Result, sms};

fn main() -> Result<()> {
    let stage = outbound::stage(|sim| {
        sim.number("+15552222222").delivers();
    })?;
    let (to, from) = stage.to_and_from();
    let client = stage.client().connect()?;
    let message = client.send_message(sms(to).from(from).body("Your code is 4711"))?;
    match message.wait(Duration::from_secs(60)) {
        Ok(last) if last.state == MessageState::Delivered => println!("delivered"),
        Ok(last) => println!("{}: {}", last.state, last.reason.unwrap_or_default()),
        Err(error) if error.is_timeout() => println!("no verdict yet"),
        Err(error) => return Err(error),
    }
    Ok(())
}
