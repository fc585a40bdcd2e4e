//! Events of one call, as many as the server can send, for one listener; each is acknowledged.

#[path = "support/floor.rs"]
mod floor;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use serde_json::json;

use self::floor::{Floor, Frame};
use self::support::Sample;

/// The floor acknowledges so many events at once.
const FLUSH: usize = 64;

fn main() {
    let bench = support::start("flood");
    for scheme in bench.schemes() {
        let client = bench.builder(scheme).connect().expect("a client");
        client.execute("bench.calls", json!({"count": 1})).expect("a call");
        let call = client.next_call(None).expect("a call");
        let seen = Arc::new(AtomicUsize::new(0));
        let its_seen = Arc::clone(&seen);
        call.on("calling.call.play", move |_| {
            its_seen.fetch_add(1, Ordering::Relaxed);
        });
        let mut floor = Floor::connect(&bench, scheme);
        let count = bench.amount(20_000, 150_000);
        let mut all = 0;
        bench.contest(
            scheme,
            "events to one listener",
            &mut [
                ("floor", Box::new(|| bare(&mut floor, count))),
                (
                    "client",
                    Box::new(|| {
                        let params = json!({"count": count, "call_id": call.id()});
                        client.execute("bench.flood", params).expect("a flood");
                        all += count;
                        // All are acknowledged by now; the listener may have some to go.
                        while seen.load(Ordering::Relaxed) + dropped(&client) < all {
                            thread::yield_now();
                        }
                        Sample { count, latencies: Vec::new() }
                    }),
                ),
            ],
            "500000 per s; CPU 0.15",
        );
        println!("           {} of {all} notices did not fit and were dropped", dropped(&client));
    }
}

fn dropped(client: &signalwire_relay::Client) -> usize {
    usize::try_from(client.stats().notices_dropped).unwrap_or(usize::MAX)
}

/// What a listener of the bare socket would want to know.
#[derive(Deserialize)]
struct Event<'a> {
    event_type: &'a str,
    #[serde(borrow)]
    params: Payload<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    call_id: &'a str,
    state: &'a str,
}

fn bare(floor: &mut Floor, count: usize) -> Sample {
    let asked = floor.request("bench.flood", &json!({"count": count, "call_id": "bare"}).to_string());
    floor.flush();
    let mut taken = 0;
    loop {
        let text = floor.read();
        let frame = Frame::parse(&text);
        let (Some("signalwire.event"), Some(params)) = (frame.method, frame.params) else {
            assert!(frame.id == asked && frame.result.is_some(), "the reply, after all events");
            return Sample { count, latencies: Vec::new() };
        };
        let event: Event<'_> = serde_json::from_str(params.get()).expect("an event");
        assert!(event.event_type == "calling.call.play", "an event of the flood");
        assert!(event.params.call_id == "bare" && event.params.state == "playing", "an event of the flood");
        floor.write(format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#, frame.id));
        taken += 1;
        if taken % FLUSH == 0 || taken == count {
            floor.flush();
        }
    }
}
