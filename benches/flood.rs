//! Events of one call, as many as the server can send, for one listener; each is acknowledged.
//!
//! `cargo bench --bench flood -- --starved` runs fifty such floods beside busy loops that leave the client little
//! processor time, and fails if its connection is lost once.

#[path = "support/floor.rs"]
mod floor;
mod support;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, hint, io, process, thread};

use serde::Deserialize;
use serde_json::json;
use signalwire_relay::connection::Trace;
use signalwire_relay::{Builder, Call, Client};

use self::floor::{Floor, Frame};
use self::support::{Bench, Sample, Scheme, cpu_seconds, median};

/// The floor acknowledges so many events at once.
const FLUSH: usize = 64;

/// Starts the program as a busy loop.
const SPIN: &str = "--spin";

/// Number of floods beside the busy loops.
const FLOODS: usize = 50;

fn main() {
    let has = |wanted: &str| env::args().any(|argument| argument == wanted);
    if has(SPIN) {
        spin();
    }
    let bench = support::start("flood");
    if has("--starved") {
        let lost: u64 = bench.schemes().into_iter().map(|scheme| starved(&bench, scheme)).sum();
        drop(bench);
        process::exit(i32::from(lost > 0));
    }
    for scheme in bench.schemes() {
        let mut client = Flooded::new(bench.builder(scheme));
        let mut traced = Flooded::new(bench.builder(scheme).trace(Trace::to_writer(io::sink())));
        let mut floor = Floor::connect(&bench, scheme);
        let count = bench.amount(20_000, 150_000);
        bench.contest(
            scheme,
            "events to one listener",
            &mut [
                ("floor", Box::new(|| bare(&mut floor, count))),
                ("client", Box::new(|| client.flood(count))),
                ("traced", Box::new(|| traced.flood(count))),
            ],
            "500000 per s; CPU 0.15",
        );
        println!("           {} of {} notices did not fit and were dropped", dropped(&client.client), client.all);
        println!("           {} lines of the trace were dropped", traced.client.stats().trace_dropped);
    }
}

/// A client with one call, whose events are counted.
struct Flooded {
    client: Client,
    call: Call,
    seen: Arc<AtomicUsize>,
    all: usize,
}

impl Flooded {
    fn new(builder: Builder) -> Self {
        let client = builder.connect().expect("a client");
        client.execute("bench.calls", json!({"count": 1})).expect("a call");
        let call = client.next_call(None).expect("a call");
        let seen = Arc::new(AtomicUsize::new(0));
        let its_seen = Arc::clone(&seen);
        call.on("calling.call.play", move |_| {
            its_seen.fetch_add(1, Ordering::Relaxed);
        });
        Self { client, call, seen, all: 0 }
    }

    fn flood(&mut self, count: usize) -> Sample {
        let params = json!({"count": count, "call_id": self.call.id()});
        self.client.execute("bench.flood", params).expect("a flood");
        self.all += count;
        // All are acknowledged by now; the listener may have some to go.
        while self.seen.load(Ordering::Relaxed) + dropped(&self.client) < self.all {
            thread::yield_now();
        }
        Sample { count, latencies: Vec::new() }
    }
}

/// Takes a processor as long as the program is there that started it.
fn spin() -> ! {
    thread::spawn(|| {
        let _over = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0)
    });
    loop {
        hint::spin_loop();
    }
}

/// A process that is a busy loop.
struct Spinner(Child);

impl Spinner {
    fn start() -> Self {
        let program = env::current_exe().expect("the path of this program");
        Self(Command::new(program).arg(SPIN).stdin(Stdio::piped()).spawn().expect("a process"))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _gone = self.0.wait();
    }
}

/// Floods beside as many busy loops as there are processors, two at least. How often the connection was lost.
fn starved(bench: &Bench, scheme: Scheme) -> u64 {
    let loops = thread::available_parallelism().map_or(2, |count| count.get().max(2));
    let _spinners: Vec<Spinner> = (0..loops).map(|_| Spinner::start()).collect();
    let client = bench.builder(scheme).connect().expect("a client");
    let count = bench.amount(20_000, 150_000);
    let lost = || client.stats().connections - 1;
    let (mut rates, cpu) = (Vec::new(), cpu_seconds());
    for _ in 0..FLOODS {
        // Calls may be lost with the connection, so each flood has one of its own.
        client.execute("bench.calls", json!({"count": 1})).expect("a call");
        let call = client.next_call(None).expect("a call");
        let heard = Arc::new(AtomicUsize::new(0));
        let its_heard = Arc::clone(&heard);
        call.on("calling.call.play", move |_| {
            its_heard.fetch_add(1, Ordering::Relaxed);
        });
        let (before, lost_before, began) = (dropped(&client), lost(), Instant::now());
        let flood = client.execute("bench.flood", json!({"count": count, "call_id": call.id()}));
        if flood.is_ok() && lost() == lost_before {
            while heard.load(Ordering::Relaxed) + dropped(&client) - before < count {
                thread::yield_now();
            }
            rates.push(count as f64 / began.elapsed().as_secs_f64());
        }
        client.execute("bench.end", json!({})).expect("the end of the call");
    }
    let lost = lost();
    let cpu = cpu_seconds().zip(cpu).map(|(after, before)| (after - before) * 1e5 / (FLOODS * count) as f64);
    println!("\n{FLOODS} floods of {count} events beside {loops} busy loops, over {}", scheme.name());
    println!("connection lost       {lost:>10} times   aim 0");
    println!("events per s          {:>10.0} (median)", median(&rates).unwrap_or(f64::NAN));
    println!("CPU s per 100k        {:>10.2}", cpu.unwrap_or(f64::NAN));
    lost
}

fn dropped(client: &Client) -> usize {
    usize::try_from(client.stats().listener_events_dropped).unwrap_or(usize::MAX)
}

/// The fields that a listener of the bare socket would read.
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
