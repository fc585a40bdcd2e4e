//! The resources of one process with many live calls, in three styles, each in a process of its own.

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::json;
use signalwire_relay::{Call, Client, HandlerResult, tts};

use self::support::Scheme;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);
/// Threads of the two styles that need few.
const FEW: usize = 64;

fn main() {
    let given: Vec<String> = env::args().collect();
    if let Some(at) = given.iter().position(|argument| argument == "--style") {
        let number = |n: usize| given[at + n].parse().expect("a number");
        return run(&given[at + 1], number(2), number(3));
    }
    let bench = support::start("scale");
    let counts: &[usize] = if bench.quick { &[200, 1_000] } else { &[1_000, 10_000] };
    println!("\ncalls live at once in one process, over ws: answered, played to, and held until the service ends them");
    println!(
        "{:<22} {:>7} {:>8} {:>9} {:>9} {:>12} {:>8}",
        "style", "calls", "threads", "all up s", "all off s", "KiB a call", "passed"
    );
    for count in counts {
        for style in STYLES {
            let program = env::current_exe().expect("the path of this program");
            let port = bench.port(Scheme::Ws).to_string();
            let status = Command::new(program).args(["--style", style, &count.to_string(), &port]).status();
            assert!(status.is_ok_and(|status| status.success()), "{style}");
        }
    }
}

const STYLES: [&str; 4] = ["a thread a call", "a few, on_call", "callbacks", "a few, calls()"];

/// The calls that are up, and what keeps them so.
#[derive(Default)]
struct Up {
    count: AtomicUsize,
    held: Mutex<Vec<Call>>,
}

impl Up {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn hold(&self, call: Call) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn wait(&self, count: usize) {
        let began = Instant::now();
        while self.count.load(Ordering::SeqCst) < count {
            assert!(began.elapsed() < LONG, "{} of {count}", self.count.load(Ordering::SeqCst));
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// Answers, and returns when the caller has heard a text.
fn greet(call: &Call) -> HandlerResult {
    call.answer()?;
    call.play(tts("Welcome!"))?.wait(LONG)?;
    Ok(())
}

fn run(style: &str, count: usize, port: usize) {
    let threads = if style == "a thread a call" { count } else { FEW };
    let builder = Client::builder().host(format!("127.0.0.1:{port}")).tls(false).project("bench").token("bench");
    let builder =
        builder.contexts(["bench"]).max_active_calls(count + 1).tuning(|t| t.claim_timeout(LONG)).request_timeout(LONG);
    let builder = if style == "callbacks" { builder } else { builder.tuning(|t| t.max_workers(threads)) };
    let client = builder.connect().expect("a client");
    let up = Arc::new(Up::default());
    let of_handler = Arc::clone(&up);
    match style {
        "a thread a call" => client.on_call(move |call| {
            greet(&call)?;
            of_handler.add();
            Ok(call.wait_for_ended(None).map(drop)?)
        }),
        "a few, on_call" => client.on_call(move |call| {
            greet(&call)?;
            of_handler.hold(call);
            of_handler.add();
            Ok(())
        }),
        "callbacks" => client.on_call(move |call| {
            call.answer()?;
            let up = Arc::clone(&of_handler);
            let greeting = call.play(tts("Welcome!"))?;
            greeting.on_completed(move |heard| {
                heard.clone()?;
                up.hold(call);
                up.add();
                Ok(())
            });
            Ok(())
        }),
        _ => {
            for _ in 0..threads {
                let (client, up) = (client.clone(), Arc::clone(&up));
                thread::spawn(move || {
                    for call in client.calls() {
                        greet(&call).expect("a call that goes well");
                        up.hold(call);
                        up.add();
                    }
                });
            }
        }
    }
    let peak = Peak::begin();
    let (before, began) = (Memory::now(), Instant::now());
    client.execute("bench.calls", json!({"count": count})).expect("calls");
    up.wait(count);
    let all_up = began.elapsed();
    let after = Memory::now();
    let began = Instant::now();
    client.execute("bench.end", json!({})).expect("the end of all calls");
    while client.stats().calls > 0 {
        assert!(began.elapsed() < LONG, "it takes too long");
        thread::park_timeout(Duration::from_millis(1));
    }
    println!(
        "{style:<22} {count:>7} {:>8} {:>9.2} {:>9.2} {:>12} {:>8}",
        peak.end(),
        all_up.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        before.zip(after).map_or("n/a".into(), |(before, after)| format!("{:.1}", after.kib_since(&before, count))),
        client.stats().calls_passed,
    );
}

/// A number of `/proc/self/status`, on Linux.
fn status(name: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok()
}

/// Memory of this process: the touched memory, its page tables, and the system's own stack of each thread.
struct Memory {
    kib: usize,
}

impl Memory {
    fn now() -> Option<Self> {
        const KERNEL_STACK: usize = 16;
        Some(Self { kib: status("VmRSS")? + status("VmPTE")? + KERNEL_STACK * status("Threads")? })
    }

    fn kib_since(&self, before: &Self, calls: usize) -> f64 {
        self.kib.saturating_sub(before.kib) as f64 / calls as f64
    }
}

/// The most threads that this process has had, as far as a look every few milliseconds shows them.
struct Peak {
    over: Arc<AtomicBool>,
    looks: thread::JoinHandle<usize>,
}

impl Peak {
    fn begin() -> Self {
        let over: Arc<AtomicBool> = Arc::default();
        let ends = Arc::clone(&over);
        let looks = thread::spawn(move || {
            let mut most = 0;
            while !ends.load(Ordering::Relaxed) {
                most = most.max(status("Threads").unwrap_or_default());
                thread::park_timeout(Duration::from_millis(5));
            }
            most
        });
        Self { over, looks }
    }

    fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.looks.join().unwrap_or_default()
    }
}
