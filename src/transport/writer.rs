//! The write half and the queue before it, shared by every thread that has something to send.
//!
//! A lone caller writes its frame itself; when there is more to do, callers only queue, and the writer thread sends
//! what has gathered in one flush. The reader writes its acknowledgements itself before it waits for more, as long as the
//! socket takes them at once. Each of them takes the write half out of the state and puts it back, so that no lock is held
//! while the socket blocks.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::connect::Socket;
use super::half::{Encodes, PIECE};
pub(crate) use super::half::{Out, WriteHalf};
use super::wire::LinkEnd;
use crate::clock::{Clock, Deadline};

/// With more requests in flight than this, callers leave the writing to the writer thread: sharing a flush is then
/// worth more than saving the hop.
const DIRECT: usize = 3;

/// So many bytes go to the encoder at once. What is still queued when the link breaks is known not to have been sent,
/// so a stalled peer should not draw the whole queue into the encoder.
const BATCH: usize = 64 << 10;

/// So long the reader leaves the writing to the writer thread after it had to wait for the socket.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// What one posted frame costs besides its bytes; without it, empty pongs would be free.
const FRAME_COST: usize = 32;

/// The bounds of a [`Writer`].
#[derive(Clone, Debug)]
pub(crate) struct WriterSettings {
    /// So many bytes of requests may wait; more, and senders wait for room.
    pub(crate) queue_bytes: usize,
    /// So long the peer may take nothing before the link is cut.
    pub(crate) stall: Duration,
    /// So long a caller writes itself before it leaves the rest to the writer thread.
    pub(crate) hand_over: Duration,
    /// So many bytes of acknowledgements and pongs may wait; with more, the reader writes them itself, or waits until
    /// there are fewer, before it reads on.
    pub(crate) control_bytes: usize,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            queue_bytes: 1 << 20,
            stall: Duration::from_secs(10),
            hand_over: Duration::from_millis(250),
            control_bytes: 4 << 20,
        }
    }
}

/// The timers of the client, which the writer thread keeps.
pub(crate) trait Keeper: Send + Sync {
    /// Runs what is due, with no lock of the writer held; returns when it wants to be called next, which must lie
    /// ahead: nothing is written before it is done.
    fn tick(&self) -> Deadline;
}

/// Why a request was not sent; the text comes back.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// That generation of the link is over, or is closing.
    Gone(String),
    /// There was no room until the deadline.
    Full,
}

/// What is left of a generation.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The requests that never reached the encoder, in order.
    pub(crate) unsent: Vec<(u128, String)>,
    /// What first went wrong on the writing side, if anything did.
    pub(crate) cause: Option<LinkEnd>,
}

struct Item {
    /// Requests have one; acknowledgements, pongs and closes do not.
    id: Option<u128>,
    out: Out,
}

impl Item {
    fn bytes(&self) -> usize {
        let bytes = match &self.out {
            Out::Text(text) => text.len(),
            Out::Pong(bytes) => bytes.len(),
            Out::Frames(bytes) => bytes.len(),
            Out::Close(_) => 0,
        };
        if self.id.is_some() { bytes } else { bytes + FRAME_COST }
    }
}

/// A generation whose frames the writer accepts. Requests are let out only with one of these: what is handed to a
/// generation that the writer does not know yet would wait for the next link.
#[derive(Debug)]
pub(crate) struct Prepared(u64);

impl Prepared {
    pub(crate) fn generation(&self) -> u64 {
        self.0
    }

    /// For a table of requests that has no writer.
    #[cfg(test)]
    pub(crate) fn pretended(generation: u64) -> Self {
        Self(generation)
    }
}

#[derive(Default)]
struct State {
    generation: Option<u64>,
    /// `None` before it is published, while somebody writes, and after it failed.
    half: Option<Box<WriteHalf>>,
    socket: Option<Socket>,
    cause: Option<LinkEnd>,
    /// A close frame, or the answer to a service that is leaving, is queued or sent: no request follows it.
    closing: bool,
    queue: VecDeque<Item>,
    requests: usize,
    request_bytes: usize,
    control_bytes: usize,
    /// Somebody has the half.
    busy: bool,
    /// Work came while somebody had the half: who puts it back rings.
    wanted: bool,
    /// More requests are in flight than callers write themselves.
    crowded: bool,
    /// The writer thread waits, and nobody has rung for it yet.
    parked: bool,
    woken: bool,
    stopped: bool,
    /// How many wait for room.
    waiting: usize,
    /// An empty buffer for the next piece of the reader's frames.
    spare: Vec<u8>,
    /// Until when the reader leaves the writing to the writer thread.
    left_alone: Deadline,
}

impl State {
    fn is_current(&self, generation: u64) -> bool {
        self.generation == Some(generation) && self.cause.is_none()
    }

    fn push(&mut self, item: Item) {
        let bytes = item.bytes();
        if item.id.is_some() {
            self.requests += 1;
            self.request_bytes += bytes;
        } else {
            self.control_bytes += bytes;
        }
        self.queue.push_back(item);
    }

    /// Adds a frame of the reader's to the piece that waits, or begins one. True when the piece is full.
    fn add_frame(&mut self, frame: &[u8]) -> bool {
        if let Some(Item { out: Out::Frames(piece), .. }) = self.queue.back_mut() {
            if piece.len() < PIECE {
                piece.extend_from_slice(frame);
                self.control_bytes += frame.len();
                return piece.len() >= PIECE;
            }
        }
        let mut piece = std::mem::take(&mut self.spare);
        piece.extend_from_slice(frame);
        self.push(Item { id: None, out: Out::Frames(piece) });
        frame.len() >= PIECE
    }

