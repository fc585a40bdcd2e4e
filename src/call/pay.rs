//! Taking a payment.

use serde_json::{Value, json};

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::choices::{BankAccountType, CardType, PayInput, PaymentMethod, TokenType};
use crate::protocol::event::PayEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::{PayFault, PayStep};

params! {
    /// Parameters of [`Call::pay`]. The URL of a payment connector converts into `Pay`.
    pub struct Pay("calling.pay") {
        /// Way in which the caller enters the data. Default: DTMF digits, the only one that the service supports.
        #[doc(alias = "input_method")]
        input: PayInput,
        /// URL that receives the payment's status callbacks.
        status_url: String,
        /// Means of payment. Default: a card.
        payment_method: PaymentMethod,
        /// Longest time until the next digit. Sent in whole seconds. Default: 5 s.
        timeout: TextOfSeconds,
        /// Number of attempts. Default: 1.
        max_attempts: TextOfNumber,
        /// Whether the card's security code is requested. Default: yes.
        security_code: TextOfFlag,
        /// Least number of characters of a postal code. Default: 0.
        min_postal_code_length: TextOfNumber,
        /// Kind of token that is issued. Default: a reusable one.
        token_type: TokenType,
        /// Amount, a decimal number without a currency sign. Default: `0.00`, which only yields a token.
        charge_amount: String,
        /// Currency. Default: `usd`.
        currency: String,
        /// Language of the prompts. Default: `en-US`.
        language: String,
        /// Voice of the prompts. Default: `woman`.
        voice: String,
        /// Text that is passed to the payment connector.
        description: String,
        /// Card brands that are accepted. Default: Visa, Mastercard and American Express.
        valid_card_types: CardTypes,
        /// Kind of bank account. Reserved: the service does not debit bank accounts.
        bank_account_type: BankAccountType,
        /// Voice that is used if the other is not available.
        say_voice: String,
        /// Control ID of this payment. Default: a generated one.
        control_id: NonEmpty,
    }
}

/// A payment in progress.
pub type PayAction = Action<Pay>;

impl Pay {
    /// Sends the data that the caller enters to a payment connector, given as an `https` URL.
    pub fn new(payment_connector_url: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "payment_connector_url", Value::String(payment_connector_url.into()));
        Self::of(fields)
    }

    /// Sets whether the postal code is requested, or the postal code itself if it is known. Default: requested.
    ///
    /// ```
    /// use signalwire_relay::params::Pay;
    ///
    /// let asks = Pay::new("https://example.com/pay").charge_amount("12.50");
    /// let knows = Pay::new("https://example.com/pay").postal_code("94043");
    /// let needs_none = Pay::new("https://example.com/pay").postal_code(false);
    /// ```
    pub fn postal_code(mut self, code: impl Into<PostalCode>) -> Self {
        self.fields.set("", "postal_code", Value::String(code.into().0));
        self
    }

    /// Adds a name and a value that are sent to the connector.
    #[doc(alias = "parameters")]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push("parameters", json!({ "name": name.into(), "value": value.into() }));
        self
    }

    /// Adds a prompt that is used in place of the service's own.
    #[doc(alias = "prompts")]
    pub fn prompt(mut self, prompt: impl Into<PayPrompt>) -> Self {
        self.fields.push("prompts", prompt.into().fields.to_json());
        self
    }
}

/// Brands of cards, for [`Pay::valid_card_types`]: an array of [`CardType`]s, or their names with spaces between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardTypes(String);

impl From<CardTypes> for String {
    fn from(types: CardTypes) -> Self {
        types.0
    }
}

impl<const N: usize> From<[CardType; N]> for CardTypes {
    fn from(types: [CardType; N]) -> Self {
        types.into_iter().collect()
    }
}

impl From<Vec<CardType>> for CardTypes {
    fn from(types: Vec<CardType>) -> Self {
        types.into_iter().collect()
    }
}

impl From<&str> for CardTypes {
    fn from(types: &str) -> Self {
        Self(types.into())
    }
}

impl FromIterator<CardType> for CardTypes {
    fn from_iter<I: IntoIterator<Item = CardType>>(types: I) -> Self {
        Self(types.into_iter().map(String::from).collect::<Vec<_>>().join(" "))
    }
}

