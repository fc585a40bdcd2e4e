//! Four processes share a context. They are restarted one after another under load, and no call is lost. Then one process
//! is killed, and its calls are lost.

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{Call, Client, HandlerResult, silence, tts};

const MEMBERS: usize = 4;
/// Speed of the people and the service, relative to real time.
const SPEED: f64 = 20.0;
/// Longest time for live calls after a member is stopped. The supervisor's grace period must be a few seconds longer.
const DRAIN: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    if env::args().nth(1).as_deref() == Some("member") {
        return Ok(member()?);
    }
    let sim = Arc::new(Simulator::builder().tls(false).speed(SPEED).start()?);
    let mut members = (0..MEMBERS).map(|_| Member::start(&sim)).collect::<io::Result<Vec<_>>>()?;

    let load = Load::begin(&sim);
    for member in &mut members {
        // The new process is started first, so that there are always four: a restart needs room for a fifth one.
        let new = Member::start(&sim)?;
        std::mem::replace(member, new).stop()?;
    }
    let callers = load.end();
    let lost = lost(&callers)?;
    println!("{MEMBERS} members restarted one after another: {} callers, {lost} of them not served", callers.len());
    assert_eq!(lost, 0);

    let load = Load::begin(&sim);
    sim.advance(Duration::from_secs(1));
    members.swap_remove(0).kill()?;
    sim.advance(Duration::from_secs(1));
    let callers = load.end();
    let lost = self::lost(&callers)?;
    println!("one member killed: {} callers, {lost} of them not served: the calls that it had", callers.len());
    for member in members {
        member.stop()?;
    }
    Ok(())
}

/// The program of each process.
fn member() -> signalwire_relay::Result<()> {
    let client = Client::builder().contexts(["support"]).connect()?;
    client.on_call(serve);
    println!("ready");
    // On Unix a supervisor sends SIGTERM, and `run` drains with `Builder::drain_limit`. The end of the input has the same
    // effect on every system.
    let stopped = client.clone();
    thread::spawn(move || {
        let _end = io::copy(&mut io::stdin(), &mut io::sink());
        stopped.shutdown(DRAIN);
    });
    client.run()
}

pub fn serve(call: Call) -> HandlerResult {
    call.answer()?;
    call.play(tts("One moment, please."))?.wait(None)?;
    call.play(silence(Duration::from_secs(4)))?.wait(None)?;
    call.play(tts("Goodbye."))?.wait(None)?;
    call.hangup()?;
    Ok(())
}

struct Member(Child);

impl Member {
    /// Starts a process, and returns when it is connected.
    fn start(sim: &Simulator) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("member")
            .envs(sim.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut ready)?;
        }
        assert_eq!(ready, "ready\n", "a member could not connect");
        Ok(Self(child))
    }

    /// Lets the process finish its calls, and waits for its end.
    fn stop(mut self) -> io::Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        assert!(status.success(), "{status}");
        Ok(())
    }

    fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

/// Callers who call continuously, forty in a second.
struct Load {
    over: Arc<AtomicBool>,
    callers: thread::JoinHandle<Vec<PersonOnCall>>,
}

impl Load {
    fn begin(sim: &Arc<Simulator>) -> Self {
        let over: Arc<AtomicBool> = Arc::default();
        let (sim, ends) = (Arc::clone(sim), Arc::clone(&over));
        let callers = thread::spawn(move || {
            let mut callers = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                callers.push(dials_in(&sim, callers.len()));
                sim.advance(Duration::from_millis(25));
            }
            callers
        });
        Self { over, callers }
    }

    fn end(self) -> Vec<PersonOnCall> {
        self.over.store(true, Ordering::Relaxed);
        self.callers.join().unwrap_or_default()
    }
}

/// A caller who waits for half a minute and then hangs up.
fn dials_in(sim: &Simulator, number: usize) -> PersonOnCall {
    let patience = Duration::from_secs(60);
    let caller = sim.caller(format!("+1555{number:07}")).context("support").gives_up_after(patience).is_silent();
    caller.after_hearing("One moment, please.").waits(patience).hangs_up().dials()
}

/// Number of callers who heard silence until they hung up.
fn lost(callers: &[PersonOnCall]) -> Result<usize, Box<dyn Error>> {
    let mut lost = 0;
    for caller in callers {
        caller.wait_ended(LONG)?;
        lost += usize::from(!caller.was_hung_up_on());
    }
    Ok(lost)
}
