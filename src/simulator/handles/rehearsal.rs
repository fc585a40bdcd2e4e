//! Programs that run on a simulator if there is no account.

use std::env;
use std::io::{self, Read, Write};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::simulator::handles::instance::Simulator;
use crate::simulator::record::journal::WaitTimeout;

/// Variable that tells the program that it is the rehearsed one.
const REHEARSED: &str = "SIGNALWIRE_RELAY_REHEARSAL";

/// The variables that identify an account.
const CREDENTIALS: [&str; 3] = ["SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN", "SIGNALWIRE_JWT_TOKEN"];

/// Longest time that the program may take to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Simulated seconds per real second.
const SPEED: f64 = 20.0;

/// Runs this program on a simulator if the environment has no credentials, until `scene` has ended. For programs that
/// run until they are stopped, such as one that answers calls.
///
/// With credentials in the environment, the function does nothing, and the program continues with its account. Without
/// credentials, it starts a simulator at 20 times real time, starts this program once more with an environment for
/// that simulator, and prints the events of the calls. After the scene, the program is stopped as by SIGTERM (on
/// Windows: ended), and this process exits with its status. It exits with 1 if the scene fails or if the program did
/// something that the service would not accept. In this case the function never returns.
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Client, simulator};
///
/// fn main() -> signalwire_relay::Result<()> {
///     simulator::rehearse(|sim| {
///         let ann = sim.caller("+15551230000").calls("+15559990000").dials();
///         ann.wait_ended(Duration::from_secs(60))
///     });
///     let client = Client::builder().contexts(["default"]).connect()?;
///     client.on_call(|call| {
///         call.answer()?;
///         call.hangup()?;
///         Ok(())
///     });
///     client.run()
/// }
/// ```
pub fn rehearse<T>(scene: impl FnOnce(&Simulator) -> Result<T, WaitTimeout>) {
    if let Some(simulator) = stage() {
        process::exit(play(simulator, &[], scene, true));
    }
}

/// Runs this program on a simulator if the environment has no credentials, until the program ends. For programs that
/// do one thing, such as dialling a number.
///
/// `arguments` are the arguments of the program if the command line has none, and `people` sets up the people that it
/// calls. Everything else is as for [`rehearse`].
///
/// ```no_run
/// use signalwire_relay::{Client, phone, simulator};
///
/// fn main() -> signalwire_relay::Result<()> {
///     simulator::rehearse_with(["+15552222222", "+15551111111"], |sim| {
///         sim.callee("+15552222222").answers();
///     });
///     let numbers: Vec<String> = std::env::args().skip(1).collect();
///     let client = Client::from_env()?;
///     let call = client.dial(phone(&numbers[0]).from(&numbers[1]))?;
///     call.hangup()
/// }
/// ```
pub fn rehearse_with<const N: usize>(arguments: [&str; N], people: impl FnOnce(&Simulator)) {
    if let Some(simulator) = stage() {
        let scene = |sim: &Simulator| {
            people(sim);
            Ok(())
        };
        process::exit(play(simulator, &arguments, scene, false));
    }
}

/// The simulator, in the process that plays the service.
fn stage() -> Option<Simulator> {
    if env::var_os(REHEARSED).is_some() {
        end_with_the_input();
        return None;
    }
    if CREDENTIALS.into_iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return None;
    }
    say("no credentials in the environment: running on a simulator");
    match Simulator::builder().speed(SPEED).allow_violations().start() {
        Ok(simulator) => Some(simulator),
        Err(error) => {
            say(&format!("the simulator could not be started: {error}"));
            process::exit(1);
        }
    }
}

/// Plays the scene, and returns the exit status.
fn play<T>(
    sim: Simulator,
    arguments: &[&str],
    scene: impl FnOnce(&Simulator) -> Result<T, WaitTimeout>,
    then_stops: bool,
) -> i32 {
    sim.on_transcript(|line| {
        // The rehearsal continues even if its output is closed.
        let _ = writeln!(io::stdout(), "  {line}");
    });
    let mut scene = Some(scene);
    let mut missed = None;
    if !then_stops {
        // The people that the program calls are set up before it starts.
        missed = scene.take().and_then(|scene| scene(&sim).err());
    }
    let program = match start(&sim, arguments) {
        Ok(program) => program,
        Err(error) => {
            say(&format!("the program could not be started again: {error}"));
            return 1;
        }
    };
    if let Some(scene) = scene {
        // The scene begins when the program is connected and accepts calls.
        missed = sim.wait_for_request("signalwire.connect", PATIENCE).and_then(|_| scene(&sim)).err();
        program.over.store(true, Ordering::SeqCst);
        drop(program.input);
    }
    // A program that was ended by a signal has no exit code.
    let code = program.status.recv().ok().and_then(|status| status.code()).unwrap_or(0);
    let violations = sim.violations();
    for violation in &violations {
        say(&format!("what the service would not accept: {violation}"));
    }
    if let Some(missed) = &missed {
        say(&missed.to_string());
    }
    if missed.is_some() || !violations.is_empty() { 1 } else { code }
}

/// The program, in a process of its own.
struct Started {
    input: Option<process::ChildStdin>,
    over: Arc<AtomicBool>,
    status: mpsc::Receiver<ExitStatus>,
}

fn start(sim: &Simulator, arguments: &[&str]) -> io::Result<Started> {
    let given: Vec<_> = env::args_os().skip(1).collect();
    let mut command = Command::new(env::current_exe()?);
    if given.is_empty() {
        command.args(arguments);
    } else {
        command.args(given);
    }
    let mut child = command.env(REHEARSED, "1").envs(sim.environment()).stdin(Stdio::piped()).spawn()?;
    let input = child.stdin.take();
    let over = Arc::new(AtomicBool::new(false));
    let (sender, status) = mpsc::channel();
    let scene_is_over = Arc::clone(&over);
    thread::Builder::new().name("rehearsal".into()).spawn(move || {
        let Ok(status) = child.wait() else { return };
        // If the program has failed, the rehearsal ends at once instead of at the limit of the scene.
        if !scene_is_over.load(Ordering::SeqCst) && !status.success() {
            process::exit(status.code().unwrap_or(1));
        }
        let _the_scene_may_be_over = sender.send(status);
    })?;
    Ok(Started { input, over, status })
}

/// Ends this program when the process that plays the service closes its input or ends.
fn end_with_the_input() {
    let watch = || {
        let mut rest = Vec::new();
        let _either_way = io::stdin().read_to_end(&mut rest);
        #[cfg(all(unix, feature = "signals"))]
        if signal_hook::low_level::raise(signal_hook::consts::SIGTERM).is_ok() {
            return;
        }
        process::exit(0);
    };
    if let Err(error) = thread::Builder::new().name("rehearsal".into()).spawn(watch) {
        say(&format!("the end of the rehearsal cannot be watched: {error}"));
    }
}

fn say(line: &str) {
    // Standard error may be closed.
    let _ = writeln!(io::stderr(), "{line}");
}
