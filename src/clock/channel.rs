//! Channels of a clock: crossbeam's, with waits and wakes that the virtual clock sees.

use std::fmt;
use std::thread::{self, Thread};
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, TryRecvError, TrySendError};

use super::Deadline;
#[cfg(feature = "simulator")]
use super::virtual_time::{Key, Virtual};

/// The sending half of a channel, whose waits count in virtual time.
pub(crate) struct Sender<T> {
    // This field stands before the bell, which rings after it is dropped.
    to: crossbeam_channel::Sender<T>,
    /// The thread that sleeps until there is a value.
    sleeper: Option<Thread>,
    #[cfg(feature = "simulator")]
    bell: Option<Bell>,
}

/// The receiving half of a channel, whose waits count in virtual time.
pub(crate) struct Receiver<T> {
    from: crossbeam_channel::Receiver<T>,
    /// Whether the receiving thread is the sleeper of the senders.
    sleeps: bool,
    #[cfg(feature = "simulator")]
    bell: Option<std::sync::Arc<Virtual>>,
}

/// Rings when a sender is dropped, to wake a receiver whose value may never arrive.
#[cfg(feature = "simulator")]
struct Bell(std::sync::Arc<Virtual>);

#[cfg(feature = "simulator")]
impl Drop for Bell {
    fn drop(&mut self) {
        self.0.wake(Key::of(&*self.0), usize::MAX);
    }
}

pub(super) fn plain<T>(
    (to, from): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
) -> (Sender<T>, Receiver<T>) {
    #[cfg(feature = "simulator")]
    return (Sender { to, sleeper: None, bell: None }, Receiver { from, sleeps: false, bell: None });
    #[cfg(not(feature = "simulator"))]
    (Sender { to, sleeper: None }, Receiver { from, sleeps: false })
}

/// Creates a channel whose senders wake the calling thread, which is its only receiver. The thread sleeps at once,
/// while crossbeam's own wait spins and yields first, which costs a lone caller a fifth of its request. The thread may
/// wake without a value, as after any other use of `unpark`.
pub(super) fn woken<T>(
    (to, from): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
) -> (Sender<T>, Receiver<T>) {
    let (mut sender, mut receiver) = plain((to, from));
    sender.sleeper = Some(thread::current());
    receiver.sleeps = true;
    (sender, receiver)
}

#[cfg(feature = "simulator")]
pub(super) fn timed<T>(
    (to, from): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
    time: &Virtual,
) -> (Sender<T>, Receiver<T>) {
    // The address of this one value identifies the channel to both ends.
    let bell = std::sync::Arc::new(time.clone());
    let sender = Sender { to, sleeper: None, bell: Some(Bell(std::sync::Arc::clone(&bell))) };
    (sender, Receiver { from, sleeps: false, bell: Some(bell) })
}

impl<T> Sender<T> {
    /// Sends without blocking. Returns the value if there is no room or no receiver.
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        #[cfg(feature = "simulator")]
        if let Some(bell) = &self.bell {
            self.to.try_send(value).map_err(TrySendError::into_inner)?;
            bell.0.wake(Key::of(&*bell.0), 1);
            return Ok(());
        }
        self.to.try_send(value).map_err(TrySendError::into_inner)?;
        if let Some(sleeper) = &self.sleeper {
            sleeper.unpark();
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.to.len()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            to: self.to.clone(),
            sleeper: self.sleeper.clone(),
            #[cfg(feature = "simulator")]
            bell: self.bell.as_ref().map(|bell| Bell(std::sync::Arc::clone(&bell.0))),
        }
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.from.try_recv()
    }

    /// Blocks until the next value arrives.
    pub(super) fn wait(&self, until: Deadline) -> Result<T, RecvTimeoutError> {
        #[cfg(feature = "simulator")]
        if let Some(bell) = &self.bell {
            let mut in_time = true;
            loop {
                // The thread is queued first, so that a value that arrives from here on wakes it.
                let place = bell.queue_up(Key::of(&**bell), until);
                match self.from.try_recv() {
                    Ok(value) => return Ok(value),
                    Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                    Err(TryRecvError::Empty) if !in_time => return Err(RecvTimeoutError::Timeout),
                    Err(TryRecvError::Empty) => in_time = place.wait(),
                }
            }
        }
        if self.sleeps {
            return self.sleep(until);
        }
        match until {
            None => self.from.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.from.recv_deadline(at),
        }
    }

    fn sleep(&self, until: Deadline) -> Result<T, RecvTimeoutError> {
        loop {
            match self.from.try_recv() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            match until {
                None => thread::park(),
                Some(at) => match at.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return Err(RecvTimeoutError::Timeout),
                },
            }
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self {
            from: self.from.clone(),
            sleeps: self.sleeps,
            #[cfg(feature = "simulator")]
            bell: self.bell.clone(),
        }
    }
}
