//! The watchdog of all tests: a test fails if there is no progress any more, not if it is slow.
//!
//! Progress is everything that the crate does in this process: each request, response and event is a record of its
//! log, and each record is counted. There is one count for all tests, because a busy machine slows all of them down. A
//! test that hangs is found after the others have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use signalwire_relay::simulator::Simulator;

/// A test hangs when nothing has been done for so long.
const STILL: Duration = Duration::from_secs(120);
/// A test hangs when it has taken so long, whatever is done: an idle client still pings.
const ENDLESS: Duration = Duration::from_secs(1800);
/// Number of times that half of that is added while a thread could run if it had a processor.
const LENT: u32 = 8;
/// Interval of the watchdog.
const LOOK: Duration = Duration::from_secs(1);
/// Number of panics of one line that are printed; the crate counts the others.
const PANICS: usize = 3;

static DONE: AtomicU64 = AtomicU64::new(0);
static ALSO: OnceLock<&'static dyn Log> = OnceLock::new();

/// Counts the records of the crate, and passes them on when a test wants to have them.
struct Counts;

impl Log for Counts {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ALSO.get().is_some_and(|also| also.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        progressed();
        if let Some(also) = ALSO.get() {
            also.log(record);
        }
    }

    fn flush(&self) {}
}

/// Notifies the watchdog of progress that the crate does not log.
pub fn progressed() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// Passes every record on to this logger, from now on. For a test in a process of its own.
pub fn log_to(logger: &'static dyn Log) {
    begin();
    assert!(ALSO.set(logger).is_ok(), "another test logs in this process");
    log::set_max_level(LevelFilter::Trace);
}

/// Prepares a process for its tests, once.
fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        log::set_logger(&Counts).expect("the tests have no other logger");
        log::set_max_level(LevelFilter::Debug);
        quiet_panics();
    });
    super::deadlocks::watch();
}

/// Panics of user code are caught and counted by the crate; thousands of them are no output.
fn quiet_panics() {
    let printed: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_caught = thread::current().name().is_some_and(|name| name.starts_with("relay-"));
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let times = {
            let mut printed = printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let times = printed.entry(place).or_default();
            *times += 1;
            *times
        };
        if !is_caught {
            usual(info);
        } else if times <= PANICS {
            eprintln!("{info}");
        }
    }));
}

/// Time in which a wait of a test has seen no progress.
pub struct Patience {
    began: Instant,
    since: Instant,
    seen: u64,
    /// Number of times that threads which could run were given more time.
    lent: u32,
}

impl Patience {
    pub fn new() -> Self {
        begin();
        let now = Instant::now();
        Self { began: now, since: now, seen: DONE.load(Ordering::Relaxed), lent: 0 }
    }

    /// `true` when nothing progresses any more.
    pub fn is_at_its_end(&mut self) -> bool {
        let (now, seen) = (Instant::now(), DONE.load(Ordering::Relaxed));
        if seen != self.seen {
            (self.since, self.seen, self.lent) = (now, seen, 0);
        }
        if now - self.began > ENDLESS {
            return true;
        }
        let is_still = now - self.since > STILL;
        if is_still && self.lent < LENT && others_could_run() {
            // They wait for a processor, and their turn comes; or they turn in a circle.
            self.lent += 1;
            self.since = now - STILL / 2;
            return false;
        }
        is_still
    }
}

/// `true` if a thread of this process besides the calling one runs or waits for a processor. `false` if the system
/// does not report it.
fn others_could_run() -> bool {
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return false };
    let others = threads.flatten().filter(|thread| Some(&*thread.file_name()) != own.file_name());
    others.into_iter().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['R', 'D']))
    })
}

/// The next value of a channel. `None` when nothing progresses any more.
fn receive<T>(from: &Receiver<T>) -> Result<T, RecvTimeoutError> {
    let mut patience = Patience::new();
    loop {
        match from.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) if !patience.is_at_its_end() => {}
            outcome => return outcome,
        }
    }
}

