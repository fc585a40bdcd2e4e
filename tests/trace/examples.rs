//! The examples: each has a trace that is drawn and replayed.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;

use crate::replays::{Scene, is_the_same_again};
use crate::support::{LONG, SECOND};

#[path = "../../examples/ai_agent.rs"]
#[allow(dead_code)]
mod ai_agent;
#[path = "../../examples/conference.rs"]
#[allow(dead_code)]
mod conference;
#[path = "../../examples/fax.rs"]
#[allow(dead_code)]
mod fax;
#[path = "../../examples/ivr.rs"]
#[allow(dead_code)]
mod ivr;
#[path = "../../examples/many_calls.rs"]
#[allow(dead_code)]
mod many_calls;
#[path = "../../examples/payment.rs"]
#[allow(dead_code)]
mod payment;
#[path = "../../examples/queue.rs"]
#[allow(dead_code)]
mod queue;
#[path = "../../examples/reminder.rs"]
#[allow(dead_code)]
mod reminder;
#[path = "../../examples/rolling_restart.rs"]
#[allow(dead_code)]
mod rolling_restart;
#[path = "../../examples/text_bot.rs"]
#[allow(dead_code)]
mod text_bot;
#[path = "../../examples/transfer.rs"]
#[allow(dead_code)]
mod transfer;
#[path = "../../examples/two_factor.rs"]
#[allow(dead_code)]
mod two_factor;
#[path = "../../examples/voicemail.rs"]
#[allow(dead_code)]
mod voicemail;

const OURS: &str = "+15550000000";
const CALLER: &str = "+15551230002";

/// More than a scene takes that goes on after its caller has left.
const REST: Duration = Duration::from_secs(120);

/// A scene whose trace cannot be replayed, because the results of a payment are masked.
pub const PAYMENT: Scene = Scene {
    name: "payment",
    people: |_| (),
    program: |client| client.on_call(payment::checkout),
    happens: |sim| {
        let caller = sim.caller(CALLER).calls(OURS).when_asked_to_pay().presses("4242424242424242");
        let caller = caller.when_asked_to_pay().presses("1299").when_asked_to_pay().presses("123").dials();
        caller.wait_ended(LONG).expect("the end");
    },
};

