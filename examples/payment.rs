//! Takes a card payment: the caller types the card number, and the service passes it to the payment connector.

use std::time::Duration;

use signalwire_relay::choices::CardType;
use signalwire_relay::params::{Pay, PayPrompt};
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::states::{PayResult, PayStep};
use signalwire_relay::{Call, Client, HandlerResult, Result, tts};

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(checkout);
    client.run()
}

pub fn checkout(call: Call) -> HandlerResult {
    call.answer()?;
    call.play(tts("Your total is 25 dollars and 99 cents."))?.wait(None)?;
    // No digit of the card reaches this program: events carry a masked number, and a token for later charges.
    let payment = call
        .pay(
            Pay::new("https://pay.example.com/charge")
                .charge_amount("25.99")
                .postal_code(false)
                .timeout(Duration::from_secs(8))
                .max_attempts(2)
                .valid_card_types([CardType::Visa, CardType::Mastercard])
                .parameter("order", "4711")
                .prompt(PayPrompt::new(PayStep::CardNumber).say("Please enter the number of your card.")),
        )?
        .wait(None)?;
    let text = match payment.result {
        Some(PayResult::Success) => {
            format!("Thank you. Your confirmation code is {}.", payment.payment_confirmation_code)
        }
        Some(PayResult::TooManyFailedAttempts | PayResult::CallerInterrupted) => {
            "We did not get your card. Goodbye.".into()
        }
        other => {
            println!("order 4711 is not paid: {other:?} {:?}", payment.payment_error);
            "The payment failed. You were not charged.".into()
        }
    };
    call.play(tts(text))?.wait(None)?;
    call.hangup()?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let caller = sim.caller("+15551230000").calls("+15550000000");
    let caller = caller.when_asked_to_pay().presses("4242424242424242");
    let caller = caller.when_asked_to_pay().presses("1299").when_asked_to_pay().presses("123").dials();
    caller.wait_ended(Duration::from_secs(60))
}
