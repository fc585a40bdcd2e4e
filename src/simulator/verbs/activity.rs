//! The interface of a verb: an activity receives the occasions of its call, and returns steps.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::simulator::people::plan::PersonKind;
use crate::simulator::people::script::Occasion;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::wire::ids::Ids;
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, started};
use crate::simulator::wire::schema::Methods;

/// One verb: its method, its fields, and its beginning.
pub(crate) struct Verb {
    pub(crate) method: &'static str,
    /// The fields of a request, as [`Methods`] reads them.
    pub(crate) fields: &'static str,
    /// The commands to the running activity under its control ID, such as `stop`, with their fields.
    pub(crate) commands: &'static [(&'static str, &'static str)],
    /// Commands that the service does not have, although requests of these names are known.
    pub(crate) refused: &'static [(&'static str, &'static str)],
    pub(crate) begin: fn(&Params, &View<'_>, &mut Steps) -> Result<Begun, Refusal>,
    /// The last event that a request causes.
    pub(crate) last: Last,
    /// `true` if a request may hold secrets.
    pub(crate) secrets: bool,
}

impl Verb {
    /// A verb that takes no commands and holds no secrets. Its last event is that of its control ID.
    pub(crate) const fn new(
        method: &'static str,
        fields: &'static str,
        begin: fn(&Params, &View<'_>, &mut Steps) -> Result<Begun, Refusal>,
    ) -> Self {
        Self { method, fields, commands: &[], refused: &[], begin, last: Last::OfOperation, secrets: false }
    }

    /// `true` if the verb's activity runs under a control ID.
    pub(crate) fn has_control_id(&self) -> bool {
        self.fields.split(' ').any(|field| field == "control_id:s!")
    }

    /// The prefix of the verb's commands: `play` of `calling.play.stop`.
    pub(crate) fn family(&self) -> &'static str {
        self.method.strip_prefix("calling.").unwrap_or(self.method)
    }
}

/// The rule that recognizes the last event of a request.
#[derive(Clone, Copy)]
pub(crate) enum Last {
    /// The request causes no event.
    Never,
    /// The event that ends the operation with the request's control ID.
    OfOperation,
    /// An event of this type with the request's call ID and, unless there are no values, one of them under this key.
    OnCall(&'static str, &'static str, &'static [&'static str]),
    /// Like the variant above, with another ID: `by` is its name in the request or the response.
    By { by: &'static str, event: &'static str, key: &'static str, values: &'static [&'static str] },
}

/// The outcome of a request that begins an activity.
pub(crate) enum Begun {
    /// An activity runs from now on.
    Runs(Box<dyn Activity>, Params),
    /// The request is complete.
    Done(Params),
    /// The request is passed to the running activity of this family, as this command.
    Passes(&'static str, &'static str),
}

/// The turn of an activity among the others of a call that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// The activity is attached to the call: it ends first, in the order of these numbers. It is no operation.
    Attached(u8),
    /// The activity ends before the call.
    Operation,
    /// The activity's result is a file, which is complete right after the call has ended.
    File,
}

/// The reason of an activity's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The program stops the activity.
    Asked,
    /// The activity's call ends, or is handed over.
    CallEnded,
}

/// The party that is heard on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The person of the call.
    Remote,
    /// The person to whom the call is connected.
    Local,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote-caller",
            Self::Local => "local-caller",
        }
    }
}

/// An activity on a call. It never uses the call, the service or the clock: its input is handed in, and its decisions
/// are handed back.
pub(crate) trait Activity: Send {
    /// The family: `play` of `calling.play.stop`.
    fn family(&self) -> &'static str;

    fn turn(&self) -> Turn {
        Turn::Operation
    }

    /// `true` if a command of this name is for the activity.
    fn takes(&self, family: &str, _command: &str) -> bool {
        family == self.family()
    }

