//! Allocations and system calls per unit of work, and the memory of an idle call: numbers that do not depend on the
//! load of the machine.
//!
//! The allocations are those of all threads of the client. The system calls are counted by `strace`, if it is
//! installed, in processes that do the work once and three times; the difference is the cost of the work.

mod support;

use std::alloc::System;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use serde_json::json;
use signalwire_relay::{Call, Client, tts};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use self::support::{Bench, Scheme, builder_for};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const AT_ONCE: usize = 200;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// The counted works: a name, and the number of units in one round.
const WORKS: [(&str, usize); 4] = [("connect", 20), ("request", 2000), ("event", 20_000), ("call", 5 * AT_ONCE)];

fn main() {
    let given: Vec<String> = env::args().collect();
    if let Some(at) = given.iter().position(|argument| argument == "--work") {
        let number = |n: usize| given[at + n].parse().expect("a number");
        let rounds: usize = number(2);
        let mut worker = Worker::new(u16::try_from(number(3)).expect("a port"));
        return (0..rounds).for_each(|_| worker.work(&given[at + 1]));
    }
    let bench = support::start("allocations");
    let port = bench.port(Scheme::Ws);
    println!("\n{:<44} {:>10} {:>8}", "over ws", "ours", "aim");
    for (work, count) in WORKS {
        let mut worker = Worker::new(port);
        // Twice first: that fills tables and caches, and makes threads.
        (0..2).for_each(|_| worker.work(work));
        let region = Region::new(COUNTED);
        worker.work(work);
        let made = region.change().allocations + region.change().reallocations;
        let aim = match work {
            "call" => "44",
            _ => "",
        };
        println!("{:<44} {:>10.1} {aim:>8}", format!("allocations for a {work}"), made as f64 / count as f64);
    }
    memory(&bench);
    for (work, count) in WORKS {
        let Some((all, most)) = system_calls(&bench, work) else {
            println!("{:<44} {:>10}", format!("system calls for a {work}"), "n/a");
            continue;
        };
        let each = |calls: f64| calls / (2 * count) as f64;
        let named: Vec<_> = most.iter().map(|(name, calls)| format!("{name} {:.2}", each(*calls))).collect();
        println!("{:<44} {:>10.2}          {}", format!("system calls for a {work}"), each(all), named.join(", "));
    }
}

/// A client, and what it can be made to do.
struct Worker {
    port: u16,
    client: Client,
    call: Option<Call>,
    seen: Arc<AtomicUsize>,
    over: Arc<AtomicUsize>,
}

impl Worker {
    fn new(port: u16) -> Self {
        let client = builder_for(port, None).connect().expect("a client");
        Self { port, client, call: None, seen: Arc::default(), over: Arc::default() }
    }

    /// One round.
    fn work(&mut self, what: &str) {
        let (_, count) = WORKS.into_iter().find(|(name, _)| *name == what).expect("a work");
        match what {
            "connect" => {
                for _ in 0..count {
                    builder_for(self.port, None).connect().expect("a client").disconnect();
                }
            }
            "request" => {
                for _ in 0..count {
                    self.client.execute("signalwire.receive", json!({"contexts": ["bench"]})).expect("a reply");
                }
            }
            "event" => {
                let call_id = self.listening().id().to_owned();
                let dropped = || usize::try_from(self.client.stats().listener_events_dropped).unwrap_or(usize::MAX);
                let told = || self.seen.load(Ordering::Relaxed) + dropped();
                let before = told();
                self.client.execute("bench.flood", json!({"count": count, "call_id": call_id})).expect("a flood");
                until(|| told() == before + count);
            }
            _ => {
                self.serve();
                let before = self.over.load(Ordering::Relaxed);
                for batch in 1..=count / AT_ONCE {
                    self.client.execute("bench.calls", json!({"count": AT_ONCE})).expect("calls");
                    until(|| self.over.load(Ordering::Relaxed) == before + batch * AT_ONCE);
                }
            }
        }
    }

    fn listening(&mut self) -> &Call {
        self.call.get_or_insert_with(|| {
            self.client.execute("bench.calls", json!({"count": 1})).expect("a call");
            let call = self.client.next_call(None).expect("a call");
            let seen = Arc::clone(&self.seen);
            call.on("calling.call.play", move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
            });
            call
        })
    }

    fn serve(&self) {
        let over = Arc::clone(&self.over);
        self.client.on_call(move |call| {
            call.answer()?;
            call.play(tts("Welcome!"))?.wait(LONG)?;
            call.hangup()?;
            call.wait_for_ended(LONG)?;
            over.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
    }
}

fn until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LONG, "it takes too long");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Holds many calls that do nothing: what they take of the allocator, and of the system.
fn memory(bench: &Bench) {
    /// In portions, so that what queues on the way is small against what is held.
    const PORTION: usize = 200;
    let count = bench.amount(4000, 20_000);
    let client = bench.builder(Scheme::Ws).max_active_calls(count * 2).connect().expect("a client");
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
    let end = || {
        client.execute("bench.end", json!({})).expect("the end of all calls");
        until(|| client.stats().calls == 0);
        held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    };
    // The client's records of the latest events and calls are bounded; they are filled first.
    for _ in 0..20 {
        fill(PORTION);
        end();
    }
    let (region, before) = (Region::new(COUNTED), resident());
    fill(count);
    let change = region.change();
    let taken = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    println!("{:<44} {:>10.0} {:>8}", "bytes allocated for a live call", taken / count as f64, "");
    let resident = resident().zip(before).map(|(after, before)| format!("{:.0}", (after - before) / count as f64));
    println!("{:<44} {:>10} {:>8}", "resident bytes for a live call", resident.unwrap_or("n/a".into()), "550");
    end();
}

/// The resident memory of this process in bytes, if the system reports it in a file.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
}

/// The system calls of two rounds of a work: all of them, and the most frequent by name.
fn system_calls(bench: &Bench, work: &str) -> Option<(f64, Vec<(String, f64)>)> {
    let [once, three_times] = [1, 3].map(|rounds| strace(bench.port(Scheme::Ws), work, rounds));
    let (once, three_times) = (once?, three_times?);
    let of_once = |name: &str| once.iter().find(|(there, _)| there == name).map_or(0.0, |(_, calls)| *calls);
    // Calls that depend on the meeting of threads, such as yielding, may be fewer the second time.
    let more = |name: &str, calls: f64| (calls - of_once(name)).max(0.0);
    let mut most: Vec<_> = three_times.iter().map(|(name, calls)| (name.clone(), more(name, *calls))).collect();
    let all = most.iter().map(|(_, calls)| calls).sum();
    most.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    most.truncate(6);
    Some((all, most))
}

fn strace(port: u16, work: &str, rounds: usize) -> Option<Vec<(String, f64)>> {
    let summary = Summary(env::temp_dir().join(format!("signalwire-relay-bench-{}.strace", process::id())));
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&summary.0).arg(env::current_exe().ok()?);
    let status = command.args(["--work", work, &rounds.to_string(), &port.to_string()]).status().ok()?;
    assert!(status.success(), "{work}");
    let text = fs::read_to_string(&summary.0).ok()?;
    // % time, seconds, usecs/call, calls, perhaps errors, and the name.
    let lines = text.lines().filter(|line| !line.contains("total")).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        Some(((*fields.last()?).to_owned(), fields.get(3)?.parse().ok()?))
    });
    Some(lines.collect())
}

/// A file that is removed again.
struct Summary(PathBuf);

impl Drop for Summary {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}