    /// Has the books show that `item` is not queued any more.
    fn forget(&mut self, item: &Item) {
        let bytes = item.bytes();
        if item.id.is_some() {
            self.requests -= 1;
            self.request_bytes -= bytes;
        } else {
            self.control_bytes -= bytes;
        }
    }

    /// Takes the half out, with as much of the queue as goes at once.
    fn take(&mut self) -> Option<Box<WriteHalf>> {
        let mut half = self.half.take()?;
        self.busy = true;
        let mut bytes = 0;
        // The rest of what was taken before goes first.
        while bytes < BATCH && !half.is_partial() {
            let Some(item) = self.queue.pop_front() else { break };
            bytes += item.bytes();
            self.forget(&item);
            half.add(item.out);
        }
        self.wanted = !self.queue.is_empty();
        Some(half)
    }

    /// Whether everything went out.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.half.as_ref().is_some_and(|half| !half.is_partial())
    }

    fn has_work(&self) -> bool {
        self.half.as_ref().is_some_and(|half| !self.queue.is_empty() || half.is_pending())
    }

    /// Whether the writer thread has to be rung for the work there is. True only once per wait: the first who asks
    /// is the one who rings.
    fn rouse(&mut self) -> bool {
        if self.busy {
            self.wanted = true;
            return false;
        }
        self.has_work() && std::mem::take(&mut self.parked)
    }
}

/// The way out of one client, through all generations of its link.
pub(crate) struct Writer {
    clock: Clock,
    settings: WriterSettings,
    state: Mutex<State>,
    /// Rings for the writer thread.
    bell: Condvar,
    /// Rings for those who wait for room.
    room: Condvar,
    /// How often the writer thread was woken.
    #[cfg(test)]
    wakes: std::sync::atomic::AtomicUsize,
}

