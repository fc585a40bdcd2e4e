//! SIGINT, SIGTERM and SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::stop::shut_down;
use crate::client::Client;
use crate::error::{self, Result};

/// Ends a client on the first signal, and the process on the second.
pub(in crate::client) struct Watch {
    signals: Handle,
    thread: Option<JoinHandle<()>>,
    _running: Running,
}

/// The signal handling of the process, for all clients that run in it, at once or one after another. A handler cannot
/// be removed from the system, so it is installed once and its behaviour changes.
struct Process {
    /// The signal handling before the first client ran.
    before: Option<Arc<Before>>,
    /// Number of running clients.
    running: usize,
    /// Handlers that end the process on the second signal, while clients run.
    second: Vec<SigId>,
}

/// The watched signals, and how the process handles them when no client runs.
struct Before {
    watched: Vec<i32>,
    /// Set while no client runs: a signal that ended the process before ends it again.
    released: Arc<AtomicBool>,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { before: None, running: 0, second: Vec::new() });

impl Before {
    /// Reads how the process handles the signals, and installs handlers that do the same when no client runs.
    fn install() -> std::io::Result<Self> {
        let released = Arc::new(AtomicBool::new(false));
        let mut watched = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            match Disposition::of(signal) {
                // The parent of the process chose to ignore the signal: `nohup`, or a shell that runs the process in
                // the background.
                Disposition::Ignored => continue,
                // Many daemons reload their configuration on SIGHUP.
                Disposition::Handled if signal == SIGHUP => continue,
                // The handler of the program is always called before this one.
                Disposition::Handled => {}
                Disposition::Default => {
                    signal_hook::flag::register_conditional_default(signal, Arc::clone(&released))?;
                }
            }
            watched.push(signal);
        }
        Ok(Self { watched, released })
    }
}

/// The process's handling of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Default,
    Ignored,
    /// The program has a handler of its own.
    Handled,
}

impl Disposition {
    /// Reads the disposition from the system. Only Linux has a file for it; elsewhere the default is assumed.
    fn of(signal: i32) -> Self {
        let status = if cfg!(any(target_os = "linux", target_os = "android")) {
            std::fs::read_to_string("/proc/self/status").unwrap_or_default()
        } else {
            String::new()
        };
        Self::in_status(&status, signal)
    }

    fn in_status(status: &str, signal: i32) -> Self {
        let has = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
            mask >> (signal - 1) & 1 == 1
        };
        match (has("SigIgn:"), has("SigCgt:")) {
            (true, _) => Self::Ignored,
            (_, true) => Self::Handled,
            _ => Self::Default,
        }
    }
}

impl Process {
    /// Adds a running client, which the first signal stops.
    fn enter(&mut self) -> std::io::Result<Running> {
        let before = match &self.before {
            Some(before) => Arc::clone(before),
            None => Arc::clone(self.before.insert(Arc::new(Before::install()?))),
        };
        if self.running == 0 {
            let armed = Arc::new(AtomicBool::new(false));
            for &signal in &before.watched {
                // The order matters: the first signal finds the flag clear and sets it, the second finds it set.
                let ids = [
                    signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed)),
                    signal_hook::flag::register(signal, Arc::clone(&armed)),
                ];
                for id in ids {
                    match id {
                        Ok(id) => self.second.push(id),
                        Err(error) => {
                            self.forget_second();
                            return Err(error);
                        }
                    }
                }
            }
        }
        self.running += 1;
        Ok(Running)
    }

    fn forget_second(&mut self) {
        for id in self.second.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }

    /// Switches signal handling back to the state before any client ran, or to that of a running client.
    fn release(&self, released: bool) {
        if let Some(before) = &self.before {
            before.released.store(released, Ordering::SeqCst);
        }
    }
}

/// A running client.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        let mut process = PROCESS.lock();
        process.running -= 1;
        if process.running == 0 {
            // The order matters: no signal is lost in between.
            process.release(true);
            process.forget_second();
        }
    }
}

impl Watch {
    pub(in crate::client) fn start(client: &Client) -> Result<Self> {
        let refused = |why: std::io::Error| error::config(format!("the system refused a signal handler: {why}"));
        let (running, watched) = {
            let mut process = PROCESS.lock();
            let running = process.enter().map_err(refused)?;
            (running, process.before.as_ref().map(|before| before.watched.clone()).unwrap_or_default())
        };
        let mut signals = Signals::new(watched).map_err(refused)?;
        // From here on the client handles the signals.
        PROCESS.lock().release(false);
        let handle = signals.handle();
        let client = client.downgrade();
        let body = move || {
            if signals.forever().next().is_none() {
                return;
            }
            shut_down(&client, "signal");
        };
        let thread = std::thread::Builder::new().name("relay-signals".into()).spawn(body);
        let thread = thread.map_err(refused)?;
        Ok(Self { signals: handle, thread: Some(thread), _running: running })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(thread) = self.thread.take() {
            // The thread has logged its panic, if it panicked.
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_does_with_a_signal_is_read_from_its_status() {
        // SIGHUP is 1, SIGINT 2, SIGTERM 15.
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004000\n";
        let of = |signal| Disposition::in_status(status, signal);
        assert_eq!([1, 2, 15].map(of), [Disposition::Ignored, Disposition::Default, Disposition::Handled]);
        assert_eq!(Disposition::in_status("", 15), Disposition::Default);
    }
}
