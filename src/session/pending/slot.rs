//! The wait of a thread for the response to its request.

use std::cell::RefCell;

use super::Answer;
use crate::clock::{Clock, Deadline, Receiver, Sender};

/// Number of requests in flight above which a waiting thread yields before it sleeps.
const FEW: usize = 3;

/// Number of yields: about as long as a busy connection takes for a response.
const YIELDS: usize = 8;

/// The two ends of a thread's reply channel.
type Ends = (Sender<(u128, Answer)>, Receiver<(u128, Answer)>);

thread_local! {
    /// The reply channel of a thread. A thread waits for one response at a time, so one slot is enough.
    static SLOT: RefCell<Option<(Clock, Ends)>> = const { RefCell::new(None) };
}

/// The reply channel of the calling thread.
pub(crate) struct Slot {
    pub(crate) sender: Sender<(u128, Answer)>,
    pub(super) receiver: Receiver<(u128, Answer)>,
}

impl Slot {
    pub(crate) fn of_this_thread(clock: &Clock) -> Self {
        let kept = SLOT.try_with(|slot| {
            let mut slot = slot.borrow_mut();
            match &*slot {
                Some((of, ends)) if of == clock => ends.clone(),
                // This is the thread's first request, or its first one on another clock, as in tests.
                _ => slot.insert((clock.clone(), clock.for_this_thread())).1.clone(),
            }
        });
        // A thread that is being torn down has no thread-local values.
        let (sender, receiver) = kept.unwrap_or_else(|_| clock.bounded(1));
        Self { sender, receiver }
    }

    /// Waits for the response to this request. With few requests in flight the thread sleeps at once. With many the
    /// thread yields first, because responses arrive together and waking each thread would take longer.
    pub(crate) fn wait(&self, clock: &Clock, id: u128, in_flight: usize, until: Deadline) -> Option<Answer> {
        for _ in 0..if in_flight > FEW { YIELDS } else { 0 } {
            if let Ok((of, answer)) = self.receiver.try_recv() {
                if of == id {
                    return Some(answer);
                }
            }
            std::thread::yield_now();
        }
        loop {
            match clock.recv(&self.receiver, until) {
                Ok((of, answer)) if of == id => return Some(answer),
                // This is the response to an earlier request that timed out on this thread.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}
