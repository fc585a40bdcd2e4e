//! Runs the table of requests, its release on a new link, the writer, the latch, the mailbox and the workers, from their
//! very sources, under a scheduler that chooses at every lock, wait and wake which thread goes on. See README.md.

// What the sources take from `parking_lot` and from the macro `thread_local` is the scheduler's.
extern crate self as parking_lot;
#[macro_use]
extern crate shuttle;

mod clock;
mod letters;
mod link;
mod locks;
mod scenarios;
mod stand_ins;
mod writing;

#[path = "../../src/latch.rs"]
mod latch;
#[path = "../../src/mailbox.rs"]
mod mailbox;
#[path = "../../src/session/pending/mod.rs"]
mod pending;
#[path = "../../src/session/release.rs"]
mod release;
#[path = "../../src/steps.rs"]
mod steps;
#[path = "../../src/workers.rs"]
mod workers;

use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler};

pub(crate) use locks::{Condvar, Mutex, MutexGuard};
pub(crate) use stand_ins::{protocol, secret, transport};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let schedules = arguments.next().map_or(20_000, |count| count.parse().expect("a number of schedules"));
    let seed = arguments.next().map_or(1, |seed| seed.parse().expect("a seed"));
    let only = arguments.next();
    for (name, scenario) in scenarios::ALL {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let began = std::time::Instant::now();
        Runner::new(RandomScheduler::new_from_seed(seed, schedules), Default::default()).run(scenario);
        Runner::new(PctScheduler::new_from_seed(seed, 3, schedules), Default::default()).run(scenario);
        println!("{name}: {schedules} random and {schedules} PCT schedules in {:.1?}, seed {seed}", began.elapsed());
    }
}
