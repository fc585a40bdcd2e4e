//! The reference's methods, by name and with arguments by name, as calls of this crate.
//!
//! A method of the reference is one arm of [`call_method`] or [`client_method`]; its arguments are listed once, by
//! name, whichever of them a row has. A method that starts an operation also has a line in `started!`. A value goes to
//! its setter if the setter accepts it, and otherwise through `extra`.

#[macro_use]
mod args;
mod ai;
mod objects;
mod past;
mod started;

use signalwire_relay::params::{
    AiHold, AiMessage, AiUnhold, Answer, BindDigit, ClearDigitBindings, DigitDetector, Echo, FaxDetector, Hangup,
    JoinRoom, LeaveConference, LeaveRoom, Prompt, QueueEnter, QueueLeave, ReceiveFax, Refer, SendDigits, SendFax, Sms,
    Stream, Transcribe, Transfer, UserEvent, digit_detector, fax_tone,
};
use signalwire_relay::{Call, Client, Connect, Dial, Play, Result, machine, sms};

use ai::{agent, bedrock, live_transcribing, live_translating, reset};
pub use args::{Args, Way, take_unfit};
use objects::{
    collect_within, collecting, conference, detector, device, file, machine_of, paying, quiet, recording, ringing,
    speech, tapping,
};
pub use past::PAST_SETTERS;
pub use started::Started;

/// The result of a method.
pub enum Outcome {
    /// Nothing but that it was accepted.
    Done,
    Started(Box<dyn Started>),
}

fn started<S: Started + 'static>(started: Result<S>) -> Result<Outcome> {
    started.map(|started| Outcome::Started(Box::new(started)))
}

