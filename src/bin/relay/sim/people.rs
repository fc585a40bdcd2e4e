//! The people of scripts and commands in JSON: the words of `signalwire_relay::simulator`, with a key for each verb.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use signalwire_relay::simulator::{PersonOnCall, Persona, Role, Simulator};

/// A person who calls the program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    pub from: Number,
    to: Option<Number>,
    context: Option<String>,
    #[serde(default)]
    is: CallerIs,
    gives_up_after: Option<Seconds>,
    #[serde(default)]
    does: Vec<Step>,
}

/// The kind of a caller.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CallerIs {
    #[default]
    Person,
    Silent,
    Fax,
}

/// A person whom the program may call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callee {
    number: Number,
    when_called: Option<WhenCalled>,
    is: Option<CalleeIs>,
    #[serde(default)]
    does: Vec<Step>,
}

/// The behaviour of a callee when the program calls.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhenCalled {
    Answers,
    AnswersAfter(Seconds),
    IsBusy,
    DoesNotAnswer,
    Rings,
    Declines,
    DoesNotExist,
}

/// The kind of a callee.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CalleeIs {
    Person,
    Silent,
    Fax,
    Machine {
        greeting: String,
        #[serde(default)]
        beep: bool,
    },
}

/// An action of a person on a call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    WhenAskedForDigits,
    WhenAskedToSpeak,
    WhenAskedToPay,
    WhenPutThrough,
    AfterTheBeep,
    AfterHearing(String),
    WhileHearing(String),
    Waits(Seconds),
    Presses(Keys),
    Says(String),
    HangsUp,
}

/// The outcome of the program's text messages to a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    to: Number,
    outcome: Outcome,
}

/// The outcome of text messages to a number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Delivers,
    /// Not delivered, for this reason.
    Undelivered(String),
    /// Rejected, for this reason.
    Fails(String),
}

/// A text message to the program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    from: Number,
    to: Number,
    body: String,
    context: Option<String>,
    /// The URLs of the message's media, for an MMS.
    #[serde(default)]
    media: Vec<String>,
}

impl Caller {
    pub fn dials(&self, simulator: &Simulator) -> PersonOnCall {
        let mut caller = simulator.caller(&*self.from.0);
        if let Some(to) = &self.to {
            caller = caller.calls(&*to.0);
        }
        if let Some(context) = &self.context {
            caller = caller.context(context);
        }
        if let Some(span) = self.gives_up_after {
            caller = caller.gives_up_after(span.0);
        }
        caller = match self.is {
            CallerIs::Person => caller,
            CallerIs::Silent => caller.is_silent(),
            CallerIs::Fax => caller.is_fax(),
        };
        act(caller, &self.does).dials()
    }
}

impl Callee {
    pub fn set(&self, simulator: &Simulator) {
        let mut callee = simulator.callee(&*self.number.0);
        callee = match self.when_called {
            None => callee,
            Some(WhenCalled::Answers) => callee.answers(),
            Some(WhenCalled::AnswersAfter(span)) => callee.answers_after(span.0),
            Some(WhenCalled::IsBusy) => callee.is_busy(),
            Some(WhenCalled::DoesNotAnswer) => callee.does_not_answer(),
            Some(WhenCalled::Rings) => callee.rings(),
            Some(WhenCalled::Declines) => callee.declines(),
            Some(WhenCalled::DoesNotExist) => callee.does_not_exist(),
        };
        callee = match &self.is {
            None => callee,
            Some(CalleeIs::Person) => callee.is_person(),
            Some(CalleeIs::Silent) => callee.is_silent(),
            Some(CalleeIs::Fax) => callee.is_fax(),
            Some(CalleeIs::Machine { greeting, beep }) => callee.is_machine(greeting, *beep),
        };
        // Steps of a callee take effect when they are added.
        drop(act(callee, &self.does));
    }
}

impl Message {
    pub fn set(&self, simulator: &Simulator) {
        let number = simulator.number(&*self.to.0);
        let _settled = match &self.outcome {
            Outcome::Delivers => number.delivers(),
            Outcome::Undelivered(reason) => number.undelivered(reason),
            Outcome::Fails(reason) => number.fails(reason),
        };
    }
}

impl Text {
    /// Sends the message. Returns its ID.
    pub fn send(&self, simulator: &Simulator) -> String {
        let context = self.context.as_deref().unwrap_or("default");
        simulator.texts_with_media(context, &self.from.0, &self.to.0, &self.body, &self.media)
    }
}

fn act<R: Role>(person: Persona<R>, steps: &[Step]) -> Persona<R> {
    steps.iter().fold(person, |person, step| match step {
        Step::WhenAskedForDigits => person.when_asked_for_digits(),
        Step::WhenAskedToSpeak => person.when_asked_to_speak(),
        Step::WhenAskedToPay => person.when_asked_to_pay(),
        Step::WhenPutThrough => person.when_put_through(),
        Step::AfterTheBeep => person.after_the_beep(),
        Step::AfterHearing(text) => person.after_hearing(text),
        Step::WhileHearing(text) => person.while_hearing(text),
        Step::Waits(span) => person.waits(span.0),
        Step::Presses(keys) => person.presses(&*keys.0),
        Step::Says(text) => person.says(text),
        Step::HangsUp => person.hangs_up(),
    })
}

/// A phone number or SIP address.
#[derive(Debug)]
pub struct Number(pub String);

/// A span of time.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

/// DTMF digits.
#[derive(Debug)]
pub struct Keys(pub String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let expected = &"a number without spaces, such as \"+15551230000\", or a SIP address";
            return Err(D::Error::invalid_value(Unexpected::Str(&text), expected));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        let span = Duration::try_from_secs_f64(seconds).ok();
        let expected = &"seconds, zero or more, such as 2 or 0.5";
        span.map(Self).ok_or_else(|| D::Error::invalid_value(Unexpected::Float(seconds), expected))
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() || text.contains(|c| !"0123456789*#ABCD".contains(c)) {
            let expected = &"keys of a phone: 0-9, *, #, A-D";
            return Err(D::Error::invalid_value(Unexpected::Str(&text), expected));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
