//! Drives this crate through one scenario of `run`, as `python_sdk.py` and `js_sdk.mjs` do the other SDKs.
//!
//! ```text
//! rust_sdk SCENARIO
//! ```
//!
//! What the program sees goes to stdout, one JSON object a line; words from `run` come on stdin, one a line. Host,
//! credentials and certificate come from the environment: `SIGNALWIRE_SPACE`, `SIGNALWIRE_PROJECT_ID`,
//! `SIGNALWIRE_API_TOKEN`, `SIGNALWIRE_RELAY_CA_FILE`. `run` builds the program.

use std::io::{BufRead, Write};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::choices::{AudioDirection, RecordFormat};
use signalwire_relay::devices::{Devices, Phone};
use signalwire_relay::events::CollectResult;
use signalwire_relay::{
    Builder, Call, Client, Collect, Dial, Error, ErrorKind, Heard, Record, machine, phone, sms, tts,
};

type Seen = Result<(), Box<dyn std::error::Error>>;

const OUR_NUMBER: &str = "+15559990000";
const LIMIT: Duration = Duration::from_secs(25);

/// The observations, as one JSON object: `run` reads facts that belong together at the same time.
fn tell(facts: Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{facts}").and_then(|()| out.flush()).expect("`run` reads the facts");
}

/// Blocks until `run` says this word.
fn told(word: &str) -> Seen {
    for line in std::io::stdin().lock().lines() {
        if line?.trim() == word {
            return Ok(());
        }
    }
    Err(format!("stdin ended before {word}").into())
}

fn to(number: &str) -> Phone {
    phone(number).from(OUR_NUMBER).timeout(Duration::from_secs(20))
}

/// An error as the program tells it: its kind, and the service's code if there is one.
fn kind(error: &Error) -> String {
    match error.code() {
        Some(code) => format!("{:?} {code}", error.kind()),
        None => format!("{:?}", error.kind()),
    }
}

fn inbound(client: &Client) -> Seen {
    let call = client.next_call(LIMIT)?;
    tell(json!({"offered": call.state(), "caller": call.from_number()}));
    call.answer()?;
    tell(json!({"answered": call.wait_for_answered(LIMIT)?}));

    let played = call.play(tts("Welcome to the office"))?.wait(LIMIT)?;
    tell(json!({"played": played.state}));

    let collect = Collect::digits(4).terminators("#").digit_timeout(Duration::from_secs(3));
    let input = call.prompt(tts("Enter your number, then the hash key"), collect)?.wait(LIMIT)?;
    if let CollectResult::Digits { digits, terminator } = input.result {
        tell(json!({"digits": digits, "terminator": terminator}));
    }

    let record = Record::new().beep(true).format(RecordFormat::Wav).direction(AudioDirection::Speak);
    let recording = call.record(record)?;
    told("stop recording")?;
    recording.stop()?;
    let recorded = recording.wait(LIMIT)?;
    tell(json!({"recorded": recorded.state, "recording_has_url": !recorded.url.is_empty()}));

    let connected = call.connect(to("+15552222222"))?.wait(LIMIT)?;
    tell(json!({"connected": connected.peer.is_some_and(|peer| !peer.call_id.is_empty())}));
    tell(json!({"ended": call.wait_for_ended(LIMIT)?.reason}));
    Ok(())
}

fn detect(client: &Client) -> Seen {
    for (number, fact) in [("+15553333331", "person"), ("+15553333332", "machine")] {
        let call = client.dial(to(number))?;
        let detector = call.detect(machine().timeout(Duration::from_secs(20)))?;
        tell(json!({ fact: format!("{:?}", detector.wait(LIMIT)?.heard).to_uppercase() }));
        if fact == "machine" {
            tell(json!({"beep": detector.wait_ready(LIMIT)?.heard == Heard::Ready}));
        }
        call.hangup()?;
        call.wait_for_ended(LIMIT)?;
    }
    Ok(())
}

fn dial_won(client: &Client) -> Seen {
    let both = Devices::at_once([to("+15552220003"), to("+15552220004")]);
    for (devices, name) in [(to("+15552220002").into(), "single"), (both, "parallel")] {
        let call = client.dial(devices)?;
        tell(json!({ name: call.state(), format!("{name}_to"): call.to_number() }));
        call.hangup()?;
        tell(json!({ format!("{name}_ended"): call.wait_for_ended(LIMIT)?.reason }));
    }
    Ok(())
}

fn dial_serial(client: &Client) -> Seen {
    let call = client.dial(Devices::in_order([to("+15552220001"), to("+15552220002")]))?;
    tell(json!({"serial": call.state(), "serial_to": call.to_number()}));
    call.hangup()?;
    call.wait_for_ended(LIMIT)?;
    Ok(())
}

