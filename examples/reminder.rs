//! A reminder campaign: calls the numbers of a CSV file, five at a time, and prints the outcome of each call as CSV: the
//! result, the reason why a number was not reached, how long it rang, and how long the call lasted.

use std::env;
use std::fmt;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::states::EndSource;
use signalwire_relay::{Call, Client, EndReason, ErrorKind, Heard, Result, machine, phone, tts};

const AT_ONCE: usize = 5;
const TRIES: usize = 2;

fn main() -> Result<()> {
    env_logger::init();
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["the simulator's", "+15551111111"], people);
    let (Some(file), Some(from)) = (env::args().nth(1), env::args().nth(2)) else {
        eprintln!("usage: reminder FILE FROM, a CSV file of numbers and names, and a number of yours");
        std::process::exit(2);
    };
    let list = match file.as_str() {
        "the simulator's" => (0..20).map(|index| format!("+155522200{index:02},Customer {index}\n")).collect(),
        file => std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}")),
    };
    let client = Client::from_env()?;
    println!("number,name,result,reason,rang_s,lasted_s");
    campaign(&client, &list, &from, |line| println!("{line}"));
    Ok(())
}

/// Calls the numbers of a list, five at a time, and passes a line for each to `done` when its call has ended.
pub fn campaign(client: &Client, list: &str, from: &str, done: impl Fn(String) + Sync) {
    let numbers = Mutex::new(list.lines().filter_map(|line| line.split_once(',')));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // The lock is held only while the next line is taken, not during the call.
                while let Some((number, name)) = { numbers.lock().unwrap().next() } {
                    done(format!("{number},{name},{}", remind(client, number, from, name)));
                }
            });
        }
    });
}

/// The outcome of a number: the rest of its line in the list.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub result: &'static str,
    pub reason: Option<EndReason>,
    pub rang: Option<Duration>,
    pub lasted: Option<Duration>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds =
            |span: Option<Duration>| span.map(|span| format!("{:.1}", span.as_secs_f64())).unwrap_or_default();
        let reason = self.reason.as_ref().map_or("", EndReason::as_str);
        write!(f, "{},{reason},{},{}", self.result, seconds(self.rang), seconds(self.lasted))
    }
}

impl Outcome {
    fn of(result: &'static str) -> Self {
        Self { result, ..Self::default() }
    }
}

/// Calls a number until the call is answered, and returns the outcome for the list.
pub fn remind(client: &Client, number: &str, from: &str, name: &str) -> Outcome {
    let mut attempt = 1;
    loop {
        match client.dial(phone(number).from(from).timeout(Duration::from_secs(25))) {
            Ok(call) => return speak(&call, name),
            Err(error) if error.kind() == ErrorKind::DialFailed => {
                let (reason, rang) = (error.end_reason(), error.legs().first().and_then(|leg| leg.rang));
                if attempt == TRIES || !matches!(reason, Some(EndReason::Busy | EndReason::NoAnswer)) {
                    return Outcome { reason, rang, ..Outcome::of("not reached") };
                }
            }
            // The phone may have rung and been answered, so the number is not called again.
            Err(error) if error.may_have_been_sent() || error.kind() == ErrorKind::SessionLost => {
                return Outcome::of("unknown");
            }
            Err(error) => {
                eprintln!("{error}");
                return Outcome::of("not called");
            }
        }
        attempt += 1;
    }
}

fn speak(call: &Call, name: &str) -> Outcome {
    let said = say(call, name);
    // The event of the call's end carries the side that ended it, and the duration.
    let end = call.hangup().and_then(|()| call.wait_for_ended(Duration::from_secs(10))).unwrap_or_default();
    let result = match said {
        // The callee hung up first, perhaps in the middle of the message.
        Ok(_) if end.source == Some(EndSource::Inbound) => "hung up",
        Ok(result) => result,
        Err(error) if error.is_call_gone() => "hung up",
        Err(error) => {
            eprintln!("{error}");
            "failed"
        }
    };
    Outcome { reason: end.reason, lasted: end.duration, ..Outcome::of(result) }
}

fn say(call: &Call, name: &str) -> Result<&'static str> {
    let detector = call.detect(machine().timeout(Duration::from_secs(20)))?;
    let result = match detector.wait(None)?.heard {
        Heard::Machine => {
            detector.wait_ready(Duration::from_secs(20))?;
            "left a message"
        }
        _ => "reminded",
    };
    call.play(tts(format!("Hello {name}, this is a reminder of your appointment tomorrow.")))?.wait(None)?;
    Ok(result)
}

fn people(sim: &Simulator) {
    for index in 0..20 {
        let callee = sim.callee(format!("+155522200{index:02}"));
        drop(match index % 5 {
            0 => callee.is_busy(),
            1 => callee.does_not_answer(),
            2 => callee.answers().is_machine("You have reached my mailbox.", true),
            _ => callee.answers().is_person(),
        });
    }
}
