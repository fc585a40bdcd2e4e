//! Who writes: the thread of the writer, the reader in its pauses, and callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};

use crate::clock::{Clock, Deadline};
use crate::link::Wire;
use crate::link::connect::Socket;
use crate::link::half::WriteHalf;
use crate::link::wire::LinkEnd;
use crate::link::writer::{Closed, Keeper, NotSent, Writer, WriterSettings};

const ACKS: usize = 5;
const CALLERS: usize = 2;
const REQUESTS: usize = 2;

struct NoTimers;

impl Keeper for NoTimers {
    fn tick(&self) -> Deadline {
        None
    }
}

struct Link {
    writer: Writer,
    wires: [Arc<Wire>; 2],
    /// Requests that the writer refused or gave back, in whatever way.
    back: AtomicUsize,
}

impl Link {
    fn new(control_bytes: usize, stuck: bool) -> Arc<Self> {
        let (stall, hand_over) = (Duration::from_secs(10), Duration::from_millis(250));
        // Room for one request, so that a second caller waits for it.
        let settings = WriterSettings { queue_bytes: 3, stall, hand_over, control_bytes };
        let wires = [Arc::new(Wire::new(stuck)), Arc::new(Wire::new(false))];
        Arc::new(Self { writer: Writer::new(Clock::real(), settings), wires, back: AtomicUsize::new(0) })
    }

    fn open(&self, generation: u64) {
        let wire = &self.wires[generation as usize - 1];
        self.writer.prepare(generation);
        let opened = self.writer.open(generation, WriteHalf::new(wire), Socket(Arc::clone(wire)), Vec::new());
        assert!(opened.is_ok());
    }

    fn run(self: &Arc<Self>, body: impl FnOnce(&Self) + Send + 'static) -> JoinHandle<()> {
        let link = Arc::clone(self);
        thread::spawn(move || body(&link))
    }

    fn start(self: &Arc<Self>) -> JoinHandle<()> {
        self.run(|link| link.writer.run(&NoTimers))
    }

    /// Acknowledges events, with pauses in between.
    fn acknowledge(&self, count: usize) {
        for number in 0..count {
            self.writer.post_frame(1, format!("{number}\n").as_bytes());
            if thread_rng().gen_bool(0.5) {
                self.writer.pause(1);
            }
        }
        self.writer.pause(1);
    }

    /// Sends requests, alone or in a crowd; one of them may be taken back.
    fn request(&self, caller: usize) {
        for turn in 0..REQUESTS {
            let id = (10 * caller + turn) as u128;
            let in_flight = if thread_rng().gen_bool(0.5) { 1 } else { 9 };
            let sent = self.writer.send(1, id, format!("{caller}{turn}"), in_flight, None);
            let is_back = match sent {
                Ok(()) => turn == 1 && thread_rng().gen_bool(0.3) && self.writer.withdraw(1, id),
                Err(NotSent::Gone(_)) => true,
                Err(NotSent::Full) => panic!("it has no deadline"),
            };
            self.back.fetch_add(usize::from(is_back), Ordering::Relaxed);
        }
    }

    fn callers(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        (1..=CALLERS).map(|caller| self.run(move |link| link.request(caller))).collect()
    }

    /// Ends the first link, and sends something on the next.
    fn close(&self) -> Closed {
        let closed = self.writer.close(1);
        self.back.fetch_add(closed.unsent.len(), Ordering::Relaxed);
        self.open(2);
        assert!(self.writer.send(2, 99, "99".into(), 9, None).is_ok());
        assert_eq!(self.wires[1].wait(1), ["99"], "on the next link");
        closed
    }

    fn stop(&self, threads: Vec<JoinHandle<()>>) {
        self.writer.stop();
        for thread in threads {
            thread.join().expect("nothing panics");
        }
    }
}

/// Each thread's lines, in its order and once.
fn assert_in_order(lines: &[String]) {
    let of = |is_his: &dyn Fn(&str) -> bool| lines.iter().filter(|line| is_his(line)).collect::<Vec<_>>();
    let acks = of(&|line| line.len() == 1);
    assert!(acks.iter().enumerate().all(|(at, line)| **line == at.to_string()), "{lines:?}");
    for caller in 1..=CALLERS {
        let requests = of(&|line| line.len() == 2 && line.starts_with(&caller.to_string()));
        assert!(requests.windows(2).all(|pair| pair[0] < pair[1]), "{lines:?}");
    }
}

/// Everything goes out, whoever has the processor.
pub(crate) fn hand_over() {
    // Room for one piece, or for all.
    let control_bytes = if thread_rng().gen_bool(0.5) { 40 } else { 1000 };
    let link = Link::new(control_bytes, false);
    link.open(1);
    let mut threads = vec![link.start()];
    threads.push(link.run(|link| link.acknowledge(ACKS)));
    let callers = link.callers();
    for caller in callers {
        caller.join().expect("nothing panics");
    }
    let count = ACKS + CALLERS * REQUESTS - link.back.load(Ordering::Relaxed);
    let lines = link.wires[0].wait(count);
    assert_eq!(lines.len(), count, "{lines:?}");
    assert_in_order(&lines);
    assert_eq!(link.writer.queued_bytes(), 0);
    let closed = link.close();
    assert!(closed.unsent.is_empty() && closed.cause.is_none(), "{closed:?}");
    link.stop(threads);
}

/// The reader ends its link at any moment. Nothing of that reaches the next one, and nobody waits for ever.
pub(crate) fn hand_over_and_loss() {
    let link = Link::new(40, false);
    link.open(1);
    let mut threads = vec![link.start()];
    threads.extend(link.callers());
    let reader = link.run(|link| {
        link.acknowledge(thread_rng().gen_range(0..=ACKS));
        link.close();
    });
    reader.join().expect("nothing panics");
    link.stop(threads);
    let lines = link.wires[0].wait(0);
    assert_in_order(&lines);
    let requests = lines.iter().filter(|line| line.len() == 2).count();
    assert!(requests + link.back.load(Ordering::Relaxed) <= CALLERS * REQUESTS, "sent and given back: {lines:?}");
}

/// The peer takes nothing. With room for what it has to say the reader goes on, and without it is held until the link is
/// cut; a caller that waits for room is told so.
pub(crate) fn hand_over_to_nobody() {
    let has_room = thread_rng().gen_bool(0.5);
    let link = Link::new(if has_room { 1000 } else { 40 }, true);
    link.open(1);
    let mut threads = if has_room && thread_rng().gen_bool(0.5) { Vec::new() } else { vec![link.start()] };
    let is_served = !threads.is_empty();
    let reader = link.run(|link| link.acknowledge(ACKS));
    reader.join().expect("nothing panics");
    threads.extend(if is_served { link.callers() } else { Vec::new() });
    if is_served {
        assert!(link.wires[0].wait(1).is_empty());
        assert_eq!(link.writer.close(1).cause, Some(LinkEnd::Stalled));
    }
    link.stop(threads);
}
