//! The service and its lock, its timer, and the threads that wait for it.

use std::net::Shutdown;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline};
use crate::simulator::line::link::Lines;
use crate::simulator::verdict::expected::Book;
use crate::simulator::world::settings::Settings;
use crate::simulator::world::state::World;

/// The state that the simulator, its threads and the handles of its people share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) lines_to_clients: Arc<Lines>,
    pub(crate) world: Mutex<World>,
    /// The expectations, under a lock of their own.
    pub(crate) expected: Mutex<Book>,
    /// The bell that rings after every change.
    pub(crate) bell: Condvar,
    /// The bell that rings when the timer thread has to check again.
    pub(crate) timer_bell: Condvar,
}

impl Shared {
    pub(crate) fn new(clock: Clock, settings: Settings, may_carry_secrets: fn(&str) -> bool) -> Self {
        let lines_to_clients = Lines::new(clock.clone());
        let world = World::new(clock.clone(), settings, Arc::clone(&lines_to_clients), may_carry_secrets);
        Self {
            clock,
            lines_to_clients,
            world: Mutex::new(world),
            expected: Mutex::default(),
            bell: Condvar::new(),
            timer_bell: Condvar::new(),
        }
    }

    /// Runs a job on the world, and afterwards the work that may not be done under its lock.
    pub(crate) fn with<R>(&self, job: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.world.lock();
        let before = world.time.next_due();
        let answer = job(&mut world);
        let sockets = world.outbox.take_to_close();
        let wake_timer = world.stopping || world.time.next_due() != before;
        drop(world);
        for socket in sockets {
            // The socket may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if wake_timer {
            self.clock.wake_all(&self.timer_bell);
        }
        self.clock.wake_all(&self.bell);
        answer
    }

    /// Waits until `look` returns a value; `None` if the deadline comes first or the simulator stops.
    pub(crate) fn wait_for<R>(&self, until: Deadline, mut look: impl FnMut(&mut World) -> Option<R>) -> Option<R> {
        let mut world = self.world.lock();
        loop {
            if let Some(found) = look(&mut world) {
                return Some(found);
            }
            if world.stopping {
                return None;
            }
            if !self.clock.wait(&self.bell, &mut world, until) {
                return look(&mut world);
            }
        }
    }

    /// The body of the timer thread.
    pub(crate) fn keep_time(&self) {
        loop {
            {
                let mut world = self.world.lock();
                loop {
                    if world.stopping {
                        return;
                    }
                    let due = world.time.next_due();
                    // The timer waits even if another job is due already: in virtual time, the consequences of the
                    // previous job are complete at the end of this wait.
                    if !self.clock.wait(&self.timer_bell, &mut world, due) {
                        break;
                    }
                }
            }
            self.with(World::run_due);
        }
    }
}