impl Writer {
    pub(crate) fn new(clock: Clock, settings: WriterSettings) -> Self {
        Self {
            clock,
            settings,
            state: Mutex::default(),
            bell: Condvar::new(),
            room: Condvar::new(),
            #[cfg(test)]
            wakes: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Accepts frames for this generation, and keeps them queued until [`open`](Self::open). The one before must have
    /// been closed.
    pub(crate) fn prepare(&self, generation: u64) -> Prepared {
        let mut state = self.state.lock();
        debug_assert!(state.generation.is_none(), "the generation before was not closed");
        state.generation = Some(generation);
        Prepared(generation)
    }

    /// Publishes the write half; `first` goes in front of everything queued since [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// `first`, when the generation ended in the meantime; the socket is shut down then.
    pub(crate) fn open(
        &self,
        generation: u64,
        half: WriteHalf,
        socket: Socket,
        first: Vec<(u128, String)>,
    ) -> Result<(), Vec<(u128, String)>> {
        let ready = half.set_timeout(self.settings.hand_over);
        let half = Box::new(half);
        let ring = {
            let mut state = self.state.lock();
            if !ready || !state.is_current(generation) || state.half.is_some() || state.busy {
                drop(state);
                socket.shutdown();
                return Err(first);
            }
            state.half = Some(half);
            state.socket = Some(socket);
            let queued = std::mem::take(&mut state.queue);
            state.queue.reserve(first.len() + queued.len());
            for (id, text) in first {
                state.push(Item { id: Some(id), out: Out::Text(text) });
            }
            state.queue.extend(queued);
            state.rouse()
        };
        self.ring_if(ring);
        Ok(())
    }

    /// Ends the generation, as often as wanted: shuts its socket down, wakes the senders that wait, and gives back
    /// what never went out.
    pub(crate) fn close(&self, generation: u64) -> Closed {
        let (half, socket, queue, cause, waiting) = {
            let mut state = self.state.lock();
            if state.generation != Some(generation) {
                return Closed::default();
            }
            state.generation = None;
            state.closing = false;
            (state.requests, state.request_bytes, state.control_bytes) = (0, 0, 0);
            // Whoever has the half finds the generation gone and drops it.
            (state.busy, state.wanted) = (false, false);
            state.left_alone = None;
            let queue = std::mem::take(&mut state.queue);
            (state.half.take(), state.socket.take(), queue, state.cause.take(), state.waiting > 0)
        };
        if let Some(half) = half {
            if cause.is_none() && !half.is_partial() {
                half.farewell();
            }
        }
        if let Some(socket) = socket {
            socket.shutdown();
        }
        if waiting {
            self.clock.wake_all(&self.room);
        }
        let unsent = queue
            .into_iter()
            .filter_map(|item| match (item.id, item.out) {
                (Some(id), Out::Text(text)) => Some((id, text)),
                _ => None,
            })
            .collect();
        Closed { unsent, cause }
    }

    /// Sends a request: writes it here and now when the link is quiet, else queues it, for which it waits for room
    /// until `until`. `in_flight` counts the requests that wait for an answer, this one included.
    ///
    /// `Ok` means that it will go to the encoder, or already has: only [`withdraw`](Self::withdraw) and
    /// [`close`](Self::close) tell whether it did not. A frame larger than the whole bound is taken when no other
    /// request waits.
    ///
    /// # Errors
    ///
    /// The text, which was certainly not sent.
    pub(crate) fn send(
        &self,
        generation: u64,
        id: u128,
        text: String,
        in_flight: usize,
        until: Deadline,
    ) -> Result<(), NotSent> {
        let bytes = text.len();
        let may_encode = Encodes::here();
        let mut state = self.state.lock();
        let mut in_time = true;
        loop {
            if !state.is_current(generation) || state.closing {
                return Err(NotSent::Gone(text));
            }
            if state.requests == 0 || state.request_bytes + bytes <= self.settings.queue_bytes {
                break;
            }
            if !in_time {
                return Err(NotSent::Full);
            }
            state.waiting += 1;
            in_time = self.clock.wait(&self.room, &mut state, until);
            state.waiting -= 1;
        }
        state.crowded = in_flight > DIRECT;
        state.push(Item { id: Some(id), out: Out::Text(text) });
        let direct = may_encode
            && in_flight <= DIRECT
            && state.requests == 1
            && state.control_bytes < BATCH
            && state.half.as_ref().is_some_and(|half| !half.is_partial());
        if direct {
            if let Some(half) = state.take() {
                drop(state);
                self.write(generation, half);
                return Ok(());
            }
        }
        let ring = state.rouse();
        drop(state);
        self.ring_if(ring);
        Ok(())
    }

    /// Takes a request out of the queue because its time is up: true when it was there, so that it is certainly not
    /// sent.
    pub(crate) fn withdraw(&self, generation: u64, id: u128) -> bool {
        let waiting = {
            let mut state = self.state.lock();
            if state.generation != Some(generation) {
                return false;
            }
            let Some(at) = state.queue.iter().position(|item| item.id == Some(id)) else { return false };
            if let Some(item) = state.queue.remove(at) {
                state.forget(&item);
            }
            state.waiting > 0
        };
        if waiting {
            self.clock.wake_all(&self.room);
        }
        true
    }

    /// Queues a ping or a close, and rings. Never waits.
    pub(crate) fn post(&self, generation: u64, out: Out) {
        let last = matches!(out, Out::Close(_));
        self.put(generation, out, last);
    }

    /// The same, and no request goes out behind it: those are told that this generation is over.
    pub(crate) fn post_last(&self, generation: u64, out: Out) {
        self.put(generation, out, true);
    }

    fn put(&self, generation: u64, out: Out, last: bool) {
        let ring = {
            let mut state = self.state.lock();
            if !state.is_current(generation) {
                return;
            }
            state.closing |= last;
            state.push(Item { id: None, out });
            state.rouse()
        };
        self.ring_if(ring);
    }

    /// Queues a frame of the reader's, which goes with others in a piece: when that is full, or at the reader's next
    /// [`pause`](Self::pause).
    ///
    /// With more waiting than the bound allows the reader is held back: it writes itself, or waits for the thread that is
    /// writing. The wait ends with the link at the latest, that is when the peer has taken nothing for as long as a stall
    /// may last.
    pub(crate) fn post_frame(&self, generation: u64, frame: &[u8]) {
        let mut state = self.state.lock();
        if !state.is_current(generation) {
            return;
        }
        let is_due = state.add_frame(frame) || state.control_bytes > self.settings.control_bytes;
        if is_due {
            self.write_for_reader(state, generation);
        }
    }

    /// The reader is about to wait for more: what waits goes out. The reader writes its own frames itself if nobody else
    /// has the write half, which wakes no thread. It leaves them to the writer thread if the socket has made it wait a
    /// moment ago: a peer that takes nothing keeps the reader from reading no longer than a write may block.
    pub(crate) fn pause(&self, generation: u64) {
        self.write_for_reader(self.state.lock(), generation);
    }

    fn write_for_reader<'a>(&'a self, mut state: MutexGuard<'a, State>, generation: u64) {
        let mut may_write = state.left_alone.is_none() || self.clock.is_past(state.left_alone);
        while state.is_current(generation) {
            let full = state.control_bytes > self.settings.control_bytes;
            let is_free = state.half.as_ref().is_some_and(|half| !half.is_partial());
            let writes = may_write && is_free && state.control_bytes > 0;
            if !full && !writes {
                break;
            }
            if let Some(half) = state.take() {
                drop(state);
                let all = self.write(generation, half);
                may_write = false;
                state = self.state.lock();
                state.left_alone = if all { None } else { self.clock.after(LEFT_ALONE) };
            } else {
                // The thread that has the write half gives it back after each system call, which has a timeout.
                state.waiting += 1;
                self.clock.wait(&self.room, &mut state, None);
                state.waiting -= 1;
            }
        }
        let ring = state.rouse();
        drop(state);
        self.ring_if(ring);
    }

    /// Queues a request that nobody waits for, beyond the bound if it must be, and rings. Never waits.
    ///
    /// # Errors
    ///
    /// The text, when that generation is over or closing.
    pub(crate) fn post_request(&self, generation: u64, id: u128, text: String) -> Result<(), String> {
        let ring = {
            let mut state = self.state.lock();
            if !state.is_current(generation) || state.closing {
                return Err(text);
            }
            state.push(Item { id: Some(id), out: Out::Text(text) });
            state.rouse()
        };
        self.ring_if(ring);
        Ok(())
    }

    /// Has the writer thread ask the keeper anew.
    pub(crate) fn wake(&self) {
        let ring = {
            let mut state = self.state.lock();
            state.woken = true;
            std::mem::take(&mut state.parked)
        };
        self.ring_if(ring);
    }

    /// The body of the writer thread; returns after [`stop`](Self::stop).
    pub(crate) fn run(&self, keeper: &dyn Keeper) {
        let mut due = keeper.tick();
        loop {
            match self.next_job(due) {
                Job::Stop => return,
                Job::Tick => due = keeper.tick(),
                Job::Write(generation, half, waiting) => {
                    if waiting {
                        self.clock.wake_all(&self.room);
                    }
                    self.write(generation, half);
                }
            }
        }
    }

    pub(crate) fn stop(&self) {
        {
            let mut state = self.state.lock();
            state.stopped = true;
            state.parked = false;
        }
        self.clock.wake_all(&self.bell);
    }

    /// Whether the writer thread sleeps, and nobody has rung for it.
    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.state.lock().parked
    }

