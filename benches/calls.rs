//! Two hundred inbound calls at once, each answered, played to and hung up; and the cost of an idle call.

#[path = "support/floor.rs"]
mod floor;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use serde::Deserialize;
use serde_json::json;
use signalwire_relay::connection::Trace;
use signalwire_relay::{Builder, Call, Client, tts};

use self::floor::{Floor, Frame};
use self::support::{Bench, Sample};

const AT_ONCE: usize = 200;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

fn main() {
    let bench = support::start("calls");
    // First, while the memory of the process is still untouched.
    memory(&bench);
    for scheme in bench.schemes() {
        let client = Served::new(bench.builder(scheme));
        let traced = Served::new(bench.builder(scheme).trace(Trace::to_writer(io::sink())));
        let mut floor = Floor::connect(&bench, scheme);
        let batches = bench.amount(2, 6);
        bench.contest(
            scheme,
            "200 inbound calls at once: answer, play, wait, hang up",
            &mut [
                (
                    "floor",
                    Box::new(|| {
                        for _ in 0..batches {
                            bare(&mut floor);
                        }
                        Sample { count: batches * AT_ONCE, latencies: Vec::new() }
                    }),
                ),
                ("client", Box::new(|| client.serve(batches))),
                ("traced", Box::new(|| traced.serve(batches))),
            ],
            "20000 calls per s; CPU 6",
        );
        println!("           {} worker threads at the end", client.client.stats().workers);
        println!("           {} lines of the trace were dropped", traced.client.stats().trace_dropped);
    }
}

/// A client that answers calls, and reports each that ended well.
struct Served {
    client: Client,
    ended: crossbeam_channel::Receiver<()>,
}

impl Served {
    fn new(builder: Builder) -> Self {
        let client = builder.connect().expect("a client");
        let (done, ended) = crossbeam_channel::unbounded();
        client.on_call(move |call| {
            call.answer()?;
            call.play(tts("Welcome!"))?.wait(LONG)?;
            call.hangup()?;
            call.wait_for_ended(LONG)?;
            Ok(done.send(())?)
        });
        Self { client, ended }
    }

    fn serve(&self, batches: usize) -> Sample {
        for _ in 0..batches {
            self.client.execute("bench.calls", json!({"count": AT_ONCE})).expect("calls");
            for _ in 0..AT_ONCE {
                self.ended.recv_timeout(LONG).expect("a call that ended well");
            }
        }
        Sample { count: batches * AT_ONCE, latencies: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    event_type: &'a str,
    #[serde(borrow)]
    params: Payload<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    call_id: &'a str,
    call_state: Option<&'a str>,
    state: Option<&'a str>,
}

/// The crate's frames, sent by one thread.
fn bare(floor: &mut Floor) {
    /// The request whose response is awaited, and the next one.
    type Waiting = HashMap<String, String>;

    let (mut answering, mut over): (Waiting, usize) = (HashMap::new(), 0);
    let of = |call_id: &str, more: &str| format!(r#"{{"node_id":"node-1","call_id":"{call_id}"{more}}}"#);
    floor.request("bench.calls", &json!({"count": AT_ONCE}).to_string());
    floor.flush();
    while over < AT_ONCE {
        let text = floor.read();
        let frame = Frame::parse(&text);
        if frame.method.is_some() {
            let raw = frame.params.expect("an event").get();
            let event: Event<'_> = serde_json::from_str(raw).expect("an event");
            floor.write(format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#, frame.id));
            let Payload { call_id, call_state, state } = event.params;
            match (event.event_type, call_state, state) {
                ("calling.call.receive", ..) => {
                    let id = floor.request("calling.answer", &of(call_id, ""));
                    answering.insert(id, call_id.to_owned());
                }
                ("calling.call.play", _, Some("finished")) => {
                    floor.request("calling.end", &of(call_id, r#","reason":"hangup""#));
                }
                ("calling.call.state", Some("ended"), _) => over += 1,
                _ => {}
            }
            floor.flush();
        } else if let Some(call_id) = answering.remove(frame.id).filter(|_| frame.result.is_some()) {
            let play = r#","control_id":"control-1","play":[{"type":"tts","params":{"text":"Welcome!"}}]"#;
            floor.request("calling.play", &of(&call_id, play));
            floor.flush();
        }
    }
}

/// Holds many calls that do nothing, ends them, and looks at the memory of the process meanwhile.
fn memory(bench: &Bench) {
    /// In portions, so that what queues on the way is small against what is held.
    const PORTION: usize = 200;
    let count = bench.amount(4000, 20_000);
    let Some(scheme) = bench.schemes().first().copied().filter(|_| resident().is_some()) else {
        println!("\nmemory per call: n/a on this system");
        return;
    };
    let client = bench.builder(scheme).max_active_calls(count * 2).connect().expect("a client");
    let held: Arc<Mutex<Vec<Call>>> = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let its_held = Arc::clone(&held);
    client.on_call(move |call| {
        its_held.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        Ok(())
    });
    let lives = || held.lock().unwrap_or_else(PoisonError::into_inner).len();
    let fill = |count: usize| {
        while lives() < count {
            let wanted = lives() + PORTION;
            client.execute("bench.calls", json!({"count": PORTION})).expect("calls");
            until(|| lives() >= wanted);
        }
    };
    // The client's records of the latest events and calls are bounded; they are filled first.
    for _ in 0..20 {
        fill(PORTION);
        end(&client, &held);
    }
    let before = resident().unwrap_or_default();
    fill(count);
    let full = resident().unwrap_or_default();
    end(&client, &held);
    let first = resident().unwrap_or_default();
    fill(count);
    end(&client, &held);
    fill(count);
    end(&client, &held);
    let last = resident().unwrap_or_default();
    println!("\nmemory over {}: {count} idle inbound calls", scheme.name());
    println!("per live call                {:>8.0} B   aim 600 B", (full - before) / count as f64);
    println!("kept per ended call          {:>8.0} B   aim 0 B (growth over two more rounds)", {
        (last - first) / (2 * count) as f64
    });
    println!("kept by the allocator        {:>8.0} kB  after all have ended", (last - before) / 1024.0);
}

fn end(client: &Client, held: &Mutex<Vec<Call>>) {
    client.execute("bench.end", json!({})).expect("the end of all calls");
    until(|| client.stats().calls == 0);
    held.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LONG, "it takes too long");
        thread::yield_now();
    }
}

/// The resident memory of this process in bytes, if the system reports it in a file.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
}
