//! `relay ladder`: draws a trace or a journal.

use std::path::PathBuf;

use clap::Args;
use signalwire_relay::ladder::Ladder;

use crate::Outcome;
use crate::say::{complain, is_coloured, tame, write};

/// Exit status if a part of the file could not be read. The rest is drawn.
const DAMAGED: u8 = 3;

/// Width of a ladder that is not for a terminal.
const WIDTH: u16 = 120;

const EXIT: &str = "Exit status: 0; 3 if lines of the file could not be read, which are named on stderr; 1 if there is \
    nothing to draw.";

/// Draws a trace of a client, or a journal of the simulator, as a ladder
///
/// The columns are the program, the service and the phones. A trace is written by SIGNALWIRE_RELAY_TRACE=FILE, a journal by
/// `relay sim --journal FILE`.
#[derive(Args, Debug)]
#[command(after_long_help = EXIT)]
pub struct Flags {
    /// Trace or journal; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// ID of the call to draw, with the calls that it was connected with
    #[arg(long, value_name = "ID")]
    call: Option<String>,

    /// Number of rows to draw, the last ones
    #[arg(long, value_name = "N")]
    last: Option<usize>,

    /// Draws an SVG image
    #[arg(long, conflicts_with = "html")]
    svg: bool,

    /// Draws an HTML page that needs no other file
    #[arg(long)]
    html: bool,

    /// Prints the rows as JSON, one per line
    #[arg(long, conflicts_with_all = ["svg", "html"])]
    json: bool,

    /// Characters in a line of text; default: the width of the terminal, or 120
    #[arg(long, value_name = "N")]
    width: Option<u16>,

    /// Writes to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(flags: &Flags) -> Outcome {
    let shown = flags.file.display();
    let is_stdin = flags.file.as_os_str() == "-";
    let read = if is_stdin { Ladder::read(std::io::stdin().lock()) } else { Ladder::open(&flags.file) };
    let whole = read.map_err(|error| format!("{shown}: {error}"))?;
    for problem in whole.problems() {
        complain(&format!("{shown}: {}", tame(problem)));
    }
    if whole.rows().is_empty() {
        return Err(format!("{shown}: nothing to draw; expected a trace of a client or a journal of the simulator"));
    }
    let mut ladder = whole.clone();
    if let Some(call) = &flags.call {
        ladder = whole.call(call);
        if ladder.rows().is_empty() {
            let calls = whole.calls();
            let there = if calls.is_empty() { "no call".to_owned() } else { tame(&calls.join(", ")) };
            return Err(format!("{shown}: no call has the ID {call:?}; the file has {there}"));
        }
    }
    if let Some(count) = flags.last {
        ladder = ladder.last(count);
    }
    let drawn = if flags.svg {
        ladder.to_svg()
    } else if flags.html {
        ladder.to_html()
    } else if flags.json {
        ladder.rows().iter().map(|row| format!("{}\n", row.to_json())).collect()
    } else {
        let terminal = terminal_size::terminal_size().filter(|_| flags.output.is_none());
        let width = flags.width.or(terminal.map(|(width, _)| width.0)).unwrap_or(WIDTH);
        ladder.to_text(width.into(), flags.output.is_none() && is_coloured())
    };
    match &flags.output {
        Some(path) => std::fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?,
        None => write(drawn.as_bytes())?,
    }
    Ok(if whole.problems().is_empty() { 0 } else { DAMAGED })
}
