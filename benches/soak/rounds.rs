//! The rounds of the soak; the tests run them with small counts.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Call, Client, HandlerResult, phone, silence};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A time that no run reaches.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Allowed growth of the resident memory after the first tenth, in MiB: that of the allocator, not of the crate.
const SLACK: f64 = 5.0;

/// The journal of a simulator keeps frames: after so many of them another takes over.
const PER_SIMULATOR: usize = 10_000;

/// Numbers of events, calls and clients.
pub struct Counts {
    events: usize,
    calls: usize,
    clients: usize,
}

impl Counts {
    pub const fn full() -> Self {
        Self { events: 1_000_000, calls: 100_000, clients: 10_000 }
    }

    pub const fn small() -> Self {
        Self { events: 4000, calls: 400, clients: 60 }
    }
}

/// The remains of one round.
pub struct Report {
    what: &'static str,
    count: usize,
    took: Duration,
    /// After the first tenth, and at the end.
    resident: [f64; 2],
    threads: [usize; 2],
    handles: [usize; 2],
    /// Closures, calls and all else that `stats()` counts.
    left: usize,
}

impl Report {
    /// `true` if nothing is left. Memory is not compared at small counts, because the journal of a simulator grows at
    /// first.
    pub fn is_clean(&self) -> bool {
        self.threads[0] == self.threads[1] && self.handles[0] == self.handles[1] && self.left == 0
    }

    /// Nor has memory grown.
    pub fn is_flat(&self) -> bool {
        self.resident[1] - self.resident[0] <= SLACK
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |[before, after]: [usize; 2]| format!("{before}>{after}");
        write!(
            f,
            "{:<28} {:>9} {:>8.1} {:>11.1} {:>11.1} {:>8} {:>8} {:>5}",
            self.what,
            self.count,
            self.took.as_secs_f64(),
            self.resident[0],
            self.resident[1],
            pair(self.threads),
            pair(self.handles),
            self.left
        )
    }
}

pub fn all(counts: &Counts) -> Vec<Report> {
    vec![
        measured("events to a listener", counts.events, events),
        measured("calls, virtual time", counts.calls, calls),
        measured("clients that come and go", counts.clients, clients),
        measured("clients that fail to connect", counts.clients / 10, failures),
    ]
}

/// Runs a tenth, to fill what is filled once, and then the rest.
fn measured(what: &'static str, count: usize, round: fn(usize) -> usize) -> Report {
    let (began, tenth) = (Instant::now(), count.div_ceil(10));
    let first = usage(None);
    let mut left = round(tenth);
    let before = usage(Some(first));
    left += round(count - tenth);
    let after = usage(Some(first));
    Report {
        what,
        count,
        took: began.elapsed(),
        resident: [before.0, after.0],
        threads: [first.1, after.1],
        handles: [first.2, after.2],
        left,
    }
}

/// MiB of resident memory, threads, open files.
type Usage = (f64, usize, usize);

/// Resources of the process. If threads and files must fall to an earlier number, it reads them repeatedly for a
/// while, because the system removes a thread from its table some time after its end.
fn usage(wanted: Option<Usage>) -> Usage {
    let until = Instant::now() + 10 * SECOND;
    loop {
        let now = look();
        let settled = wanted.is_none_or(|(_, threads, handles)| now.1 <= threads && now.2 <= handles);
        if settled || Instant::now() > until {
            return now;
        }
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
fn look() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse::<usize>().ok()).unwrap_or_default()
    };
    let handles = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    (field("VmRSS:") as f64 / 1024.0, field("Threads:"), handles)
}

#[cfg(not(target_os = "linux"))]
fn look() -> Usage {
    let _nowhere_to_look = fs::metadata(".");
    (0.0, 0, 0)
}

fn simulator() -> Simulator {
    Simulator::builder().virtual_time().pings_every(NEVER).start().expect("a simulator")
}

fn builder(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"]).tuning(|t| t.ping_after(NEVER))
}

