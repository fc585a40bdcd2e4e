//! A RELAY service on this machine, for programs in any language: `cargo run --example simulator -- --help`.

mod commands;
mod faults;
mod flags;
mod help;
mod input;
mod output;
mod people;
mod script;
mod stage;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use flags::{Asked, Flags};
use input::{Event, Stop};
use output::{Output, complain};
use script::Script;
use stage::Stage;

/// Bad flags, a bad script, or a machine that does not give what was asked for.
const FAILED: u8 = 1;

/// With `--strict`: a client did what the service would not accept.
const VIOLATED: u8 = 3;

/// How often somebody who watches is told of what nothing announces.
const LOOK_EVERY: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let done = match flags::parse(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            // Whoever shows it may have seen enough.
            let _ = std::io::stdout().write_all(help::TEXT.as_bytes());
            Ok(0)
        }
        Ok(Asked::Run(flags)) => run(&flags),
        Err(what) => Err(format!("{what}\n(--help tells of all flags)")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(what) => {
            complain(&format!("simulator: {what}"));
            ExitCode::from(FAILED)
        }
    }
}

fn run(flags: &Flags) -> Result<u8, String> {
    let script = match &flags.script {
        Some(path) => Script::read(path)?,
        None => Script::default(),
    };
    let (sender, events) = channel();
    let stop = Arc::new(Stop::new(flags.max_life));
    // Before anything is written that a supervisor could answer with a signal.
    input::watch_signals(&sender, &stop)?;
    let mut stage = Stage::open(flags, &script, Arc::clone(&stop))?;
    let mut output = Output::new(flags.watch, sender.clone());
    // Whoever reads where to connect finds the scene set.
    stage.play(&script).map_err(|error| format!("the script: {error}"))?;
    output.greet(&stage);
    stage.warn_of_strangers();
    input::read_lines(sender)?;

    let why = loop {
        let patience = if flags.watch { stop.left().min(LOOK_EVERY) } else { stop.left() };
        match events.recv_timeout(patience) {
            Ok(Event::Line(line)) => {
                if let Some(answer) = commands::answer(&line, &mut stage) {
                    output.answer(&answer);
                }
                if stage.quits {
                    break "asked to quit";
                }
            }
            Ok(Event::InputEnded) => break "the other end of stdin is closed",
            Ok(Event::OutputGone) => break "the other end of stdout is closed",
            Ok(Event::Signal) => break "a signal",
            Err(RecvTimeoutError::Timeout) if stop.is_asked() => break "--max-life is over",
            Err(_) => output.look(&stage),
        }
    };
    output.look(&stage);
    Ok(finish(flags, stage, why))
}

/// Says how it went, on stderr; gives the exit status.
fn finish(flags: &Flags, stage: Stage, why: &str) -> u8 {
    let violations = stage.simulator.violations();
    // Closes the connections, and writes the rest of the journal.
    drop(stage);
    complain(&format!("simulator: ended ({why})"));
    if violations.is_empty() {
        return 0;
    }
    complain(&format!("simulator: {} violations of the protocol:", violations.len()));
    violations.iter().for_each(|violation| complain(&format!("  {violation}")));
    if flags.strict { VIOLATED } else { 0 }
}
