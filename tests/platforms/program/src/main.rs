//! Dials the number of its first argument from that of its second, says one sentence and hangs up.

use std::env::args;
use std::time::Duration;

use signalwire_relay::{Client, Result, phone, tts};

fn main() -> Result<()> {
    let mut numbers = args().skip(1);
    let (to, from) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let client = Client::builder().connect()?;
    let call = client.dial(phone(to).from(from).timeout(Duration::from_secs(30)))?;
    call.play(tts("Your order is on its way."))?.wait(Duration::from_secs(60))?;
    call.hangup()?;
    println!("ended: {:?}", call.wait_for_ended(Duration::from_secs(10))?.reason);
    Ok(())
}
