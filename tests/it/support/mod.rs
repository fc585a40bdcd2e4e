//! The common parts of the tests: a simulator, a client for it, one watchdog, and waits that end.

pub mod deadlocks;
mod peer;
mod process;
mod records;
mod scene;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Client};

pub use self::peer::*;
pub use self::process::*;
pub use self::records::*;
pub use self::scene::*;
pub use self::watch::*;

/// Far longer than anything takes on the busiest machine; only a failure waits for it.
pub const LONG: Duration = Duration::from_secs(60);

/// Long enough for something wrong to show itself. Too short a wait here hides a fault and never invents one.
pub const SHORT: Duration = Duration::from_millis(60);

/// A time that no test reaches.
pub const NEVER: Duration = Duration::from_secs(1_000_000);

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A simulator in which a minute passes in a bit more than a second.
pub fn sim() -> Simulator {
    simulator_at(50.0)
}

pub fn simulator_at(speed: f64) -> Simulator {
    Simulator::builder().speed(speed).start().unwrap()
}

/// A simulator in virtual time: for everything that is about limits.
pub fn virtual_sim() -> Simulator {
    Simulator::builder().virtual_time().start().unwrap()
}

/// A client that reconnects at once, and whose limits only a hang reaches.
pub fn builder(sim: &Simulator) -> Builder {
    Client::builder()
        .simulator(sim)
        .contexts(["default"])
        .tuning(|t| t.reconnect_delay(millis(10), millis(50)))
        .connect_timeout(LONG)
        .request_timeout(LONG)
}

pub fn client(sim: &Simulator) -> Client {
    builder(sim).connect().unwrap()
}

/// Counts how many of its flags have been dropped.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicUsize>);

/// Counted when it is dropped.
pub struct Dropped(Arc<AtomicUsize>);

impl Drops {
    pub fn flag(&self) -> Dropped {
        Dropped(Arc::clone(&self.0))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until so many are dropped.
    pub fn wait(&self, count: usize) {
        until("dropped closures", || if self.count() == count { Ok(()) } else { Err(self.count()) });
    }
}

impl Dropped {
    /// Makes a closure own it.
    pub fn touch(&self) {
        let _ = &self.0;
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The entries in the tables of a client, apart from its timers; empty if there are none.
pub fn left(client: &Client) -> String {
    let stats = client.stats();
    let counts = [
        ("calls", stats.calls),
        ("messages", stats.messages),
        ("dials", stats.dials),
        ("dials given up", stats.dials_given_up),
        ("offers", stats.unclaimed),
        ("early events", stats.unmatched_events),
        ("requests", stats.pending_requests),
        ("offline requests", stats.offline_requests),
        ("bytes to write", stats.write_queue_bytes),
        ("bytes of notices", stats.listener_backlog_bytes),
        ("jobs", stats.jobs_waiting),
    ];
    let left = counts.iter().filter(|(_, count)| *count > 0);
    left.map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}
