//! A reminder campaign: calls a list of numbers, five at a time, and writes what became of each call as CSV.
//!
//! With credentials it takes a CSV file with a number and a name in each line, and a number of yours.

mod outbound;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use signalwire_relay::{Call, Client, EndReason, ErrorKind, Heard, Result, machine, phone, tts};

const AT_ONCE: usize = 5;
const TRIES: usize = 2;

fn main() -> Result<()> {
    let stage = outbound::stage(|sim| {
        for index in 0..20 {
            let callee = sim.callee(format!("+155522200{index:02}"));
            drop(match index % 5 {
                0 => callee.is_busy(),
                1 => callee.does_not_answer(),
                2 => callee.answers().is_machine("You have reached my mailbox.", true),
                _ => callee.answers().is_person(),
            });
        }
    })?;
    let (to, from) = stage.to_and_from();
    // A file of numbers; without one a single number, or on the simulator those of its callees.
    let list = std::fs::read_to_string(&to).unwrap_or_else(|_| match to.as_str() {
        "+15552222222" => (0..20).map(|index| format!("+155522200{index:02},Customer {index}\n")).collect(),
        number => format!("{number},dear customer"),
    });
    let client = stage.client().connect()?;
    let numbers = Mutex::new(list.lines().filter_map(|line| line.split_once(',')));
    println!("number,name,result");
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // The lock is held for taking the next line, not for the call.
                while let Some((number, name)) = { numbers.lock().unwrap().next() } {
                    println!("{number},{name},{}", remind(&client, number, &from, name));
                }
            });
        }
    });
    Ok(())
}

/// Calls a number until somebody answers, and gives what is to stand in the list.
pub fn remind(client: &Client, number: &str, from: &str, name: &str) -> String {
    for attempt in 1..=TRIES {
        match client.dial(phone(number).from(from).timeout(Duration::from_secs(25))) {
            Ok(call) => return speak(&call, name).unwrap_or_else(|error| format!("failed: {error}")),
            Err(error) if error.kind() == ErrorKind::DialFailed => match error.end_reason() {
                Some(EndReason::Busy | EndReason::NoAnswer) if attempt < TRIES => {}
                Some(reason) => return reason.to_string(),
                None => return "no answer".into(),
            },
            // Whether it rang is not known: nobody is called twice for nothing.
            Err(error) if error.may_have_been_sent() => return format!("unknown: {error}"),
            Err(error) => return format!("not called: {error}"),
        }
    }
    "no answer".into()
}

fn speak(call: &Call, name: &str) -> Result<String> {
    let detector = call.detect(machine().timeout(Duration::from_secs(20)))?;
    let heard = match detector.wait(None)?.heard {
        Heard::Machine => {
            detector.wait_ready(Duration::from_secs(20))?;
            "left a message"
        }
        _ => "reminded",
    };
    call.play(tts(format!("Hello {name}, this is a reminder of your appointment tomorrow.")))?.wait(None)?;
    call.hangup()?;
    Ok(heard.into())
}
