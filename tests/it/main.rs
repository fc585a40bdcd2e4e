//! The crate against its simulator, over real sockets.

mod reference;
mod verbs;

use std::time::Duration;

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, Collect, tts};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn first_light() {
    let _ = env_logger::builder().is_test(true).try_init();
    let sim = Simulator::builder().speed(50.0).start().unwrap();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Welcome"))?.wait(LONG)?;
        let choice = call.prompt(tts("press 1"), Collect::digits(1))?.wait(LONG)?;
        assert_eq!(choice.digits(), Some("1"));
        Ok(call.hangup()?)
    });
    let caller = sim.caller("+15551230000").calls("+15559990000").when_asked_for_digits().presses("1").dials();
    println!("{:?}", caller.wait_ended(LONG));
    for line in sim.transcript() {
        println!("{line}");
    }
    println!("{:?}", sim.violations());
    println!("{:?}", client.stats());
    client.disconnect();
    println!("{:?} {:?}", client.state(), client.stats());
}
