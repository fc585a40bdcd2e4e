//! The trace of a client: its frames, and events that no frame shows, as lines of JSON.
//!
//! A thread with something to trace puts a copy into a bounded queue and continues. One thread masks, formats and
//! writes. That thread uses the time of the machine even if the client uses virtual time: an unresponsive disk must not
//! stop virtual time.

mod lines;
mod output;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::{Map, Value};

use self::lines::{COST, Entry, Formatter, Line, Style, What};
pub(crate) use self::lines::{Way, seconds};
use self::output::Output;
use crate::clock::{Clock, Deadline, Whose};
use crate::latch::Latch;
use crate::protocol::frame::Contents;
use crate::secret::{Mask, Secrets};
use crate::workers;

/// The name of the thread.
const THREAD: &str = "relay-trace";

/// Time for which the thread gathers lines before it writes them: waking it for each line would cost more than the
/// lines.
const GATHER: Duration = Duration::from_millis(10);

/// Interval in which dropped lines are logged at most once.
const QUIET: Duration = Duration::from_secs(10);

/// Cost of a note besides its strings, in bytes.
const NOTE: usize = 200;

/// Destination and content of a client's trace. Passed to [`Builder::trace`](crate::Builder::trace).
///
/// A trace is a file of JSON lines. It has every frame that the client sent or received, in the form of the simulator's
/// journal, and events that no frame shows: the phases of connecting and their times, the state of the connection,
/// handlers that started and ended, waits, and dropped items. The simulator can replay it.
///
/// The first line of a file names the format: `{"trace":1,"by":"signalwire-relay …","wall":…,"at":…}`. Every other line has
/// `at` (seconds since the trace began, of a clock that never jumps), `wall` (seconds since 1970), `client` and
/// `connection` (numbers from 1; the second one counts attempts to connect) and `kind`:
///
/// - `request`, `reply`, `error_reply`, `event`, `service_request`, `ack`, `raw`: a frame, with `direction` (`from_client`
///   or `to_client`), `method` and `frame`. A request is written when it is sent.
/// - `phase`: a phase of connecting, with `phase` (`lookup`, `tcp`, `proxy`, `tls`, `upgrade`, `authentication`), `took` in
///   seconds, and `error` if the phase failed.
/// - `state`: the state of the connection, with `state` (`connecting`, `online`, `reconnecting`, `closed`) and its fields: `resumed`, `attempt`, `next` in seconds, `error`.
/// - `handler`: code of the program, with `state` (`started`, `ended`, `failed`, `panicked`), `what` and `took`.
/// - `wait`: a wait of a thread, with `state` (`began`, `ended`), `what`, `took` and `outcome`.
/// - `dropped`: a dropped item, with `what` (`request`, `notice`, `trace lines`) and `count`.
///
/// Lines about a call that are no frames have `call_id`. Readers must ignore unknown kinds and fields.
///
/// Secrets are masked as in the log, by their names and by their values. Content and phone numbers are masked unless
/// [`content`](Self::content) and [`numbers`](Self::numbers) show them.
///
/// # When the disk is full
///
/// A trace never delays a call and never makes one fail. Lines are queued, and one thread writes them. Lines beyond the
/// size of the queue, and lines that could not be written, are dropped and counted in
/// [`Stats::trace_dropped`](crate::connection::Stats). A warning is logged, at most once in 10 s, and the trace has a
/// line of the kind `dropped` in their place. The file is opened by that thread: if it cannot be opened, a warning is
/// logged, and [`connect`](crate::Builder::connect) continues. [`disconnect`](crate::Client::disconnect) writes the
/// queued lines, within its 2 s.
///
/// ```
/// use signalwire_relay::Client;
/// use signalwire_relay::connection::Trace;
///
/// # let sim = signalwire_relay::simulator::Simulator::start()?;
/// # let directory = std::env::temp_dir();
/// # let path = directory.join(format!("signalwire-relay-doc-{}.jsonl", std::process::id()));
/// # let builder = Client::builder().simulator(&sim);
/// let trace = Trace::to_file(&path).rotate_at(10 << 20).keep(3).content(true);
/// let client = builder.trace(trace).connect()?;
/// client.disconnect();
/// assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.contains("signalwire.connect")));
/// # let _ = std::fs::remove_file(&path);
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a trace does nothing until it is given to `Builder::trace`"]
pub struct Trace {
    to: Target,
    rotate_at: u64,
    keep: usize,
    content: Option<bool>,
    numbers: Option<bool>,
    queue_bytes: usize,
    call_bytes: usize,
}

