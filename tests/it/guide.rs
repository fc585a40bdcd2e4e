//! The three tests of the chapter on testing, and their failures when the program is wrong.

use std::time::Duration;

use signalwire_relay::simulator::Simulator;
use signalwire_relay::simulator::interactions::{asked_for_digits, hung_up, said};
use signalwire_relay::{Call, Client, Collect, HandlerResult, Heard, MessageState, Result, machine, phone, sms, tts};

use crate::support::{LONG, watched};

fn started() -> (Simulator, Client) {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    (sim, client)
}

fn menu(call: &Call, patient: bool) -> HandlerResult {
    call.answer()?;
    for _ in 0..3 {
        let asked = call.prompt(tts("Press 1 for sales, 2 for support."), Collect::digits(1))?;
        let department = match asked.wait(None)?.digits() {
            Some("1") => "Sales",
            Some("2") => "Support",
            _ if patient => {
                call.play(tts("That is not one of the choices."))?.wait(None)?;
                continue;
            }
            _ => break,
        };
        call.play(tts(format!("{department} will be with you shortly.")))?.wait(None)?;
        break;
    }
    Ok(call.hangup()?)
}

/// Ann presses a wrong key and then the right one.
fn wrong_key(patient: bool) -> (Simulator, Client) {
    let (sim, client) = started();
    client.on_call(move |call| menu(&call, patient));
    sim.expect_asked_for_digits().times(2);
    sim.expect_in_order([
        said("press 1 for sales"),
        asked_for_digits(),
        said("not one of the choices"),
        asked_for_digits(),
        said("sales will be with you"),
        hung_up(),
    ]);
    let ann = sim.caller("+15551230000").calls("+15559990000").when_asked_for_digits().presses("7");
    let ann = ann.when_asked_for_digits().presses("1").expects_to_hear("shortly").dials();
    ann.wait_ended(LONG).unwrap();
    (sim, client)
}

#[test]
fn a_wrong_digit_is_asked_for_again() {
    watched(|| drop(wrong_key(true)));
}

#[test]
fn a_menu_that_gives_up_at_a_wrong_digit_is_found_out() {
    watched(|| {
        let (sim, _client) = wrong_key(false);
        let unmet = sim.verify().unwrap_err();
        let (told, all) = (unmet.to_string(), unmet.expectations());
        assert_eq!((all.len(), unmet.violations().len()), (3, 0), "{told}");
        assert!(all[0].starts_with("somebody is asked for digits, 2 times; it happened once"), "{told}");
        assert!(all[1].contains("number 3: somebody is told \"not one of the choices\""), "{told}");
        assert!(all[1].contains("+15551230000 was hung up on (hangup)"), "{told}");
        assert!(all[2].contains("+15551230000 hears \"shortly\" (call "), "{told}");
        assert!(told.contains("+15551230000 pressed 7") && told.contains("├── calling.end hangup ─"), "{told}");
    });
}

fn remind(client: &Client, number: &str, waits_for_beep: bool) -> Result<()> {
    let call = client.dial(phone(number).from("+15559990000"))?;
    let detector = call.detect(machine().timeout(Duration::from_secs(30)))?;
    if detector.wait(None)?.heard == Heard::Machine {
        if waits_for_beep {
            detector.wait_ready(Duration::from_secs(60))?;
        }
        call.play(tts("Your appointment is tomorrow at ten."))?.wait(None)?;
    } else {
        call.play(tts("Your appointment is tomorrow at ten. Press 1 to confirm."))?.wait(None)?;
    }
    call.hangup()
}

/// Bob is out, and his machine takes the call.
fn machine_answers(waits_for_beep: bool) -> (Simulator, Vec<String>) {
    let (sim, client) = started();
    let greeting = "You have reached Bob. Leave a message after the tone, and I will call you back.".repeat(4);
    let bob = sim.callee("+15552222222").is_machine(greeting, true).beeps_after(Duration::from_secs(2));
    let bob = bob.expects_to_hear("appointment is tomorrow");
    sim.expect_dialled("+15552222222").once();
    sim.expect_said("press 1").never();
    sim.expect_hung_up().with("+15552222222").once();
    remind(&client, "+15552222222", waits_for_beep).unwrap();
    let lost = bob.said_over_greeting();
    (sim, lost)
}

#[test]
fn a_message_is_left_on_an_answering_machine() {
    watched(|| assert_eq!(machine_answers(true).1, [""; 0]));
}

#[test]
fn a_message_over_the_greeting_is_found_out() {
    watched(|| {
        let (sim, lost) = machine_answers(false);
        assert_eq!(lost, ["Your appointment is tomorrow at ten."]);
        let unmet = sim.verify().unwrap_err();
        let [only] = unmet.expectations() else { panic!("{unmet}") };
        assert!(only.starts_with("+15552222222 hears \"appointment is tomorrow\", at least once"), "{only}");
        assert!(only.contains("+15552222222 was told \"Your appointment is tomorrow at ten.\""), "{only}");
        assert!(unmet.to_string().contains("greeting was talked over with"), "{unmet}");
    });
}

fn send_code(client: &Client, number: &str) -> Result<Option<u32>> {
    for attempt in 1..=3 {
        let message = client.send_message(sms(number).from("+15559990000").body("Your code is 4711"))?;
        if message.wait(Duration::from_secs(60))?.state == MessageState::Delivered {
            return Ok(Some(attempt));
        }
    }
    Ok(None)
}

#[test]
fn a_text_message_that_failed_is_sent_again() {
    watched(|| {
        let (sim, client) = started();
        sim.number("+15552222222").undelivered("30003").then().delivers();
        sim.number("+15553333333").fails("blocked by the carrier");
        sim.expect_texted("+15552222222").saying("4711").times(2);
        sim.expect_texted("+15553333333").times(3);
        assert_eq!(send_code(&client, "+15552222222").unwrap(), Some(2));
        assert_eq!(send_code(&client, "+15553333333").unwrap(), None);
    });
}
