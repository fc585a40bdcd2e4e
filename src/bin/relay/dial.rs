//! `relay dial`: calls a number and speaks.

use std::time::Duration;

use clap::Args;
use signalwire_relay::devices::Devices;
use signalwire_relay::media::Playlist;
use signalwire_relay::states::EndSource;
use signalwire_relay::{
    Call, CallState, Client, Dial, Dialing, EndReason, Error, ErrorKind, Leg, audio, phone, sip, tts,
};

use crate::Outcome;
use crate::say::{BAD, BOLD, GOOD, Progress, line, styled, tame};
use crate::signals;
use crate::target::Target;

const EXIT: &str = "Exit status: 0 if the call was answered and everything was played; 3 busy; 4 no answer; 5 declined; \
    6 if the dial failed for another reason; 7 if the callee hung up first, unless --stay was given; 130 if a signal ended it; 1 for any other failure.\n\n\
    Credentials come from the environment. `relay sim` prints variables that lead to a simulator.";

/// Longest time until the end of a hung-up call is reported.
const LAST_EVENT: Duration = Duration::from_secs(30);

/// Calls a number, and speaks to the callee who answers
///
/// The call is hung up after everything was played.
#[derive(Args, Debug)]
#[command(after_long_help = EXIT)]
pub struct Flags {
    #[command(flatten)]
    target: Target,

    /// Number to call, such as +15552222222, or a SIP address that begins with sip:
    #[arg(value_name = "NUMBER")]
    to: String,

    /// Number to call from: one of the project's
    #[arg(long, value_name = "NUMBER", env = "SIGNALWIRE_FROM_NUMBER")]
    from: String,

    /// Text that is spoken after the answer; may be given several times
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,

    /// URL of an audio file that is played after the spoken texts; may be given several times
    #[arg(long, value_name = "URL")]
    play: Vec<String>,

    /// Longest ringing time in seconds
    #[arg(long, value_name = "SECONDS", value_parser = crate::sim::life, allow_negative_numbers = true, default_value = "30")]
    ring: Duration,

    /// Stays on the line until the callee hangs up or a signal arrives
    #[arg(long)]
    stay: bool,
}

pub fn run(flags: &Flags) -> Outcome {
    let client = flags.target.connect(flags.target.builder())?;
    let (to, from) = (&flags.to, &flags.from);
    let device: Devices = match to.starts_with("sip:") || to.starts_with("sips:") {
        true => sip(to).from(from).timeout(flags.ring).into(),
        false => phone(to).from(from).timeout(flags.ring).into(),
    };
    let outcome = call(flags, &client, Dial::from(device));
    client.disconnect();
    match outcome {
        Err(_) | Ok(_) if signals::came() => {
            line(styled(BAD, "ended by a signal"));
            Ok(130)
        }
        Ok(code) => Ok(code),
        Err(error) if error.kind() == ErrorKind::DialFailed => {
            line(styled(BAD, tame(&error.to_string())));
            Ok(status(&error))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn status(error: &Error) -> u8 {
    match error.end_reason() {
        Some(EndReason::Busy) => 3,
        Some(EndReason::NoAnswer) => 4,
        Some(EndReason::Decline) => 5,
        None if error.is_timeout() => 4,
        _ => 6,
    }
}

fn call(flags: &Flags, client: &Client, dial: Dial) -> Result<u8, Error> {
    let dialing = client.start_dial(dial)?;
    line(format_args!("calling {} from {}", tame(&flags.to), tame(&flags.from)));
    let call = answered(&dialing)?;
    let media: Vec<Playlist> =
        flags.say.iter().map(|text| tts(text).into()).chain(flags.play.iter().map(|url| audio(url).into())).collect();
    let is_played = match media.into_iter().reduce(Playlist::then) {
        None => true,
        Some(media) => play(&call, media)?,
    };
    let end = if flags.stay && is_played {
        line("the call goes on until the callee hangs up, or Ctrl-C");
        call.wait_for_ended(None)?
    } else {
        call.hangup()?;
        call.wait_for_ended(LAST_EVENT)?
    };
    let why = end.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let lasted = end.duration.map(|lasted| format!(" after {lasted:.1?}")).unwrap_or_default();
    line(format_args!("ended{lasted}{why}"));
    // A playback succeeds if its call ends, so only the end of the call shows which side hung up first.
    let was_left = !is_played || (!flags.stay && end.source == Some(EndSource::Inbound));
    Ok(if was_left { 7 } else { 0 })
}

/// Shows the steps of the legs until one is answered.
fn answered(dialing: &Dialing) -> Result<Call, Error> {
    let (mut steps, progress) = (dialing.progress(), Progress::new());
    let mut rings: Option<Leg> = None;
    let mut seconds = 0_u32;
    loop {
        if let Some(leg) = steps.next_within(Duration::from_secs(1)) {
            progress.clear();
            let to = if leg.to.is_empty() { &leg.call_id } else { &leg.to };
            match &leg.end_reason {
                Some(reason) => line(format_args!("{}: {}: {reason}", tame(to), leg.state)),
                None => line(format_args!("{}: {}", tame(to), leg.state)),
            };
            rings = (leg.state == CallState::Ringing).then_some(leg);
            seconds = 0;
            continue;
        }
        match dialing.wait(Duration::ZERO) {
            Err(error) if error.kind() == ErrorKind::Timeout => {
                seconds += 1;
                let what = if rings.is_some() { "rings" } else { "is called" };
                progress.show(format_args!("{what}, {seconds} s (Ctrl-C gives up)"));
            }
            outcome => return outcome,
        }
    }
}

/// Plays, and shows how the playback ended. Returns `false` if the call ended before.
fn play(call: &Call, media: Playlist) -> Result<bool, Error> {
    let progress = Progress::new();
    let playing = call.play(media)?;
    let mut seconds = 0_u32;
    loop {
        match playing.wait(Duration::from_secs(1)) {
            Err(error) if error.kind() == ErrorKind::Timeout => {
                seconds += 1;
                progress.show(format_args!("speaks, {seconds} s"));
            }
            Err(error) if error.is_call_gone() => {
                progress.clear();
                line(styled(BAD, "the call ended before everything was played"));
                return Ok(false);
            }
            outcome => {
                outcome?;
                progress.clear();
                line(format_args!("{} {}", styled(GOOD, "✓"), styled(BOLD, "played")));
                return Ok(true);
            }
        }
    }
}