/// A postal code, or whether one is requested; for [`Pay::postal_code`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostalCode(String);

impl From<bool> for PostalCode {
    fn from(asked: bool) -> Self {
        Self(asked.to_string())
    }
}

impl From<&str> for PostalCode {
    fn from(code: &str) -> Self {
        Self(code.into())
    }
}

impl From<String> for PostalCode {
    fn from(code: String) -> Self {
        Self(code)
    }
}

params! {
    /// Prompt for one step of a payment, for [`Pay::prompt`].
    ///
    /// ```
    /// use signalwire_relay::params::PayPrompt;
    /// use signalwire_relay::states::{PayFault, PayStep};
    ///
    /// let again = PayPrompt::new(PayStep::CardNumber).errors([PayFault::CardNumber]).say("That is no card number.");
    /// ```
    pub struct PayPrompt {
        /// Card brands that the prompt is for. Default: all.
        card_type: CardTypes,
        /// Attempts that the prompt is for, for example `"2 3"`. Default: all.
        attempt: String,
        /// Whether the caller has to enter the value twice.
        require_matching_inputs: TextOfFlag,
    }
}

impl PayPrompt {
    /// Makes a prompt for a step.
    pub fn new(step: impl Into<PayStep>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "for", String::from(step.into()).into());
        Self::of(fields)
    }

    /// Restricts the prompt to these mistakes of the caller.
    #[doc(alias = "error_type")]
    pub fn errors(mut self, faults: impl IntoIterator<Item = PayFault>) -> Self {
        self.fields.set("", "error_type", crate::protocol::fields::words(faults));
        self
    }

    /// Adds a phrase to say. Phrases and files are played in the order in which they were added.
    pub fn say(self, phrase: impl Into<String>) -> Self {
        self.action("Say", phrase.into())
    }

    /// Adds an audio file to play, by its URL.
    pub fn play(self, url: impl Into<String>) -> Self {
        self.action("Play", url.into())
    }

    fn action(mut self, kind: &str, phrase: String) -> Self {
        self.fields.push("actions", json!({ "type": kind, "phrase": phrase }));
        self
    }
}

impl From<&str> for Pay {
    fn from(payment_connector_url: &str) -> Self {
        Self::new(payment_connector_url)
    }
}

impl From<String> for Pay {
    fn from(payment_connector_url: String) -> Self {
        Self::new(payment_connector_url)
    }
}

impl Sealed for Pay {}

impl Operation for Pay {
    type Event = PayEvent;
    type Outcome = PayEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &PayEvent, _memo: &()) -> Result<PayEvent> {
        Ok(event.clone())
    }

    fn judge(event: &PayEvent, _memo: &mut ()) -> Meaning {
        if event.is_end() { Meaning::Final } else { Meaning::Progress }
    }
}

impl Stoppable for Pay {
    const STOP: &'static str = "calling.pay.stop";
}

