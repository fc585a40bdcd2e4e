//! Requests one after another by one caller: on a busy connection, on an idle one, and the first of all.

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/floor.rs"]
mod floor;
mod support;

use std::time::Instant;

use native_tls::TlsConnector;
use serde_json::json;

use self::crowd::Crowd;
use self::floor::{Floor, connector};
use self::support::{Bench, Scheme, median, nanos, quiet, timed};

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
        drop(client);
        connecting(&bench, scheme);
    }
}

/// Time until a client is ready, and the part of it that loads the system's certificates.
fn connecting(bench: &Bench, scheme: Scheme) {
    let tls = (scheme == Scheme::Wss).then(|| connector(bench));
    let (mut bare, mut client, mut roots) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.amount(5, 25) {
        let began = Instant::now();
        let connected = Floor::connect_with(bench, scheme, tls.as_ref());
        bare.push(nanos(began) as f64 / 1e3);
        drop(connected);
        let began = Instant::now();
        let connected = bench.builder(scheme).connect().expect("a client");
        client.push(nanos(began) as f64 / 1e3);
        connected.disconnect();
        if scheme == Scheme::Wss {
            let began = Instant::now();
            let built = TlsConnector::new().expect("TLS");
            roots.push(nanos(began) as f64 / 1e3);
            drop(built);
        }
    }
    let (bare, client) = (median(&bare).unwrap_or_default(), median(&client).unwrap_or_default());
    let roots = median(&roots).unwrap_or_default();
    println!("\nconnect and authenticate over {} (medians)", scheme.name());
    println!("floor      {bare:>10.0} us, its TLS set up before");
    println!("client     {client:>10.0} us from start to ready, of which {roots:.0} us set up TLS");
    println!("           {:>10.0} us without that: {:.2} x floor", client - roots, (client - roots) / bare);
    println!("aim        150 us; start to ready 2000 us");
}
