//! The destination of a trace: a file that is rotated by size, or a writer of the program.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::lines::Line;

/// Number of bytes of lines that are written at once.
const BATCH: usize = 64 << 10;

/// The destination of a trace. The clients of a process that write to the same file share one.
pub(super) struct Output {
    /// The name of the destination in the log.
    name: String,
    /// Number of clients that write to it; each has a number.
    clients: AtomicU64,
    /// The time from which the times of the lines count.
    origin: OnceLock<Instant>,
    /// Only the threads of traces take this lock, and hold it while they write: a thread that waits for it would
    /// otherwise wait for the same file.
    sink: Mutex<Sink>,
}

/// The receiver of the lines, and its state.
struct Sink {
    to: To,
    /// Whether a line was written in part: the next one must begin on a new line.
    torn: bool,
    /// Whether the first line was written.
    begun: bool,
}

/// The kind of receiver.
enum To {
    Writer(Box<dyn Write + Send>),
    File(Rotated),
    /// The program's writer has panicked, and is not called again.
    Broken,
}

/// The result of writing lines.
pub(super) struct Written {
    /// Number of lines that were written, in order.
    pub(super) lines: usize,
    pub(super) error: Option<io::Error>,
}

/// The files that are written to in this process.
static FILES: Mutex<Vec<(PathBuf, Weak<Output>)>> = Mutex::new(Vec::new());

impl Output {
    pub(super) fn writer(writer: Box<dyn Write + Send>) -> Arc<Self> {
        Arc::new(Self::new("a writer of the program".into(), To::Writer(writer)))
    }

    /// Returns the output of this path. The file is opened with the first line.
    pub(super) fn file(path: &Path, rotate_at: u64, keep: usize) -> Arc<Self> {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut files = FILES.lock();
        files.retain(|(_, output)| output.strong_count() > 0);
        let known = files.iter().find(|(known, _)| *known == whole).and_then(|(_, output)| output.upgrade());
        known.unwrap_or_else(|| {
            let file = Rotated { path: path.to_owned(), rotate_at, keep, file: None, size: 0 };
            let output = Arc::new(Self::new(path.display().to_string(), To::File(file)));
            files.push((whole, Arc::downgrade(&output)));
            output
        })
    }

    fn new(name: String, to: To) -> Self {
        let sink = Mutex::new(Sink { to, torn: false, begun: false });
        Self { name, clients: AtomicU64::new(0), origin: OnceLock::new(), sink }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of another client, and the time from which the times count.
    pub(super) fn join(&self, now: Instant) -> (u64, Instant) {
        (self.clients.fetch_add(1, Ordering::Relaxed) + 1, *self.origin.get_or_init(|| now))
    }

    /// Writes lines. `header` returns the first line of each file, given the line after it.
    pub(super) fn write(&self, lines: &[Line], header: &dyn Fn(&Line) -> String) -> Written {
        let mut sink = self.sink.lock();
        match catch_unwind(AssertUnwindSafe(|| sink.write(lines, header))) {
            Ok(written) => written,
            Err(_) => {
                sink.to = To::Broken;
                Written { lines: 0, error: Some(io::Error::other("the writer of the program panicked")) }
            }
        }
    }
}

impl Sink {
    fn write(&mut self, mut lines: &[Line], header: &dyn Fn(&Line) -> String) -> Written {
        let mut written = Written { lines: 0, error: None };
        while !lines.is_empty() && written.error.is_none() {
            let (count, error) = match self.some(lines, header) {
                Ok(count) => (count, None),
                Err((count, error)) => (count, Some(error)),
            };
            written.lines += count;
            written.error = error;
            lines = &lines[count..];
        }
        let flushed = match &mut self.to {
            To::Writer(writer) if written.error.is_none() => writer.flush(),
            _ => Ok(()),
        };
        Written { error: written.error.or(flushed.err()), ..written }
    }

    /// Writes as many lines as possible at once.
    fn some(&mut self, lines: &[Line], header: &dyn Fn(&Line) -> String) -> Result<usize, (usize, io::Error)> {
        let mut text = String::new();
        let (writer, room): (&mut dyn Write, _) = match &mut self.to {
            To::Writer(writer) => (writer, u64::MAX),
            To::Broken => return Err((0, io::Error::other("the writer of the program panicked"))),
            To::File(file) => {
                let next = lines.first().map_or(0, |line| line.text.len() as u64 + 1);
                let room = file.ready(next, &mut self.begun, &mut self.torn).map_err(|error| (0, error))?;
                (file, room)
            }
        };
        if self.torn {
            text.push('\n');
        }
        if let Some(first) = lines.first().filter(|_| !self.begun) {
            text.push_str(&header(first));
            text.push('\n');
        }
        let mut ends = Vec::new();
        for line in lines {
            let next = text.len() + line.text.len() + 1;
            if !ends.is_empty() && (next > BATCH || next as u64 > room) {
                break;
            }
            text.push_str(&line.text);
            text.push('\n');
            ends.push(text.len());
        }
        let (count, result) = write_all(writer, text.as_bytes());
        let whole = ends.iter().take_while(|end| **end <= count).count();
        if count > 0 {
            self.torn = text.as_bytes()[count - 1] != b'\n';
            self.begun |= whole > 0 || text.as_bytes()[..count].contains(&b'}');
        }
        result.map(|()| whole).map_err(|error| (whole, error))
    }
}

/// Writes all bytes. Returns the number of written bytes even if that fails.
fn write_all(writer: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match writer.write(&bytes[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => done += count.min(bytes.len() - done),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

/// A file that is renamed at its size limit: `trace.jsonl` becomes `trace.jsonl.1`, that becomes `trace.jsonl.2`, and
/// so on.
struct Rotated {
    path: PathBuf,
    rotate_at: u64,
    keep: usize,
    file: Option<File>,
    size: u64,
}

impl Rotated {
    /// Opens the file, or the next one if this one has no room for `next` bytes. Returns the free room.
    fn ready(&mut self, next: u64, begun: &mut bool, torn: &mut bool) -> io::Result<u64> {
        let is_full = self.size > 0 && self.size.saturating_add(next) > self.rotate_at;
        if self.file.is_none() || is_full {
            // The file is closed first, because Windows cannot rename an open file.
            self.file = None;
            // A file of an earlier run is kept, too. If it cannot be renamed, lines are appended to it.
            let renamed =
                fs::metadata(&self.path).map_or(Ok(()), |file| if file.len() > 0 { self.shift() } else { Ok(()) });
            let file = open(&self.path)?;
            self.size = file.metadata()?.len();
            self.file = Some(file);
            (*begun, *torn) = (false, renamed.is_err() && self.size > 0);
        }
        Ok(self.rotate_at.saturating_sub(self.size))
    }

    /// Renames the files, and deletes the oldest.
    fn shift(&self) -> io::Result<()> {
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            let from = self.numbered(number);
            if from.exists() {
                fs::rename(from, self.numbered(number + 1))?;
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Opens the file. It may contain what callers said, so other users of the machine may not read it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Write for Rotated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let count = file.write(bytes)?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
