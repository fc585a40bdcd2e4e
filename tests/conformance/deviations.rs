//! The rows from which the client deviates deliberately, each with the rule that gives the reason.
//!
//! A test compares strictly first. Each difference must be allowed by a [`Rule`], which applies to all rows and uses
//! no names; and the rows that need a rule must be exactly those that are listed here. So no row can become a
//! deviation, or cease to be one, unnoticed. Parts that a row itself leaves free (`free`, `odd`, `free_from_step`) are
//! no deviations and not listed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::name;

/// The result of checking a row: the rules that allow its differences, or the first difference that none allows.
pub type Verdict = Result<BTreeSet<Rule>, String>;

/// The reason of a row's deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The event leaves out a value that its type implies: an inbound call or message is inbound, the call is created
    /// and the message received, and states of messages are those of outbound ones. The reference gives "".
    KnownByType,
    /// A `null` in the `record` of a recording counts as absent, and what stands beside `record` is taken. The
    /// reference gives `None` for a URL that is in the event.
    BesideRecord,
    /// A call without an id is not offered: no request could ever reach it.
    NoCallWithoutId,
    /// A pong carries the `timestamp` of its ping back, and its `payload`.
    PongEchoes,
    /// `"id": null` is no id, so that there is nothing to acknowledge.
    NullIsNoId,
    /// A callback on an operation that had ended when it was attached is called, like any other. The reference calls
    /// none for an operation that was started on an ended call.
    CallbackOfWhatIsOver,
    /// A message that the service accepted without an ID ends with an error. The reference waits indefinitely.
    NoMessageWithoutId,
    /// The call that a dial returns is answered, also where the call's own event that says so is still to come.
    AnsweredIsAnswered,
    /// The end of `send_digits` is reported by events, so that it returns an action, and as the others that do it sends
    /// nothing on a call that has ended. The reference has no action for it and sends.
    DigitsAreAnAction,
    /// Contexts that were added later are repeated on the next connection. The reference forgets them.
    ContextsAreRepeated,
    /// The states of a message report its number of segments. The reference keeps the old number, 0.
    SegmentsAreTold,
}

/// Rows that are listed, by file.
pub type List = &'static [(&'static str, Rule)];

pub const EVENTS: List = &[
    ("event.receive.minimal", Rule::KnownByType),
    ("event.receive.missing.call_state", Rule::KnownByType),
    ("event.receive.wrong.direction.empty_string", Rule::KnownByType),
    ("event.receive.more.2", Rule::KnownByType),
    ("event.record.more.5", Rule::BesideRecord),
    ("event.messaging.receive.minimal", Rule::KnownByType),
    ("event.messaging.receive.missing.message_state", Rule::KnownByType),
    ("event.messaging.receive.more.1", Rule::KnownByType),
    ("event.messaging.state.minimal", Rule::KnownByType),
    ("event.messaging.state.more.2", Rule::KnownByType),
    ("event.messaging.state.more.3", Rule::KnownByType),
    ("event.messaging.state.more.4", Rule::KnownByType),
];

pub const REQUESTS: List =
    &[("call.answer.empty_ids", Rule::NoCallWithoutId), ("call.send_digits.after_ended", Rule::DigitsAreAnAction)];

pub const REPLIES: List = &[("reply.event_id_null", Rule::NullIsNoId), ("reply.ping_timestamp", Rule::PongEchoes)];

pub const ACTIONS: List = &[
    ("action.prompt.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.collect.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.tap.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.stream.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.pay.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.transcribe.call_already_ended", Rule::CallbackOfWhatIsOver),
    ("action.ai.call_already_ended", Rule::CallbackOfWhatIsOver),
];

pub const MESSAGES: List =
    &[("message.extra_fields", Rule::SegmentsAreTold), ("message.no_message_id", Rule::NoMessageWithoutId)];

pub const DIALS: List = &[("dial.answered_state_after_dial_event", Rule::AnsweredIsAnswered)];

/// The findings of one test.
#[derive(Default)]
pub struct Seen {
    allowed: BTreeSet<(String, Rule)>,
    failed: Vec<String>,
}

impl Seen {
    /// Takes what the check of a row gave.
    pub fn take(&mut self, row: &Value, verdict: Verdict) {
        match verdict {
            Ok(rules) => self.allowed.extend(rules.into_iter().map(|rule| (name(row).to_owned(), rule))),
            Err(why) => self.failed.push(format!("{}: {why}", name(row))),
        }
    }

    /// Ends a test that saw every row of a file.
    pub fn done(self, listed: List) {
        let listed: BTreeSet<_> = listed.iter().map(|(name, rule)| ((*name).to_owned(), *rule)).collect();
        let unlisted: Vec<_> = self.allowed.difference(&listed).collect();
        let needless: Vec<_> = listed.difference(&self.allowed).collect();
        assert!(self.failed.is_empty(), "{} differences:\n{}", self.failed.len(), self.failed.join("\n"));
        assert!(unlisted.is_empty(), "answered otherwise than recorded, and not listed: {unlisted:#?}");
        assert!(needless.is_empty(), "listed, and answered as recorded: {needless:#?}");
    }

    /// Ends a test that saw some of the rows of a file.
    pub fn done_of(self, listed: List) {
        let needed = |(name, rule): &&(&str, Rule)| self.allowed.contains(&((*name).to_owned(), *rule));
        let some: Vec<(&'static str, Rule)> = listed.iter().filter(needed).copied().collect();
        self.done(Box::leak(some.into_boxed_slice()));
    }
}

/// The rules that are listed for a row.
pub fn listed(list: List, row: &Value) -> BTreeSet<Rule> {
    list.iter().filter(|(listed, _)| *listed == name(row)).map(|(_, rule)| *rule).collect()
}
