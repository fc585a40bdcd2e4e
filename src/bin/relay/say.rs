//! Lines on stdout and stderr, with colours on a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const ODD: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();

/// Writes a line to stderr. Does nothing if stderr is closed.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a line to stdout, without colours if stdout is no terminal. Returns `false` if stdout is closed.
pub fn line(line: impl Display) -> bool {
    let mut out = anstream::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Returns the text in a colour.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns a text from outside as one line without control characters.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A line on stderr that is updated during an operation, if stderr is a terminal. Cleared when it is dropped.
pub struct Progress {
    is_shown: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    pub fn show(&self, text: impl Display) {
        if self.is_shown {
            let mut out = anstream::stderr();
            let _ = write!(out, "\r\u{1b}[2K{FAINT}{text}{FAINT:#}").and_then(|()| out.flush());
        }
    }

    /// Clears the line, to make room for a line on stdout.
    pub fn clear(&self) {
        if self.is_shown {
            let mut out = std::io::stderr();
            let _ = write!(out, "\r\u{1b}[2K").and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Writes bytes to stdout unchanged.
pub fn write(bytes: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // The reader has closed its end of the pipe.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("stdout: {error}")),
    }
}

/// Returns `true` if stdout shows colours.
pub fn is_coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
