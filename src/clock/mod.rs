//! The only source of time: every deadline, wait and timer of the crate goes through a [`Clock`].
//!
//! A thread that blocks does so through the clock, and a thread that wakes another does that through the clock too. On
//! the real clock these are plain waits and wakes. The virtual clock (see `virtual_time.rs`) counts them: when all
//! threads wait, time jumps to the next deadline.

mod channel;
mod deadline;
mod rng;
mod socket;
mod tcp;
mod threads;
#[cfg(feature = "simulator")]
mod virtual_time;

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};
use parking_lot::{Condvar, MutexGuard};

pub(crate) use self::channel::{Receiver, Sender};
pub(crate) use self::deadline::{Deadline, Whose};
pub(crate) use self::rng::Rng;
pub(crate) use self::tcp::{Tcp, uninterrupted};
use self::threads::Counted;
pub(crate) use self::threads::Share;
#[cfg(feature = "simulator")]
pub(crate) use self::virtual_time::{Claim, Held, Unbound};
#[cfg(feature = "simulator")]
use self::virtual_time::{Key, Virtual};

/// A cheap handle on the time of one client, and of the simulator that it is connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock(ClockKind);

/// The source of a clock's time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum ClockKind {
    #[default]
    Real,
    #[cfg(feature = "simulator")]
    Virtual(Virtual),
}

impl Clock {
    /// The time of the machine, by its monotonic clock.
    pub(crate) fn real() -> Self {
        Self::default()
    }

    /// A virtual time, which advances when all threads wait. With `by_hand` it advances only when the program calls for
    /// it.
    #[cfg(feature = "simulator")]
    pub(crate) fn virtual_time(seed: u64, by_hand: bool) -> Self {
        Self(ClockKind::Virtual(Virtual::new(seed, by_hand)))
    }

    pub(crate) fn now(&self) -> Instant {
        match &self.0 {
            ClockKind::Real => Instant::now(),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => time.now(),
        }
    }

    /// The wall clock, for output; never used for a timer.
    pub(crate) fn wall(&self) -> SystemTime {
        match &self.0 {
            ClockKind::Real => SystemTime::now(),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => {
                let since = Duration::try_from_secs_f64(time.unix()).unwrap_or_default();
                SystemTime::UNIX_EPOCH + since
            }
        }
    }

    /// The wall clock as seconds since 1970.
    #[cfg(feature = "simulator")]
    pub(crate) fn unix(&self) -> f64 {
        match &self.0 {
            ClockKind::Real => {
                self.wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
            }
            ClockKind::Virtual(time) => time.unix(),
        }
    }

    /// The time `span` from now. `None`, which means never, if that is out of range.
    pub(crate) fn after(&self, span: Duration) -> Deadline {
        self.now().checked_add(span)
    }

    /// The deadline of a caller with `timeout`. `None` means no limit.
    pub(crate) fn deadline(&self, timeout: Option<Duration>) -> Deadline {
        timeout.and_then(|span| self.after(span))
    }

    /// The time left until `deadline`: zero if it has passed, `None` if there is none.
    pub(crate) fn left(&self, deadline: Deadline) -> Option<Duration> {
        deadline.map(|at| at.saturating_duration_since(self.now()))
    }

    pub(crate) fn is_past(&self, deadline: Deadline) -> bool {
        deadline.is_some_and(|at| at <= self.now())
    }

    /// A random number; on the virtual clock the next one of its seed.
    pub(crate) fn random(&self) -> u64 {
        match &self.0 {
            ClockKind::Real => {
                use std::hash::{BuildHasher, RandomState};
                // The hasher's keys are the standard library's own source of randomness.
                RandomState::new().hash_one(0u8)
            }
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => time.random(),
        }
    }

    /// Waits on a condition variable. Returns `false` if the deadline has passed.
    ///
    /// On the virtual clock a deadline passes only when all other threads wait too, even if it lies in the past:
    /// everything that is about to happen at this time happens first.
    pub(crate) fn wait<T>(&self, bell: &Condvar, guard: &mut MutexGuard<'_, T>, until: Deadline) -> bool {
        match (&self.0, until) {
            (ClockKind::Real, None) => {
                bell.wait(guard);
                true
            }
            (ClockKind::Real, Some(at)) => !bell.wait_until(guard, at).timed_out(),
            #[cfg(feature = "simulator")]
            (ClockKind::Virtual(time), until) => {
                let place = time.queue_up(Key::of(bell), until);
                MutexGuard::unlocked(guard, || place.wait())
            }
        }
    }

    pub(crate) fn wake_one(&self, bell: &Condvar) {
        match &self.0 {
            ClockKind::Real => drop(bell.notify_one()),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => time.wake(Key::of(bell), 1),
        }
    }

    pub(crate) fn wake_all(&self, bell: &Condvar) {
        match &self.0 {
            ClockKind::Real => drop(bell.notify_all()),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => time.wake(Key::of(bell), usize::MAX),
        }
    }

    /// Creates an unbounded channel of this clock.
    pub(crate) fn unbounded<T>(&self) -> (Sender<T>, Receiver<T>) {
        self.joined(crossbeam_channel::unbounded())
    }

    /// Creates a channel of this clock with room for `room` values.
    pub(crate) fn bounded<T>(&self, room: usize) -> (Sender<T>, Receiver<T>) {
        self.joined(crossbeam_channel::bounded(room))
    }

