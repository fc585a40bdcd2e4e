//! `relay listen`: answers calls, and shows their events.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::events::CollectResult;
use signalwire_relay::{Call, Client, Collect, Event, HandlerResult, LinkState, WeakClient, tts};

use crate::Outcome;
use crate::say::{BOLD, FAINT, ODD, line, styled, tame};
use crate::target::Target;

const GREETING: &str = "This is relay listen. Your call has arrived.";

/// Longest time for showing the last events of a call.
const LAST_EVENTS: Duration = Duration::from_secs(10);

const NOTES: &str = "The command is one more client that the service offers calls to: in a project with other clients, give \
    a context of its own. Ctrl-C hangs up live calls and ends it.\n\n\
    Exit status: 0 after Ctrl-C or --once; 1 if the connection could not be made, or the credentials are refused.\n\n\
    Credentials come from the environment. `relay sim` prints variables that lead to a simulator.";

/// Answers inbound calls, receives text messages, and shows their events
///
/// Each caller hears a text. Then digits and speech are shown until the caller hangs up.
#[derive(Args, Debug)]
#[command(after_long_help = NOTES)]
pub struct Flags {
    #[command(flatten)]
    target: Target,

    /// Context to receive calls and messages of; may be given several times
    #[arg(long, value_name = "CONTEXT", default_value = "default")]
    context: Vec<String>,

    /// Text that is spoken to each caller
    #[arg(long, value_name = "TEXT", default_value = GREETING)]
    say: String,

    /// Hangs up after the text, instead of listening to the caller
    #[arg(long)]
    hang_up: bool,

    /// Passes calls back to routing, unanswered
    #[arg(long, conflicts_with_all = ["say", "hang_up"])]
    pass: bool,

    /// Ends after the first call or text message
    #[arg(long)]
    once: bool,

    /// Prints every event as a JSON object, one per line
    #[arg(long)]
    json: bool,
}

/// The state of the handlers.
struct Desk {
    say: String,
    hang_up: bool,
    pass: bool,
    once: bool,
    json: bool,
}

pub fn run(flags: &Flags) -> Outcome {
    let Flags { target, context, say, hang_up, pass, once, json } = flags;
    let desk = Arc::new(Desk { say: say.clone(), hang_up: *hang_up, pass: *pass, once: *once, json: *json });
    let builder = target.builder().contexts(context).drain_limit(Duration::ZERO);
    let states = Arc::clone(&desk);
    let builder = builder.on_handler_failure(HandlerFailure::EndCall).on_state(move |state| states.state(state));
    let client = builder.connect().map_err(|error| format!("{error}\n(`relay doctor` checks each step)"))?;
    let of_calls = Arc::clone(&desk);
    client.on_call(move |call| {
        let handled = of_calls.call(&call);
        of_calls.done(call.client().ok().as_ref());
        handled
    });
    let (of_messages, weak) = (Arc::clone(&desk), client.downgrade());
    client.on_message(move |message| {
        let (from, to, body, media) = (message.from_number(), message.to_number(), message.body(), message.media());
        let is_heard = if of_messages.json {
            line(json!({"message": {"id": message.id(), "from": from, "to": to, "body": body, "media": media}}))
        } else {
            let media: String = media.iter().map(|url| format!(" [{url}]")).collect();
            line(format_args!(
                "{} {} → {}: {}{}",
                styled(BOLD, "text"),
                tame(&from),
                tame(&to),
                tame(&body),
                tame(&media)
            ))
        };
        let client = weak.upgrade();
        if !is_heard {
            leave(client.as_ref());
        }
        of_messages.done(client.as_ref());
        Ok(())
    });
    if !flags.json {
        let contexts = context.join(", ");
        line(format_args!("listening to {}; Ctrl-C ends it", styled(BOLD, tame(&contexts))));
    }
    client.run().map_err(|error| error.to_string())?;
    Ok(0)
}

/// Ends the program from a handler.
fn leave(client: Option<&Client>) {
    if let Some(client) = client {
        client.disconnect();
    }
}

impl Desk {
    fn done(&self, client: Option<&Client>) {
        if let (true, Some(client)) = (self.once, client) {
            // The last events of the call are shown before.
            client.shutdown(LAST_EVENTS);
        }
    }

    fn state(&self, state: &LinkState) {
        if self.json {
            return;
        }
        match state {
            LinkState::Online { resumed: true } => line(styled(FAINT, "connected again, with the session of before")),
            LinkState::Online { .. } => line(styled(FAINT, "connected")),
            LinkState::Reconnecting { next, cause, .. } => {
                line(styled(ODD, format_args!("{}; connecting again in {next:.1?}", tame(&cause.to_string()))))
            }
            _ => true,
        };
    }

    /// Shows a line about a call. Ends the program if stdout is closed.
    fn show(&self, call: &Call, text: &str) {
        if self.json {
            return;
        }
        if !line(format_args!("{} {}", styled(BOLD, tame(&call.from_number())), tame(text))) {
            leave(call.client().ok().as_ref());
        }
    }

    fn call(&self, call: &Call) -> HandlerResult {
        self.show(call, &format!("calls {} in context {} (call {})", call.to_number(), call.context(), call.id()));
        if self.json {
            let described =
                json!({"id": call.id(), "from": call.from_number(), "to": call.to_number(), "context": call.context()});
            line(json!({"call": described}));
        }
        let events = self.json;
        let client = call.client().ok().map(|client| client.downgrade());
        call.on_any(move |event| {
            if !shown(event, events) {
                leave(client.as_ref().and_then(WeakClient::upgrade).as_ref());
            }
        });
        if self.pass {
            call.pass()?;
            self.show(call, "is passed back to routing");
            return Ok(());
        }
        call.answer()?;
        if !self.hang_up {
            // The collect starts before the text, so that no digit is lost. Its results are shown as events.
            let ask = Collect::digits(1).or_speech().continuous(true).initial_timeout(Duration::from_secs(60 * 60));
            let _goes_on = call.collect(ask)?;
        }
        call.play(tts(&self.say))?.wait(None)?;
        if self.hang_up {
            call.hangup()?;
        }
        let end = call.wait_for_ended(None)?;
        let why = end.reason.map(|reason| reason.to_string()).unwrap_or_default();
        let lasted = end.duration.map(|lasted| format!(" after {lasted:.1?}")).unwrap_or_default();
        self.show(call, &format!("ended{lasted}: {why}"));
        Ok(())
    }
}

/// Shows an event. Returns `false` if stdout is closed.
fn shown(event: &Event, as_json: bool) -> bool {
    let raw = event.raw();
    // The event of a payment may contain card data.
    let payload = if matches!(event, Event::Pay(_)) { Value::Null } else { raw.value() };
    if as_json {
        return line(
            json!({"event": raw.name().to_string(), "call_id": raw.call_id(), "at": raw.timestamp(), "params": payload}),
        );
    }
    let state = ["call_state", "state", "connect_state"].iter().find_map(|key| payload[*key].as_str());
    let is_heard = line(styled(FAINT, format_args!("    {} {}", raw.name(), tame(state.unwrap_or_default()))));
    let Event::Collect(collect) = event else { return is_heard };
    match &collect.result {
        CollectResult::Digits { digits, .. } => line(format_args!("{} {}", styled(BOLD, "pressed"), tame(digits))),
        CollectResult::Speech { text, .. } => line(format_args!("{} {}", styled(BOLD, "said"), tame(text))),
        _ => is_heard,
    }
}
