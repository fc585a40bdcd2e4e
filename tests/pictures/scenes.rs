//! The contents of the pictures.

use crate::drawing::Look::{Accent, Dashed, Plain};
use crate::drawing::Step::{At, Bad, Lost, Main, Then, To};
use crate::drawing::{Drawing, scene};

/// Every picture, by its name.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("call", call()),
        ("dial", dial()),
        ("connect", connect()),
        ("reconnect", reconnect()),
        ("threads", threads()),
        ("message", message()),
    ]
}

fn call() -> String {
    let mut drawing = Drawing::new(
        "The life of a call: created, ringing, answered, ending, ended. A call that is not answered goes from ringing to \
         ended.",
        760,
        200,
    );
    let boxes = ["created", "ringing", "answered", "ending", "ended"];
    for (n, name) in (0..).zip(boxes) {
        let look = if name == "answered" { Accent } else { Plain };
        drawing.boxed((10 + n * 155, 70, 110, 44), &[name], look);
        if n < 4 {
            drawing.arrow((120 + n * 155, 92), (164 + n * 155, 92), Plain);
        }
    }
    drawing.path("M220 70L220 30L685 30L685 68", Plain, true);
    drawing.text(452, 22, "busy, no answer, declined, the caller gives up", Plain);
    drawing.path("M375 114L375 140L668 140L668 116", Dashed, true);
    drawing.text(522, 134, "an end without notice", Plain);
    for (x, lines) in [
        (65, ["on_call: the handler", "begins"]),
        (220, ["answer()", "pass(), hangup()"]),
        (375, ["play, prompt, record,", "connect"]),
        (530, ["hangup(), or the", "far end hangs up"]),
        (685, ["wait_for_ended", "returns"]),
    ] {
        drawing.text(x, 170, lines[0], Plain).text(x, 187, lines[1], Plain);
    }
    drawing.done()
}

fn dial() -> String {
    scene(
        "A dial with two legs: both ring, one is answered, the service ends the other.",
        &["program", "SignalWire", "desk", "mobile"],
        &[
            Main(0, 1, "client.dial([desk, mobile])"),
            To(1, 2, "ringing"),
            To(1, 3, "ringing"),
            To(3, 1, "answers"),
            To(1, 2, "hangs up the loser"),
            Main(1, 0, "Ok(call): the mobile"),
            Then("At the limit, by cancel(), or when the dial is dropped"),
            Main(0, 1, "ends every leg"),
            Lost(3, 1, "an answer that comes too late"),
            To(1, 0, "the late answer"),
            Main(0, 1, "hangs up"),
        ],
    )
}

fn connect() -> String {
    scene(
        "A connect and its ends: the agent answers or not; the agent or the caller hangs up.",
        &["caller", "program", "SignalWire", "agent"],
        &[
            Main(1, 2, "call.connect(agent)"),
            To(2, 0, "ringback"),
            To(2, 3, "ringing"),
            Then("The agent answers"),
            To(3, 2, "answers"),
            Main(2, 1, "wait() returns Ok"),
            Then("One of them hangs up"),
            To(3, 2, "the agent hangs up"),
            Main(2, 1, "wait_disconnected() returns"),
            At(1, "the caller is still on the line"),
            Then("The agent does not answer"),
            To(3, 2, "busy, no answer, declined"),
            Main(2, 1, "wait(): ConnectFailed"),
            At(1, "the caller is still on the line"),
            Then("The caller hangs up while the agent's phone rings"),
            Main(2, 1, "wait(): CallEnded"),
            Then("The caller hangs up while they talk"),
            Main(2, 1, "wait_disconnected(): Ok, ended_by_call"),
        ],
    )
}

fn reconnect() -> String {
    scene(
        "A lost connection: the client reconnects, and the session is resumed or lost.",
        &["program", "client", "SignalWire"],
        &[
            Main(0, 1, "wait() blocks"),
            Bad(1, "the connection is lost"),
            To(1, 0, "LinkState::Reconnecting"),
            At(1, "delay: 1 s, 2 s, ... 30 s"),
            Lost(1, 2, "connect"),
            To(1, 2, "connect, with the session"),
            Then("The session is resumed"),
            To(2, 1, "the same session"),
            To(1, 0, "Online { resumed: true }"),
            At(1, "events may be missing"),
            To(2, 1, "the operation ends"),
            Main(1, 0, "wait() returns its result"),
            Then("The session is lost"),
            To(2, 1, "a new session"),
            To(1, 0, "Online { resumed: false }"),
            Main(1, 0, "wait(): SessionLost"),
        ],
    )
}

fn threads() -> String {
    let mut drawing = Drawing::new(
        "The threads of a client: a reader and a writer own the WebSocket; handlers, listeners and callbacks run on worker \
         threads; methods block on the threads of the program.",
        790,
        300,
    );
    drawing.boxed((10, 70, 105, 150), &["SignalWire"], Plain);
    drawing.boxed((205, 30, 345, 235), &[], Dashed);
    drawing.text_from(217, 50, "Client", Plain);
    drawing.boxed((225, 75, 130, 46), &["reader thread"], Plain);
    drawing.boxed((225, 170, 130, 46), &["writer thread", "and timers"], Plain);
    drawing.boxed((410, 68, 125, 60), &["queues of calls", "and messages"], Plain);
    drawing.boxed((410, 163, 125, 60), &["requests that", "wait"], Plain);
    drawing.boxed((650, 60, 130, 76), &["worker threads", "your handlers,", "listeners, callbacks"], Accent);
    drawing.boxed((650, 158, 130, 70), &["your threads", "blocking methods"], Accent);
    drawing.arrow((115, 98), (223, 98), Plain).text(161, 90, "events", Plain);
    drawing.arrow((225, 193), (117, 193), Plain).text(161, 185, "requests", Plain);
    drawing.arrow((355, 98), (408, 98), Plain);
    drawing.arrow((345, 121), (415, 161), Plain);
    drawing.arrow((535, 98), (648, 98), Accent).text(600, 90, "wakes", Accent);
    drawing.arrow((535, 180), (648, 180), Accent).text(600, 172, "response", Accent);
    drawing.arrow((650, 207), (537, 207), Accent).text(600, 223, "request", Accent);
    drawing.arrow((410, 207), (357, 207), Plain);
    drawing.text(380, 288, "Reader and writer never run your code. Worker threads are created as needed.", Plain);
    drawing.done()
}

fn message() -> String {
    scene(
        "How a text message travels: accepted by the service, sent to the carrier, delivered or not.",
        &["program", "SignalWire", "carrier", "telephone"],
        &[
            Main(0, 1, "client.send_message(sms)"),
            Main(1, 0, "Ok(message): accepted"),
            To(1, 0, "queued, initiated"),
            To(1, 2, "SMS or MMS"),
            To(1, 0, "sent"),
            To(2, 3, "text"),
            Then("Delivered"),
            To(2, 1, "receipt"),
            Main(1, 0, "wait(): Delivered"),
            Then("Not delivered"),
            To(2, 1, "reason"),
            Main(1, 0, "wait(): Undelivered"),
            Then("The response to the request is lost"),
            Lost(1, 0, "accepted"),
            Bad(0, "OutcomeUnknown"),
        ],
    )
}
