//! The mailbox: notices of two threads, delivered by workers.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex as Plain};
use std::time::Duration;

use shuttle::thread;

use crate::clock::Clock;
use crate::mailbox::{Letter, Mailbox, PARTS, Reads};
use crate::workers::{Pool, Workers};

const STAY: Duration = Duration::from_secs(1);

/// Bytes charged for a letter.
const CHARGED: usize = 10;

/// The letter whose listener panics.
const PANICS: u64 = 2;

/// The delivered notices: letters by number, and one job.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Letter(u64),
    Job,
}

#[derive(Default)]
struct Scene {
    told: Plain<Vec<Told>>,
    /// Whether a notice is being delivered.
    inside: Plain<bool>,
    room: Plain<usize>,
}

impl Scene {
    /// Delivers one notice, during which other threads may go on.
    fn deliver(&self, told: Told) {
        let before = std::mem::replace(&mut *self.inside.lock().expect("nothing panics with it"), true);
        assert!(!before, "two notices at once");
        thread::yield_now();
        let panics = told == Told::Letter(PANICS);
        self.told.lock().expect("nothing panics with it").push(told);
        *self.inside.lock().expect("nothing panics with it") = false;
        if panics {
            // The hook for panics is not called, which would print one for each schedule.
            resume_unwind(Box::new("on purpose"));
        }
    }

    fn push(self: &Arc<Self>, mailbox: &Arc<Mailbox>, workers: &Workers, number: u64) {
        *self.room.lock().expect("nothing panics with it") += CHARGED;
        let letter = Letter { number, timestamp: 0.0, bytes: CHARGED };
        let (number, reader) = (number.to_string(), Reader(Arc::clone(self)));
        mailbox.push_letter(workers, || reader, letter, [&number, "", "a", &number, ""]);
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().expect("nothing panics with it"))
    }

    fn room(&self) -> usize {
        *self.room.lock().expect("nothing panics with it")
    }
}

struct Reader(Arc<Scene>);

impl Reads for Reader {
    fn read(&mut self, letter: &Letter, texts: [&str; PARTS]) {
        self.discard(letter);
        let number = letter.number.to_string();
        assert_eq!(texts, [&number, "", "a", &number, ""], "the texts of this letter");
        self.0.deliver(Told::Letter(letter.number));
    }

    fn pause(&mut self) {}

    fn discard(&self, letter: &Letter) {
        *self.0.room.lock().expect("nothing panics with it") -= letter.bytes;
    }
}

/// The reader adds letters and wakes a worker now and then, another thread adds a job, one letter panics, and idle workers
/// end. The mailbox is used again when it is empty.
pub(crate) fn delivery() {
    let clock = Clock::real();
    let workers = Workers::new(clock.clone(), Arc::default(), Pool { stay: STAY, ..Pool::default() });
    let (mailbox, scene) = (Mailbox::new(), Arc::<Scene>::default());
    let threads = [
        thread::spawn({
            let (mailbox, workers, scene) = (Arc::clone(&mailbox), workers.clone(), Arc::clone(&scene));
            move || {
                for number in 1..=4 {
                    scene.push(&mailbox, &workers, number);
                    if number != 3 {
                        workers.kick();
                    }
                }
            }
        }),
        thread::spawn({
            let (mailbox, workers, scene) = (Arc::clone(&mailbox), workers.clone(), Arc::clone(&scene));
            move || mailbox.post(&workers, Box::new(move || scene.deliver(Told::Job)))
        }),
        thread::spawn({
            let time = clock.clone();
            move || time.pass(STAY)
        }),
    ];
    for thread in threads {
        thread.join().expect("nothing panics");
    }
    assert!(workers.wait_quiet(None));
    let mut told = scene.told();
    let jobs = told.len();
    told.retain(|told| *told != Told::Job);
    assert_eq!(told, [1, 2, 3, 4].map(Told::Letter), "every letter, once and in order");
    assert_eq!(jobs, 5, "the job, once");
    assert_eq!((scene.room(), workers.panics()), (0, 1));
    scene.push(&mailbox, &workers, 5);
    workers.kick();
    assert!(workers.wait_quiet(None));
    assert_eq!((scene.told(), scene.room()), (vec![Told::Letter(5)], 0), "a mailbox that was empty");
    workers.leave();
    while workers.threads() > 0 {
        thread::yield_now();
    }
}

/// Letters for which there is no thread are discarded with the mailbox, and give their room back.
pub(crate) fn no_delivery() {
    let clock = Clock::real();
    let workers = Workers::new(clock, Arc::default(), Pool { limit: 0, ..Pool::default() });
    let (mailbox, scene) = (Mailbox::new(), Arc::<Scene>::default());
    let threads = [1, 2].map(|number| {
        let (mailbox, workers, scene) = (Arc::clone(&mailbox), workers.clone(), Arc::clone(&scene));
        thread::spawn(move || {
            scene.push(&mailbox, &workers, number);
            workers.kick();
        })
    });
    for thread in threads {
        thread.join().expect("nothing panics");
    }
    assert_eq!(scene.room(), 2 * CHARGED);
    workers.withdraw(workers.waiting());
    drop(mailbox);
    assert_eq!((scene.told(), scene.room()), (vec![], 0));
}
