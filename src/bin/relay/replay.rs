//! `relay replay`: plays a recording to a program, and compares the program's frames with the recording.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;
use signalwire_relay::simulator::Simulator;

use crate::Outcome;
use crate::say::{GOOD, complain, line, styled, tame};
use crate::sim::environment;

/// Exit status if the program differed from the recording.
const DIFFERS: u8 = 3;

/// Time in which the program must end after it was requested to.
const GRACE: Duration = Duration::from_secs(5);

const NOTES: &str = "The program finds the simulator by its environment: SIGNALWIRE_RELAY_HOST, SIGNALWIRE_RELAY_SCHEME or \
    SIGNALWIRE_RELAY_CA_FILE, SIGNALWIRE_PROJECT_ID, SIGNALWIRE_API_TOKEN. It may be written in any language. When the recording \
    was played it is ended by SIGTERM.\n\n\
    A trace must have been written with content(true) if the program is told what people pressed, said or wrote. Requests \
    are compared by call, in their order: method and parameters. Times are free, and so are IDs that the program makes.\n\n\
    Exit status: 0 if the program did the same; 3 if it did not, with both ladders on stdout; 1 if the recording or the \
    program cannot be used.";

/// Plays a trace or a journal to a program in place of the service, and compares the program's frames
#[derive(Args, Debug)]
#[command(after_long_help = NOTES)]
pub struct Flags {
    /// Trace of a client, or journal of the simulator
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Recorded seconds that pass in one second, such as 1 or 20
    #[arg(long, value_name = "N", value_parser = crate::sim::speed, allow_negative_numbers = true, default_value = "1")]
    speed: f64,

    /// Longest delay of the program's next request, in seconds of the recording
    #[arg(long, value_name = "SECONDS", value_parser = crate::sim::life, allow_negative_numbers = true, default_value = "60")]
    patience: Duration,

    /// Listens for wss:// instead of ws://
    #[arg(long)]
    tls: bool,

    /// Program and its arguments, after --
    #[arg(value_name = "PROGRAM", required = true, last = true)]
    program: Vec<String>,
}

pub fn run(flags: &Flags) -> Outcome {
    let builder = Simulator::builder().allow_violations().tls(flags.tls).speed(flags.speed);
    let replay = builder.replay(&flags.file).map_err(|error| error.to_string())?.patience(flags.patience);
    for problem in replay.problems() {
        complain(&format!("{}: {}", flags.file.display(), tame(problem)));
    }
    let Some((name, arguments)) = flags.program.split_first() else { return Err("there is no program".into()) };
    let simulator = replay.simulator();
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).env("NO_PROXY", "*").env_remove("SIGNALWIRE_JWT_TOKEN");
    command.env_remove("SIGNALWIRE_RELAY_CA_FILE").env_remove("SIGNALWIRE_RELAY_SCHEME");
    command.envs(environment(simulator, simulator.ca_file()));
    let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    let outcome = replay.finish();
    end(child);
    match outcome {
        Ok(()) => {
            line(styled(GOOD, "the program did what was recorded"));
            Ok(0)
        }
        Err(differences) => {
            // The program's own form has lines and columns.
            let _closed = writeln!(std::io::stdout(), "{differences}");
            Ok(DIFFERS)
        }
    }
}

/// Requests the program to end, and kills it if it does not.
fn end(mut child: Child) {
    let pid = child.id();
    kill(pid, "-TERM");
    let (tell, ended) = channel();
    let waits = std::thread::Builder::new().name("program".into()).spawn(move || {
        let _ended = child.wait();
        let _gave_up = tell.send(());
    });
    if waits.is_ok() && ended.recv_timeout(GRACE).is_err() {
        kill(pid, "-KILL");
        let _ended = ended.recv_timeout(GRACE);
    }
}

#[cfg(unix)]
fn kill(pid: u32, signal: &str) {
    // This needs no unsafe code, and fails only if the program has ended.
    let _has_ended = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

#[cfg(not(unix))]
fn kill(pid: u32, _signal: &str) {
    let _has_ended = Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).stdout(Stdio::null()).status();
}