fn done<T>(done: Result<T>) -> Result<Outcome> {
    done.map(|_| Outcome::Done)
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
            done(call.connect(set))
        }
        "disconnect" => {
            args.done();
            done(call.disconnect())
        }
        "send_digits" => {
            let set = SendDigits::new(args.text("digits").expect("digits"));
            done(call.send_digits(all!(set, args, "control_id": text => control_id)))
        }
        "refer" => {
            let set = Refer::new(device(&args.json("device").expect("a device"), args.way));
            done(call.refer(all!(set, args, "status_url": text => status_url)))
        }
        "transfer" => {
            let set = Transfer::new(args.json("dest").expect("a destination"));
            done(call.transfer(all!(set, args)))
        }
        "hold" => {
            args.done();
            done(call.hold())
        }
        "unhold" => {
            args.done();
            done(call.unhold())
        }
        "denoise" => {
            args.done();
            done(call.denoise())
        }
        "denoise_stop" => {
            args.done();
            done(call.denoise_stop())
        }
        "echo" if args.is_done() => done(call.echo()),
        "echo" => done(
            call.echo_with(all!(Echo::new(), args, "timeout": seconds => timeout, "status_url": text => status_url)),
        ),
        "bind_digit" => {
            let set = BindDigit::new(args.text("digits").expect("digits"), args.text("bind_method").expect("a method"));
            done(call.bind_digit(all!(set, args, "bind_params": json => params, "realm": text => realm,
                "max_triggers": whole => max_triggers)))
        }
        "clear_digit_bindings" if args.is_done() => done(call.clear_digit_bindings()),
        "clear_digit_bindings" => {
            done(call.clear_digit_bindings_with(all!(ClearDigitBindings::new(), args, "realm": text => realm)))
        }
        "user_event" => done(call.user_event(all!(UserEvent::new(), args, "event": json => event))),
        "send_fax" => {
            let set = SendFax::new(args.text("document").expect("a document"));
            started(call.send_fax(all!(set, args, "identity": text => identity, "header_info": text => header_info,
                "control_id": text => control_id)))
        }
        "receive_fax" => started(call.receive_fax(all!(ReceiveFax::new(), args, "control_id": text => control_id))),
        "tap" => {
            let set = tapping(&mut args);
            started(call.tap(all!(set, args, "control_id": text => control_id)))
        }
        "stream" => {
            let set = Stream::new(args.text("url").expect("a URL"));
            started(call.stream(all!(set, args, "name": text => name, "codec": text => codec, "track": text => track,
                "status_url": text => status_url, "status_url_method": text => status_url_method,
                "authorization_bearer_token": text => authorization_bearer_token,
                "custom_parameters": json => custom_parameters, "control_id": text => control_id)))
        }
        "pay" => {
            let set = paying(&mut args);
            started(call.pay(all!(set, args, "input_method": text => input, "status_url": text => status_url,
                "payment_method": text => payment_method, "timeout": seconds_in_text => timeout,
                "max_attempts": whole_in_text => max_attempts, "security_code": flag_in_text => security_code,
                "postal_code": text => postal_code, "min_postal_code_length": whole_in_text => min_postal_code_length,
                "token_type": text => token_type, "charge_amount": text => charge_amount,
                "currency": text => currency, "language": text => language, "voice": text => voice,
                "description": text => description, "bank_account_type": text => bank_account_type,
                "say_voice": text => say_voice, "control_id": text => control_id)))
        }
        "join_conference" => {
            let set = conference(&mut args);
            let set = all!(set, args, "muted": flag => muted, "beep": text => beep,
                "start_on_enter": flag => start_on_enter, "end_on_exit": flag => end_on_exit,
                "wait_url": text => wait_url, "max_participants": whole => max_participants, "record": text => record,
                "region": text => region, "trim": text => trim, "coach": text => coach,
                "status_callback": text => status_callback, "status_callback_event": words => status_callback_event,
                "status_callback_event_type": text => status_callback_event_type,
                "status_callback_method": text => status_callback_method,
                "recording_status_callback": text => recording_status_callback,
                "recording_status_callback_event": words => recording_status_callback_event,
                "recording_status_callback_event_type": text => recording_status_callback_event_type,
                "recording_status_callback_method": text => recording_status_callback_method);
            done(call.join_conference(set))
        }
        "leave_conference" => {
            let set = LeaveConference::new(args.text("conference_id").expect("a conference"));
            done(call.leave_conference(all!(set, args)))
        }
        "join_room" => {
            let set = JoinRoom::new(args.text("name").expect("a room"));
            done(call.join_room(all!(set, args, "status_url": text => status_url)))
        }
        "leave_room" if args.is_done() => done(call.leave_room()),
        "leave_room" => done(call.leave_room_with(all!(LeaveRoom::new(), args))),
        "queue_enter" => {
            let set = QueueEnter::new(args.text("queue_name").expect("a queue"));
            done(call.queue_enter(all!(set, args, "control_id": text => control_id, "status_url": text => status_url)))
        }
        "queue_leave" => {
            let set = QueueLeave::new(args.text("queue_name").expect("a queue"));
            done(call.queue_leave(all!(set, args, "control_id": text => control_id, "queue_id": text => queue_id,
                "status_url": text => status_url)))
        }
        "transcribe" => started(call.transcribe(all!(Transcribe::new(), args, "control_id": text => control_id,
            "status_url": text => status_url))),
        "live_transcribe" => {
            let set = live_transcribing(&mut args);
            done(call.live_transcribe(all!(set, args)).map(drop))
        }
        "live_translate" => {
            let set = live_translating(&mut args);
            done(call.live_translate(all!(set, args, "status_url": text => status_url)).map(drop))
        }
        "ai" => {
            let set = agent(&mut args);
            started(call.ai(all!(set, args, "control_id": text => control_id, "agent": text => agent,
                "post_prompt_url": text => post_prompt_url, "post_prompt_auth_user": text => post_prompt_auth_user,
                "post_prompt_auth_password": text => post_prompt_auth_password, "global_data": json => global_data,
                "ai_params": json => ai_params)))
        }
        "amazon_bedrock" => {
            let set = bedrock(&mut args);
            let set = all!(set, args, "ai_params": json => ai_params, "global_data": json => global_data,
                "post_prompt_url": text => post_prompt_url);
            done(call.amazon_bedrock(set))
        }
        "ai_message" => {
            let set = reset(AiMessage::new(), &mut args);
            done(call.ai_message(all!(set, args, "message_text": text => message_text, "role": text => role,
                "global_data": json => global_data)))
        }
        "ai_hold" if args.is_done() => done(call.ai_hold()),
        "ai_hold" => done(call.ai_hold_with(all!(AiHold::new(), args, "timeout": seconds_in_text => timeout,
            "prompt": text => prompt))),
        "ai_unhold" if args.is_done() => done(call.ai_unhold()),
        "ai_unhold" => done(call.ai_unhold_with(all!(AiUnhold::new(), args, "prompt": text => prompt))),
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

/// The destinations of `dial`.
pub fn dialled(mut args: Args) -> Dial {
    let set = Dial::new(args.devices("devices").expect("devices"));
    all!(set, args, "tag": text => tag, "max_duration": whole => max_duration, "dial_timeout": seconds => limit)
}
