//! The `relay` command: a service on this machine, and tools to look at a real one.

mod dial;
mod doctor;
mod ladder;
mod listen;
mod pages;
mod replay;
mod say;
mod signals;
mod sim;
mod target;
mod text;
mod web;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};

/// SignalWire RELAY from the command line: a service for development on this machine, and tools for a real one.
#[derive(Debug, Parser)]
#[command(name = "relay", version, max_term_width = 100, args_override_self = true)]
#[command(after_help = "RUST_LOG=info or RUST_LOG=debug prints the log of the library to standard error.")]
struct Relay {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Sim(sim::Flags),
    Doctor(doctor::Flags),
    Listen(listen::Flags),
    Dial(dial::Flags),
    Text(text::Flags),
    Ladder(ladder::Flags),
    Replay(replay::Flags),
    Completions(pages::Completions),
    Man(pages::Man),
}

/// Exit status of a command that failed.
const FAILED: u8 = 1;

/// Exit status for a wrong command line.
const USAGE: u8 = 2;

/// The result of a command: its exit status, or the reason of its failure.
type Outcome = Result<u8, String>;

fn main() -> ExitCode {
    let parsed = Relay::command().try_get_matches().and_then(|matches| Relay::from_arg_matches(&matches));
    let relay = match parsed {
        Ok(relay) => relay,
        Err(error) => return refuse(error),
    };
    if std::env::var_os("RUST_LOG").is_some() {
        env_logger::init();
    }
    let (name, outcome) = match relay.task {
        Task::Sim(flags) => ("sim", sim::run(&flags)),
        Task::Doctor(flags) => ("doctor", doctor::run(&flags)),
        Task::Listen(flags) => ("listen", listen::run(&flags)),
        Task::Dial(flags) => ("dial", dial::run(&flags)),
        Task::Text(flags) => ("text", text::run(&flags)),
        Task::Ladder(flags) => ("ladder", ladder::run(&flags)),
        Task::Replay(flags) => ("replay", replay::run(&flags)),
        Task::Completions(flags) => ("completions", pages::completions(&flags, Relay::command())),
        Task::Man(flags) => ("man", pages::man(&flags, Relay::command())),
    };
    ExitCode::from(outcome.unwrap_or_else(|what| {
        say::complain(&format!("relay {name}: {what}"));
        FAILED
    }))
}

/// Prints the requested help, or the mistake in the command line with the help of its flag.
fn refuse(mut error: clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    if let Some(expected) = expected(&error) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![expected.into()]));
    }
    // The reader of the help may have closed its end of the pipe.
    let _unread = error.print();
    ExitCode::from(if is_help { 0 } else { USAGE })
}

/// Returns the help of the flag whose value is missing or wrong, because the parser reports only the mistake.
fn expected(error: &clap::Error) -> Option<String> {
    let is_of_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues);
    let (true, Some(ContextValue::String(flag))) = (is_of_value, error.get(ContextKind::InvalidArg)) else {
        return None;
    };
    let name = flag.split([' ', '=']).next()?.strip_prefix("--")?;
    let root = Relay::command();
    let all = std::iter::once(&root).chain(root.get_subcommands());
    let help = all.flat_map(Command::get_arguments).find(|arg| arg.get_long() == Some(name))?.get_help()?;
    Some(format!("{flag}: {help}"))
}