/// # Payments
impl Call {
    /// Takes a payment. Sends `calling.pay`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the payment has ended, and returns the result;
    /// [`events`](Action::events) reports each step. The data that the caller enters go to the payment connector, and
    /// are never logged here. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::choices::CardType;
    /// # use signalwire_relay::params::{Pay, PayPrompt};
    /// # use signalwire_relay::states::PayStep;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let payment = call
    ///     .pay(
    ///         Pay::new("https://pay.example.com/charge")
    ///             .charge_amount("25.99")
    ///             .timeout(Duration::from_secs(8))
    ///             .valid_card_types([CardType::Visa, CardType::Mastercard])
    ///             .parameter("order", "4711")
    ///             .prompt(PayPrompt::new(PayStep::CardNumber).say("Please enter the number of your card.")),
    ///     )?
    ///     .wait(None)?;
    /// println!("{:?} {}", payment.result, payment.payment_confirmation_code);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn pay(&self, what: impl Into<Pay>) -> Result<PayAction> {
        self.start(what.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        let url = "https://pay.example.com/charge";
        let pay = || Pay::new(url);
        let with = |key: &str, value: Value| {
            let mut params = json!({"payment_connector_url": url});
            params[key] = value;
            params
        };
        for (pay, params) in [
            (Pay::from(url), json!({"payment_connector_url": url})),
            (pay().control_id("pay-1"), with("control_id", json!("pay-1"))),
            (pay().control_id(""), json!({"payment_connector_url": url})),
            (pay().input(PayInput::Dtmf), with("input", json!("dtmf"))),
            (pay().status_url("https://example.com/pay"), with("status_url", json!("https://example.com/pay"))),
            (pay().payment_method(PaymentMethod::CreditCard), with("payment_method", json!("credit-card"))),
            (pay().timeout(Duration::from_secs(5)), with("timeout", json!("5"))),
            (pay().timeout(Duration::from_millis(4100)), with("timeout", json!("5"))),
            (pay().max_attempts(3), with("max_attempts", json!("3"))),
            (pay().security_code(true), with("security_code", json!("true"))),
            (pay().postal_code(false), with("postal_code", json!("false"))),
            (pay().postal_code("10115"), with("postal_code", json!("10115"))),
            (pay().min_postal_code_length(5), with("min_postal_code_length", json!("5"))),
            (pay().token_type("reusable"), with("token_type", json!("reusable"))),
            (pay().charge_amount("25.99"), with("charge_amount", json!("25.99"))),
            (pay().currency("eur"), with("currency", json!("eur"))),
            (pay().language("en-US"), with("language", json!("en-US"))),
            (pay().voice("woman"), with("voice", json!("woman"))),
            (pay().description("d"), with("description", json!("d"))),
            (
                pay().valid_card_types([CardType::Visa, CardType::Mastercard, CardType::Amex]),
                with("valid_card_types", json!("visa mastercard amex")),
            ),
            (pay().valid_card_types(""), with("valid_card_types", json!(""))),
            (
                pay().parameter("a", "1").parameter("b", "2"),
                with("parameters", json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])),
            ),
            (
                pay().prompt(
                    PayPrompt::new(PayStep::CardNumber)
                        .card_type([CardType::Visa])
                        .errors([PayFault::Timeout, PayFault::CardNumber])
                        .attempt("1 2")
                        .require_matching_inputs(true)
                        .say("Number?")
                        .play("https://x/y.mp3"),
                ),
                with(
                    "prompts",
                    json!([{"for": "payment-card-number", "card_type": "visa", "attempt": "1 2",
                        "error_type": "timeout invalid-card-number", "require_matching_inputs": "true", "actions": [
                            {"type": "Say", "phrase": "Number?"}, {"type": "Play", "phrase": "https://x/y.mp3"}]}]),
                ),
            ),
            (pay().bank_account_type("consumer-savings"), with("bank_account_type", json!("consumer-savings"))),
            (pay().say_voice("man"), with("say_voice", json!("man"))),
            (pay().extra("swml", true), with("swml", json!(true))),
        ] {
            assert_eq!(pay.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_by_its_result_or_by_the_state_of_older_servers() {
        for (payload, verdict, success) in [
            (json!({"for": "payment-card-number", "attempt": "1"}), Meaning::Progress, false),
            (json!({"for": "payment-completed"}), Meaning::Progress, false),
            (json!({"result": "success"}), Meaning::Final, true),
            (json!({"result": "caller-hung-up"}), Meaning::Final, false),
            (json!({"result": "something-new"}), Meaning::Final, false),
            (json!({"result": {"code": "ok"}}), Meaning::Final, false),
            (json!({"result": ""}), Meaning::Progress, false),
            (json!({"result": null}), Meaning::Progress, false),
            (json!({"state": "finished"}), Meaning::Final, false),
            (json!({"state": "completed"}), Meaning::Final, true),
            (json!({"state": "failed"}), Meaning::Final, false),
            (json!({"state": "canceled"}), Meaning::Final, false),
            (json!({"state": "error"}), Meaning::Final, false),
            (json!({"state": "processing"}), Meaning::Progress, false),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.pay", "params": payload}));
            let Event::Pay(event) = event else { panic!("a payment") };
            assert_eq!((Pay::judge(&event, &mut ()), event.is_success()), (verdict, success), "{payload}");
        }
    }
}
