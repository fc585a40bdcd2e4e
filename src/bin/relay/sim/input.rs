//! Input of the simulator: lines on stdin, signals, and the end of its life.

use std::io::BufRead;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::signals;

/// An event that the main thread waits for.
pub enum Event {
    /// A line of stdin.
    Line(String),
    /// Stdin has ended, so that no more commands arrive.
    InputEnded,
    /// Stdout was closed.
    OutputGone,
    /// SIGINT or SIGTERM, or Ctrl-C on Windows.
    Signal,
    /// Something was typed on the screen of `--watch`, or its size has changed.
    Terminal(crossterm::event::Event),
    /// A line of the transcript, for the screen of `--watch`.
    Told(String),
}

/// Whether the simulator is to end, for commands that wait.
pub struct Stop {
    signalled: Mutex<bool>,
    rung: Condvar,
    until: Option<Instant>,
}

/// A limit that is never reached.
const LONG: Duration = Duration::from_secs(24 * 3600);

impl Stop {
    pub fn new(life: Option<Duration>) -> Self {
        let until = life.and_then(|life| Instant::now().checked_add(life));
        Self { signalled: Mutex::new(false), rung: Condvar::new(), until }
    }

    pub fn is_asked(&self) -> bool {
        *self.signalled() || self.left().is_zero()
    }

    /// Blocks until a signal has come, at most `span`.
    pub fn wait(&self, span: Duration) {
        drop(self.rung.wait_timeout_while(self.signalled(), span, |signalled| !*signalled));
    }

    fn signal(&self) {
        *self.signalled() = true;
        self.rung.notify_all();
    }

    fn signalled(&self) -> MutexGuard<'_, bool> {
        self.signalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The remaining life time.
    pub fn left(&self) -> Duration {
        self.until.map_or(LONG, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// Reads stdin to its end, on its own thread.
pub fn read_lines(to: Sender<Event>) -> Result<(), String> {
    let thread = std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut line = Vec::new();
        while stdin.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if to.send(Event::Line(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
        if end_of_input_is_the_end() {
            let _ = to.send(Event::InputEnded);
        }
    });
    thread.map(drop).map_err(|error| format!("no thread for stdin: {error}"))
}

/// Reads keys of a terminal in raw mode, on its own thread.
pub fn read_keys(to: Sender<Event>) -> Result<(), String> {
    let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if to.send(Event::Terminal(event)).is_err() {
                return;
            }
        }
        let _ = to.send(Event::InputEnded);
    });
    thread.map(drop).map_err(|error| format!("no thread for the terminal: {error}"))
}

/// Returns `true` if the end of stdin means that the controlling program or person has left: at the end of a pipe or a
/// terminal. `/dev/null` and files end because they have no more data.
#[cfg(unix)]
fn end_of_input_is_the_end() -> bool {
    use std::fs::File;
    use std::io::IsTerminal;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;

    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return true;
    }
    let kind = stdin.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata()).map(|data| data.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

#[cfg(not(unix))]
fn end_of_input_is_the_end() -> bool {
    true
}

/// Reports the first SIGINT or SIGTERM, or Ctrl-C; the second ends the process.
pub fn watch_signals(to: &Sender<Event>, stop: &Arc<Stop>) -> Result<(), String> {
    let (to, stop) = (to.clone(), Arc::clone(stop));
    signals::watch(move || {
        stop.signal();
        let _ = to.send(Event::Signal);
    })
}