/// Runs something on a thread of its own, and fails when it hangs.
pub fn watchdog<T: Send + 'static>(what: &str, job: impl FnOnce() -> T + Send + 'static) -> T {
    begin();
    let (done, result) = mpsc::channel();
    let name = thread::current().name().unwrap_or(what).to_owned();
    let job = move || {
        let value = job();
        progressed();
        let _nobody_waits = done.send(value);
    };
    let thread = thread::Builder::new().name(name).spawn(job).expect("a thread for the test");
    match receive(&result) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// Runs a whole test under its own name.
pub fn watched<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let name = thread::current().name().unwrap_or("the test").to_owned();
    watchdog(&name, test)
}

/// The next value of a channel, which comes.
pub fn next<T>(from: &Receiver<T>, what: &str) -> T {
    receive(from).unwrap_or_else(|_| panic!("{what} does not come"))
}

/// A condition that [`until`] checks.
pub trait Holds {
    /// The observed state if the condition does not hold; `None` if it holds.
    fn otherwise(self) -> Option<String>;
}

impl Holds for bool {
    fn otherwise(self) -> Option<String> {
        (!self).then(String::new)
    }
}

impl<T: Debug> Holds for Result<(), T> {
    fn otherwise(self) -> Option<String> {
        self.err().map(|seen| format!(": {seen:?}"))
    }
}

/// Looks until something holds that no event announces, and leaves the processor to others meanwhile.
pub fn until<H: Holds>(what: &str, mut look: impl FnMut() -> H) {
    let mut patience = Patience::new();
    let mut looks = 0_u32;
    while let Some(seen) = look().otherwise() {
        assert!(!patience.is_at_its_end(), "this did not come about: {what}{seen}");
        looks = looks.saturating_add(1);
        if looks < 100 { thread::yield_now() } else { thread::park_timeout(Duration::from_millis(1)) }
    }
}

/// Waits in virtual time, which passes meanwhile, for at most one hour of it.
pub fn until_in<H: Holds>(sim: &Simulator, what: &str, mut look: impl FnMut() -> H) {
    let begun = sim.elapsed();
    let mut step = Duration::from_millis(1);
    while let Some(seen) = look().otherwise() {
        assert!(sim.elapsed() - begun < Duration::from_secs(3600), "this did not come about in an hour: {what}{seen}");
        sim.advance(step);
        step = (2 * step).min(Duration::from_secs(1));
    }
}

/// Number of threads, out of many, that run at the same time.
const AT_ONCE: usize = 3;

/// Runs a job for each item, a few at a time; returns the errors with their items.
pub fn each<T: Send + 'static>(
    all: Vec<T>,
    name: impl Fn(&T) -> String + Send + Sync + 'static,
    check: impl Fn(&T) -> Result<(), String> + Send + Sync + 'static,
) -> Vec<String> {
    let count = all.len();
    let running: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let shared = Arc::new((Mutex::new(all.into_iter().rev().collect::<Vec<_>>()), name, check));
    let (tell, told) = mpsc::channel();
    for _ in 0..AT_ONCE {
        let (shared, running, tell) = (Arc::clone(&shared), Arc::clone(&running), tell.clone());
        // A thread that hangs is reported instead of joined.
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
        match receive(&told) {
            Ok(outcome) => faults.extend(outcome.err()),
            Err(_) => {
                faults.push(format!("these hang: {:?}", running.lock().unwrap()));
                break;
            }
        }
    }
    faults
}

#[test]
fn a_test_hangs_when_nothing_progresses_and_not_when_much_is_to_be_done() {
    let mut patience = Patience::new();
    assert!(!patience.is_at_its_end());
    // Long ago, but something was done since.
    patience.since -= 10 * STILL;
    progressed();
    assert!(!patience.is_at_its_end());
    // Progress of other tests counts as well, so that only the end of all progress can be shown by hand.
    patience.began -= 2 * ENDLESS;
    assert!(patience.is_at_its_end());
}
