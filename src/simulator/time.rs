//! The time of a simulator, as programs and tests use it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Held, Whose};
use crate::error::{self, Result};
use crate::simulator::handles::instance::Simulator;

/// # Time
///
/// With [`Time::Real`](crate::simulator::Time::Real), time need not be held, and `advance` sleeps.
impl Simulator {
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The time since the start of the simulator.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.world.lock().time.elapsed()
    }

    /// Lets this much time pass, including all events that are due in it, also at its very end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use signalwire_relay::simulator::{Simulator, Time};
    ///
    /// let sim = Simulator::builder().time(Time::ByHand).start()?;
    /// sim.advance(Duration::from_secs(3600));
    /// assert_eq!(sim.elapsed(), Duration::from_secs(3600));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn advance(&self, span: Duration) {
        self.shared.clock.pass(span);
    }

    /// Holds virtual time for the calling thread whenever it is not blocked in the crate, until the returned value is
    /// dropped. The thread that started the simulator holds it from the start.
    #[must_use = "dropping it ends the hold"]
    pub fn hold(&self) -> Hold {
        Hold { _held: self.shared.clock.hold() }
    }

    /// Runs code that blocks outside the crate, for example on a channel of the program. Virtual time passes meanwhile
    /// and does not wait for the calling thread.
    pub fn blocking<R>(&self, job: impl FnOnce() -> R) -> R {
        self.shared.clock.blocking(job)
    }

    /// Starts a thread that virtual time waits for, and whose end can be waited for in virtual time.
    ///
    /// ```
    /// use signalwire_relay::simulator::Simulator;
    ///
    /// let sim = Simulator::builder().virtual_time().start()?;
    /// let caller = sim.caller("+15551230000").calls("+15559990000").dials();
    /// let helper = sim.spawn(move || caller.wait_answered(std::time::Duration::from_secs(60)).is_ok())?;
    /// assert!(!helper.join(), "nobody answers");
    /// assert!(sim.elapsed().as_secs() >= 60, "a minute in no time");
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if the system refuses a thread.
    pub fn spawn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<VirtualThread<T>> {
        let clock = self.shared.clock.clone();
        let end = Arc::new(End { outcome: Mutex::new(None), bell: Condvar::new() });
        let (of_thread, clock_of_thread) = (Arc::clone(&end), clock.clone());
        clock
            .spawn(Whose::User, "a helper of the program", move || {
                let outcome = catch_unwind(AssertUnwindSafe(job));
                *of_thread.outcome.lock() = Some(outcome);
                clock_of_thread.wake_all(&of_thread.bell);
            })
            .map_err(|error| error::config(format!("the system refused a thread: {error}")))?;
        Ok(VirtualThread { clock, end })
    }
}

/// A guard: virtual time waits for the thread that owns it. Made by [`Simulator::hold`].
pub struct Hold {
    _held: Option<Held>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// A thread of the program that virtual time waits for. Made by [`Simulator::spawn`]. Dropping it does not end the
/// thread.
pub struct VirtualThread<T> {
    clock: Clock,
    end: Arc<End<T>>,
}

/// The end of a thread, with its result.
struct End<T> {
    outcome: Mutex<Option<std::thread::Result<T>>>,
    bell: Condvar,
}

impl<T> VirtualThread<T> {
    /// Blocks until the thread has ended. Virtual time passes meanwhile.
    ///
    /// # Panics
    ///
    /// With the thread's own panic, if it panicked.
    pub fn join(self) -> T {
        let mut outcome = self.end.outcome.lock();
        loop {
            match outcome.take() {
                Some(Ok(value)) => return value,
                Some(Err(panic)) => {
                    drop(outcome);
                    resume_unwind(panic)
                }
                None => drop(self.clock.wait(&self.end.bell, &mut outcome, None)),
            }
        }
    }
}

impl<T> fmt::Debug for VirtualThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualThread")
    }
}
