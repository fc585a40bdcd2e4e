//! The orders of the page: the commands of stdin, and a few of its own.

use serde::Deserialize;
use serde_json::{Value, json};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::simulator::interactions::{self, Matcher};

/// Default greeting of an answering machine.
const GREETING: &str = "You have reached an answering machine. Please leave a message after the tone.";

/// Longest number or address that is accepted.
const LONGEST: usize = 200;

/// A command from the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Adds a phone to the page, or changes how it handles calls of the program.
    Phone(Phone),
    RemovePhone {
        number: String,
    },
    /// Adds an expectation to the log.
    Expect(Expected),
    ForgetExpectations {},
    /// Injects a fault that can be removed by itself.
    Fault(Value),
    /// Removes a fault by its number.
    Mend {
        id: u64,
    },
    MendAll {},
    /// A command of `relay sim`.
    #[serde(skip)]
    Command,
}

/// The names of the page's own orders.
const OWN: [&str; 7] = ["phone", "remove_phone", "expect", "forget_expectations", "fault", "mend", "mend_all"];

/// Reads an order. An unknown name is left to the commands of `relay sim`.
pub fn parse(line: &str) -> Result<Order, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let name = value.as_object().filter(|order| order.len() == 1).and_then(|order| order.keys().next());
    let Some(name) = name else {
        return Err("expected one JSON object with one key, such as {\"hang_up\": {\"who\": \"+15551230000\"}}".into());
    };
    if !OWN.contains(&name.as_str()) {
        return Ok(Order::Command);
    }
    let order: Order = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if let Order::Phone(phone) = &order {
        if phone.number.is_empty() || phone.number.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("expected a number without spaces, such as \"+15551230000\", or a SIP address".into());
        }
        if phone.number.len() > LONGEST {
            return Err(format!("a number has at most {LONGEST} characters"));
        }
    }
    Ok(order)
}

/// A phone on the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    number: String,
    when_called: Option<WhenCalled>,
    greeting: Option<String>,
}

/// Behaviour of a phone when the program calls it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhenCalled {
    Rings,
    Answers,
    IsBusy,
    Declines,
    DoesNotAnswer,
    DoesNotExist,
    Machine,
}

impl WhenCalled {
    fn word(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::Answers => "answers",
            Self::IsBusy => "is_busy",
            Self::Declines => "declines",
            Self::DoesNotAnswer => "does_not_answer",
            Self::DoesNotExist => "does_not_exist",
            Self::Machine => "machine",
        }
    }
}

impl Phone {
    /// Creates a phone without a description: it does what the script says, or rings.
    pub fn new(number: &str) -> Self {
        Self { number: number.to_owned(), when_called: None, greeting: None }
    }

    pub fn number(&self) -> &str {
        &self.number
    }

    pub fn to_json(&self) -> Value {
        json!({"number": self.number, "when_called": self.when_called.map(WhenCalled::word)})
    }

    /// Applies the page's settings to the number.
    pub fn set(&self, simulator: &Simulator) {
        let Some(when_called) = self.when_called else { return };
        let callee = simulator.callee(&self.number);
        let _set = match when_called {
            WhenCalled::Rings => callee.is_person().rings(),
            WhenCalled::Answers => callee.is_person().answers(),
            WhenCalled::IsBusy => callee.is_busy(),
            WhenCalled::Declines => callee.declines(),
            WhenCalled::DoesNotAnswer => callee.does_not_answer(),
            WhenCalled::DoesNotExist => callee.does_not_exist(),
            WhenCalled::Machine => callee.answers().is_machine(self.greeting.as_deref().unwrap_or(GREETING), true),
        };
    }
}

/// An interaction that the program is expected to do, or never to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    what: What,
    /// The number of the person, for an interaction with one.
    with: Option<String>,
    /// The spoken words, the name of the method, or the other number.
    words: Option<String>,
    #[serde(default)]
    never: bool,
    /// Number of such interactions when the expectation was added.
    #[serde(skip)]
    before: usize,
    #[serde(skip)]
    times: usize,
}

/// The kind of interaction that the page expects.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Answered,
    Said,
    AskedForDigits,
    AskedToSpeak,
    Dialled,
    Connected,
    Recorded,
    Texted,
    HungUp,
    Request,
}