const SCENES: [Scene; 12] = [
    Scene {
        name: "ivr",
        people: |sim| drop(sim.callee("+15553334444").answers().when_put_through().says("Hello, how can I help?")),
        program: |client| client.on_call(ivr::menu),
        happens: |sim| {
            let caller = sim.caller(CALLER).calls(OURS).when_asked_for_digits().presses("0");
            let caller = caller.after_hearing("how can I help").says("You have. Goodbye!").hangs_up().dials();
            caller.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "transfer",
        people: |sim| {
            sim.callee("+15553330001").is_busy();
            sim.callee("+15553330002")
                .answers()
                .when_put_through()
                .says("How can I help?")
                .waits(9 * SECOND)
                .hangs_up();
        },
        program: |client| client.on_call(transfer::menu),
        happens: |sim| {
            let caller = sim.caller(CALLER).calls(OURS).when_asked_for_digits().presses("1").dials();
            caller.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "voicemail",
        people: |_| (),
        program: |client| client.on_call(voicemail::take_message),
        happens: |sim| {
            let caller = sim.caller(CALLER).calls(OURS).after_the_beep().says("Hello, this is Ann. Please call me ba");
            caller.hangs_up().dials().wait_ended(LONG).expect("the end");
            sim.advance(REST);
        },
    },
    Scene {
        name: "fax",
        people: |sim| drop(sim.callee(CALLER).is_fax()),
        program: |client| client.on_call(fax::receive),
        happens: |sim| {
            sim.caller(CALLER).calls(OURS).is_fax().fax_pages(3).dials().wait_ended(LONG * 10).expect("the end");
            sim.advance(REST * 5);
        },
    },
    Scene {
        name: "conference",
        people: |_| (),
        program: |client| client.on_call(conference::take_part),
        happens: |sim| {
            let ann = sim.caller("+15551230004").calls(OURS);
            let ann = ann.when_put_through().says("Good morning, Bob.").after_hearing("Good morning, Ann").hangs_up();
            let ann = ann.dials();
            let bob = sim.caller("+15551230005").calls(OURS).waits(5 * SECOND);
            let bob = bob.after_hearing("Good morning, Bob").says("Good morning, Ann.").waits(5 * SECOND);
            bob.hangs_up().dials().wait_ended(LONG).expect("the end");
            ann.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "two_factor",
        people: |sim| {
            sim.number("+15552222222").undelivered("landline");
            sim.callee("+15552222222").answers().when_asked_for_digits().presses("1");
        },
        program: |client| {
            two_factor::deliver(client, "+15552222222", OURS, "4711").expect("delivered");
        },
        happens: |_| (),
    },
    Scene {
        name: "ai_agent",
        people: |sim| {
            sim.agent_answers("croissants", "Your croissants will be ready at nine.");
            sim.agent_answers("a human", "I will connect you.");
            drop(sim.callee("+15553330001").answers().when_put_through().says("The bakery, good morning!"));
        },
        program: |client| client.on_call(ai_agent::bakery),
        happens: |sim| {
            let ann = sim.caller(CALLER).calls(OURS);
            let ann = ann.waits(2 * SECOND).says("When will my croissants be ready?");
            let ann = ann.after_hearing("at nine").says("I would like to talk to a human.");
            let ann = ann.after_hearing("good morning").says("Good morning! Never mind.").hangs_up().dials();
            ann.wait_heard("I will connect you", LONG).expect("an answer");
            sim.push_event("calling.user_event", json!({"call_id": ann.call_id(), "event": "hand_over"}));
            ann.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "queue",
        people: |sim| {
            let agent = sim.callee("+15553330001").answers_after(8 * SECOND).when_put_through();
            agent.says("Support, how can I help?").waits(9 * SECOND).hangs_up();
        },
        // In the example a thread of its own calls the agent. Here it is the handler of a text message: virtual time knows
        // the threads of handlers.
        program: |client| {
            let (waiting, line) = channel();
            client.on_call(move |call| queue::wait_in_line(&call, &waiting));
            let line = Mutex::new(line);
            client.on_message(move |message| {
                let node_id = line.lock().expect("the line").try_recv()?;
                Ok(queue::serve(&message.client().expect("the client"), &node_id)?)
            });
        },
        happens: |sim| {
            let caller = sim.caller(CALLER).calls(OURS).is_silent().dials();
            sim.advance(20 * SECOND);
            sim.texts("+15553330001", OURS, "next");
            caller.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "reminder",
        people: |sim| {
            sim.callee("+15552220000").is_busy();
            sim.callee("+15552220001").does_not_answer();
            sim.callee("+15552220002").answers().is_machine("You have reached my mailbox.", true);
            sim.callee("+15552220003").answers().is_person();
        },
        program: |client| {
            let results = (0..4).map(|n| reminder::remind(client, &format!("+1555222000{n}"), OURS, "Ann").result);
            let results: Vec<_> = results.collect();
            assert_eq!(results, ["not reached", "not reached", "left a message", "reminded"]);
        },
        happens: |_| (),
    },
    Scene {
        name: "text_bot",
        people: |_| (),
        program: |client| {
            let bot = text_bot::Bot::default();
            client.on_message(move |message| bot.answer(&message));
        },
        happens: |sim| {
            for body in ["hours", "STOP", "hours", "start"] {
                sim.texts(CALLER, OURS, body);
                sim.advance(REST);
            }
        },
    },
    Scene {
        name: "many_calls",
        people: |_| (),
        program: |client| client.on_call(many_calls::welcome),
        happens: |sim| {
            let callers: Vec<_> = (0..5).map(|n| sim.caller(format!("+1555123000{n}")).is_silent().dials()).collect();
            callers.iter().for_each(|caller| drop(caller.wait_ended(LONG).expect("the end")));
        },
    },
    Scene {
        name: "rolling_restart",
        people: |_| (),
        program: |client| client.on_call(rolling_restart::serve),
        happens: |sim| drop(sim.caller(CALLER).is_silent().dials().wait_ended(LONG).expect("the end")),
    },
];

#[test]
fn the_trace_of_each_example_is_drawn_and_replayed_and_twice_the_same() {
    SCENES.iter().for_each(is_the_same_again);
}
