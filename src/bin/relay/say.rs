//! Lines on stderr.

use std::io::Write;

/// Writes a line to stderr. Does nothing if stderr is closed.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
