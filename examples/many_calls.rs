//! Ten thousand callers at once on 64 threads: the handler starts a playback and returns, and a callback
//! continues from there. `cargo run --release --example many_calls -- 10000`; 1,000 without a number.

use std::time::{Duration, Instant};

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Call, Client, HandlerResult, tts};

/// Threads for handlers, and as many for callbacks.
const THREADS: usize = 64;
const LONG: Duration = Duration::from_secs(600);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let callers: usize = std::env::args().nth(1).map_or(Ok(1_000), |count| count.parse())?;
    let sim = Simulator::builder().speed(10.0).journal_limit(1_000).start()?;
    let client = Client::builder()
        .simulator(&sim)
        .contexts(["default"])
        // These three settings depend on each other: live calls, threads, and the time that a call waits for a thread.
        .max_active_calls(callers)
        .tuning(|t| t.max_workers(THREADS).claim_timeout(Duration::from_secs(60)))
        .connect()?;
    client.on_call(welcome);

    let began = Instant::now();
    let people: Vec<_> = (0..callers).map(|n| sim.caller(format!("+1555{n:07}")).is_silent().dials()).collect();
    let mut threads = 0;
    for person in &people {
        person.wait_answered(LONG)?;
        threads = threads.max(client.stats().workers);
    }
    let (answered, live) = (began.elapsed(), client.stats().calls);
    for person in &people {
        person.wait_ended(LONG)?;
        threads = threads.max(client.stats().workers);
    }
    let stats = client.stats();
    println!("{callers} callers at once: all answered after {answered:.1?}, with {live} calls live at that time");
    println!("all served after {:.1?}, on at most {threads} threads for handlers and callbacks", began.elapsed());
    println!("{} passed back, {} handlers or callbacks failed", stats.calls_passed, stats.handler_failures);
    assert!(people.iter().all(|person| person.was_hung_up_on() && person.heard() == [GREETING]));
    client.shutdown(Duration::from_secs(30));
    Ok(())
}

const GREETING: &str = "All our agents are busy at the moment. You will find the answers to most questions on our \
    website. Please call again between nine and five, or leave us a message there. Thank you for calling, and goodbye.";

pub fn welcome(call: Call) -> HandlerResult {
    call.answer()?;
    let greeting = call.play(tts(GREETING))?;
    // No thread waits for the end of the greeting, so 64 threads serve any number of callers.
    greeting.on_completed(move |heard| {
        heard.clone()?;
        call.hangup()?;
        Ok(())
    });
    Ok(())
}
