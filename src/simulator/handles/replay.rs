//! A recording that is replayed in place of the service.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use crate::error::{self, Result};
use crate::ladder::Ladder;
use crate::simulator::handles::instance::Simulator;
use crate::simulator::replay::differences::Differences;
use crate::simulator::replay::engine::Engine;
use crate::simulator::replay::recording::Recording;
use crate::simulator::world::state::World;

/// Default limit after which a replay with a missing request is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest time in which the program may still act after the recording has ended.
const REST: Duration = Duration::from_secs(1);

/// Number of masked fields that an error names.
const NAMED: usize = 10;

/// A simulator that replays the service's frames of a recording, and compares the program's requests with the recorded
/// ones. Made by [`Simulator::replay`] or [`Builder::replay`](crate::simulator::Builder::replay).
///
/// The recording is a [`Trace`](crate::connection::Trace) of a client, or a journal of the simulator
/// ([`FrameRecord::to_json`](crate::simulator::FrameRecord::to_json), one line per frame). A trace must have been
/// written with [`content(true)`](crate::connection::Trace::content) if the program receives digits, speech or text
/// messages.
///
/// ```no_run
/// use signalwire_relay::Client;
/// use signalwire_relay::simulator::Simulator;
///
/// # fn run(client: &Client) {}
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let replay = Simulator::replay("tests/incident.jsonl")?;
/// let client = Client::builder().simulator(replay.simulator()).contexts(["default"]).connect()?;
/// run(&client); // registers the handlers of the program
/// replay.finish()?;
/// # Ok(()) }
/// ```
///
/// # The replay
///
/// - A response follows its request after as much time as in the recording. It carries the ID of the new request.
/// - An event follows the last request about its call that came before it in the recording, after as much time; an offer
///   of a call or a message follows the request that opened the connection. The events of a call stay in their order.
/// - A connection that was lost is lost again when everything on it was asked and played, after as much time. The program
///   then reconnects, and its session is resumed or not as it was.
/// - Pings of both sides are not replayed; those of the program are answered.
///
/// # The comparison
///
/// The requests of each call are compared in their order: method and parameters. Times are not compared. IDs that the
/// program creates, such as control IDs and tags, may differ: each present ID stands for one of the recording. Values
/// that are masked in the recording may be anything. Credentials and the agent's name are not compared. A request that
/// was not recorded is rejected with -32601.
pub struct Replay {
    simulator: Simulator,
    patience: Duration,
    problems: Vec<String>,
    recorded: Ladder,
}

/// # Replay
impl Simulator {
    /// Replays a recording in virtual time, like `Simulator::builder().virtual_time().replay(path)`.
    ///
    /// # Errors
    ///
    /// As for [`Builder::replay`](crate::simulator::Builder::replay).
    pub fn replay(path: impl AsRef<Path>) -> Result<Replay> {
        Self::builder().virtual_time().replay(path)
    }
}

/// Reads a recording that can be replayed.
pub(crate) fn read(path: &Path) -> Result<Recording> {
    let name = path.display();
    let unreadable = |e: std::io::Error| error::config(format!("replaying {name}: the file cannot be read: {e}"));
    let file = File::open(path).map_err(unreadable)?;
    let recording = Recording::read(BufReader::new(file)).map_err(unreadable)?;
    if recording.is_empty() {
        let first = recording.problems.first().map(|problem| format!(" ({problem})")).unwrap_or_default();
        return Err(error::config(format!(
            "replaying {name}: it is no trace and no journal with a connection in it{first}"
        )));
    }
    if !recording.masked.is_empty() {
        let more = recording.masked.len().saturating_sub(NAMED);
        let mut named = recording.masked[..recording.masked.len().min(NAMED)].join("; ");
        if more > 0 {
            named.push_str(&format!("; and {more} more"));
        }
        return Err(error::config(format!(
            "replaying {name}: the program was told what is masked there: {named}; record it with Trace::content(true)"
        )));
    }
    Ok(recording)
}

impl Replay {
    /// Replays a recording on a simulator that has just been started.
    pub(crate) fn play(simulator: Simulator, mut recording: Recording) -> Self {
        let mut recorded = Ladder::new();
        for line in std::mem::take(&mut recording.lines) {
            // Lines that the ladder cannot draw are left out.
            let _left_out = recorded.push(&line);
        }
        let problems = std::mem::take(&mut recording.problems);
        simulator.shared.with(|world| world.replay(Engine::new(recording)));
        Self { simulator, patience: PATIENCE, problems, recorded }
    }

    /// Sets the time that the replay waits for a missing request of the program before it is given up, in seconds of the
    /// recording: at a [`speed`](crate::simulator::Builder::speed) of 20, 60 s take 3 s. Default: 60 s. In virtual time they
    /// cost nothing.
    #[must_use]
    pub fn patience(mut self, span: Duration) -> Self {
        self.patience = span;
        self
    }

    /// The simulator that the program connects to, for [`Builder::simulator`](crate::Builder::simulator).
    #[must_use]
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Returns the parts of the recording that could not be used, a line each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns `true` if the recording was replayed to its end, and the program has sent every recorded request.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.simulator.shared.with(|world| world.replay.as_ref().is_none_or(|replay| replay.is_over()))
    }

    /// Blocks until the recording was replayed to its end, or until the next request of the program is missing for
    /// longer than [`patience`](Self::patience), and compares.
    ///
    /// A last `signalwire.unreceive` of the recording may be missing: a program sends it when it is stopped, which the service
    /// does not do.
    ///
    /// # Errors
    ///
    /// The differences of the program from the recording.
    pub fn finish(&self) -> Result<(), Differences> {
        let shared = &self.simulator.shared;
        let look = |given_up: Duration| {
            shared.with(|world| {
                let until = world.replay.as_ref().map_or(Duration::ZERO, |replay| replay.until(given_up));
                // Nothing is left when it is given up.
                world.time.at_least(until.saturating_sub(world.time.simulated()))
            })
        };
        loop {
            let left = look(self.patience);
            if self.is_over() || left.is_zero() {
                break;
            }
            let deadline = shared.clock.after(left);
            let _over = shared
                .wait_for(deadline, |world| world.replay.as_ref().is_none_or(|replay| replay.is_over()).then_some(()));
        }
        // The program may send more requests than were recorded.
        let count = |world: &mut World| world.replay.as_ref().map_or(0, |replay| replay.count());
        let before = shared.with(count);
        let _more = shared.wait_for(shared.clock.after(REST), |world| (count(world) > before).then_some(()));
        let calls = shared.with(|world| world.replay.as_ref().map(|replay| replay.differences()).unwrap_or_default());
        if calls.is_empty() {
            return Ok(());
        }
        let mut replayed = Ladder::new();
        for entry in self.simulator.journal().entries() {
            let _left_out = replayed.push(&entry.to_json());
        }
        Err(Differences::new(calls, self.problems.clone(), self.recorded.clone(), replayed))
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("simulator", &self.simulator).finish_non_exhaustive()
    }
}
