//! The cost of conversations in virtual time: an IVR call of five minutes, and the number of such calls per second.

use std::time::{Duration, Instant};

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Call, Client, Collect, HandlerResult, tts};

const PAUSE: Duration = Duration::from_secs(50);
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let rounds = if std::env::args().any(|arg| arg == "--quick" || arg == "--test") { 20 } else { 200 };
    let mut took: Vec<(Duration, Duration)> = (0..rounds).map(conversation).collect();
    took.sort();
    let (median, longest) = (took[rounds as usize / 2], took[rounds as usize - 1]);
    println!("an IVR conversation of {:.0} s of virtual time, {rounds} times:", median.1.as_secs_f64());
    println!("  {:.1} ms each, {:.1} ms at most", millis(median.0), millis(longest.0));
}

/// Real and virtual time of one conversation, with the simulator and the client that are made for it.
fn conversation(seed: u64) -> (Duration, Duration) {
    let began = Instant::now();
    let sim = Simulator::builder().virtual_time().seed(seed).start().expect("a simulator");
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().expect("a client");
    client.on_call(menu);
    let mut caller = sim.caller("+15551230000").calls("+15550000000");
    for key in ["1", "2", "3", "4", "5"] {
        caller = caller.when_asked_for_digits().waits(PAUSE).presses(key);
    }
    let caller = caller.dials();
    caller.wait_ended(HOUR).expect("the end of the call");
    let passed = sim.elapsed();
    client.disconnect();
    drop(sim);
    (began.elapsed(), passed)
}

fn menu(call: Call) -> HandlerResult {
    call.answer()?;
    for round in 1..=5 {
        let digits = Collect::digits(1).initial_timeout(Duration::from_secs(60));
        let heard = call.prompt(tts(format!("This is question {round}, and there is time.")), digits)?.wait(None)?;
        call.play(tts(format!("You pressed {}", heard.digits().unwrap_or("nothing"))))?.wait(None)?;
    }
    Ok(call.hangup()?)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