/// The receiver of the lines.
#[derive(Clone)]
enum Target {
    File(PathBuf),
    Writer(Arc<Output>),
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, rotate_at, keep, content, numbers, queue_bytes, call_bytes } = self;
        let mut shown = f.debug_struct("Trace");
        match to {
            Target::File(path) => shown.field("path", path).field("rotate_at", rotate_at).field("keep", keep),
            Target::Writer(_) => shown.field("writer", &"<writer>"),
        };
        shown.field("content", content).field("numbers", numbers);
        shown.field("queue_bytes", queue_bytes).field("call_bytes", call_bytes).finish()
    }
}

/// # Destination
impl Trace {
    /// Writes the trace to a file. An existing file is renamed, as at [`rotate_at`](Self::rotate_at). On Unix only the
    /// owner may read a new file.
    ///
    /// Clients of one process may write to the same file; the settings of the first one apply. Two processes must not.
    pub fn to_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::File(path.into()))
    }

    /// Writes the trace to a writer. The writer runs on its own thread and may block. After a panic of the writer, no
    /// more lines are written. [`rotate_at`](Self::rotate_at) and [`keep`](Self::keep) have no effect.
    ///
    /// Clones of the trace share the writer.
    ///
    /// ```
    /// use signalwire_relay::connection::Trace;
    ///
    /// let trace = Trace::to_writer(std::io::stderr());
    /// ```
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self::new(Target::Writer(Output::writer(Box::new(writer))))
    }

    fn new(to: Target) -> Self {
        Self {
            to,
            rotate_at: 100 << 20,
            keep: 5,
            content: None,
            numbers: None,
            queue_bytes: 8 << 20,
            call_bytes: 64 << 10,
        }
    }

    /// Sets the size in bytes at which a new file is begun: `trace.jsonl` is renamed `trace.jsonl.1`, that file
    /// `trace.jsonl.2`, and so on. A line is never split. Default: 100 MiB.
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        self.rotate_at = bytes.max(1);
        self
    }

    /// Sets the number of older files that are kept beside the current one; the oldest is deleted. Default: 5.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files;
        self
    }
}

/// # Content
impl Trace {
    /// Sets whether the trace shows digits, speech and texts of the parties. Default: the value of
    /// [`Builder::log_content`](crate::Builder::log_content), which is `false`. Secrets are always masked.
    ///
    /// A trace that is to be replayed needs the content that the program acts on. For the trace that
    /// `SIGNALWIRE_RELAY_TRACE` turns on, `SIGNALWIRE_RELAY_TRACE_SHOW=content` shows it.
    pub fn content(mut self, shown: bool) -> Self {
        self.content = Some(shown);
        self
    }

    /// Sets whether the trace shows whole phone numbers. Default: the value of
    /// [`Builder::log_numbers`](crate::Builder::log_numbers), which is `false`: numbers that begin with `+` are cut to
    /// their last four digits. For the trace that `SIGNALWIRE_RELAY_TRACE` turns on, `SIGNALWIRE_RELAY_TRACE_SHOW=numbers`
    /// shows them.
    pub fn numbers(mut self, shown: bool) -> Self {
        self.numbers = Some(shown);
        self
    }
}

/// # Bounds
///
/// ```
/// use signalwire_relay::connection::Trace;
///
/// let trace = Trace::to_file("relay.jsonl").queue_bytes(64 << 20).call_bytes(256 << 10);
/// ```
impl Trace {
    /// Sets the number of bytes of lines that may be queued. Further lines are dropped and counted. Default: 8 MiB.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes.max(1);
        self
    }

    /// Sets the number of bytes of lines that are kept in memory for each call, for
    /// [`Call::trace`](crate::Call::trace); the oldest lines of the call are dropped first. All calls together have 8
    /// MiB, and the lines of the call with the oldest last event are dropped first. `0` keeps none. Default: 64 KiB.
    pub fn call_bytes(mut self, bytes: usize) -> Self {
        self.call_bytes = bytes;
        self
    }
}

/// The client's side of its trace. Clones are cheap.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Shared>);

/// The state of a tracer, shared with its thread.
struct Shared {
    /// The clock of the client, for the times of lines.
    clock: Clock,
    secrets: Arc<Secrets>,
    output: Arc<Output>,
    limit: usize,
    /// Number of attempts to connect.
    connection: AtomicU64,
    queue: Mutex<Queue>,
    /// Wakes the thread.
    bell: Condvar,
    style: Arc<Style>,
    /// Locked before the queue. Held while lines are formatted, never while they are written.
    formatter: Mutex<Formatter>,
    /// Number of dropped lines.
    dropped: AtomicU64,
    /// Set when the thread has written its last line.
    done: Latch<()>,
}

