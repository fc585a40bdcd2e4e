//! The notices of one call or message: delivered in order, one at a time, on a thread for user code.
//!
//! A notice is a job or a letter. A letter is a set of texts that are read on that thread. The texts of all waiting
//! letters are in one buffer, which the thread takes as a whole. So a letter needs no allocation of its own, though the
//! reader may add hundreds of thousands per second.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::workers::{Job, Workers};

/// Number of notices that one job delivers before other jobs get their turn.
const TURN: usize = 256;

/// Number of texts in a letter.
pub(crate) const PARTS: usize = 5;

/// Largest buffer that is kept, in bytes. A larger one is freed once it is empty.
const KEPT: usize = 64 << 10;

/// A queue of jobs and letters that are delivered on workers, one after the other.
pub(crate) struct Mailbox(Mutex<Inner>);

/// The state of a mailbox, behind its lock.
#[derive(Default)]
struct Inner {
    waiting: Batch,
    /// Whether a delivering job is queued or runs.
    delivering: bool,
}

/// The receiver of a mailbox's letters. It exists while letters wait for it, and runs on a worker.
pub(crate) trait Reads: Send {
    /// Reads a letter, and returns its charged bytes.
    fn read(&mut self, letter: &Letter, texts: [&str; PARTS]);
    /// Called before a notice that is no letter.
    fn pause(&mut self);
    /// Returns the charged bytes of a letter that will not be read.
    fn discard(&self, letter: &Letter);
}

/// A letter without its texts.
pub(crate) struct Letter {
    pub(crate) number: u64,
    pub(crate) timestamp: f64,
    /// Size of the letter while it waits, in bytes.
    pub(crate) bytes: usize,
}

/// An entry of a mailbox.
enum Notice {
    Job(Job),
    /// A letter and the lengths of its texts.
    Letter(Letter, [usize; PARTS]),
}

/// Notices in the order of arrival.
#[derive(Default)]
struct Batch {
    notices: VecDeque<Notice>,
    /// The texts of all letters, one after another.
    texts: String,
    /// Start of the texts that were not read yet.
    at: usize,
    /// The receiver, if there are letters.
    reader: Option<Box<dyn Reads>>,
}

impl Batch {
    fn deliver_one(&mut self) {
        match self.notices.pop_front() {
            None => {}
            Some(Notice::Job(job)) => {
                if let Some(reader) = &mut self.reader {
                    reader.pause();
                }
                job();
            }
            Some(Notice::Letter(letter, lengths)) => {
                let mut rest = &self.texts[self.at..];
                let texts = lengths.map(|length| {
                    let (text, behind) = rest.split_at(length);
                    rest = behind;
                    text
                });
                self.at += lengths.iter().sum::<usize>();
                if let Some(reader) = &mut self.reader {
                    reader.read(&letter, texts);
                }
            }
        }
    }

    /// Empties the batch for further letters.
    fn reset(&mut self) {
        self.reader = None;
        self.at = 0;
        if self.texts.capacity() > KEPT {
            (self.texts, self.notices) = (String::new(), VecDeque::new());
        }
        self.texts.clear();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(reader) = &self.reader else { return };
        for notice in &self.notices {
            if let Notice::Letter(letter, _) = notice {
                reader.discard(letter);
            }
        }
    }
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// Adds a notice and wakes a worker that delivers it.
    pub(crate) fn post(self: &Arc<Self>, workers: &Workers, notice: Job) {
        self.push(workers, notice);
        workers.kick();
    }

    /// Adds a notice. The reader wakes one worker for all notices at the end of a burst.
    pub(crate) fn push(self: &Arc<Self>, workers: &Workers, notice: Job) {
        self.add(workers, |waiting| waiting.notices.push_back(Notice::Job(notice)));
    }

    /// Adds a letter in the same way. `reader` creates the receiver of this mailbox's letters.
    pub(crate) fn push_letter<R: Reads + 'static>(
        self: &Arc<Self>,
        workers: &Workers,
        reader: impl FnOnce() -> R,
        letter: Letter,
        texts: [&str; PARTS],
    ) {
        self.add(workers, |waiting| {
            if waiting.reader.is_none() {
                waiting.reader = Some(Box::new(reader()));
            }
            for text in texts {
                waiting.texts.push_str(text);
            }
            waiting.notices.push_back(Notice::Letter(letter, texts.map(str::len)));
        });
    }

    fn add(self: &Arc<Self>, workers: &Workers, add: impl FnOnce(&mut Batch)) {
        let start = {
            let mut inner = self.0.lock();
            add(&mut inner.waiting);
            !std::mem::replace(&mut inner.delivering, true)
        };
        if start {
            self.go_on(workers, Batch::default());
        }
    }

    /// Queues the delivery of `batch`, and of the notices after it.
    fn go_on(self: &Arc<Self>, workers: &Workers, batch: Batch) {
        let (mailbox, workers_of_job) = (Arc::clone(self), workers.clone());
        workers.push(Box::new(move || mailbox.deliver(&workers_of_job, batch)));
    }

    fn deliver(self: &Arc<Self>, workers: &Workers, batch: Batch) {
        let mut turn = Turn { mailbox: self, workers, batch, is_over: false };
        for _ in 0..TURN {
            if turn.batch.notices.is_empty() && !turn.take() {
                return;
            }
            turn.batch.deliver_one();
        }
    }
}

/// The work of one job. The rest is left to another job after a full turn, and after a notice that panicked.
struct Turn<'a> {
    mailbox: &'a Arc<Mailbox>,
    workers: &'a Workers,
    /// The notices that were taken out of the mailbox, and come before those in it.
    batch: Batch,
    /// Whether nothing is left, so that the next notice starts a new job.
    is_over: bool,
}

