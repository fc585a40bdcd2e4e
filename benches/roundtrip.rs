//! Requests one after another by one caller: on a busy connection, and on an idle one.

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/floor.rs"]
mod floor;
mod support;

use serde_json::json;

use self::crowd::Crowd;
use self::floor::Floor;
use self::support::{quiet, timed};

const METHOD: &str = "signalwire.receive";
const PARAMS: &str = r#"{"contexts":["bench"]}"#;

fn main() {
    let bench = support::start("roundtrip");
    for scheme in bench.schemes() {
        let client = bench.builder(scheme).connect().expect("a client");
        let mut floor = Floor::connect(&bench, scheme);
        let crowd = Crowd::connect(&bench, scheme);
        let caller = crowd.caller();
        let count = bench.amount(1000, 6000);
        bench.contest(
            scheme,
            "one caller, sequential requests",
            &mut [
                ("floor", Box::new(|| timed(count, || floor.ask(METHOD, PARAMS)))),
                ("floor-mt", Box::new(|| timed(count, || caller.ask(METHOD, PARAMS)))),
                ("client", Box::new(|| timed(count, || drop(client.execute(METHOD, json!({"contexts": ["bench"]})))))),
            ],
            "60000 per s; p50 within 1.3 of floor-mt; CPU 1.0",
        );
        let count = bench.amount(50, 150);
        bench.contest(
            scheme,
            "one request every 2 ms on a quiet link; look at p50",
            &mut [
                ("floor-mt", Box::new(|| quiet(count, || caller.ask(METHOD, PARAMS)))),
                ("client", Box::new(|| quiet(count, || drop(client.execute(METHOD, json!({"contexts": ["bench"]})))))),
                ("floor", Box::new(|| quiet(count, || floor.ask(METHOD, PARAMS)))),
            ],
            "p50 within 1.2 of floor-mt",
        );
    }
}
