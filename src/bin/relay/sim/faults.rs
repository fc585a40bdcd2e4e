//! Failures on demand: injected faults, and methods of `Simulator` with an immediate effect.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use signalwire_relay::simulator::{self, Simulator};

/// One object with the key `fault`, as on the page of the module, or a method of `Simulator` by its name.
#[derive(Debug)]
pub enum Fault {
    Injected(simulator::Fault),
    Done(Command),
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        if value.get("fault").is_some() {
            return simulator::Fault::from_json(&value).map(Self::Injected).map_err(D::Error::custom);
        }
        serde_json::from_value(value).map(Self::Done).map_err(|error| {
            D::Error::custom(format!(
                "{error}; or an object with `fault`, one of {}",
                simulator::Fault::names().join(", ")
            ))
        })
    }
}

impl Fault {
    /// Injects the fault, or calls the method.
    pub fn inject(&self, simulator: &Simulator) -> Result<(), String> {
        match self {
            Self::Injected(fault) => {
                // The fault stays for its own duration.
                let _stays = simulator.inject(fault.clone());
                Ok(())
            }
            Self::Done(command) => command.inject(simulator),
        }
    }
}

/// A command about faults and the connection.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    // Injected faults.
    RemoveFaults,

    // The connection.
    DropLink,
    DropLinkAfterRequest(String),
    DropLinkBeforeRequest(String),
    StopListening,
    ListenAgain,
    FreezeLink(bool),
    IgnorePings(bool),

    // Sessions.
    ForgetSessions,
    RefuseCredentials(usize),
    RefuseAllCredentials,
    AcceptCredentials,
    AskToReconnect { restart: bool },

    // Responses.
    RefuseNext { method: String, code: i64, message: String },
    RefuseAlways { method: String, code: i64, message: String },
    StopRefusing(String),
    HoldReplies(String),
    ReleaseReplies(String),
    NeverAnswer(String),
    AnswerAgain(String),
    EventsBeforeReply(String),

    // Events.
    EndCallsAbruptly(bool),
    FinishRecordingsBeforeEnded(bool),
    PushEvent { event_type: String, params: Value },
    PushRaw(String),
    PushBinary(Vec<u8>),
    ResendLastEvent(String),
    RedeliverLastEvent(String),
}

impl Command {
    /// The method that the fault is about.
    fn method(&self) -> Option<&str> {
        match self {
            Self::RefuseNext { method, .. } | Self::RefuseAlways { method, .. } => Some(method),
            Self::DropLinkAfterRequest(method)
            | Self::DropLinkBeforeRequest(method)
            | Self::StopRefusing(method)
            | Self::HoldReplies(method)
            | Self::ReleaseReplies(method)
            | Self::NeverAnswer(method)
            | Self::AnswerAgain(method)
            | Self::EventsBeforeReply(method) => Some(method),
            _ => None,
        }
    }

    fn inject(&self, simulator: &Simulator) -> Result<(), String> {
        if let Some(method) = self.method().filter(|method| !simulator.knows_method(method)) {
            return Err(format!("{method:?} is no method; expected one of the service's, such as \"calling.play\""));
        }
        match self {
            Self::RemoveFaults => simulator.remove_faults(),
            Self::DropLink => simulator.drop_link(),
            Self::DropLinkAfterRequest(method) => simulator.drop_link_after_request(method),
            Self::DropLinkBeforeRequest(method) => simulator.drop_link_before_request(method),
            Self::StopListening => simulator.stop_listening(),
            Self::ListenAgain => return simulator.listen_again().map_err(|error| error.to_string()),
            Self::FreezeLink(frozen) => simulator.freeze_link(*frozen),
            Self::IgnorePings(ignore) => simulator.ignore_pings(*ignore),
            Self::ForgetSessions => simulator.forget_sessions(),
            Self::RefuseCredentials(times) => simulator.refuse_credentials(*times),
            Self::RefuseAllCredentials => simulator.refuse_all_credentials(),
            Self::AcceptCredentials => simulator.accept_credentials(),
            Self::AskToReconnect { restart } => simulator.ask_to_reconnect(*restart),
            Self::RefuseNext { method, code, message } => simulator.refuse_next(method, *code, message),
            Self::RefuseAlways { method, code, message } => simulator.refuse_always(method, *code, message),
            Self::StopRefusing(method) => simulator.stop_refusing(method),
            Self::HoldReplies(method) => simulator.hold_replies(method),
            Self::ReleaseReplies(method) => simulator.release_replies(method),
            Self::NeverAnswer(method) => simulator.never_answer(method),
            Self::AnswerAgain(method) => simulator.answer_again(method),
            Self::EventsBeforeReply(method) => simulator.events_before_reply(method),
            Self::EndCallsAbruptly(abruptly) => simulator.end_calls_abruptly(*abruptly),
            Self::FinishRecordingsBeforeEnded(before) => simulator.finish_recordings_before_ended(*before),
            Self::PushEvent { event_type, params } => simulator.push_event(event_type, params.clone()),
            Self::PushRaw(text) => simulator.push_raw(text),
            Self::PushBinary(bytes) => simulator.push_binary(bytes),
            Self::ResendLastEvent(event_type) => return sent(simulator.resend_last_event(event_type), event_type),
            Self::RedeliverLastEvent(event_type) => {
                return sent(simulator.redeliver_last_event(event_type), event_type);
            }
        }
        Ok(())
    }
}

fn sent(was_there: bool, event_type: &str) -> Result<(), String> {
    if was_there { Ok(()) } else { Err(format!("no event of the type {event_type:?} has been sent yet")) }
}