    /// Creates a channel of this clock for one value at a time, from which only the calling thread receives. The thread
    /// sleeps as soon as it waits.
    pub(crate) fn for_this_thread<T>(&self) -> (Sender<T>, Receiver<T>) {
        match &self.0 {
            ClockKind::Real => channel::woken(crossbeam_channel::bounded(1)),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(_) => self.bounded(1),
        }
    }

    fn joined<T>(
        &self,
        ends: (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
    ) -> (Sender<T>, Receiver<T>) {
        match &self.0 {
            ClockKind::Real => channel::plain(ends),
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => channel::timed(ends, time),
        }
    }

    /// Blocks until the next value of a channel of this clock arrives.
    pub(crate) fn recv<T>(&self, from: &Receiver<T>, until: Deadline) -> Result<T, RecvTimeoutError> {
        match from.try_recv() {
            Ok(value) => return Ok(value),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        from.wait(until)
    }

    /// Starts a thread, which counts as busy from before it starts.
    ///
    /// # Errors
    ///
    /// The error of the system if it refuses a thread.
    pub(crate) fn spawn(
        &self,
        whose: Whose,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        self.start(name, None, whose, Share::Vital, body)
    }

    /// Gives the calling thread the owner and name of another kind of thread until the returned guard is dropped. The
    /// thread takes part in virtual time meanwhile, if it does not already.
    pub(crate) fn stand_in(&self, whose: Whose, name: &str) -> impl Sized + use<> {
        #[cfg(feature = "simulator")]
        return match &self.0 {
            ClockKind::Real => None,
            ClockKind::Virtual(time) => Some(time.hold_for(whose, name).here()),
        };
        #[cfg(not(feature = "simulator"))]
        {
            let _only_of_interest_to_virtual_time = (whose, name);
        }
    }

    /// Starts a thread for code of the program, with a stack of `stack` bytes. `None`: the default of the standard
    /// library.
    ///
    /// # Errors
    ///
    /// The error of the system if it refuses a thread, and an error if the crate has reached its limit of threads in
    /// this process.
    pub(crate) fn spawn_worker(
        &self,
        name: &str,
        stack: Option<usize>,
        share: Share,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        self.start(name, stack, Whose::User, share, body)
    }

    fn start(
        &self,
        name: &str,
        stack: Option<usize>,
        whose: Whose,
        share: Share,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let counted = Counted::take(share)?;
        let thread = std::thread::Builder::new().name(name.into());
        let thread = match stack {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        };
        let body = move || {
            let _counted = counted;
            body();
        };
        match &self.0 {
            ClockKind::Real => {
                let _only_of_interest_to_virtual_time = whose;
                thread.spawn(body)
            }
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => {
                if whose >= Whose::Client && time.refuses() {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "refused as the simulator was told"));
                }
                let held = time.hold_for(whose, name);
                thread.spawn(move || {
                    // This is dropped last, after everything that `body` owns.
                    let _held = held.here();
                    body();
                })
            }
        }
    }

    /// Returns `true` if this is the time of the machine, which advances while threads run.
    pub(crate) fn is_real(&self) -> bool {
        matches!(self.0, ClockKind::Real)
    }

    /// Advances by `span`, for which a system call has blocked; on the real clock it has passed already.
    pub(crate) fn blocked_for(&self, span: Duration) {
        match &self.0 {
            ClockKind::Real => {
                let _passed = span;
            }
            #[cfg(feature = "simulator")]
            ClockKind::Virtual(time) => drop(time.queue_up(Key::nobody(), self.after(span)).wait()),
        }
    }
}

#[cfg(feature = "simulator")]
impl Clock {
    /// Stops time while the calling thread is outside a wait, until the returned guard is dropped.
    pub(crate) fn hold(&self) -> Option<Held> {
        self.claim("").map(Claim::here)
    }

    /// Stops time for a thread that is about to start: it counts as busy from now on.
    pub(crate) fn claim(&self, name: &str) -> Option<Claim> {
        match &self.0 {
            ClockKind::Real => None,
            ClockKind::Virtual(time) => Some(time.hold_for(Whose::User, name)),
        }
    }

    /// Runs a closure that blocks outside of the clock: time advances meanwhile.
    pub(crate) fn blocking<R>(&self, job: impl FnOnce() -> R) -> R {
        match &self.0 {
            ClockKind::Real => job(),
            ClockKind::Virtual(time) => time.blocking(job),
        }
    }

    /// Advances time by `span`, with everything that happens in it.
    pub(crate) fn pass(&self, span: Duration) {
        match &self.0 {
            ClockKind::Real => {
                let (never, bell) = (parking_lot::Mutex::new(()), Condvar::new());
                let (until, mut guard) = (self.after(span), never.lock());
                while self.wait(&bell, &mut guard, until) {}
            }
            ClockKind::Virtual(time) => time.pass(span),
        }
    }

    /// Makes the next `count` threads of clients and programs fail to start. On the real clock only the system refuses
    /// threads.
    pub(crate) fn refuse_threads(&self, count: usize) {
        if let ClockKind::Virtual(time) = &self.0 {
            time.refuse(count);
        }
    }

    /// Marks an address whose connections have both ends in this time.
    pub(crate) fn serves(&self, address: std::net::SocketAddr) {
        if let ClockKind::Virtual(time) = &self.0 {
            time.serves(address);
        }
    }

    /// Marks an address as closed: bytes and connections on their way to it are lost.
    pub(crate) fn serves_no_more(&self, address: std::net::SocketAddr) {
        if let ClockKind::Virtual(time) = &self.0 {
            time.serves_no_more(address);
        }
    }
}
