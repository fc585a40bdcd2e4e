//! The detection of deadlocks, with parking_lot, while the tests run.

/// Prints every deadlock of this process, with the backtraces of its threads, and ends the process. Only with the
/// feature `__deadlock-detection`; may be called by every test.
#[cfg(feature = "__deadlock-detection")]
pub fn watch() {
    use std::sync::Once;
    use std::thread;
    use std::time::Duration;

    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let look = || loop {
            thread::park_timeout(Duration::from_millis(500));
            let found = parking_lot::deadlock::check_deadlock();
            if found.is_empty() {
                continue;
            }
            for (number, threads) in found.iter().enumerate() {
                eprintln!("deadlock {} of {}, {} threads:", number + 1, found.len(), threads.len());
                for thread in threads {
                    eprintln!("thread {:?}:\n{:?}", thread.thread_id(), thread.backtrace());
                }
            }
            // A test that waits for one of these threads would never end and could not report the deadlock.
            std::process::abort();
        };
        thread::Builder::new().name("deadlocks".into()).spawn(look).unwrap();
    });
}

#[cfg(not(feature = "__deadlock-detection"))]
pub fn watch() {}

/// A deadlock is detected: its process is ended, and the output names its threads.
#[cfg(feature = "__deadlock-detection")]
#[test]
fn a_deadlock_ends_the_process_and_names_its_threads() {
    use std::sync::{Arc, Barrier};
    use std::thread;

    const NAME: &str = "support::deadlocks::a_deadlock_ends_the_process_and_names_its_threads";
    let body = || {
        let both = Arc::new((parking_lot::Mutex::new(()), parking_lot::Mutex::new(()), Barrier::new(2)));
        let other = Arc::clone(&both);
        let _other = thread::spawn(move || {
            let _second = other.1.lock();
            other.2.wait();
            let _first = other.0.lock();
        });
        let _first = both.0.lock();
        both.2.wait();
        let _second = both.1.lock();
    };
    if let Some((status, output)) = super::child(NAME, &[], body) {
        assert!(!status.success() && output.contains("deadlock 1 of 1, 2 threads:"), "{status}\n{output}");
    }
}
