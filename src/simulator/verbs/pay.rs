//! Payments: card number, expiration date and codes, typed on the phone.
//!
//! Where the documentation of the service is silent: a number is complete with as many digits as its kind of card has,
//! other fields with theirs, and a `#` completes any field; the number must pass the usual check sum; attempts count
//! separately for each field, and a repeated question begins anew; the postal code is asked for if `postal_code` is
//! `true` or missing. The connector is not contacted: every card is accepted except those that end in `0002`, which
//! are declined. A star ends the payment with `caller-interrupted-with-star`, `calling.pay.stop` with
//! `relay-pay-stop`, the end of the call with `caller-hung-up`. One payment runs on a call at a time. The code of a
//! failure (`payment_error_code`) is not sent, because the meaning of its numbers is unknown.

use serde_json::{Value, json};

use crate::simulator::people::script::Occasion;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Steps, Verb, View};
use crate::simulator::wire::frame::{list, text};
use crate::simulator::wire::reply::{Params, Refusal, one_of, refuse, started};

pub(crate) const PAY: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new(
        "calling.pay",
        "+ control_id:s! payment_connector_url:s! input:s status_url:s payment_method:s timeout:s \
         max_attempts:s security_code:s postal_code:s min_postal_code_length:s token_type:s charge_amount:s \
         currency:s language:s voice:s description:s valid_card_types:s parameters:[Pair] prompts:[PayPrompt] \
         bank_account_type:s say_voice:s",
        begin,
    )
};

const EVENT: &str = "calling.call.pay";

/// A payment on a call.
struct Payment {
    fields: Vec<Field>,
    at: usize,
    attempt: u64,
    attempts: u64,
    timeout: f64,
    typed: String,
    /// Number of questions so far.
    asked: u64,
    /// The number of the question that is open.
    asking: Option<u64>,
    types: String,
    shortest_postal: usize,
    prompts: Vec<Value>,
    number: String,
    expires: String,
    security: String,
    postal: String,
}

/// A field of the card that the caller is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Number,
    Expiration,
    Security,
    Postal,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "payment-card-number",
            Self::Expiration => "expiration-date",
            Self::Security => "security-code",
            Self::Postal => "postal-code",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Number => "Please enter the number of your card",
            Self::Expiration => "Please enter the month and the year in which it expires",
            Self::Security => "Please enter its security code",
            Self::Postal => "Please enter your postal code",
        }
    }
}

impl Payment {
    fn card(&self) -> &'static str {
        kind_of_card(&self.number)
    }

    /// Number of digits that complete the current field, if that is certain.
    fn length(&self) -> Option<usize> {
        match self.fields.get(self.at)? {
            Field::Number => match kind_of_card(&self.typed) {
                "amex" => Some(15),
                "diners-club" => Some(14),
                "visa" | "mastercard" | "discover" | "jcb" => Some(16),
                _ => None,
            },
            Field::Expiration => Some(4),
            Field::Security => Some(if self.card() == "amex" { 4 } else { 3 }),
            Field::Postal => None,
        }
    }

    /// The error in the typed digits.
    fn judge(&self, now: f64) -> Option<&'static str> {
        let typed = &self.typed;
        match self.fields.get(self.at)? {
            Field::Number if !(12..=19).contains(&typed.len()) || !passes_check_sum(typed) => {
                Some("invalid-card-number")
            }
            Field::Number if !self.types.contains(kind_of_card(typed)) || kind_of_card(typed).is_empty() => {
                Some("invalid-card-type")
            }
            Field::Expiration if !is_to_come(typed, now) => Some("invalid-date"),
            Field::Security if Some(typed.len()) != self.length() => Some("invalid-security-code"),
            Field::Postal if typed.len() < self.shortest_postal.max(1) => Some("invalid-postal-code"),
            _ => None,
        }
    }

    fn keep(&mut self) {
        let typed = std::mem::take(&mut self.typed);
        match self.fields.get(self.at) {
            Some(Field::Number) => self.number = typed,
            Some(Field::Expiration) => self.expires = typed,
            Some(Field::Security) => self.security = typed,
            Some(Field::Postal) => self.postal = typed,
            None => {}
        }
    }

    /// The fields of all events of a payment: the known parts of the card, masked.
    fn known(&self) -> Value {
        let mut event = json!({"payment_method": "credit-card"});
        if !self.number.is_empty() {
            let hidden = self.number.len().saturating_sub(4);
            event["payment_card_number"] = format!("{}{}", "*".repeat(hidden), &self.number[hidden..]).into();
            event["payment_card_type"] = self.card().into();
        }
        if !self.postal.is_empty() {
            event["payment_card_postal_code"] = self.postal.clone().into();
        }
        event
    }

    fn progress(&self, what: &str) -> Value {
        let mut event = self.known();
        event["for"] = what.into();
        if !self.expires.is_empty() {
            event["expiration_date"] = self.expires.clone().into();
        }
        if !self.security.is_empty() {
            event["security_code"] = "*".repeat(self.security.len()).into();
        }
        event
    }

    /// The question to the person: the program's own words if it has set some.
    fn question(&self, field: Field, error: Option<&str>) -> String {
        let fits = |prompt: &&Value| {
            prompt["for"] == field.name() && {
                let errors = prompt["error_type"].as_str().unwrap_or_default();
                error.map_or(errors.is_empty(), |error| errors.split(' ').any(|one| one == error))
            }
        };
        let own = self.prompts.iter().find(fits).or_else(|| self.prompts.iter().find(|p| p["for"] == field.name()));
        let phrases: Vec<&str> = own
            .and_then(|prompt| prompt["actions"].as_array())
            .map(|actions| actions.iter().filter_map(|action| action["phrase"].as_str()).collect())
            .unwrap_or_default();
        if phrases.is_empty() { field.question().to_owned() } else { phrases.join(" ") }
    }
}

