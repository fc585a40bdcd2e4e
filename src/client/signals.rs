//! SIGINT and SIGTERM, while `Client::run` runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::Client;
use crate::error::{self, Result};

/// Ends a client on the first signal, and the process on the second.
pub(super) struct Watch {
    signals: Handle,
    /// Whether the next signal ends the process.
    armed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(client: &Client) -> Result<Self> {
        let refused = |why: std::io::Error| error::config(format!("the system refused a signal handler: {why}"));
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and raises it, the second finds it up.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))
                .map_err(refused)?;
            signal_hook::flag::register(signal, Arc::clone(&armed)).map_err(refused)?;
        }
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
        Ok(Self { signals: handle, armed, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Nobody listens any more, and what was installed cannot be taken back: from here on a signal does what it
        // did before, and ends the process.
        self.armed.store(true, Ordering::Relaxed);
        self.signals.close();
        if let Some(thread) = self.thread.take() {
            // It has logged what it had to say, if it panicked.
            let _panicked = thread.join();
        }
    }
}
