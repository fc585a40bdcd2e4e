//! Whether threads could run if they had a processor. Linux reports that in `/proc`.

/// Whether this system reports the state of threads.
pub(super) const ARE_KNOWN: bool = cfg!(target_os = "linux");

/// The system's ID of the calling thread.
pub(super) fn own_thread() -> Option<Box<str>> {
    thread_local! {
        static OWN: Option<Box<str>> = {
            let link = if ARE_KNOWN { std::fs::read_link("/proc/thread-self").ok() } else { None };
            link.and_then(|link| Some(link.file_name()?.to_str()?.into()))
        };
    }
    OWN.try_with(Clone::clone).ok().flatten()
}

/// Returns `true` if one of these threads runs, or waits for a processor or a disk.
pub(super) fn any_could_run(threads: Vec<Box<str>>) -> bool {
    threads.iter().any(|thread| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
        // The state comes after the name, which is in parentheses and may contain some.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        matches!(state, Some('R' | 'D'))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn a_thread_that_computes_could_run_and_one_that_waits_could_not() {
        if !ARE_KNOWN {
            assert!(own_thread().is_none());
            return;
        }
        let (tell, told) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            tell.send(own_thread().expect("the system tells")).expect("the test waits");
            while !until.load(Ordering::Relaxed) {}
            let _ended = goes_on.recv();
        });
        let its = told.recv().expect("it has begun");
        assert!(any_could_run(vec![its.clone()]));
        done.store(true, Ordering::Relaxed);
        while any_could_run(vec![its.clone()]) {
            std::thread::yield_now();
        }
        drop(go_on);
        thread.join().expect("it ends");
        assert!(!any_could_run(vec![its]), "it is gone");
    }
}