/// Begins a payment with its first question.
fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let mut payment = payment(params)?;
    if call.runs(&["pay"]) {
        return refuse(409, "A payment is running");
    }
    payment.ask(None, out);
    Ok(Begun::Runs(Box::new(payment), started("Processing payment", call.call_id, params)))
}

impl Payment {
    /// Asks for the next field, or again after an error; processes the payment if there is none.
    fn ask(&mut self, error: Option<&'static str>, out: &mut Steps) {
        let Some(field) = self.fields.get(self.at).copied() else { return self.process(out) };
        self.asked += 1;
        self.asking = Some(self.asked);
        self.typed.clear();
        let mut event = self.progress(field.name());
        event["attempt"] = self.attempt.to_string().into();
        if let Some(error) = error {
            event["error_type"] = error.into();
        }
        let question = self.question(field, error);
        out.emit(EVENT, event);
        out.alarm("key", self.timeout);
        out.did(InteractionKind::Said, &question);
        out.hears(Role::Remote, &question);
        out.heard_out(Role::Remote, Some(question));
    }

    /// Handles a field that is complete, or has timed out.
    fn entered(&mut self, call: &View<'_>, out: &mut Steps) {
        self.asking = None;
        let error = if self.typed.is_empty() { Some("timeout") } else { self.judge(call.unix) };
        match error {
            None => {
                self.keep();
                self.at += 1;
                self.attempt = 1;
            }
            Some(error) if self.attempt >= self.attempts => {
                return self.finish("too-many-failed-attempts", Some(error), call, out);
            }
            Some(_) => self.attempt += 1,
        }
        self.ask(error, out);
    }

    /// Processes the payment, which takes 1 s.
    fn process(&mut self, out: &mut Steps) {
        self.asking = None;
        out.disarm("key");
        out.emit(EVENT, self.progress("payment-processing"));
        out.alarm("connector", 1.0);
    }

    fn finish(&self, result: &str, error: Option<&str>, call: &View<'_>, out: &mut Steps) {
        let last = match result {
            "success" => "payment-completed",
            "relay-pay-stop" | "caller-interrupted-with-star" => "payment-canceled",
            _ => "payment-failed",
        };
        out.emit(EVENT, self.progress(last));
        let mut event = self.last_event(result, error);
        if result == "success" {
            event["payment_token"] = format!("tok_{}", call.ids.fresh(0x70c0)).into();
            event["payment_confirmation_code"] = format!("ch_{}", call.ids.fresh(0xc0de)).into();
        }
        out.end(EVENT, event);
        out.tell(format!("the payment of {}: {result}", call.person));
        out.did(InteractionKind::Charged, result);
    }

    fn last_event(&self, result: &str, error: Option<&str>) -> Value {
        let mut event = self.known();
        event["result"] = result.into();
        if !self.expires.is_empty() {
            event["payment_card_expiration_date"] = self.expires.clone().into();
        }
        if !self.security.is_empty() {
            event["payment_card_security_code"] = "*".repeat(self.security.len()).into();
        }
        if let Some(error) = error {
            event["payment_error"] = error.into();
        }
        event
    }
}

impl Activity for Payment {
    fn family(&self) -> &'static str {
        "pay"
    }

    fn alarm(&mut self, name: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        match name {
            "key" => self.entered(call, out),
            _ if self.number.ends_with("0002") => {
                self.finish("payment-connector-error", Some("card-declined"), call, out);
            }
            _ => self.finish("success", None, call, out),
        }
    }

    fn key(&mut self, key: char, call: &View<'_>, out: &mut Steps) {
        if self.asking.is_none() {
            return;
        }
        match key {
            '*' => return self.finish("caller-interrupted-with-star", None, call, out),
            // The field before was completed by its last digit, so this `#` is ignored.
            '#' if self.typed.is_empty() => return,
            '#' => return self.entered(call, out),
            '0'..='9' => self.typed.push(key),
            _ => return,
        }
        if self.length() == Some(self.typed.len()) {
            self.entered(call, out);
        } else {
            out.alarm("key", self.timeout);
        }
    }

    fn occasion(&self, which: Occasion) -> Option<u64> {
        self.asking.filter(|_| which == Occasion::AskedToPay)
    }

    fn ends(&mut self, why: Ends, call: &View<'_>, out: &mut Steps) {
        match why {
            Ends::Asked => self.finish("relay-pay-stop", None, call, out),
            Ends::CallEnded => out.end(EVENT, self.last_event("caller-hung-up", None)),
        }
    }
}