    /// Handles a request for the activity.
    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        by_default(self, command, params, call, out)
    }

    /// Handles an alarm of the activity.
    fn alarm(&mut self, _name: &'static str, _nth: u64, _call: &View<'_>, _out: &mut Steps) {}

    /// Handles a digit that the person presses.
    fn key(&mut self, _key: char, _call: &View<'_>, _out: &mut Steps) {}

    /// Notes that the person begins to speak.
    fn speech_begins(&mut self, _said: &str, _call: &View<'_>, _out: &mut Steps) {}

    /// Notes that the person stops speaking.
    fn speech_ends(&mut self, _said: &str, _clearly: bool, _call: &View<'_>, _out: &mut Steps) {}

    /// Handles words that were said on the call, by any party.
    fn overhears(&mut self, _who: Role, _said: &str, _call: &View<'_>, _out: &mut Steps) {}

    /// The number that distinguishes this occasion from earlier ones of the same activity, while there is an occasion.
    fn occasion(&self, _which: Occasion) -> Option<u64> {
        None
    }

    /// Ends the activity. An activity that ends by itself calls [`Steps::end`] or [`Steps::gone`] instead.
    fn ends(&mut self, why: Ends, call: &View<'_>, out: &mut Steps);
}

/// The only command of most activities.
pub(crate) fn by_default<A: Activity + ?Sized>(
    activity: &mut A,
    command: &str,
    params: &Params,
    call: &View<'_>,
    out: &mut Steps,
) -> Reply {
    if command != "stop" {
        return refuse(-32601, "Method not found");
    }
    activity.ends(Ends::Asked, call, out);
    Ok(started("Stopping", call.call_id, params))
}

/// The state of a call that its verbs can read at one moment.
pub(crate) struct View<'a> {
    pub(crate) now: Instant,
    /// Seconds since 1970.
    pub(crate) unix: f64,
    /// Simulated seconds per real second.
    pub(crate) speed: f64,
    pub(crate) call_id: &'a str,
    pub(crate) node_id: &'a str,
    pub(crate) has_tag: bool,
    pub(crate) inbound: bool,
    /// The number or address of the program.
    pub(crate) own_address: &'a str,
    /// The number or address of the person.
    pub(crate) person: &'a str,
    pub(crate) kind: &'a PersonKind,
    /// Remaining time of a machine's greeting, in simulated seconds.
    pub(crate) greeting_left: f64,
    /// The words that the person is saying.
    pub(crate) speaking: Option<&'a str>,
    /// The last digits that the person pressed.
    pub(crate) pressed: &'a str,
    /// The families of the activities on the call.
    pub(crate) running: Vec<&'static str>,
    pub(crate) project: &'a str,
    pub(crate) script: &'a AgentScript,
    pub(crate) methods: &'a Methods,
    pub(crate) allow_unknown_fields: bool,
    pub(crate) ids: &'a Ids,
}

impl View<'_> {
    /// `true` if an activity of one of these families runs on the call.
    pub(crate) fn runs(&self, families: &[&str]) -> bool {
        self.running.iter().any(|family| families.contains(family))
    }

    /// Simulated seconds since a moment.
    pub(crate) fn seconds_since(&self, moment: Instant) -> f64 {
        self.now.saturating_duration_since(moment).as_secs_f64() * self.speed
    }

    /// Epoch microseconds, as agents and queues carry them.
    pub(crate) fn micros(&self) -> u64 {
        // A date in this millennium fits with room to spare, and fractions are not wanted.
        (self.unix * 1_000_000.0) as u64
    }
}

/// The sentences of a simulator's AI agents.
#[derive(Clone, Default)]
pub(crate) struct AgentScript {
    /// The input that gets an answer, in lower case, and the answer.
    pub(crate) answers: Vec<(String, String)>,
    pub(crate) summary: Option<Map<String, Value>>,
}

/// One decision of an activity.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// An event with the activity's control ID.
    Emit(&'static str, Value),
    /// An event without the control ID.
    Announce(&'static str, Value),
    /// The activity has ended, with its last event, which carries its control ID.
    End(Option<(&'static str, Value)>),
    /// An alarm after this number of simulated seconds; setting it again replaces the earlier one.
    Alarm(&'static str, u64, f64),
    Disarm(&'static str, u64),
    /// An interaction of the program with the person, with these words.
    Did(InteractionKind, String, Duration),
    /// A line of the transcript.
    Tell(String),
    /// A party begins to hear a text.
    Hears(Role, String),
    /// A text has been heard to its end.
    HeardOut(Role, Option<String>),
    HearsDigits(String),
    /// The person may continue the script.
    GoesOn,
    /// A machine begins its greeting, unless it has begun.
    Greets,
    /// The person has received a document.
    Faxed(String),
    /// A violation by the program.
    Violation(String),
    /// A method is run as if the program had sent it.
    Run(String, Params),
}

/// The decisions of an activity, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    pub(crate) fn emit(&mut self, event: &'static str, more: Value) {
        self.0.push(Step::Emit(event, more));
    }

    pub(crate) fn announce(&mut self, event: &'static str, more: Value) {
        self.0.push(Step::Announce(event, more));
    }

    pub(crate) fn end(&mut self, event: &'static str, more: Value) {
        self.0.push(Step::End(Some((event, more))));
    }

    /// The activity has ended without an event of its own.
    pub(crate) fn gone(&mut self) {
        self.0.push(Step::End(None));
    }

    pub(crate) fn alarm(&mut self, name: &'static str, seconds: f64) {
        self.nth_alarm(name, 0, seconds);
    }

    /// One of several alarms of a name.
    pub(crate) fn nth_alarm(&mut self, name: &'static str, nth: u64, seconds: f64) {
        self.0.push(Step::Alarm(name, nth, seconds));
    }

    pub(crate) fn disarm(&mut self, name: &'static str) {
        self.0.push(Step::Disarm(name, 0));
    }

    pub(crate) fn did(&mut self, kind: InteractionKind, words: impl Into<String>) {
        self.did_for(kind, words, Duration::ZERO);
    }

    pub(crate) fn did_for(&mut self, kind: InteractionKind, words: impl Into<String>, lasted: Duration) {
        self.0.push(Step::Did(kind, words.into(), lasted));
    }

    pub(crate) fn tell(&mut self, line: String) {
        self.0.push(Step::Tell(line));
    }

    pub(crate) fn hears(&mut self, who: Role, text: impl Into<String>) {
        self.0.push(Step::Hears(who, text.into()));
    }

    pub(crate) fn heard_out(&mut self, who: Role, text: Option<String>) {
        self.0.push(Step::HeardOut(who, text));
    }

    pub(crate) fn hears_digits(&mut self, digits: String) {
        self.0.push(Step::HearsDigits(digits));
    }

    pub(crate) fn goes_on(&mut self) {
        self.0.push(Step::GoesOn);
    }

    pub(crate) fn greets(&mut self) {
        self.0.push(Step::Greets);
    }

    pub(crate) fn faxed(&mut self, document: String) {
        self.0.push(Step::Faxed(document));
    }

    pub(crate) fn violation(&mut self, what: String) {
        self.0.push(Step::Violation(what));
    }

    pub(crate) fn run(&mut self, method: String, params: Params) {
        self.0.push(Step::Run(method, params));
    }
}

impl IntoIterator for Steps {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
