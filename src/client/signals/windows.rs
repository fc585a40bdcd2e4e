//! Ctrl-C, Ctrl-Break, and the closing of the console.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::stop::shut_down;
use crate::client::Client;
use crate::error::{self, Result};

/// How a process ends that has no handler (`STATUS_CONTROL_C_EXIT`).
const INTERRUPTED: i32 = 0xC000_013A_u32 as i32;

/// Ends a client on the first event, and the process on the second.
pub(in crate::client) struct Watch {
    number: u64,
    thread: Option<JoinHandle<()>>,
}

/// What the process does on an event, for all clients that run in it. The handler cannot be taken back, so it is
/// installed once; what it does depends on who runs.
struct Process {
    /// Whether the handler is ours, once it is known.
    is_ours: Option<bool>,
    running: Vec<(u64, Sender<()>)>,
    /// Those who run have been asked to stop.
    asked: bool,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { is_ours: None, running: Vec::new(), asked: false });
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Process {
    /// Installs the handler, if that was not done.
    fn install(&mut self) -> Result<()> {
        if self.is_ours.is_some() {
            return Ok(());
        }
        self.is_ours = match ctrlc::set_handler(on_event) {
            Ok(()) => Some(true),
            Err(ctrlc::Error::MultipleHandlers) => {
                log::warn!("the program has a handler for Ctrl-C of its own: `run` does not end by it");
                Some(false)
            }
            Err(why) => return Err(error::config(format!("the system refused a handler for Ctrl-C: {why}"))),
        };
        Ok(())
    }
}

/// In a thread of the handler's.
fn on_event() {
    let mut process = PROCESS.lock();
    if process.running.is_empty() || process.asked {
        process::exit(INTERRUPTED);
    }
    process.asked = true;
    for (_, client) in &process.running {
        // It has room for the only one that is ever sent.
        let _ = client.try_send(());
    }
}

impl Watch {
    pub(in crate::client) fn start(client: &Client) -> Result<Self> {
        let (sender, events): (Sender<()>, Receiver<()>) = bounded(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        {
            let mut process = PROCESS.lock();
            process.install()?;
            process.running.push((number, sender));
        }
        let mut watch = Self { number, thread: None };
        let client = client.downgrade();
        let body = move || {
            if events.recv().is_ok() {
                shut_down(&client, "console event");
            }
        };
        let thread = std::thread::Builder::new().name("relay-signals".into()).spawn(body);
        watch.thread =
            Some(thread.map_err(|why| error::config(format!("the system refused a thread for Ctrl-C: {why}")))?);
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        {
            let mut process = PROCESS.lock();
            process.running.retain(|(number, _)| *number != self.number);
            process.asked &= !process.running.is_empty();
        }
        if let Some(thread) = self.thread.take() {
            // It has logged what it had to say, if it panicked.
            let _panicked = thread.join();
        }
    }
}