/// The entries and lines that wait to be written.
#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// Lines that are formatted and not written yet.
    lines: Vec<Line>,
    /// Size of the entries and the lines in bytes.
    bytes: usize,
    /// Number of lines that were dropped and not reported by a line yet.
    lost: u64,
    /// The mask of the last entry. A mask that several entries share is charged once.
    mask: Option<Arc<Mask>>,
    closed: bool,
    /// Whether the thread is waiting for entries.
    is_idle: bool,
    /// End of the time in which dropped lines are not logged.
    quiet: Deadline,
}

impl Tracer {
    /// Starts the thread. Logs a warning and returns `None` if the system refuses one.
    pub(crate) fn start(
        trace: &Trace,
        clock: &Clock,
        secrets: &Arc<Secrets>,
        log_content: bool,
        log_numbers: bool,
    ) -> Option<Self> {
        let output = match &trace.to {
            Target::File(path) => Output::file(path, trace.rotate_at, trace.keep),
            Target::Writer(output) => Arc::clone(output),
        };
        let (client, origin) = output.join(clock.now());
        let style = Arc::new(Style {
            origin,
            client,
            contents: if trace.content.unwrap_or(log_content) { Contents::Shown } else { Contents::Masked },
            numbers: trace.numbers.unwrap_or(log_numbers),
            call_bytes: trace.call_bytes,
        });
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            secrets: Arc::clone(secrets),
            output,
            limit: trace.queue_bytes,
            connection: AtomicU64::new(0),
            queue: Mutex::default(),
            bell: Condvar::new(),
            formatter: Mutex::new(Formatter::new(Arc::clone(&style))),
            style,
            dropped: AtomicU64::new(0),
            done: Latch::new(),
        });
        let thread = Arc::clone(&shared);
        let spawned = Clock::real().spawn(Whose::Client, THREAD, move || {
            workers::mark_our_thread();
            thread.run();
        });
        match spawned {
            Ok(_) => Some(Self(shared)),
            Err(error) => {
                log::warn!("tracing is off: the system refused a thread ({THREAD}): {error}");
                None
            }
        }
    }

    /// Counts another attempt to connect.
    pub(crate) fn next_connection(&self) {
        self.0.connection.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn frame(&self, way: Way, text: &str) {
        self.0.push(text.len(), || What::Frame(way, text.into()));
    }

    /// Traces an event that no frame shows. `fields` is a JSON object.
    pub(crate) fn note(&self, kind: &'static str, call_id: Option<&str>, fields: Value) {
        let fields: Map<String, Value> = match fields {
            Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        let strings: usize = fields.values().filter_map(Value::as_str).map(str::len).sum();
        let call_id = call_id.map(Box::from);
        self.0.push(strings + NOTE, || What::Note { kind, call_id, fields });
    }

    /// Returns the lines of a call so far.
    pub(crate) fn of_call(&self, call_id: &str) -> String {
        self.0.format();
        let (at, wall) = (self.0.clock.now(), self.0.clock.wall());
        self.0.formatter.lock().of_call(call_id, at, wall)
    }

    /// Number of dropped lines.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Number of bytes that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.0.queue.lock().bytes
    }

    /// Closes the trace. The thread writes the queued lines, and ends.
    pub(crate) fn close(&self) {
        self.0.queue.lock().closed = true;
        Clock::real().wake_all(&self.0.bell);
    }

    /// Blocks until the thread has written the queued lines, in the time of the machine.
    pub(crate) fn wait_written(&self, until: Deadline) {
        let clock = Clock::real();
        if self.0.done.wait(&clock, until).is_none() {
            log::warn!("writing the trace to {} takes too long: no longer waiting for it", self.0.output.name());
        }
    }
}

impl Shared {
    fn push(&self, bytes: usize, what: impl FnOnce() -> What) {
        let mask = self.secrets.mask();
        let connection = self.connection.load(Ordering::Relaxed);
        let mut wake = false;
        let is_full = {
            let mut queue = self.queue.lock();
            if queue.closed {
                return;
            }
            let is_same = queue.mask.as_ref().is_some_and(|last| Arc::ptr_eq(last, &mask));
            let bytes = bytes + COST + if is_same { 0 } else { mask.bytes() };
            let is_full = queue.bytes > 0 && queue.bytes.saturating_add(bytes) > self.limit;
            if is_full {
                queue.lost += 1;
            } else {
                // This happens within the lock, so that the times of the lines ascend.
                let (at, wall) = (self.clock.now(), self.clock.wall());
                let entry = |what, bytes| Entry { at, wall, connection, mask: Arc::clone(&mask), what, bytes };
                if queue.lost > 0 {
                    let lost = entry(What::Lost(std::mem::take(&mut queue.lost)), COST);
                    queue.bytes += COST;
                    queue.entries.push_back(lost);
                }
                queue.entries.push_back(entry(what(), bytes));
                queue.bytes += bytes;
                queue.mask = Some(mask);
                wake = std::mem::take(&mut queue.is_idle) || queue.bytes > self.limit / 2;
            }
            is_full
        };
        if is_full {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.warn(|| format!("the queue is full with {} bytes (Trace::queue_bytes)", self.limit));
        } else if wake {
            Clock::real().wake_one(&self.bell);
        }
    }

