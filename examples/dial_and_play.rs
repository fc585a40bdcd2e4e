//! Dials a number and plays a message to whoever answers.

mod outbound;

use std::time::Duration;

use signalwire_relay::{Result, phone, silence, tts};

fn main() -> Result<()> {
    let stage = outbound::stage(|sim| {
        sim.callee("+15552222222").answers_after(Duration::from_secs(3));
    })?;
    let (to, from) = stage.to_and_from();
    let client = stage.client().connect()?;
    let call = client.dial(phone(to).from(from).timeout(Duration::from_secs(30)))?;
    println!("{} answered", call.to_number());
    let pause = silence(Duration::from_millis(500));
    call.play(pause.then(tts("Your order is on its way.")))?.wait(Duration::from_secs(60))?;
    call.hangup()?;
    println!("ended: {:?}", call.wait_for_ended(Duration::from_secs(10))?.reason);
    Ok(())
}
