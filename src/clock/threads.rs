//! The number of the crate's threads in this process, and its limit.
//!
//! On Linux a thread takes four memory maps: its stack, its signal stack, and a guard page for each. The standard
//! library aborts a process that has as many maps as `vm.max_map_count` allows, because the signal stack is made where
//! no error can be returned. So threads are refused long before that.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory maps of one thread on Linux.
const MAPS: usize = 4;

/// Share of the limit that a thread may use, which leaves room to more important threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// A vital thread, which is never refused here.
    Vital,
    /// The whole limit.
    Whole,
    /// Seven eighths of the limit: the handlers of all clients together leave room for callbacks.
    Most,
}

/// The number of threads in the process, and their limit.
struct Ceiling {
    count: AtomicUsize,
    limit: OnceLock<usize>,
}

static PROCESS: Ceiling = Ceiling { count: AtomicUsize::new(0), limit: OnceLock::new() };

/// Returns the limit: three quarters of the threads that the maps allow. The rest is left to the program.
fn limit_of(max_map_count: Option<usize>) -> usize {
    max_map_count.map_or(usize::MAX, |maps| maps / MAPS / 4 * 3)
}

fn max_map_count() -> Option<usize> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
    } else {
        None
    }
}

/// One counted thread of the crate, until this is dropped.
pub(super) struct Counted(&'static Ceiling);

impl Counted {
    /// # Errors
    ///
    /// Returns an error if the crate has reached its limit of threads in this process.
    pub(super) fn take(share: Share) -> io::Result<Self> {
        PROCESS.take(share)
    }
}

impl Ceiling {
    fn take(&'static self, share: Share) -> io::Result<Counted> {
        let limit = *self.limit.get_or_init(|| limit_of(max_map_count()));
        let limit = match share {
            Share::Vital => usize::MAX,
            Share::Whole => limit,
            Share::Most => limit - limit / 8,
        };
        let more = |count: usize| (count < limit).then_some(count + 1);
        match self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Counted(self)),
            Err(count) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!(
                    "this process has {count} threads of the crate, and more would come close to vm.max_map_count: raise that limit"
                ),
            )),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_stays_clear_of_the_maps_that_a_process_may_have() {
        // This is the default of Linux, which 16,382 threads reach.
        assert_eq!(limit_of(Some(65_530)), 12_285);
        assert_eq!(limit_of(None), usize::MAX);
    }

    #[test]
    fn beyond_the_ceiling_threads_are_refused_and_handlers_leave_room_for_callbacks() {
        static HERE: Ceiling = Ceiling { count: AtomicUsize::new(0), limit: OnceLock::new() };
        HERE.limit.set(16).expect("it is set once");
        let take = |share| HERE.take(share);
        let mut held: Vec<Counted> = std::iter::from_fn(|| take(Share::Most).ok()).collect();
        assert_eq!(held.len(), 14);
        held.extend(std::iter::from_fn(|| take(Share::Whole).ok()));
        assert_eq!(held.len(), 16);
        let refused = take(Share::Whole).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|why| why.contains("16 threads") && why.contains("max_map_count")));
        held.push(take(Share::Vital).expect("it is not refused"));
        held.truncate(13);
        assert!(take(Share::Most).is_ok(), "threads that have ended make room");
    }
}
