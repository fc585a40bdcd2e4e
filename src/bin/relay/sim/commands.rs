//! The commands on stdin, one JSON value per line, and their responses.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::{Value, json};
use signalwire_relay::simulator::{FrameRecord, PersonOnCall, WaitTimeout};

use super::faults::Fault;
use super::input::Stop;
use super::people::{Callee, Caller, Keys, Message, Number, Seconds, Text};
use super::script::{Script, complaint};
use super::stage::Stage;

/// Default timeout of a command that waits.
const PATIENCE: Seconds = Seconds(Duration::from_secs(10));

/// Interval at which a waiting command checks whether the simulator is to end.
const SLICE: Duration = Duration::from_millis(100);

/// A command on standard input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    Call(Caller),
    Callee(Callee),
    Message(Message),
    Text(Text),
    Script(Box<Script>),
    Inject(Fault),
    Press {
        who: Number,
        keys: Keys,
    },
    Say {
        who: Number,
        text: String,
    },
    Answer {
        who: Number,
    },
    Decline {
        who: Number,
    },
    Busy {
        who: Number,
    },
    HangUp {
        who: Number,
    },
    Person {
        who: Number,
    },
    Calls {},
    Sessions {},
    Violations {},
    Transcript {},
    TextsSent {},
    Journal {
        /// Only frames of this method or event type.
        method: Option<String>,
        /// Only frames from this number on.
        from: Option<u64>,
        /// Only this many frames, the last ones.
        last: Option<usize>,
    },
    WaitConnected {
        clients: usize,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    WaitRequest {
        method: String,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    WaitEvent {
        event_type: String,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    WaitAnswered {
        who: Number,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    WaitHeard {
        who: Number,
        text: String,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    WaitEnded {
        who: Number,
        #[serde(default = "patience")]
        seconds: Seconds,
    },
    Quit {},
}

fn patience() -> Seconds {
    PATIENCE
}

impl Command {
    /// `true` for a command that blocks, or that ends everything.
    fn is_for_stdin(&self) -> bool {
        matches!(
            self,
            Self::WaitConnected { .. }
                | Self::WaitRequest { .. }
                | Self::WaitEvent { .. }
                | Self::WaitAnswered { .. }
                | Self::WaitHeard { .. }
                | Self::WaitEnded { .. }
                | Self::Quit {}
        )
    }
}

/// Executes a command for a caller that must not block. Commands that wait, and `quit`, are rejected.
pub fn answer_at_once(line: &str, stage: &mut Stage) -> Value {
    let done = parse(line.trim()).and_then(|command| match command.is_for_stdin() {
        true => Err("this command is for stdin".into()),
        false => run(command, stage),
    });
    as_json(done)
}

/// Executes a command. Returns `None` for an empty line.
pub fn answer(line: &str, stage: &mut Stage) -> Option<Value> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let done = parse(line).and_then(|command| run(command, stage));
    Some(as_json(done))
}

fn as_json(done: Result<Value, String>) -> Value {
    match done {
        Ok(mut fields) => {
            fields["ok"] = true.into();
            fields
        }
        Err(error) => json!({"ok": false, "error": error}),
    }
}

fn parse(line: &str) -> Result<Command, String> {
    // A command without parameters may be its bare word, with or without quotes.
    let word = line.trim_matches('"');
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
        let whole = format!("{{\"{word}\":{{}}}}");
        return serde_json::from_str(&whole).map_err(|error| format!("{word}: {}", complaint(&error)));
    }
    let expected = "expected one JSON object with one key, such as {\"hang_up\": {\"who\": \"+15551230000\"}}";
    serde_json::from_str(line).map_err(|error| match error.classify() {
        // An error in the content of a fault has no position.
        Category::Data if error.column() == 0 => complaint(&error),
        Category::Data => format!("column {}: {}", error.column(), complaint(&error)),
        _ => format!("column {}: {}; {expected}", error.column(), complaint(&error)),
    })
}

fn run(command: Command, stage: &mut Stage) -> Result<Value, String> {
    let simulator = &stage.simulator;
    Ok(match command {
        Command::Call(caller) => json!({"call_id": stage.call(&caller)}),
        Command::Callee(callee) => {
            callee.set(simulator);
            json!({})
        }
        Command::Message(message) => {
            message.set(simulator);
            json!({})
        }
        Command::Text(text) => json!({"message_id": text.send(simulator)}),
        Command::Script(script) => {
            if script.credentials.is_some() {
                return Err("credentials are set at the start: by --project and --token, or by --script".into());
            }
            json!({"call_ids": stage.play(&script)?})
        }
        Command::Inject(fault) => {
            fault.inject(simulator)?;
            json!({})
        }
        Command::Press { who, keys } => {
            talking(stage, &who)?.iter().for_each(|person| person.press(&keys.0));
            json!({})
        }
        Command::Say { who, text } => {
            talking(stage, &who)?.iter().for_each(|person| person.say(&text));
            json!({})
        }
        Command::Answer { who } => ringing(stage, &who, PersonOnCall::answer)?,
        Command::Decline { who } => ringing(stage, &who, PersonOnCall::decline)?,
        Command::Busy { who } => ringing(stage, &who, PersonOnCall::is_busy)?,
        Command::HangUp { who } => {
            on_line(stage, &who)?.iter().for_each(|person| person.hang_up());
            json!({})
        }
        Command::Person { who } => person(stage, &who),
        Command::Calls {} => {
            let calls = simulator.calls();
            let calls = calls.iter().map(|call| {
                json!({
                    "call_id": call.call_id,
                    "person": call.person,
                    "program": call.program,
                    "inbound": call.inbound,
                    "state": call.state,
                })
            });
            json!({"calls": calls.collect::<Vec<_>>()})
        }
        Command::Sessions {} => json!({
            "sessions": simulator.sessions(),
            "connections": simulator.connections(),
            "connections_ever": simulator.connections_ever(),
        }),
        Command::Violations {} => json!({"violations": simulator.violations()}),
        Command::Transcript {} => json!({"transcript": simulator.transcript()}),
        Command::TextsSent {} => {
            let texts = simulator.texts_sent();
            let texts = texts
                .iter()
                .map(|text| json!({"from": text.from, "to": text.to, "body": text.body, "media": text.media}));
            json!({"texts_sent": texts.collect::<Vec<_>>()})
        }
        Command::Journal { method, from, last } => {
            let journal = simulator.journal();
            let fits = |entry: &&FrameRecord| {
                method.as_ref().is_none_or(|method| entry.method() == method)
                    && from.is_none_or(|from| entry.sequence() >= from)
            };
            let entries: Vec<Value> = journal.entries().iter().filter(fits).map(FrameRecord::to_json).collect();
            let skip = last.map_or(0, |last| entries.len().saturating_sub(last));
            json!({"journal": entries[skip..]})
        }
        Command::WaitConnected { clients, seconds } => {
            wait(&stage.stop, seconds, |slice| simulator.wait_connected(clients, slice).map_err(told))?;
            json!({})
        }
        Command::WaitRequest { method, seconds } => {
            let found = wait(&stage.stop, seconds, |slice| simulator.wait_for_request(&method, slice).map_err(told))?;
            json!({"entry": found.to_json()})
        }
        Command::WaitEvent { event_type, seconds } => {
            let found = wait(&stage.stop, seconds, |slice| simulator.wait_for_event(&event_type, slice).map_err(told))?;
            json!({"entry": found.to_json()})
        }
        Command::WaitAnswered { who, seconds } => {
            wait_for(stage, &who, seconds, |stage, person, slice| match person {
                Some(person) => person.wait_answered(slice).map_err(|missed| on_this_call(missed, person, &who)),
                None => absent(stage, &who, slice),
            })?;
            json!({})
        }
        Command::WaitHeard { who, text, seconds } => {
            wait_for(stage, &who, seconds, |stage, person, slice| match person {
                Some(person) => person.wait_heard(&text, slice).map_err(|missed| on_this_call(missed, person, &who)),
                // A callee whose call has ended has still heard the text.
                None => stage.simulator.callee(&*who.0).wait_heard(&text, slice).map_err(told),
            })?;
            json!({})
        }
        Command::WaitEnded { who, seconds } => {
            let reason = wait_for(stage, &who, seconds, |stage, person, slice| match person {
                Some(person) => person.wait_ended(slice).map_err(told),
                None => absent(stage, &who, slice),
            })?;
            json!({"end_reason": reason})
        }
        Command::Quit {} => {
            stage.quits = true;
            json!({"violations": simulator.violations()})
        }
    })
}

/// The condition of a wait is not met.
struct NotYet {
    why: String,
    /// Whether the condition cannot be met any more.
    hopeless: bool,
}

fn told(missed: WaitTimeout) -> NotYet {
    NotYet { why: missed.to_string(), hopeless: false }
}

/// Waits until a closure succeeds, the timeout passes, the condition cannot be met any more, or the simulator is to
/// end.
fn wait<A>(stop: &Stop, seconds: Seconds, mut once: impl FnMut(Duration) -> Result<A, NotYet>) -> Result<A, String> {
    let until = Instant::now().checked_add(seconds.0);
    loop {
        let left = until.map_or(SLICE, |until| until.saturating_duration_since(Instant::now()));
        // This comes before the check, so that an event in between is seen by it.
        let last = left < SLICE || stop.is_asked();
        match once(left.min(SLICE)) {
            Err(missed) if last || missed.hopeless => return Err(missed.why),
            Err(_) => {}
            Ok(found) => return Ok(found),
        }
    }
}

/// Waits for a condition on the latest person with this number or call ID, who may not be on the line yet.
fn wait_for<A>(
    stage: &mut Stage,
    who: &Number,
    seconds: Seconds,
    mut once: impl FnMut(&Stage, Option<&PersonOnCall>, Duration) -> Result<A, NotYet>,
) -> Result<A, String> {
    let stop = Arc::clone(&stage.stop);
    wait(&stop, seconds, |slice| {
        let known = stage.known(&who.0);
        once(stage, known.last().map(|person| &**person), slice)
    })
}

/// A condition of an ended call will never be met; a person with a number may be on another call later.
fn on_this_call(missed: WaitTimeout, person: &PersonOnCall, who: &Number) -> NotYet {
    NotYet { why: missed.to_string(), hopeless: who.0 == person.call_id() && person.end_reason().is_some() }
}

fn absent<A>(stage: &Stage, who: &Number, slice: Duration) -> Result<A, NotYet> {
    // No event announces a new call.
    stage.stop.wait(slice / 4);
    Err(NotYet { why: nobody(stage, who), hopeless: false })
}

fn nobody(stage: &Stage, who: &Number) -> String {
    let mut there: Vec<String> = stage.simulator.calls().into_iter().map(|call| call.person).collect();
    there.dedup();
    let there =
        if there.is_empty() { "there are no calls".into() } else { format!("on the line: {}", there.join(", ")) };
    format!("nobody on the line has the number or call id {who} ({there})")
}

fn on_line(stage: &mut Stage, who: &Number) -> Result<Vec<Rc<PersonOnCall>>, String> {
    let people = stage.on_line(&who.0);
    if people.is_empty() { Err(nobody(stage, who)) } else { Ok(people) }
}

fn talking(stage: &mut Stage, who: &Number) -> Result<Vec<Rc<PersonOnCall>>, String> {
    let mut people = on_line(stage, who)?;
    people.retain(|person| person.was_answered());
    if people.is_empty() {
        return Err(format!("the call of {who} has not been answered; expected that (wait_answered) before this"));
    }
    Ok(people)
}

/// Applies an action to each ringing call of a person.
fn ringing(stage: &mut Stage, who: &Number, act: impl Fn(&PersonOnCall) -> bool) -> Result<Value, String> {
    let people = on_line(stage, who)?;
    let done = people.iter().filter(|person| act(person)).count();
    if done == 0 { Err(format!("no call rings at {who}")) } else { Ok(json!({})) }
}

/// Describes a person: their calls, and what they heard and received.
fn person(stage: &mut Stage, who: &Number) -> Value {
    let calls: Vec<Value> = stage.known(&who.0).iter().map(|person| on_call(person)).collect();
    let as_callee = stage.simulator.callee(&*who.0);
    json!({
        "calls": calls,
        "when_called": {
            "times": as_callee.times_called(),
            "heard": as_callee.heard(),
            "said_over_greeting": as_callee.said_over_greeting(),
            "digits_heard": as_callee.digits_heard(),
            "faxes_received": as_callee.faxes_received(),
        },
    })
}

fn on_call(person: &PersonOnCall) -> Value {
    json!({
        "call_id": person.call_id(),
        "number": person.number(),
        "state": person.state(),
        "heard": person.heard(),
        "digits_heard": person.digits_heard(),
        "was_answered": person.was_answered(),
        "was_passed": person.was_passed(),
        "end_reason": person.end_reason(),
        "was_hung_up_on": person.was_hung_up_on(),
    })
}