    /// Waits until everything that is queued went to the socket, at most until `until`; false when it did not.
    #[cfg(test)]
    pub(crate) fn flush(&self, generation: u64, until: Deadline) -> bool {
        let mut state = self.state.lock();
        let ring = state.rouse();
        drop(state);
        self.ring_if(ring);
        let mut state = self.state.lock();
        let mut in_time = true;
        loop {
            if !state.is_current(generation) {
                return false;
            }
            if state.is_idle() {
                return true;
            }
            if !in_time {
                return false;
            }
            state.waiting += 1;
            in_time = self.clock.wait(&self.room, &mut state, until);
            state.waiting -= 1;
        }
    }

    /// The bytes that wait, for the counters.
    pub(crate) fn queued_bytes(&self) -> usize {
        let state = self.state.lock();
        state.request_bytes + state.control_bytes
    }

    fn next_job(&self, due: Deadline) -> Job {
        let mut state = self.state.lock();
        let mut yielded = false;
        loop {
            if state.stopped {
                return Job::Stop;
            }
            if state.woken || self.clock.is_past(due) {
                state.woken = false;
                return Job::Tick;
            }
            if state.has_work() {
                if !yielded && (state.crowded || state.queue.len() > DIRECT) {
                    // Lets the callers that are about to send do so: their frames then share a flush. Without it
                    // every request becomes a wake-up and a system call of its own.
                    yielded = true;
                    drop(state);
                    std::thread::yield_now();
                    state = self.state.lock();
                    continue;
                }
                if let (Some(generation), Some(half)) = (state.generation, state.take()) {
                    return Job::Write(generation, half, state.waiting > 0);
                }
            }
            yielded = false;
            state.parked = true;
            self.clock.wait(&self.bell, &mut state, due);
            state.parked = false;
            #[cfg(test)]
            self.wakes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Writes with the half that was taken, and puts it back. No lock is held meanwhile. False when the socket did not
    /// take everything.
    fn write(&self, generation: u64, mut half: Box<WriteHalf>) -> bool {
        let result = half.write(self.settings.hand_over, self.settings.stall);
        let all = result == Ok(true);
        let mut cut = None;
        let (mut ring, mut waiting) = (false, false);
        // What is not put back is dropped without the lock.
        let _dropped = {
            let mut state = self.state.lock();
            if state.generation != Some(generation) {
                Some(half)
            } else {
                state.busy = false;
                waiting = state.waiting > 0;
                match result {
                    Ok(_) => {
                        let more = state.wanted || half.is_pending();
                        half.swap_spare(&mut state.spare);
                        state.half = Some(half);
                        ring = more && state.rouse();
                        None
                    }
                    Err(end) => {
                        state.cause.get_or_insert(end);
                        cut = state.socket.clone();
                        Some(half)
                    }
                }
            }
        };
        self.ring_if(ring);
        if cut.is_some() {
            self.cut(cut, waiting);
        } else if waiting {
            self.clock.wake_all(&self.room);
        }
        all
    }

    /// Cuts the link, so that the reader sees its end, and wakes whoever waits for it to take something.
    fn cut(&self, socket: Option<Socket>, waiting: bool) {
        if let Some(socket) = socket {
            socket.shutdown();
        }
        if waiting {
            self.clock.wake_all(&self.room);
        }
    }

    fn ring_if(&self, ring: bool) {
        if ring {
            self.clock.wake_one(&self.bell);
        }
    }
}

enum Job {
    Stop,
    Tick,
    /// Somebody may wait for the room that this made.
    Write(u64, Box<WriteHalf>, bool),
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;
    use std::sync::atomic::Ordering;
    use std::thread;

    use tungstenite::Message;

    use super::super::half::{AckEncoder, KEPT};
    use super::super::tests::{next, pair, within};
    use super::super::{Frame, ReadHalf};
    use super::*;
    use crate::clock::{Receiver, Sender};

    const LONG: Duration = Duration::from_secs(20);

    fn writer(change: impl FnOnce(&mut WriterSettings)) -> Writer {
        let mut settings = WriterSettings::default();
        change(&mut settings);
        Writer::new(Clock::real(), settings)
    }

    /// Has nothing to do, and says when it was asked.
    struct Ticks(Sender<()>, Option<Duration>);

    impl Keeper for Ticks {
        fn tick(&self) -> Deadline {
            let _ = self.0.send(());
            self.1.and_then(within)
        }
    }

    /// Runs `test` beside the writer thread, and stops that afterwards, also when the test failed.
    pub(crate) fn beside<T>(writer: &Writer, every: Option<Duration>, test: impl FnOnce(&Receiver<()>) -> T) -> T {
        struct Stop<'a>(&'a Writer);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.stop();
            }
        }
        let (ticked, ticks) = Clock::real().unbounded();
        let keeper = Ticks(ticked, every);
        thread::scope(|scope| {
            scope.spawn(|| writer.run(&keeper));
            let _stop = Stop(writer);
            test(&ticks)
        })
    }

    fn text(message: Message) -> String {
        message.into_text().expect("a text").as_str().to_owned()
    }

    #[test]
    fn queued_frames_follow_what_authentication_sent_in_order() {
        let writer = writer(|_| ());
        let (link, mut peer) = pair();
        assert!(matches!(writer.send(1, 1, "early".into(), 1, None), Err(NotSent::Gone(text)) if text == "early"));
        writer.prepare(1);
        writer.post(1, Out::Text("ack".into()));
        for id in 1..=3 {
            writer.send(1, id, format!("queued {id}"), 1, None).expect("queued");
        }
        assert!(writer.queued_bytes() > 0);
        assert!(writer.withdraw(1, 2) && !writer.withdraw(1, 2) && !writer.withdraw(2, 1));
        assert!(!writer.flush(1, within(Duration::ZERO)));
        writer.open(1, link.writer, link.socket, vec![(8, "first".into()), (9, "second".into())]).expect("open");
        beside(&writer, None, |_| {
            for expected in ["first", "second", "ack", "queued 1", "queued 3"] {
                assert_eq!(text(peer.read().expect("a frame")), expected);
            }
            assert!(writer.flush(1, within(LONG)));
            assert_eq!(writer.queued_bytes(), 0);
            writer.post(1, Out::Pong((*b"!").into()));
            writer.post(1, Out::Close(1000));
            assert!(matches!(writer.send(1, 4, "late".into(), 1, None), Err(NotSent::Gone(_))));
            assert_eq!(peer.read().expect("a frame"), Message::Pong(tungstenite::Bytes::from_static(b"!")));
            assert!(peer.read().expect("a frame").is_close());
        });
        let closed = writer.close(1);
        assert!(closed.unsent.is_empty() && closed.cause.is_none());
        assert!(writer.close(1).unsent.is_empty());
        assert!(!writer.flush(1, within(LONG)));
    }

    #[test]
    fn a_lone_caller_writes_its_frame_itself() {
        let writer = writer(|_| ());
        let (link, mut peer) = pair();
        writer.prepare(7);
        writer.open(7, link.writer, link.socket, Vec::new()).expect("open");
        // No writer thread runs.
        writer.post(7, Out::Text("ping".into()));
        writer.send(7, 1, "direct".into(), 1, None).expect("sent");
        assert_eq!(text(peer.read().expect("a frame")), "ping");
        assert_eq!(text(peer.read().expect("a frame")), "direct");
        assert!(writer.flush(7, within(LONG)));
        writer.send(7, 2, "crowded".into(), DIRECT + 1, None).expect("queued");
        assert_eq!(writer.close(7).unsent, [(2, "crowded".to_owned())]);
    }

    #[test]
    fn each_thread_s_frames_keep_their_order() {
        let writer = writer(|settings| settings.queue_bytes = 2000);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            thread::scope(|scope| {
                for thread in 0..8 {
                    let writer = &writer;
                    scope.spawn(move || {
                        for index in 0..2000 {
                            let id = u128::from(thread * 10_000u64 + index);
                            let in_flight = 1 + (index % 6) as usize;
                            writer.send(1, id, format!("{thread} {index}"), in_flight, within(LONG)).expect("sent");
                        }
                    });
                }
                let mut last = [0u64; 8];
                for _ in 0..8 * 2000 {
                    let text = text(peer.read().expect("a frame"));
                    let (thread, index) = text.split_once(' ').expect("two numbers");
                    let (thread, index): (usize, u64) = (thread.parse().expect("one"), index.parse().expect("two"));
                    assert_eq!(last[thread], index);
                    last[thread] += 1;
                }
            });
            assert!(writer.flush(1, within(LONG)));
        });
    }

    /// Fills everything between here and a peer that does not read; the number of requests that were accepted.
    fn fill(writer: &Writer, generation: u64) -> u128 {
        for id in 0.. {
            match writer.send(generation, id, "x".repeat(60_000), 1, within(Duration::from_millis(500))) {
                Ok(()) => {}
                Err(NotSent::Full) => return id,
                Err(NotSent::Gone(_)) => panic!("the link is gone"),
            }
        }
        0
    }

    #[test]
    fn a_peer_that_does_not_read_fills_the_queue_and_close_frees_everything() {
        let writer = writer(|_| ());
        let (link, peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            let accepted = fill(&writer, 1);
            assert!(writer.queued_bytes() <= 1 << 20);
            assert!(!writer.flush(1, within(Duration::from_millis(50))));
            thread::scope(|scope| {
                // The system may take a little more after all, so one frame more may not be enough.
                let stuck = scope.spawn(|| {
                    let send = |id| writer.send(1, id, "y".repeat(60_000), 1, None).err().map(|refused| (id, refused));
                    (accepted..).find_map(send).expect("it is refused in the end")
                });
                while writer.state.lock().waiting == 0 {
                    thread::yield_now();
                }
                let closed = writer.close(1);
                assert_eq!(closed.cause, None);
                let (accepted, refused) = stuck.join().expect("it returns");
                assert!(matches!(refused, NotSent::Gone(text) if text.len() == 60_000));
                let ids: Vec<_> = closed.unsent.iter().map(|(id, _)| *id).collect();
                assert!(!ids.is_empty() && ids.iter().copied().eq(accepted - ids.len() as u128..accepted), "{ids:?}");
            });
            // The next generation is not bothered by what the one before left.
            let (link, mut second) = pair();
            writer.prepare(2);
            writer.open(2, link.writer, link.socket, Vec::new()).expect("open");
            writer.send(2, 1, "anew".into(), 1, None).expect("sent");
            assert_eq!(text(second.read().expect("a frame")), "anew");
        });
        drop(peer);
    }

    #[test]
    fn a_stalled_link_is_cut_and_a_caller_gets_away_before() {
        let writer = writer(|settings| {
            settings.stall = Duration::from_secs(1);
            settings.hand_over = Duration::from_millis(50);
            settings.queue_bytes = 100 << 20;
        });
        let (mut link, peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            writer.send(1, 1, "x".repeat(40 << 20), 1, None).expect("it leaves the rest to the writer thread");
            writer.send(1, 2, "behind".into(), 1, None).expect("queued");
            assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
            assert!(matches!(writer.send(1, 3, String::new(), 1, None), Err(NotSent::Gone(_))));
            let closed = writer.close(1);
            assert_eq!(closed.cause, Some(LinkEnd::Stalled));
            assert_eq!(closed.unsent, [(2, "behind".to_owned())]);
        });
        drop(peer);
    }

    /// Has the reader send one acknowledgement, and pause.
    fn acknowledge(writer: &Writer, acks: &mut AckEncoder, text: &str) {
        writer.post_frame(1, acks.text(text));
        writer.pause(1);
    }

    #[test]
    fn a_reader_writes_its_acknowledgements_itself_while_the_writer_thread_gets_no_processor() {
        const COUNT: usize = 100_000;
        let writer = writer(|settings| settings.control_bytes = 32 << 10);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        // No writer thread runs at all.
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut acks = AckEncoder::default();
                for index in 0..COUNT {
                    writer.post_frame(1, acks.text(&format!("ack {index}")));
                    assert!(writer.queued_bytes() <= 32 << 10);
                }
                // What is left is less than the bound: a caller takes it along.
                writer.send(1, 1, "the end".into(), 1, None).expect("sent");
            });
            for index in 0..COUNT {
                assert_eq!(text(peer.read().expect("a frame")), format!("ack {index}"));
            }
            assert_eq!(text(peer.read().expect("a frame")), "the end");
        });
        assert_eq!(writer.close(1).cause, None);
    }

    #[test]
    fn a_reader_in_a_pause_wakes_no_writer_thread() {
        let writer = writer(|_| ());
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            while !writer.is_parked() {
                thread::yield_now();
            }
            let mut acks = AckEncoder::default();
            for index in 0..100 {
                acknowledge(&writer, &mut acks, &index.to_string());
                assert_eq!(text(peer.read().expect("a frame")), index.to_string());
            }
            assert!(writer.is_parked());
        });
        assert_eq!(writer.wakes.load(Ordering::Relaxed), 1, "it was stopped, and nothing else");
    }

    #[test]
    fn a_reader_waits_while_another_thread_has_the_write_half_and_the_link_stays() {
        let writer = writer(|settings| settings.control_bytes = 1000);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        // A thread that took the half and then lost its processor.
        let half = writer.state.lock().take().expect("the half");
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut acks = AckEncoder::default();
                for _ in 0..100 {
                    writer.post_frame(1, acks.pong(b"pong"));
                }
            });
            while writer.state.lock().waiting == 0 {
                thread::yield_now();
            }
            assert!(writer.queued_bytes() < 1100);
            writer.write(1, half);
            reader.join().expect("it goes on");
        });
        assert_eq!(peer.read().expect("a frame"), Message::Pong(tungstenite::Bytes::from_static(b"pong")));
        assert_eq!(writer.close(1).cause, None);
    }

    #[test]
    fn a_peer_that_sends_much_and_reads_nothing_holds_the_reader_for_a_bounded_time() {
        let writer = writer(|settings| {
            settings.control_bytes = 1000;
            settings.hand_over = Duration::from_millis(20);
            settings.stall = Duration::from_millis(200);
        });
        let (mut link, peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            let mut acks = AckEncoder::default();
            // More than the buffers of both sockets hold; returns when the link is cut.
            while writer.state.lock().is_current(1) {
                acknowledge(&writer, &mut acks, &"x".repeat(10_000));
            }
            assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
            assert_eq!(writer.close(1).cause, Some(LinkEnd::Stalled));
        });
        drop(peer);
    }

    /// Reads so many events, and acknowledges each with a frame that is longer than the event.
    fn read_and_acknowledge(writer: &Writer, reader: &mut ReadHalf, count: usize) {
        let mut acks = AckEncoder::default();
        for _ in 0..count {
            match reader.next(&mut || writer.pause(1)) {
                Ok(Frame::Text(text)) => writer.post_frame(1, acks.text(&format!("{text} {}", "a".repeat(1000)))),
                other => panic!("{other:?}"),
            }
        }
        writer.pause(1);
    }

    /// Both directions are full: the peer writes and does not read, and what the reader has to write does not fit. The
    /// reader reads on all the same, and what it had to say reaches the peer as soon as that reads.
    #[test]
    fn a_reader_reads_on_while_its_peer_takes_nothing() {
        const COUNT: usize = 20_000;
        let writer = writer(|settings| {
            settings.control_bytes = usize::MAX;
            settings.hand_over = Duration::from_millis(20);
            settings.stall = Duration::MAX;
        });
        let (mut link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        let event = |index: usize| format!("{index} {}", "e".repeat(1000));
        beside(&writer, None, |_| {
            thread::scope(|scope| {
                scope.spawn(|| read_and_acknowledge(&writer, &mut link.reader, COUNT));
                // Without a reader that reads on this does not end: the events fill the buffers of both sockets.
                for index in 0..COUNT {
                    peer.send(Message::text(event(index))).expect("sent");
                }
                for index in 0..COUNT {
                    let ack = text(peer.read().expect("a frame"));
                    assert!(ack.starts_with(&event(index)), "{index}: {}", &ack[..10]);
                }
            });
        });
        assert_eq!(writer.close(1).cause, None);
    }

    #[test]
    fn a_reader_that_had_to_wait_for_the_socket_leaves_the_writing_to_the_writer_thread() {
        let writer = writer(|settings| {
            settings.control_bytes = usize::MAX;
            settings.hand_over = Duration::from_millis(20);
        });
        let (link, peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        // No writer thread runs, so that what the reader does not write stays.
        let mut acks = AckEncoder::default();
        let mut frames = 0;
        while writer.queued_bytes() == 0 {
            acknowledge(&writer, &mut acks, &"x".repeat(100_000));
            frames += 1;
            assert!(frames < 1000, "the buffers of a socket are not that large");
        }
        assert!(writer.state.lock().left_alone.is_some());
        let queued = writer.queued_bytes();
        acknowledge(&writer, &mut acks, "one more");
        assert!(writer.queued_bytes() > queued, "it did not wait a second time");
        writer.close(1);
        assert!(writer.state.lock().left_alone.is_none(), "the next link begins anew");
        drop(peer);
    }

    #[test]
    fn closing_frees_a_reader_that_waits_to_write() {
        let writer = writer(|settings| {
            settings.control_bytes = 1000;
            settings.stall = Duration::MAX;
        });
        let (link, peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    let mut acks = AckEncoder::default();
                    while writer.state.lock().is_current(1) {
                        acknowledge(&writer, &mut acks, &"x".repeat(100_000));
                    }
                });
                while writer.queued_bytes() < 100_000 {
                    thread::yield_now();
                }
                writer.close(1);
                reader.join().expect("it returns");
            });
        });
        drop(peer);
    }

    #[test]
    fn what_the_reader_encoded_for_a_link_that_is_over_goes_nowhere() {
        let writer = writer(|_| ());
        let ((old, _old_peer), (new, mut peer)) = (pair(), pair());
        writer.prepare(1);
        writer.open(1, old.writer, old.socket, Vec::new()).expect("open");
        writer.close(1);
        writer.prepare(2);
        let mut acks = AckEncoder::default();
        acknowledge(&writer, &mut acks, "late");
        assert_eq!(writer.queued_bytes(), 0);
        writer.open(2, new.writer, new.socket, Vec::new()).expect("open");
        writer.send(2, 1, "new".into(), 1, None).expect("sent");
        assert_eq!(text(peer.read().expect("a frame")), "new");
    }

    #[test]
    fn a_frame_larger_than_the_bound_goes_when_nothing_waits() {
        let writer = writer(|settings| settings.queue_bytes = 1000);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.send(1, 1, "small".into(), 1, None).expect("queued");
        let large = "x".repeat(3 << 20);
        let soon = within(Duration::from_millis(20));
        assert!(matches!(writer.send(1, 2, large.clone(), 9, soon), Err(NotSent::Full)));
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            thread::scope(|scope| {
                scope.spawn(|| writer.send(1, 2, large.clone(), 9, within(LONG)).expect("sent"));
                assert_eq!(text(peer.read().expect("a frame")), "small");
                assert_eq!(text(peer.read().expect("a frame")), large);
            });
        });
    }

    #[test]
    fn opening_what_has_ended_gives_the_frames_back() {
        let writer = writer(|_| ());
        let (mut link, _peer) = pair();
        writer.prepare(1);
        writer.close(1);
        let back = writer.open(1, link.writer, link.socket, vec![(1, "first".into())]);
        assert_eq!(back, Err(vec![(1, "first".to_owned())]));
        assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
    }

    #[test]
    fn an_idle_writer_wakes_only_for_its_keeper() {
        let writer = writer(|_| ());
        beside(&writer, None, |ticks| {
            Clock::real().recv(ticks, within(LONG)).expect("the first tick");
            writer.wake();
            Clock::real().recv(ticks, within(LONG)).expect("it was woken");
            writer.pause(1);
        });
        let busy_with_one_timer = writer.wakes.swap(0, Ordering::Relaxed);
        assert!(busy_with_one_timer <= 2, "{busy_with_one_timer}");

        let writer = Writer::new(Clock::real(), WriterSettings::default());
        beside(&writer, Some(Duration::from_millis(100)), |ticks| {
            for _ in 0..4 {
                Clock::real().recv(ticks, within(LONG)).expect("a tick");
            }
            assert!(writer.wakes.load(Ordering::Relaxed) <= 4);
        });
    }

    #[test]
    fn the_write_half_of_an_old_link_is_not_put_into_the_next_one() {
        let writer = writer(|_| ());
        let ((old, _old_peer), (new, mut peer)) = (pair(), pair());
        writer.prepare(1);
        writer.open(1, old.writer, old.socket, Vec::new()).expect("open");
        // A thread that took the half and then lost its processor.
        let half = writer.state.lock().take().expect("the half");
        writer.close(1);
        writer.prepare(2);
        writer.write(1, half);
        writer.open(2, new.writer, new.socket, Vec::new()).expect("there is no half yet");
        writer.send(2, 1, "new".into(), 1, None).expect("sent");
        assert_eq!(text(peer.read().expect("a frame")), "new");
    }

    #[test]
    fn what_is_queued_while_another_thread_writes_is_sent_after_that() {
        let writer = writer(|_| ());
        let (link, mut peer) = pair();
        peer.get_mut().set_read_timeout(Some(LONG)).expect("a timeout");
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            while !writer.is_parked() {
                thread::yield_now();
            }
            let half = writer.state.lock().take().expect("the half");
            writer.send(1, 1, "meanwhile".into(), 1, None).expect("queued");
            writer.write(1, half);
            assert_eq!(text(peer.read().expect("a frame")), "meanwhile");
        });
    }

    /// Sends from this thread alone until the peer, which does not read, takes no more; how many frames that were.
    fn send_until_it_stalls(writer: &Writer, frame: &str) -> u128 {
        for id in 1.. {
            writer.send(1, id, frame.to_owned(), 1, None).expect("sent");
            // With the rest of a frame the writer thread may have the half already.
            if writer.state.lock().half.as_ref().is_none_or(|half| half.is_partial()) {
                return id;
            }
        }
        0
    }

    #[test]
    fn the_writer_thread_goes_on_with_what_a_lone_caller_could_not_write() {
        let writer = writer(|settings| {
            settings.stall = Duration::MAX;
            settings.hand_over = Duration::from_millis(20);
        });
        let (link, mut peer) = pair();
        peer.get_mut().set_read_timeout(Some(LONG)).expect("a timeout");
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |ticks| {
            Clock::real().recv(ticks, within(LONG)).expect("the first tick");
            while !writer.is_parked() {
                thread::yield_now();
            }
            let frame = "x".repeat(1 << 20);
            let sent = send_until_it_stalls(&writer, &frame);
            for _ in 0..sent {
                assert_eq!(text(peer.read().expect("the whole frame")).len(), frame.len());
            }
        });
    }

    #[test]
    fn a_peer_that_takes_a_little_at_a_time_has_not_stalled() {
        const BLOCK: Duration = Duration::from_millis(10);
        let stall = 20 * BLOCK;
        let writer = writer(|settings| settings.hand_over = BLOCK);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        send_until_it_stalls(&writer, &"x".repeat(1 << 20));
        let mut half = writer.state.lock().half.take().expect("the half");
        half.add(Out::Frames(vec![b'x'; 64 << 20]));
        let mut taken = vec![0; 1 << 20];
        for _ in 0..50 {
            peer.get_mut().read_exact(&mut taken).expect("bytes");
            // It blocks again each time.
            assert_eq!(half.write(BLOCK, stall), Ok(false));
        }
        // From here on the peer takes nothing.
        while half.write(BLOCK, stall) != Err(LinkEnd::Stalled) {}
    }

    #[test]
    fn what_leaves_the_queue_makes_room_for_a_sender_that_waits() {
        let writer = writer(|settings| settings.queue_bytes = 1000);
        writer.prepare(1);
        let waits_while = |id, happens: &dyn Fn()| {
            let until = within(LONG);
            let sent = thread::scope(|scope| {
                let waits = scope.spawn(|| writer.send(1, id, "y".repeat(800), 9, until));
                while writer.state.lock().waiting == 0 {
                    thread::yield_now();
                }
                happens();
                waits.join().expect("it returns")
            });
            assert!(within(Duration::ZERO) < until, "it was not woken");
            sent
        };
        writer.send(1, 1, "x".repeat(800), 1, None).expect("queued");
        assert!(waits_while(2, &|| assert!(writer.withdraw(1, 1))).is_ok());
        assert_eq!(writer.queued_bytes(), 800);
        assert!(matches!(waits_while(3, &|| drop(writer.close(1))), Err(NotSent::Gone(_))));
        assert_eq!(writer.queued_bytes(), 0, "the next link begins with nothing");
    }

    #[test]
    fn every_frame_that_waits_counts_against_a_bound() {
        let writer = writer(|_| ());
        writer.prepare(1);
        let mut bytes = 0;
        for out in [Out::Pong(Box::default()), Out::Pong((*b"pong").into()), Out::Text("ack".into()), Out::Close(1000)]
        {
            writer.post(1, out);
            assert!(writer.queued_bytes() > bytes);
            bytes = writer.queued_bytes();
        }
    }

    #[test]
    fn the_buffer_of_a_huge_frame_is_given_back() {
        let writer = writer(|settings| settings.hand_over = LONG);
        let (link, mut peer) = pair();
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        thread::scope(|scope| {
            scope.spawn(|| writer.send(1, 1, "x".repeat(KEPT * 4), 1, None).expect("sent"));
            assert_eq!(text(peer.read().expect("a frame")).len(), KEPT * 4);
        });
        let half = writer.state.lock().half.take().expect("the half");
        assert!(!half.is_partial() && half.kept_bytes() < KEPT, "{}", half.kept_bytes());
    }

    #[test]
    fn a_link_that_the_service_closes_takes_no_request_and_the_next_one_does() {
        let writer = writer(|_| ());
        writer.prepare(1);
        writer.post_last(1, Out::Text("the last word".into()));
        assert!(matches!(writer.send(1, 1, "late".into(), 1, None), Err(NotSent::Gone(_))));
        assert!(writer.post_request(1, 2, "late".into()).is_err());
        writer.close(1);
        writer.prepare(2);
        writer.send(2, 1, "anew".into(), 1, None).expect("queued");
    }
}
