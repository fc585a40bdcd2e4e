//! What comes from outside: lines on stdin, signals, and the end of its time.

use std::io::BufRead;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::signals;

/// What the main thread waits for.
pub enum Event {
    /// A line of stdin.
    Line(String),
    /// Nobody can give commands any more.
    InputEnded,
    /// Nobody reads what is written any more.
    OutputGone,
    /// SIGINT or SIGTERM, or Ctrl-C on Windows.
    Signal,
    /// Something was typed on the screen of `--watch`, or its size has changed.
    Terminal(crossterm::event::Event),
    /// Something happened, in words, for the screen of `--watch`.
    Told(String),
}

/// Whether the simulator is to end, for commands that wait.
pub struct Stop {
    signalled: Mutex<bool>,
    rung: Condvar,
    until: Option<Instant>,
}

/// As good as for ever.
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

    /// How long it may still live.
    pub fn left(&self) -> Duration {
        self.until.map_or(LONG, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// Reads stdin to its end, on a thread of its own.
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

/// Reads what is typed on a terminal in raw mode, on a thread of its own.
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

/// Whether the end of stdin means that somebody has gone: whoever held the other end of a pipe, or the person at a
/// terminal. `/dev/null` and files come to their end because there is nothing more in them.
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

/// Announces the first SIGINT or SIGTERM, or Ctrl-C; the second ends the process.
pub fn watch_signals(to: &Sender<Event>, stop: &Arc<Stop>) -> Result<(), String> {
    let (to, stop) = (to.clone(), Arc::clone(stop));
    signals::watch(move || {
        stop.signal();
        let _ = to.send(Event::Signal);
    })
}
