//! `relay text`: sends a text message and waits for its final state.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use clap::Args;
use signalwire_relay::{Client, ErrorKind, MessageState, sms};

use crate::Outcome;
use crate::say::{BAD, GOOD, ODD, Progress, line, styled, tame};
use crate::signals;
use crate::target::Target;

const EXIT: &str = "Exit status: 0 delivered; 3 undelivered; 4 failed; 5 if neither was reported within the limit, which \
    does not stop the message; 130 if a signal ended the wait; 1 for any other failure, whose message says whether the \
    message may have been sent.\n\n\
    Credentials come from the environment. `relay sim` prints variables that lead to a simulator.";

/// Sends a text message (SMS or MMS), and waits until it is delivered
#[derive(Args, Debug)]
#[command(after_long_help = EXIT)]
pub struct Flags {
    #[command(flatten)]
    target: Target,

    /// Number to send it to, such as +15552222222
    #[arg(value_name = "NUMBER")]
    to: String,

    /// Text of the message; empty for one that only has media
    #[arg(value_name = "TEXT")]
    body: String,

    /// Number to send it from: one of the project's
    #[arg(long, value_name = "NUMBER", env = "SIGNALWIRE_FROM_NUMBER")]
    from: String,

    /// URL of a picture or another file to send along; may be given several times
    #[arg(long, value_name = "URL")]
    media: Vec<String>,

    /// Longest time to wait for the carrier's report, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = crate::sim::life, allow_negative_numbers = true, default_value = "60")]
    timeout: Duration,
}

pub fn run(flags: &Flags) -> Outcome {
    let client = flags.target.connect(flags.target.builder())?;
    let outcome = send(flags, &client);
    client.disconnect();
    outcome
}

fn send(flags: &Flags, client: &Client) -> Outcome {
    let message = sms(&flags.to).from(&flags.from).body(&flags.body).media(&flags.media);
    let message = client.send_message(message).map_err(|error| error.to_string())?;
    line(format_args!("sent as {}", tame(&message.id())));
    let (tell, states) = channel();
    message.on(move |state| drop(tell.send(state.state.clone())));
    let (progress, began) = (Progress::new(), Instant::now());
    let mut shown = None;
    let mut show = |state: MessageState| {
        if shown.as_ref() != Some(&state) {
            progress.clear();
            line(&state);
            shown = Some(state);
        }
    };
    show(message.state());
    let outcome = loop {
        let left = flags.timeout.saturating_sub(began.elapsed());
        let outcome = message.wait(left.min(Duration::from_secs(1)));
        states.try_iter().filter(|state| !is_last(state)).for_each(&mut show);
        match outcome {
            Err(error) if error.kind() == ErrorKind::Timeout && !left.is_zero() => {
                progress.show(format_args!("waiting for the carrier, {:.0} s", began.elapsed().as_secs_f64()));
            }
            outcome => break outcome,
        }
    };
    progress.clear();
    match outcome {
        Ok(last) if last.state == MessageState::Delivered => {
            line(styled(GOOD, "delivered"));
            Ok(0)
        }
        Ok(last) => {
            let why = message.failure().map_or_else(|| last.state.to_string(), |failure| failure.to_string());
            line(styled(BAD, tame(&why)));
            Ok(if last.state == MessageState::Undelivered { 3 } else { 4 })
        }
        Err(error) if error.kind() == ErrorKind::Timeout => {
            let limit = flags.timeout;
            line(styled(ODD, format_args!("no report within {limit:?}: the message may still be delivered")));
            Ok(5)
        }
        Err(_) if signals::came() => {
            line(styled(ODD, "ended by a signal: the message may still be delivered"));
            Ok(130)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn is_last(state: &MessageState) -> bool {
    matches!(state, MessageState::Delivered | MessageState::Undelivered | MessageState::Failed)
}