fn payment(params: &Params) -> Result<Payment, Refusal> {
    let connector = text(params, "payment_connector_url").unwrap_or_default();
    if !connector.starts_with("https://") {
        return refuse(400, "payment_connector_url is no https address");
    }
    one_of(params, "input", &["dtmf"])?;
    one_of(params, "payment_method", &["credit-card"])?;
    one_of(params, "token_type", &["one-time", "reusable"])?;
    one_of(params, "security_code", &["true", "false"])?;
    let amount = text(params, "charge_amount").unwrap_or("0.00");
    if !amount.chars().all(|c| c.is_ascii_digit() || c == '.') || amount.parse::<f64>().is_err() {
        return refuse(400, "charge_amount is no decimal number");
    }
    let whole = |key: &str, default: u64| match text(params, key).map(str::parse) {
        None => Ok(default),
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) => refuse(400, format!("{key} is no integer in a string")),
    };
    let attempts = whole("max_attempts", 1)?.max(1);
    let timeout = u32::try_from(whole("timeout", 5)?).map_or(f64::from(u32::MAX), f64::from);
    let shortest_postal = usize::try_from(whole("min_postal_code_length", 0)?).unwrap_or(usize::MAX);
    let mut fields = vec![Field::Number, Field::Expiration];
    if text(params, "security_code") != Some("false") {
        fields.push(Field::Security);
    }
    let postal = text(params, "postal_code").unwrap_or("true");
    if postal == "true" {
        fields.push(Field::Postal);
    }
    Ok(Payment {
        fields,
        at: 0,
        attempt: 1,
        attempts,
        timeout,
        typed: String::new(),
        asked: 0,
        asking: None,
        types: text(params, "valid_card_types").unwrap_or("visa mastercard amex").to_owned(),
        shortest_postal,
        prompts: list(params, "prompts").to_vec(),
        number: String::new(),
        expires: String::new(),
        security: String::new(),
        postal: Some(postal).filter(|postal| !matches!(*postal, "true" | "false")).unwrap_or_default().to_owned(),
    })
}

/// The kind of card, from its first digits; empty if they do not determine it.
fn kind_of_card(number: &str) -> &'static str {
    let first = |count: usize| number.get(..count).and_then(|start| start.parse::<u32>().ok()).unwrap_or(0);
    match (first(1), first(2), first(3), first(4)) {
        (4, ..) => "visa",
        (_, 34 | 37, ..) => "amex",
        (_, 51..=55, ..) | (.., 2221..=2720) => "mastercard",
        (_, 65, ..) | (_, _, 644..=649, _) | (.., 6011) => "discover",
        (_, 35, ..) => "jcb",
        (_, 30 | 36 | 38 | 39, ..) => "diners-club",
        (_, 50 | 56..=69, ..) => "maestro",
        _ => "",
    }
}

fn passes_check_sum(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().rev().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits else { return false };
    let weigh = |(at, digit): (usize, &u32)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit };
    digits.iter().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

/// `true` if a month and a year, as `MMYY`, are not in the past; the year is counted in average ones.
fn is_to_come(typed: &str, now: f64) -> bool {
    let part = |from: usize| typed.get(from..from + 2).and_then(|digits| digits.parse::<f64>().ok());
    match (part(0), part(2)) {
        (Some(month), Some(year)) if typed.len() == 4 && (1.0..=12.0).contains(&month) => {
            2000.0 + year + month / 12.0 > 1970.0 + now / 31_556_952.0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_card_is_asked_for_part_by_part_and_taken() {
        let params = json!({"payment_connector_url": "https://pay.example", "postal_code": "false"});
        let mut rig = Rig::begin(&PAY, params).expect("it runs");
        rig.presses("4242424242424242");
        rig.presses("1299");
        rig.presses("123");
        assert!(!rig.is_over());
        rig.pass(1.1);
        assert_eq!(rig.interactions().pop(), Some((InteractionKind::Charged, "success".to_owned())));
        assert_eq!(rig.told().pop().expect("it runs").1["payment_card_number"], "************4242");
    }

    #[test]
    fn kinds_of_cards_are_distinguished_and_checked() {
        let cards = [
            ("4242424242424242", "visa"),
            ("5555555555554444", "mastercard"),
            ("2223003122003222", "mastercard"),
            ("378282246310005", "amex"),
            ("6011111111111117", "discover"),
            ("3566002020360505", "jcb"),
            ("36227206271667", "diners-club"),
        ];
        for (number, kind) in cards {
            assert_eq!(kind_of_card(number), kind, "{number}");
            assert!(passes_check_sum(number), "{number}");
        }
        assert!(!passes_check_sum("4242424242424241") && !passes_check_sum("42A2"));
        let in_2026 = 1_780_000_000.0;
        assert!(is_to_come("1226", in_2026) && is_to_come("0199", in_2026));
        assert!(!is_to_come("1225", in_2026) && !is_to_come("1330", in_2026) && !is_to_come("12", in_2026));
    }
}
