//! SIGINT and SIGTERM, while `Client::run` runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::Client;
use crate::error::{self, Result};

/// Ends a client on the first signal, and the process on the second.
pub(super) struct Watch {
    signals: Handle,
    thread: Option<JoinHandle<()>>,
    _running: Running,
}

/// What the process does on a signal, for all clients that run in it, at once or one after another: what was installed
/// cannot be taken back, so it is installed once.
struct Process {
    /// Whether the next signal ends the process.
    armed: Option<Arc<AtomicBool>>,
    /// How many clients run.
    running: usize,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { armed: None, running: 0 });

impl Process {
    /// One more client runs. The first signal is for those that do.
    fn enter(&mut self) -> std::io::Result<Running> {
        let armed = match &self.armed {
            Some(armed) => Arc::clone(armed),
            None => {
                let armed = Arc::new(AtomicBool::new(false));
                for signal in [SIGINT, SIGTERM] {
                    // In this order: the first signal finds the flag down and raises it, the second finds it up.
                    signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
                    signal_hook::flag::register(signal, Arc::clone(&armed))?;
                }
                Arc::clone(self.armed.insert(armed))
            }
        };
        if self.running == 0 {
            armed.store(false, Ordering::Relaxed);
        }
        self.running += 1;
        Ok(Running)
    }
}

/// A client that runs.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        let mut process = PROCESS.lock();
        process.running -= 1;
        // When nobody runs any more, a signal does what it did before, and ends the process.
        if let Some(armed) = process.armed.as_ref().filter(|_| process.running == 0) {
            armed.store(true, Ordering::Relaxed);
        }
    }
}

impl Watch {
    pub(super) fn start(client: &Client) -> Result<Self> {
        let refused = |why: std::io::Error| error::config(format!("the system refused a signal handler: {why}"));
        let running = PROCESS.lock().enter().map_err(refused)?;
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(refused)?;
        let handle = signals.handle();
        let client = client.downgrade();
        let body = move || {
            if signals.forever().next().is_none() {
                return;
            }
            log::info!("a signal asks to stop; another one ends the process at once");
            if let Some(client) = client.upgrade() {
                let limit = client.handle.session.settings.drain_limit;
                client.shutdown(limit);
            }
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
            // It has logged what it had to say, if it panicked.
            let _panicked = thread.join();
        }
    }
}
