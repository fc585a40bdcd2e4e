//! What a test asks the simulator: the journal, the violations, the transcript.

use std::time::Duration;

use super::journal::{Entry, EntryKind, Journal, Missed};
use super::{Simulator, people};
use crate::clock::Whose;

/// How old an event is when its missing acknowledgement counts as a violation.
const ACK_LIMIT: Duration = Duration::from_secs(2);

/// What happened.
impl Simulator {
    /// Every frame so far (the last 50,000 of them), without secrets.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.with(|world| world.log.snapshot())
    }

    /// Waits for the next request of a method. Each call gives a request that no earlier call gave, so that several in
    /// a row walk through them in order.
    ///
    /// # Errors
    ///
    /// When `timeout` of real time passed before; the error shows the last twenty frames.
    pub fn wait_for_request(&self, method: &str, timeout: Duration) -> Result<Entry, Missed> {
        self.wait_for_entry(EntryKind::Request, method, timeout)
    }

    /// Waits for the next event of a type, in the same manner.
    ///
    /// # Errors
    ///
    /// When `timeout` of real time passed before; the error shows the last twenty frames.
    pub fn wait_for_event(&self, event_type: &str, timeout: Duration) -> Result<Entry, Missed> {
        self.wait_for_entry(EntryKind::Event, event_type, timeout)
    }

    fn wait_for_entry(&self, kind: EntryKind, method: &str, timeout: Duration) -> Result<Entry, Missed> {
        let name = format!("{kind:?} {method}");
        people::wait(&self.shared, timeout, method, |world| {
            let from = world.claimed.get(&name).copied().unwrap_or(0);
            let found = world.log.find(from, |entry| entry.kind() == kind && entry.method() == method)?;
            world.claimed.insert(name.clone(), found.sequence() + 1);
            Some(found)
        })
    }

    /// What clients did that the service would not accept, one sentence each: unknown methods and fields, wrong types,
    /// repeated ids, malformed frames, events not acknowledged within two seconds.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.with(|world| {
            let now = world.clock.now();
            let mut all = world.violations.clone();
            for (conn, connection) in &world.conns {
                let late = connection.unacked.values().filter(|sent| now.saturating_duration_since(**sent) > ACK_LIMIT);
                let late = late.count();
                if late > 0 {
                    all.push(format!("connection {conn} has not acknowledged {late} events"));
                }
            }
            all
        })
    }

    /// The ids of all calls that have not ended, whether a client knows of them or not.
    #[must_use]
    pub fn live_calls(&self) -> Vec<String> {
        let mut calls: Vec<String> = self.shared.with(|world| world.calls.keys().cloned().collect());
        calls.sort();
        calls
    }

    /// The longest time that any event waited for its acknowledgement, of those that were acknowledged.
    #[must_use]
    pub fn slowest_ack(&self) -> Duration {
        self.shared.with(|world| world.slowest_ack)
    }

    /// What happened in words, a line each, in order: who called, what was heard, pressed, recorded, how it ended.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared.with(|world| world.lines.iter().cloned().collect())
    }

    /// Hands every line of the transcript, from the first, to a function on a thread of its own.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.on_transcript(|line| println!("  {line}"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn on_transcript(&self, mut listener: impl FnMut(&str) + Send + 'static) {
        let clock = self.shared.clock.clone();
        let (sender, lines) = clock.unbounded::<String>();
        let (done, ended) = clock.bounded::<()>(1);
        let of_thread = clock.clone();
        let thread = clock.spawn(Whose::User, "simulator-transcript", move || {
            // Dropped when this thread ends, in whatever way.
            let _done = done;
            while let Ok(line) = of_thread.recv(&lines, None) {
                listener(&line);
            }
        });
        if let Ok(thread) = thread {
            self.listeners.lock().push((thread.thread().id(), ended));
            self.shared.with(|world| {
                world.lines.iter().for_each(|line| drop(sender.send(line.clone())));
                world.listeners.push(sender);
            });
        }
    }
}