impl Turn<'_> {
    /// Takes all waiting notices at once, because the reader needs the same lock to add more. Returns `false` if there
    /// are none.
    fn take(&mut self) -> bool {
        self.batch.reset();
        let emptied = {
            let mut inner = self.mailbox.0.lock();
            std::mem::swap(&mut self.batch, &mut inner.waiting);
            if self.batch.notices.is_empty() {
                inner.delivering = false;
                self.is_over = true;
                // An unused mailbox keeps no buffers.
                Some(std::mem::take(&mut inner.waiting))
            } else {
                None
            }
        };
        drop(emptied);
        !self.is_over
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // This worker takes its next job after this one, so no other thread must be woken.
            self.mailbox.go_on(self.workers, std::mem::take(&mut self.batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn notices_keep_their_order_though_some_panic() {
        let workers = Workers::new(Clock::real(), Arc::default(), crate::workers::Pool::default());
        let mailbox = Mailbox::new();
        let (done, ended) = mpsc::channel();
        for n in 0..500 {
            let done = done.clone();
            mailbox.post(
                &workers,
                Box::new(move || {
                    done.send(n).ok();
                    assert!(n % 7 != 0, "on purpose");
                }),
            );
        }
        assert_eq!(ended.iter().take(500).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    }

    /// A receiver that counts the bytes of its letters.
    struct Reader {
        room: Arc<AtomicUsize>,
        read: mpsc::Sender<String>,
        paused: usize,
    }

    impl Reads for Reader {
        fn read(&mut self, letter: &Letter, texts: [&str; PARTS]) {
            self.discard(letter);
            let text = format!("{} {:?} {}", letter.number, texts, self.paused);
            self.paused = 0;
            self.read.send(text).ok();
            assert!(letter.number % 7 != 0, "on purpose");
        }

        fn pause(&mut self) {
            self.paused += 1;
        }

        fn discard(&self, letter: &Letter) {
            self.room.fetch_sub(letter.bytes, Ordering::Relaxed);
        }
    }

    fn push_letter(
        mailbox: &Arc<Mailbox>,
        workers: &Workers,
        room: &Arc<AtomicUsize>,
        read: &mpsc::Sender<String>,
        n: u64,
    ) {
        room.fetch_add(10, Ordering::Relaxed);
        let reader = || Reader { room: Arc::clone(room), read: read.clone(), paused: 0 };
        let long = "x".repeat(n as usize % 100);
        let letter = Letter { number: n, timestamp: 0.0, bytes: 10 };
        mailbox.push_letter(workers, reader, letter, [&n.to_string(), "", &long, "\u{e9}", ""]);
    }

    #[test]
    fn letters_and_jobs_keep_their_order_and_their_contents_though_some_panic() {
        const COUNT: u64 = 2000;
        let workers = Workers::new(Clock::real(), Arc::default(), crate::workers::Pool::default());
        let (mailbox, room) = (Mailbox::new(), Arc::new(AtomicUsize::new(0)));
        let (read, ended) = mpsc::channel();
        for n in 0..COUNT {
            if n % 5 == 4 {
                let read = read.clone();
                mailbox.push(&workers, Box::new(move || read.send(format!("job {n}")).unwrap_or_default()));
            } else {
                push_letter(&mailbox, &workers, &room, &read, n);
            }
            if n % 100 == 0 {
                workers.kick();
            }
        }
        workers.kick();
        for n in 0..COUNT {
            let told = ended.recv().expect("it is delivered");
            if n % 5 == 4 {
                assert_eq!(told, format!("job {n}"));
            } else {
                let long = "x".repeat(n as usize % 100);
                let expected = format!("{n} {:?} ", [&n.to_string(), "", &long, "\u{e9}", ""]);
                assert!(told.starts_with(&expected), "{told} instead of {expected}");
            }
        }
        assert!(workers.wait_quiet(None));
        assert_eq!(room.load(Ordering::Relaxed), 0);
        assert_eq!(workers.panics(), (0..COUNT).filter(|n| n % 7 == 0 && n % 5 != 4).count() as u64);
        let inner = mailbox.0.lock();
        let kept = (inner.waiting.texts.capacity(), inner.waiting.notices.capacity(), inner.waiting.reader.is_some());
        assert_eq!(kept, (0, 0, false), "an idle mailbox keeps nothing");
    }

    #[test]
    fn letters_that_are_never_read_give_their_room_back() {
        let pool = crate::workers::Pool { limit: 0, ..Default::default() };
        let workers = Workers::new(Clock::real(), Arc::default(), pool);
        let (mailbox, room) = (Mailbox::new(), Arc::new(AtomicUsize::new(0)));
        let (read, _nobody) = mpsc::channel();
        (0..10).for_each(|n| push_letter(&mailbox, &workers, &room, &read, n));
        assert_eq!(room.load(Ordering::Relaxed), 100);
        workers.withdraw(1);
        drop(mailbox);
        assert_eq!(room.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_mailbox_with_more_than_a_turn_wakes_no_second_worker() {
        let workers = Workers::new(Clock::real(), Arc::default(), crate::workers::Pool::default());
        let mailbox = Mailbox::new();
        let (done, ended) = mpsc::channel();
        for n in 0..10 * TURN {
            let done = done.clone();
            mailbox.push(&workers, Box::new(move || done.send(n).unwrap_or_default()));
        }
        workers.kick();
        assert_eq!(ended.iter().take(10 * TURN).count(), 10 * TURN);
        assert_eq!(workers.threads(), 1);
    }
}