    /// The body of the thread.
    fn run(&self) {
        let mut fails = false;
        loop {
            let closed = self.gather();
            self.format();
            if !fails || closed {
                self.report_lost();
            }
            let lines = std::mem::take(&mut self.queue.lock().lines);
            if !lines.is_empty() {
                fails = !self.write(&lines);
            }
            if closed && self.queue.lock().entries.is_empty() {
                break;
            }
        }
        self.done.set(&Clock::real(), ());
    }

    /// Waits for an entry, and then a moment for more. Returns `true` if the trace is closed.
    fn gather(&self) -> bool {
        let clock = Clock::real();
        let mut queue = self.queue.lock();
        while queue.entries.is_empty() && queue.lines.is_empty() && !queue.closed {
            queue.is_idle = true;
            clock.wait(&self.bell, &mut queue, None);
        }
        queue.is_idle = false;
        let until = clock.after(GATHER);
        while !queue.closed && queue.bytes <= self.limit / 2 {
            if !clock.wait(&self.bell, &mut queue, until) {
                break;
            }
        }
        queue.closed
    }

    /// Formats the queued entries. Any thread may do this, because the bound of the queue limits the time.
    fn format(&self) {
        let mut formatter = self.formatter.lock();
        loop {
            let entries = std::mem::take(&mut self.queue.lock().entries);
            if entries.is_empty() {
                return;
            }
            let charged: usize = entries.iter().map(|entry| entry.bytes).sum();
            let lines: Vec<Line> = entries.into_iter().map(|entry| formatter.line(entry)).collect();
            let bytes: usize = lines.iter().map(Line::bytes).sum();
            let mut queue = self.queue.lock();
            queue.bytes = (queue.bytes + bytes).saturating_sub(charged);
            queue.lines.extend(lines);
        }
    }

    /// Adds a line with the number of dropped lines, if no other line follows that would report it.
    fn report_lost(&self) {
        let mut formatter = self.formatter.lock();
        let lost = std::mem::take(&mut self.queue.lock().lost);
        if lost > 0 {
            let (at, wall) = (self.clock.now(), self.clock.wall());
            let connection = self.connection.load(Ordering::Relaxed);
            let (mask, what) = (Arc::default(), What::Lost(lost));
            let line = formatter.line(Entry { at, wall, connection, mask, what, bytes: 0 });
            let mut queue = self.queue.lock();
            queue.bytes += line.bytes();
            queue.lines.push(line);
        }
    }

    /// Writes lines. Returns `false` if that failed.
    fn write(&self, lines: &[Line]) -> bool {
        let written = self.output.write(lines, &|first| self.style.header(first.at, first.wall));
        let missing = &lines[written.lines..];
        let dropped = missing.iter().filter(|line| line.lost == 0).count() as u64;
        let lost: u64 = missing.iter().map(|line| line.lost.max(1)).sum();
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        {
            let mut queue = self.queue.lock();
            queue.bytes = queue.bytes.saturating_sub(lines.iter().map(Line::bytes).sum());
            queue.lost += lost;
        }
        if let Some(error) = &written.error {
            self.warn(|| error.to_string());
        }
        written.error.is_none()
    }

    fn warn(&self, why: impl FnOnce() -> String) {
        let clock = Clock::real();
        let now = clock.now();
        {
            let mut queue = self.queue.lock();
            if queue.quiet.is_some_and(|quiet| now < quiet) {
                return;
            }
            queue.quiet = now.checked_add(QUIET);
        }
        log::warn!("dropping lines of the trace to {}: {}", self.output.name(), why());
    }
}

/// A wait in the trace.
pub(crate) struct Wait {
    tracer: Tracer,
    what: String,
    call_id: Option<String>,
    began: Instant,
}

impl Wait {
    pub(crate) fn begin(tracer: &Tracer, call_id: Option<&str>, what: String) -> Self {
        tracer.note("wait", call_id, serde_json::json!({"state": "began", "what": what}));
        Self { tracer: tracer.clone(), what, call_id: call_id.map(str::to_owned), began: tracer.0.clock.now() }
    }

    pub(crate) fn end(self, outcome: &str) {
        let took = self.tracer.0.clock.now().saturating_duration_since(self.began);
        let fields = serde_json::json!({
            "state": "ended", "what": self.what, "took": seconds(took), "outcome": outcome,
        });
        self.tracer.note("wait", self.call_id.as_deref(), fields);
    }
}
