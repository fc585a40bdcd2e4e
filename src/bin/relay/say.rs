//! Lines on stdout and stderr, in colours where they are shown.

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

/// Writes a line to stdout; colours are left out where stdout is no terminal. Returns `false` if stdout is closed.
pub fn line(line: impl Display) -> bool {
    let mut out = anstream::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// The text in a colour.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text of others as one line that does nothing to a terminal.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A line on stderr that is written anew while something goes on, if stderr is a terminal. Cleared when it is dropped.
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

    /// Makes room for a line on stdout.
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

/// Writes to stdout, as it is.
pub fn write(bytes: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("stdout: {error}")),
    }
}

/// Whether stdout shows colours.
pub fn is_coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