fn outcome(dialled: Result<Call, Error>) -> String {
    match dialled {
        Ok(_) => "answered".to_owned(),
        Err(error) if error.is_timeout() => "timed out".to_owned(),
        Err(error) if error.kind() == ErrorKind::DialFailed => "failed".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn dial_lost(client: &Client) -> Seen {
    for (number, fact) in [("+15552220001", "busy"), ("+15552220005", "declined"), ("+15552220006", "no_such_number")] {
        tell(json!({ fact: outcome(client.dial(to(number))) }));
    }
    Ok(())
}

fn dial_timeout(client: &Client) -> Seen {
    let rings = |seconds| phone("+15552220003").from(OUR_NUMBER).timeout(Duration::from_secs(seconds));
    tell(json!({"service_gave_up": outcome(client.dial(rings(2)))}));
    let limit = Duration::from_secs(2);
    tell(json!({"client_gave_up": outcome(client.dial(Dial::new(rings(60)).limit(limit)))}));
    Ok(())
}

fn texts(client: &Client) -> Seen {
    let text = client.next_message(LIMIT)?;
    tell(json!({"text_in": text.body(), "text_from": text.from_number(), "text_context": text.context()}));
    for (number, fact) in [("+15554440001", "delivered"), ("+15554440002", "undelivered"), ("+15554440003", "failed")] {
        let message = client.send_message(sms(number).from(OUR_NUMBER).body("Hello there"))?;
        let last = message.wait(LIMIT)?;
        tell(json!({ fact: last.state, format!("{fact}_reason"): last.reason }));
    }
    Ok(())
}

fn resume(client: &Client) -> Seen {
    let call = client.next_call(LIMIT)?;
    call.answer()?;
    let protocol = client.protocol();
    tell(json!({"answered": true}));
    told("dropped")?;
    // The request is made while the connection is down, and sent after the reconnect.
    let played = call.play(tts("Are you still there"))?.wait(LIMIT)?;
    tell(json!({"same_session": client.protocol() == protocol, "played_after": played.state}));
    call.hangup()?;
    tell(json!({"ended": call.wait_for_ended(LIMIT)?.reason}));
    // The sessions are forgotten, and the connection is lost again: the next caller reaches a new session.
    let again = client.next_call(LIMIT)?;
    tell(json!({"new_session": client.protocol() != protocol}));
    again.answer()?;
    again.wait_for_answered(LIMIT)?;
    again.hangup()?;
    tell(json!({"answered_in_new_session": again.wait_for_ended(LIMIT)?.reason}));
    Ok(())
}

fn lost(client: &Client) -> Seen {
    let call = client.next_call(LIMIT)?;
    call.answer()?;
    call.wait_for_answered(LIMIT)?;
    let protocol = client.protocol();
    tell(json!({"answered": true}));
    told("back")?;
    let told = match call.wait_for_ended(Duration::from_secs(6)) {
        Ok(end) => json!(end.reason),
        Err(error) if error.is_timeout() => json!("nothing within 6 s"),
        Err(error) => json!(kind(&error)),
    };
    tell(json!({"told": told, "new_session": client.protocol() != protocol}));
    let hangup = call.hangup().map_or_else(|error| format!("returns {}", kind(&error)), |()| "returns".to_owned());
    tell(json!({"hangup": hangup}));
    Ok(())
}

fn disconnect(client: &Client) -> Seen {
    let call = client.next_call(LIMIT)?;
    call.answer()?;
    call.wait_for_answered(LIMIT)?;
    let protocol = client.protocol();
    tell(json!({"answered": true}));
    told("asked")?;
    let played = call.play(tts("Back again"))?.wait(LIMIT)?;
    tell(json!({"same_session": client.protocol() == protocol, "played_after": played.state}));
    call.hangup()?;
    call.wait_for_ended(LIMIT)?;
    tell(json!({"ready_for_restart": true}));
    let again = client.next_call(LIMIT)?;
    tell(json!({"new_session": client.protocol() != protocol}));
    again.answer()?;
    again.wait_for_answered(LIMIT)?;
    again.hangup()?;
    again.wait_for_ended(LIMIT)?;
    tell(json!({"answered_after_restart": true}));
    Ok(())
}

fn draining(client: &Client) -> Seen {
    let call = client.next_call(LIMIT)?;
    call.answer()?;
    call.wait_for_answered(LIMIT)?;
    tell(json!({"answered": true}));
    told("asked")?;
    let told_of_it = match call.play(tts("Are you there")).and_then(|playback| playback.wait(Duration::from_secs(8))) {
        Ok(end) => json!(end.state),
        Err(error) if error.is_timeout() => json!("nothing: the end of the play fell into the gap"),
        Err(error) => json!(kind(&error)),
    };
    tell(json!({"told": told_of_it}));
    told("back")
}

fn untrusted(_client: &Client) -> Seen {
    Ok(())
}

/// The settings of a daemon that starts before its network does, as the other two SDKs always are.
fn builder() -> Builder {
    Client::builder().contexts(["office"]).retry_first_connect(true)
}

fn main() -> Seen {
    let scenario = std::env::args().nth(1).ok_or("usage: rust_sdk SCENARIO")?;
    if scenario == "refused" {
        tell(match builder().connect() {
            Ok(_) => json!({"refused": "connected", "words": null}),
            Err(error) => json!({"refused": error.code(), "words": error.server_message()}),
        });
        return Ok(());
    }
    let scene = match scenario.as_str() {
        "inbound" => inbound,
        "detect" => detect,
        "dial_won" => dial_won,
        "dial_serial" => dial_serial,
        "dial_lost" => dial_lost,
        "dial_timeout" => dial_timeout,
        "texts" => texts,
        "resume" => resume,
        "lost" => lost,
        "disconnect" => disconnect,
        "draining" => draining,
        "untrusted" => untrusted,
        other => return Err(format!("no scenario {other}").into()),
    };
    let client = builder().connect()?;
    tell(json!({"online": true}));
    if let Err(error) = scene(&client) {
        tell(json!({"error": error.to_string()}));
        return Err(error);
    }
    client.disconnect();
    tell(json!({"done": true}));
    Ok(())
}
