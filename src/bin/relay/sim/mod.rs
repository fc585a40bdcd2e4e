//! `relay sim`: a RELAY service on this machine, for programs in any language.

mod commands;
mod faults;
mod flags;
mod help;
mod input;
mod output;
mod people;
mod screen;
mod script;
mod stage;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

pub use self::commands::answer_at_once;
pub use self::flags::{Flags, life, speed};
pub use self::input::Stop;
pub use self::stage::{Stage, environment};

use self::input::Event;
use self::output::Output;
use self::script::Script;
use crate::Outcome;
use crate::say::complain;
use crate::web::Web;

/// Exit status with `--strict` if a client violated the protocol.
const VIOLATED: u8 = 3;

/// Interval at which `--watch` checks for changes that no event announces.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub fn run(flags: &Flags) -> Outcome {
    let script = match &flags.script {
        Some(path) => Script::read(path)?,
        None => Script::default(),
    };
    let (sender, events) = channel();
    let stop = Arc::new(Stop::new(flags.max_life));
    // Signals are watched before anything is written that a supervisor could respond to with a signal.
    input::watch_signals(&sender, &stop)?;
    let mut stage = Stage::open(flags, &script, Arc::clone(&stop))?;
    let mut output = Output::new(flags.watch, sender.clone());
    // A program that reads the address finds the script in effect.
    stage.play(&script).map_err(|error| format!("the script: {error}"))?;
    // This comes after the script, whose callees keep the defaults.
    let web = match flags.web {
        Some(address) => Some(Web::start(address, &stage, output::about(&stage))?),
        None => None,
    };
    let page = web.as_ref().map(Web::url);
    let is_drawn = flags.watch && screen::is_possible();
    if !is_drawn {
        output.greet(&stage, page);
    }
    stage.warn_of_strangers();
    let why = if is_drawn {
        screen::show(&mut stage, page, &sender, &events)?
    } else {
        input::read_lines(sender)?;
        attend(&mut stage, &mut output, &events, flags.watch)
    };
    // The page holds the simulator.
    drop(web);
    Ok(finish(flags, stage, why))
}

/// Executes the commands of stdin until the simulator is to end. Returns the reason of the end.
fn attend(stage: &mut Stage, output: &mut Output, events: &Receiver<Event>, watch: bool) -> &'static str {
    let stop = Arc::clone(&stage.stop);
    let why = loop {
        let patience = if watch { stop.left().min(LOOK_EVERY) } else { stop.left() };
        match events.recv_timeout(patience) {
            Ok(Event::Line(line)) => {
                if let Some(answer) = commands::answer(&line, stage) {
                    output.answer(&answer);
                }
                if stage.quits {
                    break "asked to quit";
                }
            }
            Ok(Event::InputEnded) => break "the other end of stdin is closed",
            Ok(Event::OutputGone) => break "the other end of stdout is closed",
            Ok(Event::Signal) => break "a signal",
            // Only a screen receives these.
            Ok(Event::Terminal(_) | Event::Told(_)) => {}
            Err(RecvTimeoutError::Timeout) if stop.is_asked() => break "--max-life has passed",
            Err(_) => output.look(stage),
        }
    };
    output.look(stage);
    why
}

/// Reports the result on stderr, and returns the exit status.
fn finish(flags: &Flags, stage: Stage, why: &str) -> u8 {
    let violations = stage.simulator.violations();
    // This closes the connections, and writes the rest of the journal.
    drop(stage);
    complain(&format!("relay sim: ended ({why})"));
    if violations.is_empty() {
        return 0;
    }
    let count = violations.len();
    complain(&format!("relay sim: {count} {} of the protocol:", if count == 1 { "violation" } else { "violations" }));
    violations.iter().for_each(|violation| complain(&format!("  {violation}")));
    if flags.strict { VIOLATED } else { 0 }
}