impl Expected {
    /// Starts to count, or returns what is missing.
    pub fn checked(mut self, simulator: &Simulator) -> Result<Self, String> {
        if let What::Request = self.what {
            let method = self.words.as_deref().unwrap_or_default();
            if !simulator.knows_method(method) {
                return Err(format!("{method:?} is not a method of the service"));
            }
        }
        self.before = simulator.count_of(&self.matcher());
        Ok(self)
    }

    fn matcher(&self) -> Matcher {
        let matcher = match self.what {
            What::Request => return interactions::requested(self.words.as_deref().unwrap_or_default()),
            What::Answered => interactions::answered(),
            What::Said => interactions::said(""),
            What::AskedForDigits => interactions::asked_for_digits(),
            What::AskedToSpeak => interactions::asked_to_speak(),
            What::Dialled => interactions::dialled(self.with.as_deref().unwrap_or_default()),
            What::Connected => {
                let (one, other) = (self.with.as_deref(), self.words.as_deref());
                return interactions::connected(one.unwrap_or_default(), other.unwrap_or_default());
            }
            What::Recorded => interactions::recorded(),
            What::Texted => interactions::texted(self.with.as_deref().unwrap_or_default()),
            What::HungUp => interactions::hung_up(),
        };
        let matcher = self.with.iter().fold(matcher, Matcher::with);
        self.words.iter().fold(matcher, Matcher::saying)
    }

    fn sentence(&self) -> String {
        format!("{}{}", self.matcher(), if self.never { ", never" } else { "" })
    }

    /// Counts again. Returns a line for the log if that decides the expectation.
    pub fn judge(&mut self, simulator: &Simulator) -> Option<(&'static str, String)> {
        let times = simulator.count_of(&self.matcher()).saturating_sub(self.before);
        let first = self.times == 0 && times > 0;
        self.times = times;
        if !first {
            return None;
        }
        let sentence = self.sentence();
        Some(if self.never {
            ("violation", format!("not expected: {sentence}"))
        } else {
            ("met", format!("as expected: {sentence}"))
        })
    }

    pub fn to_json(&self) -> Value {
        let state = match (self.never, self.times > 0) {
            (true, true) => "violated",
            (true, false) => "kept",
            (false, true) => "met",
            (false, false) => "open",
        };
        json!({"text": self.sentence(), "state": state, "times": self.times})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_one_object_with_one_key() {
        for bad in ["", "hello", "[]", "{}", "1", r#"{"phone": {}, "expect": {}}"#, "{\"phone\": {\"number\": \"+1\"}"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in [
            r#"{"phone": {}}"#,
            r#"{"phone": {"number": ""}}"#,
            r#"{"phone": {"number": "+1 555"}}"#,
            r#"{"phone": {"number": "+1", "when_called": "explodes"}}"#,
            r#"{"phone": {"number": "+1", "colour": 1}}"#,
            r#"{"expect": {"what": "nothing"}}"#,
            r#"{"remove_phone": 7}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&json!({"phone": {"number": "1".repeat(201)}}).to_string()).is_err());
        assert!(matches!(parse(r#"{"phone": {"number": "+1", "when_called": "machine"}}"#), Ok(Order::Phone(_))));
        assert!(matches!(parse(r#"{"hang_up": {"who": "+1"}}"#), Ok(Order::Command)));
    }

    #[test]
    fn an_expectation_is_open_met_kept_or_violated() {
        let simulator = Simulator::builder().allow_violations().start().expect("a simulator");
        let expected = |json: Value| serde_json::from_value::<Expected>(json).map_err(|error| error.to_string());
        let mut open = expected(json!({"what": "said", "words": "Welcome", "with": "+1555"}))
            .and_then(|one| one.checked(&simulator))
            .expect("fits");
        assert_eq!(open.judge(&simulator), None);
        assert_eq!(open.to_json(), json!({"text": "+1555 is told \"Welcome\"", "state": "open", "times": 0}));
        let kept =
            expected(json!({"what": "hung_up", "never": true})).and_then(|one| one.checked(&simulator)).expect("fits");
        assert_eq!(kept.to_json(), json!({"text": "somebody is hung up on, never", "state": "kept", "times": 0}));
        let slip =
            expected(json!({"what": "request", "words": "calling.plya"})).and_then(|one| one.checked(&simulator));
        assert_eq!(slip.err().as_deref(), Some("\"calling.plya\" is not a method of the service"));
    }
}
