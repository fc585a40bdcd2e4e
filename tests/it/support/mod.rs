//! What the tests share: a simulator, a client for it, and waits that end.

pub mod deadlocks;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use signalwire_relay::simulator::{self, Simulator};
use signalwire_relay::{Builder, Client, LinkState, LinkStates};

/// Longer than anything takes that works.
pub const LONG: Duration = Duration::from_secs(20);

/// So long that it does not happen.
pub const NEVER: Duration = Duration::from_secs(1_000_000);

/// A simulator that is quick.
pub fn sim() -> Simulator {
    simulator_at(20.0)
}

pub fn simulator_at(speed: f64) -> Simulator {
    simulator_builder(speed).start().unwrap()
}

fn simulator_builder(speed: f64) -> simulator::Builder {
    Simulator::builder().speed(speed)
}

/// A client that reconnects at once.
pub fn builder(sim: &Simulator) -> Builder {
    let ms = Duration::from_millis;
    Client::builder().simulator(sim).contexts(["default"]).reconnect_delay(ms(10), ms(50))
}

pub fn client(sim: &Simulator) -> Client {
    builder(sim).connect().unwrap()
}

/// Runs something on a thread of its own, and fails when it takes longer than anything does that works.
pub fn watchdog<T: Send + 'static>(what: &str, job: impl FnOnce() -> T + Send + 'static) -> T {
    deadlocks::watch();
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || drop(done.send(job())));
    match result.recv_timeout(LONG + Duration::from_secs(10)) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// The next value of a channel, which comes.
pub fn next<T>(from: &Receiver<T>, what: &str) -> T {
    from.recv_timeout(LONG).unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Waits for a state of the link that is wanted.
pub fn reaches(states: &mut LinkStates, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut seen = Vec::new();
    loop {
        let Some(state) = states.next_within(LONG) else { panic!("the state does not come; seen: {seen:?}") };
        if wanted(&state) {
            return state;
        }
        seen.push(state);
    }
}

/// Looks until something holds that no event tells of, and gives others the processor meanwhile.
pub fn until<T: Debug>(what: &str, mut look: impl FnMut() -> Result<(), T>) {
    let end = Instant::now() + LONG;
    while let Err(seen) = look() {
        assert!(Instant::now() < end, "{what}: {seen:?}");
        thread::yield_now();
    }
}

/// Counts how many of them have been dropped.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicUsize>);

/// Counted when it is dropped.
pub struct Dropped(Arc<AtomicUsize>);

impl Drops {
    pub fn flag(&self) -> Dropped {
        Dropped(Arc::clone(&self.0))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until so many are dropped.
    pub fn wait(&self, count: usize) {
        until("dropped closures", || if self.count() == count { Ok(()) } else { Err(self.count()) });
    }
}

impl Dropped {
    /// Makes a closure own it.
    pub fn touch(&self) {
        let _ = &self.0;
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A thread of this process, as the system names it.
#[cfg(target_os = "linux")]
pub struct Task(pub std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Task {
    /// Whether it sleeps in the system; a thread that is gone does not.
    pub fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(self.0.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    pub fn voluntary_switches(&self) -> u64 {
        let status = std::fs::read_to_string(self.0.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse().unwrap()
    }

    /// The threads of the crate, by the part of the name that the system keeps.
    pub fn of_the_crate() -> Vec<Self> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        tasks
            .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("relay-")))
            .map(Self)
            .collect()
    }
}

/// Says in the environment of a child process which test it is there for.
const CHILD: &str = "SIGNALWIRE_RELAY_TEST_CHILD";

/// Runs the body of a test in a process of its own: this program once more, with this test alone. None in the child.
pub fn child(
    test: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce() + Send + 'static,
) -> Option<(std::process::ExitStatus, String)> {
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        watchdog(test, body);
        return None;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, test);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Some((output.status, text))
}

/// The same, for a body that comes to its end.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce() + Send + 'static) {
    if let Some((status, output)) = child(test, variables, body) {
        assert!(status.success() && output.contains("1 passed"), "{test}: {status}\n{output}");
    }
}

/// How many of many run at the same time.
const AT_ONCE: usize = 3;

/// Does something with each of these, a few at a time; gives what was wrong with which. What takes longer than `hangs`
/// of real time is not waited for.
pub fn each<T: Send + 'static>(
    all: Vec<T>,
    hangs: Duration,
    name: impl Fn(&T) -> String + Send + Sync + 'static,
    check: impl Fn(&T) -> Result<(), String> + Send + Sync + 'static,
) -> Vec<String> {
    let count = all.len();
    let running: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let shared = Arc::new((Mutex::new(all.into_iter().rev().collect::<Vec<_>>()), name, check));
    let (tell, told) = mpsc::channel();
    for _ in 0..AT_ONCE {
        let (shared, running, tell) = (Arc::clone(&shared), Arc::clone(&running), tell.clone());
        // Not joined: one that hangs is told of instead.
        thread::spawn(move || {
            let (all, name, check) = &*shared;
            loop {
                let Some(next) = all.lock().unwrap().pop() else { return };
                let name = name(&next);
                running.lock().unwrap().insert(name.clone());
                let outcome = catch_unwind(AssertUnwindSafe(|| check(&next)));
                running.lock().unwrap().remove(&name);
                let outcome = outcome.unwrap_or_else(|panic| {
                    let text = panic.downcast_ref::<String>().cloned();
                    Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into())).unwrap_or_default())
                });
                let _nobody_cares = tell.send(outcome.map_err(|fault| format!("{name}: {fault}")));
            }
        });
    }
    drop(tell);
    let mut faults = Vec::new();
    for _ in 0..count {
        match told.recv_timeout(hangs) {
            Ok(outcome) => faults.extend(outcome.err()),
            Err(_) => {
                faults.push(format!("these hang: {:?}", running.lock().unwrap()));
                break;
            }
        }
    }
    faults
}

/// What is in the tables of a client, apart from its timers; empty when nothing is.
pub fn left(client: &Client) -> String {
    let stats = client.stats();
    let counts = [
        ("calls", stats.calls),
        ("messages", stats.messages),
        ("dials", stats.dials),
        ("dials given up", stats.dials_given_up),
        ("offers", stats.offers),
        ("early events", stats.early_events),
        ("requests", stats.pending_requests),
        ("offline requests", stats.offline_requests),
        ("bytes to write", stats.write_queue_bytes),
        ("bytes of notices", stats.notice_bytes),
        ("jobs", stats.jobs_waiting),
    ];
    let left = counts.iter().filter(|(_, count)| *count > 0);
    left.map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}