/// Number of live instances of a closure.
#[derive(Clone)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(1));
        (Self(Arc::clone(&count)), count)
    }

    fn another(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.clone()
    }

    fn touch(&self) {
        let _ = &self.0;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Number of entries in the tables of an idle client.
fn held(client: &Client) -> usize {
    let stats = client.stats();
    let tables =
        [stats.calls, stats.messages, stats.dials, stats.dials_given_up, stats.unclaimed, stats.unmatched_events];
    let queues = [stats.pending_requests, stats.write_queue_bytes, stats.listener_backlog_bytes, stats.jobs_waiting];
    tables.iter().chain(&queues).sum::<usize>() + stats.workers
}

/// Runs in portions, each on a simulator of its own.
fn portions(mut count: usize, job: impl Fn(usize) -> usize) -> usize {
    let mut left = 0;
    while count > 0 {
        let portion = count.min(PER_SIMULATOR);
        left += job(portion);
        count -= portion;
    }
    left
}

fn events(count: usize) -> usize {
    let sim = simulator();
    let client = builder(&sim).connect().expect("a client");
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(MINUTE).expect("a call");
    call.answer().expect("an answer");
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    call.on("calling.error", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    for number in 0..count {
        sim.push_event("calling.error", json!({"call_id": call.id(), "node_id": call.node_id(), "error": number}));
        if number % 500 == 499 {
            sim.advance(SECOND);
        }
    }
    sim.advance(SECOND);
    let missing = count - heard.load(Ordering::Relaxed);
    caller.hang_up();
    sim.advance(MINUTE);
    let left = held(&client);
    client.disconnect();
    left + missing
}

/// Half of them inbound, half outbound, with what calls have: listeners, callbacks, operations.
fn calls(count: usize) -> usize {
    const AT_ONCE: usize = 50;
    portions(count, |count| {
        let sim = simulator();
        let client = builder(&sim).connect().expect("a client");
        let (alive, closures) = Alive::new();
        let of_handler = alive.another();
        client.on_call(move |call| {
            call.answer()?;
            talk(&call, &of_handler)
        });
        let mut unended = 0;
        for start in (0..count).step_by(AT_ONCE) {
            let batch = AT_ONCE.min(count - start);
            let callers: Vec<_> =
                (0..batch.div_ceil(2)).map(|_| sim.caller("+15551230000").is_silent().dials()).collect();
            for _ in 0..batch / 2 {
                let dialled = client.dial(phone("+15552220000").from("+15551110000"));
                unended += usize::from(dialled.is_ok_and(|call| talk(&call, &alive).is_err()));
            }
            unended += callers.iter().filter(|caller| caller.wait_ended(MINUTE).is_err()).count();
        }
        sim.advance(10 * MINUTE);
        let left = held(&client);
        client.disconnect();
        sim.advance(MINUTE);
        drop(alive);
        left + unended + closures.load(Ordering::SeqCst)
    })
}

fn talk(call: &Call, alive: &Alive) -> HandlerResult {
    let (first, second) = (alive.another(), alive.another());
    call.on_any(move |_| first.touch());
    let play = call.play(silence(SECOND))?;
    play.on_completed(move |_| second.touch());
    play.wait(MINUTE)?;
    Ok(call.hangup()?)
}

fn clients(count: usize) -> usize {
    let (alive, closures) = Alive::new();
    let mut left = 0;
    for number in 0..count {
        let sim = simulator();
        let client = builder(&sim).connect().expect("a client");
        let (of_calls, of_messages) = (alive.another(), alive.another());
        // One that holds its own client: the close breaks the circle.
        let own = client.clone();
        client.on_call(move |_| {
            of_calls.touch();
            drop(own.clone());
            Ok(())
        });
        client.on_message(move |_| {
            of_messages.touch();
            Ok(())
        });
        let weak = client.downgrade();
        if number % 2 == 0 {
            client.disconnect();
        } else {
            client.shutdown(SECOND);
        }
        drop(client);
        sim.advance(MINUTE);
        left += usize::from(weak.upgrade().is_some());
    }
    drop(alive);
    left + closures.load(Ordering::SeqCst)
}

/// Half of the attempts fail when they connect, half when they say who they are.
fn failures(count: usize) -> usize {
    let mut came_up = 0;
    for number in 0..count {
        let sim = simulator();
        if number % 2 == 0 {
            sim.stop_listening();
        } else {
            sim.refuse_all_credentials();
        }
        came_up += usize::from(builder(&sim).connect().is_ok());
    }
    came_up
}
