//! Many blocking callers on one connection.

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/floor.rs"]
mod floor;
mod support;

use std::thread;

use serde_json::json;

use self::crowd::Crowd;
use self::floor::Floor;
use self::support::{Sample, timed};

const METHOD: &str = "signalwire.receive";
const PARAMS: &str = r#"{"contexts":["bench"]}"#;

fn main() {
    let bench = support::start("callers");
    for scheme in bench.schemes() {
        let client = bench.builder(scheme).connect().expect("a client");
        let mut floor = Floor::connect(&bench, scheme);
        let crowd = Crowd::connect(&bench, scheme);
        for callers in [16, 64] {
            let each = bench.amount(3000, 12000) / callers;
            let all = each * callers;
            let aim = if callers == 64 { "150000 per s; CPU 0.8" } else { "CPU 0.8" };
            bench.contest(
                scheme,
                &format!("{callers} callers"),
                &mut [
                    ("floor", Box::new(|| timed(all, || floor.ask(METHOD, PARAMS)))),
                    (
                        "floor-mt",
                        Box::new(|| {
                            together(callers, || {
                                let caller = crowd.caller();
                                timed(each, || caller.ask(METHOD, PARAMS))
                            })
                        }),
                    ),
                    (
                        "client",
                        Box::new(|| {
                            together(callers, || {
                                timed(each, || drop(client.execute(METHOD, json!({"contexts": ["bench"]}))))
                            })
                        }),
                    ),
                ],
                aim,
            );
        }
    }
}

/// The requests of `work` on each of many threads.
fn together(threads: usize, work: impl Fn() -> Sample + Sync) -> Sample {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        let mut all = Sample { count: 0, latencies: Vec::new() };
        for thread in running {
            let sample = thread.join().expect("a caller");
            all.count += sample.count;
            all.latencies.extend(sample.latencies);
        }
        all
    })
}
