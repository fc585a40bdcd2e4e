//! Ctrl-C, Ctrl-Break, and the closing of the console.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::stop::shut_down;
use crate::client::Client;
use crate::error::{self, Result};

/// Exit code of a process that has no handler (`STATUS_CONTROL_C_EXIT`).
const INTERRUPTED: i32 = 0xC000_013A_u32 as i32;

/// Ends a client on the first event, and the process on the second.
pub(in crate::client) struct Watch {
    number: u64,
    thread: Option<JoinHandle<()>>,
}

/// The console handling of the process, for all clients that run in it. The handler cannot be removed, so it is
/// installed once; its behaviour depends on the running clients.
struct Process {
    /// Whether the handler is the one of this crate. `None` until that is known.
    is_ours: Option<bool>,
    running: Vec<(u64, Sender<()>)>,
    /// Whether the running clients were requested to stop.
    asked: bool,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { is_ours: None, running: Vec::new(), asked: false });
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Process {
    /// Installs the handler, unless that was done before.
    fn install(&mut self) -> Result<()> {
        if self.is_ours.is_some() {
            return Ok(());
        }
        self.is_ours = match ctrlc::set_handler(on_event) {
            Ok(()) => Some(true),
            Err(ctrlc::Error::MultipleHandlers) => {
                log::warn!(
                    "the program has its own handler for Ctrl-C: Ctrl-C does not end `run`, call `shutdown` from that handler"
                );
                Some(false)
            }
            Err(why) => return Err(error::config(format!("the system refused a handler for Ctrl-C: {why}"))),
        };
        Ok(())
    }
}

/// Handles an event. Called on a thread of the handler.
fn on_event() {
    let mut process = PROCESS.lock();
    if process.running.is_empty() || process.asked {
        process::exit(INTERRUPTED);
    }
    process.asked = true;
    for (_, client) in &process.running {
        // The channel has room for the only message that is ever sent.
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
            // The thread has logged its panic, if it panicked.
            let _panicked = thread.join();
        }
    }
}
