//! Payments: the number of a card, when it expires, its codes, typed on the phone.
//!
//! Choices where the published material is silent: a number is complete with as many digits as its kind of card has,
//! other fields with theirs, and a `#` completes any; the number has to pass the usual check sum; attempts count for
//! each field on its own, and a field that is asked for again begins anew; the postal code is asked for when
//! `postal_code` is `true` or missing. The connector is never asked: it takes every card but those that end in
//! `0002`, which it declines. A star ends with `caller-interrupted-with-star`, `calling.pay.stop` with
//! `relay-pay-stop`, the end of the call with `caller-hung-up`. One payment runs on a call at a time. The code of a
//! failure (`payment_error_code`) is not sent, as nobody knows which number means what.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, one_of, refuse};
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::{list, text};
use crate::simulator::world::state::World;

pub(crate) struct Payment {
    fields: Vec<Field>,
    at: usize,
    attempt: u64,
    attempts: u64,
    timeout: f64,
    typed: String,
    /// What tells this question from others, while one is open.
    pub(crate) asking: Option<u64>,
    types: String,
    shortest_postal: usize,
    prompts: Vec<Value>,
    number: String,
    expires: String,
    security: String,
    postal: String,
}

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

    /// How many digits complete the field that is asked for, when that is certain.
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

    /// What is wrong with what was typed.
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

    /// What all events of a payment carry: what is known of the card, masked.
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

    /// What the person is asked: the program's own words when it has given some.
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

/// The last event of a payment.
pub(crate) fn paid(payment: &Payment, result: &str, error: Option<&str>) -> Value {
    let mut event = payment.known();
    event["result"] = result.into();
    if !payment.expires.is_empty() {
        event["payment_card_expiration_date"] = payment.expires.clone().into();
    }
    if !payment.security.is_empty() {
        event["payment_card_security_code"] = "*".repeat(payment.security.len()).into();
    }
    if let Some(error) = error {
        event["payment_error"] = error.into();
    }
    event
}

impl World {
    pub(crate) fn on_pay(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let payment = payment(params)?;
        if self.runs(call_id, &["pay"]) {
            return refuse(409, "A payment is running");
        }
        let key = self.start(call_id, params, What::Pay(Box::new(payment)))?;
        self.ask_to_pay(call_id, key, None);
        Ok(started("Processing payment", call_id, params))
    }

    fn payment(&mut self, call_id: &str, key: u64) -> Option<&mut Payment> {
        match &mut self.operation(call_id, key)?.what {
            What::Pay(payment) => Some(payment),
            _ => None,
        }
    }

    /// Asks for the field that is next, or again after an error; processes when there is none.
    fn ask_to_pay(&mut self, call_id: &str, key: u64, error: Option<&'static str>) {
        let number = self.number();
        let Some(payment) = self.payment(call_id, key) else { return };
        let Some(field) = payment.fields.get(payment.at).copied() else { return self.process(call_id, key) };
        payment.asking = Some(number);
        payment.typed.clear();
        let mut event = payment.progress(field.name());
        event["attempt"] = payment.attempt.to_string().into();
        if let Some(error) = error {
            event["error_type"] = error.into();
        }
        let question = payment.question(field, error);
        self.emit_operation(call_id, key, "calling.call.pay", event);
        self.wait_for_payment(call_id, key);
        if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
            self.did_on(call_id, DeedKind::Said, &question);
            self.hears(person, &question);
            self.heard_out(person, Some(question));
        }
    }

    /// Waits for the next key.
    fn wait_for_payment(&mut self, call_id: &str, key: u64) {
        let mark = self.fresh_mark(call_id, key);
        let Some(timeout) = self.payment(call_id, key).map(|payment| payment.timeout) else { return };
        let id = call_id.to_owned();
        self.after_seconds(timeout, move |world| {
            if world.has_mark(&id, key, mark) {
                world.entered(&id, key);
            }
        });
    }

    pub(crate) fn key_for_payment(&mut self, call_id: &str, key: u64, pressed: char) {
        let Some(payment) = self.payment(call_id, key).filter(|payment| payment.asking.is_some()) else { return };
        match pressed {
            '*' => return self.finish_payment(call_id, key, "caller-interrupted-with-star", None),
            // The last digit of a field completes it already, so this is one too many.
            '#' if payment.typed.is_empty() => return,
            '#' => return self.entered(call_id, key),
            '0'..='9' => payment.typed.push(pressed),
            _ => return,
        }
        if payment.length() == Some(payment.typed.len()) {
            self.entered(call_id, key);
        } else {
            self.wait_for_payment(call_id, key);
        }
    }

    /// A field is complete, or nothing more came for it.
    fn entered(&mut self, call_id: &str, key: u64) {
        let now = self.clock.unix();
        let Some(payment) = self.payment(call_id, key) else { return };
        payment.asking = None;
        let error = if payment.typed.is_empty() { Some("timeout") } else { payment.judge(now) };
        match error {
            None => {
                payment.keep();
                payment.at += 1;
                payment.attempt = 1;
            }
            Some(error) if payment.attempt >= payment.attempts => {
                return self.finish_payment(call_id, key, "too-many-failed-attempts", Some(error));
            }
            Some(_) => payment.attempt += 1,
        }
        self.ask_to_pay(call_id, key, error);
    }

    /// The connector is given a second.
    fn process(&mut self, call_id: &str, key: u64) {
        let Some(payment) = self.payment(call_id, key) else { return };
        payment.asking = None;
        let (event, declined) = (payment.progress("payment-processing"), payment.number.ends_with("0002"));
        let mark = self.fresh_mark(call_id, key);
        self.emit_operation(call_id, key, "calling.call.pay", event);
        let id = call_id.to_owned();
        self.after_seconds(1.0, move |world| {
            if world.has_mark(&id, key, mark) {
                let (result, error) =
                    if declined { ("payment-connector-error", Some("card-declined")) } else { ("success", None) };
                world.finish_payment(&id, key, result, error);
            }
        });
    }

    pub(crate) fn finish_payment(&mut self, call_id: &str, key: u64, result: &str, error: Option<&str>) {
        let Some(payment) = self.payment(call_id, key) else { return };
        let last = match result {
            "success" => "payment-completed",
            "relay-pay-stop" | "caller-interrupted-with-star" => "payment-canceled",
            _ => "payment-failed",
        };
        let event = payment.progress(last);
        self.emit_operation(call_id, key, "calling.call.pay", event);
        let Some(operation) = self.take(call_id, key) else { return };
        let What::Pay(payment) = &operation.what else { return };
        let mut event = paid(payment, result, error);
        if result == "success" {
            event["payment_token"] = format!("tok_{}", self.fresh_id(0x70c0)).into();
            event["payment_confirmation_code"] = format!("ch_{}", self.fresh_id(0xc0de)).into();
        }
        self.tell_operation(call_id, "calling.call.pay", &operation, event);
        if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
            let name = self.person_name(person);
            self.tell(format!("the payment of {name}: {result}"));
            self.did(DeedKind::Charged, &name, Some(call_id), result);
        }
    }
}

fn payment(params: &Map<String, Value>) -> Result<Payment, Refusal> {
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

/// The kind of card by its first digits, as far as they tell; empty when they do not.
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

/// Whether a month and a year, as `MMYY`, are not over; the year is counted in average ones.
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

    #[test]
    fn cards_are_told_apart_and_checked() {
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
