//! The reference's methods, by name and with arguments by name, as calls of this crate.
//!
//! A method of the reference is one arm of [`call_method`] or [`client_method`]; its arguments are written down once,
//! by name, whichever of them a row gives. What has no arm yet is listed in [`NOT_COVERED`]. To cover a method: give it
//! an arm; when it starts an operation, a line in `started!`; and take it from the list.

#[macro_use]
mod args;
mod objects;
mod started;

use signalwire_relay::{
    Answer, Call, Client, Connect, Dial, DigitDetector, FaxDetector, Hangup, Play, Prompt, Result, SendDigits, Sms,
    digit_detector, fax_tone, machine, sms,
};

pub use args::{Args, Way};
use objects::{collect_within, collecting, detector, file, machine_of, quiet, recording, ringing, speech};
pub use started::Started;

/// Methods of the reference that this crate does not have yet: the rows that need them are skipped, and counted.
pub const NOT_COVERED: &[&str] = &[
    "ai",
    "ai_hold",
    "ai_message",
    "ai_unhold",
    "amazon_bedrock",
    "bind_digit",
    "clear_digit_bindings",
    "denoise",
    "denoise_stop",
    "echo",
    "hold",
    "join_conference",
    "join_room",
    "leave_conference",
    "leave_room",
    "live_transcribe",
    "live_translate",
    "pay",
    "queue_enter",
    "queue_leave",
    "receive_fax",
    "refer",
    "send_fax",
    "stream",
    "tap",
    "transcribe",
    "transfer",
    "unhold",
    "user_event",
];

/// What a method gave.
pub enum Outcome {
    /// Nothing but that it was accepted.
    Done,
    Started(Box<dyn Started>),
}

fn started<S: Started + 'static>(started: Result<S>) -> Result<Outcome> {
    started.map(|started| Outcome::Started(Box::new(started)))
}

fn done(done: Result<()>) -> Result<Outcome> {
    done.map(|()| Outcome::Done)
}

/// Calls a method of a call; `None` when there is none that would be the reference's of this name.
pub fn call_method(call: &Call, method: &str, mut args: Args) -> Option<Result<Outcome>> {
    Some(match method {
        "answer" if args.is_done() => done(call.answer()),
        "answer" => done(call.answer_with(all!(Answer::new(), args))),
        "hangup" if args.is_done() => done(call.hangup()),
        "hangup" => done(call.hangup_with(all!(Hangup::new(), args, "reason": text => reason))),
        "pass_" => {
            args.done();
            done(call.pass())
        }
        "play" => {
            let media = args.media("media").expect("media");
            started(call.play(all!(Play::new(media), args, "volume": number => volume, "direction": text => direction,
                "loop": whole => loops, "control_id": text => control_id)))
        }
        "play_tts" => {
            let media = speech(&mut args);
            started(match args.is_done() {
                true => call.play_tts(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_audio" => {
            let media = file(&mut args);
            started(match args.is_done() {
                true => call.play_audio(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_silence" => {
            let media = quiet(&mut args);
            started(match args.is_done() {
                true => call.play_silence(media),
                false => call.play(all!(Play::new(media), args)),
            })
        }
        "play_ringtone" => {
            let media = ringing(&mut args);
            started(match args.is_done() {
                true => call.play_ringtone(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_and_collect" => {
            let (media, collect) = (args.media("media").expect("media"), collect_within(&mut args));
            let prompt = Prompt::new(media);
            started(call.play_and_collect(
                all!(prompt, args, "volume": number => volume, "control_id": text => control_id),
                collect,
            ))
        }
        "prompt_tts" => {
            let (media, collect) = (speech(&mut args), collect_within(&mut args));
            started(match args.is_done() {
                true => call.prompt_tts(media, collect),
                false => call.prompt(all!(Prompt::new(media), args, "volume": number => volume), collect),
            })
        }
        "prompt_audio" => {
            let (media, collect) = (file(&mut args), collect_within(&mut args));
            started(match args.is_done() {
                true => call.prompt_audio(media, collect),
                false => call.prompt(all!(Prompt::new(media), args, "volume": number => volume), collect),
            })
        }
        "record" => {
            let set = recording(&mut args);
            started(call.record(all!(set, args, "control_id": text => control_id)))
        }
        "collect" => {
            let set = collecting(&mut args);
            started(call.collect(all!(set, args, "control_id": text => control_id)))
        }
        "detect" => {
            let set = detector(&args.json("detect").expect("a detector"), args.way);
            started(call.detect(all!(set, args, "timeout": seconds => timeout, "control_id": text => control_id)))
        }
        "detect_digit" => {
            let set: DigitDetector =
                all!(digit_detector(), args, "digits": text => digits, "timeout": seconds => timeout);
            started(call.detect_digit(set))
        }
        "detect_fax" => {
            let set: FaxDetector = all!(fax_tone(), args, "tone": text => tone, "timeout": seconds => timeout);
            started(call.detect_fax(set))
        }
        "detect_answering_machine" => {
            let set = machine_of(machine(), &mut args);
            started(call.detect_answering_machine(all!(set, args, "timeout": seconds => timeout)))
        }
        "connect" => {
            let set = Connect::new(args.devices("devices").expect("devices"));
            let set = all!(set, args, "ringback": media => ringback, "tag": text => tag,
                "max_duration": whole => max_duration, "max_price_per_minute": number => max_price_per_minute,
                "status_url": text => status_url);
            call.connect(set).map(|_| Outcome::Done)
        }
        "disconnect" => {
            args.done();
            done(call.disconnect())
        }
        "send_digits" => {
            let set = SendDigits::new(args.text("digits").expect("digits"));
            done(call.send_digits(all!(set, args, "control_id": text => control_id)))
        }
        _ => return None,
    })
}

/// Calls a method of a client; as [`call_method`].
pub fn client_method(client: &Client, method: &str, mut args: Args) -> Option<Result<Outcome>> {
    Some(match method {
        "dial" => client.dial(dialled(args)).map(|_| Outcome::Done),
        "send_message" => client.send_message(message(args)).map(|_| Outcome::Done),
        "receive" => {
            let contexts = args.texts("contexts").expect("contexts");
            args.done();
            done(client.receive(contexts))
        }
        "unreceive" => {
            let contexts = args.texts("contexts").expect("contexts");
            args.done();
            done(client.unreceive(contexts))
        }
        "execute" => {
            let (method, params) = (args.text("method").expect("a method"), args.json("params").expect("params"));
            args.done();
            client.execute(&method, params).map(|_| Outcome::Done)
        }
        _ => return None,
    })
}

/// The text message of `send_message`.
pub fn message(mut args: Args) -> Sms {
    let set = sms(args.text("to_number").expect("a recipient"));
    all!(set, args, "from_number": text => from, "body": text => body, "context": text => context,
        "media": texts => media, "tags": texts => tags, "region": text => region)
}

/// What is dialled by `dial`.
pub fn dialled(mut args: Args) -> Dial {
    let set = Dial::new(args.devices("devices").expect("devices"));
    all!(set, args, "tag": text => tag, "max_duration": whole => max_duration, "dial_timeout": seconds => limit)
}
