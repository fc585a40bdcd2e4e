//! The write half of the connection and the queue in front of it, shared by all threads that send.
//!
//! A single caller writes its frame itself. With more to do, callers only queue their frames, and the writer thread sends
//! what has gathered in one flush. The reader writes its acknowledgements itself before it waits for the next frame, as
//! long as the socket takes them at once. Each of these threads takes the write half out of the state and puts it back
//! afterwards, so that no lock is held while the socket blocks.
//!
//! The state machine stands in this one file, because each of its methods depends on what the others may have left in
//! the state. The frames that wait, and what they count against the bounds, are in `queue`.

mod queue;

use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use self::queue::Queue;
use super::connect::Socket;
use super::half::Encodes;
pub(crate) use super::half::{Out, WriteHalf};
use super::wire::LinkEnd;
use crate::clock::{Clock, Deadline};

/// With more requests in flight than this, callers leave the writing to the writer thread. Requests that share a flush
/// then save more than the switch to another thread costs.
const DIRECT: usize = 3;

/// Number of bytes that go to the encoder at once. Frames that are still queued when the connection is lost are known not
/// to have been sent, so a peer that stalls must not draw the whole queue into the encoder.
const BATCH: usize = 64 << 10;

/// Time for which the reader leaves the writing to the writer thread after it had to wait for the socket.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// The bounds of a [`Writer`].
#[derive(Clone, Debug)]
pub(crate) struct WriterSettings {
    /// Bytes of requests that may be queued. With more, senders wait for room.
    pub(crate) queue_bytes: usize,
    /// Time for which the peer may take nothing before the connection is cut.
    pub(crate) stall: Duration,
    /// Time for which a caller writes itself before it leaves the rest to the writer thread.
    pub(crate) hand_over: Duration,
    /// Bytes of acknowledgements and pongs that may be queued. With more, the reader writes them itself, or waits until
    /// there are fewer, before it reads the next frame.
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
    /// Runs the tasks that are due, and returns the time of the next call, which must lie in the future. No lock of the
    /// writer is held meanwhile, and the writer thread writes nothing until this returns.
    fn tick(&self) -> Deadline;
}

/// Why a request was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// This generation of the connection has ended or is closing. The text is given back.
    Gone(String),
    /// The queue had no room until the deadline.
    Full,
}

/// Requests and cause that a generation of the connection leaves behind when it ends.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The requests that never reached the encoder, in order.
    pub(crate) unsent: Vec<(u128, String)>,
    /// First failure of the write half. `None` if there was none.
    pub(crate) cause: Option<LinkEnd>,
}

/// Proof that the writer accepts frames of a generation. Requests are released only with such a proof, because requests
/// of a generation that the writer does not know yet would wait for the next connection.
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

/// The state of the writer, behind its lock.
#[derive(Default)]
struct State {
    generation: Option<u64>,
    /// The write half. `None` before [`Writer::open`], while a thread writes, and after a failure.
    half: Option<Box<WriteHalf>>,
    socket: Option<Socket>,
    cause: Option<LinkEnd>,
    /// A close frame, or the answer to a service that is leaving, is queued or sent: no request follows it.
    closing: bool,
    queue: Queue,
    /// A thread has the write half.
    busy: bool,
    /// Frames were queued while a thread had the write half. That thread rings when it puts the half back.
    wanted: bool,
    /// More requests are in flight than callers write themselves.
    crowded: bool,
    /// The writer thread waits, and no thread has rung for it yet.
    parked: bool,
    woken: bool,
    stopped: bool,
    /// Number of threads that wait for room.
    waiting: usize,
    /// Until when the reader leaves the writing to the writer thread.
    left_alone: Deadline,
}

impl State {
    fn is_current(&self, generation: u64) -> bool {
        self.generation == Some(generation) && self.cause.is_none()
    }

    /// Takes the write half out, with as much of the queue as goes to the encoder at once.
    fn take(&mut self) -> Option<Box<WriteHalf>> {
        let mut half = self.half.take()?;
        self.busy = true;
        let mut bytes = 0;
        // The rest of what was taken before goes first.
        while bytes < BATCH && !half.is_partial() {
            let Some((count, out)) = self.queue.pop() else { break };
            bytes += count;
            half.add(out);
        }
        self.wanted = !self.queue.is_empty();
        Some(half)
    }

    /// `true` if everything that was queued has been written.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.half.as_ref().is_some_and(|half| !half.is_partial())
    }

    fn has_work(&self) -> bool {
        self.half.as_ref().is_some_and(|half| !self.queue.is_empty() || half.is_pending())
    }

    /// `true` if the caller has to ring for the writer thread. Returns `true` only once per wait of that thread, so that
    /// one thread rings.
    fn rouse(&mut self) -> bool {
        if self.busy {
            self.wanted = true;
            return false;
        }
        self.has_work() && std::mem::take(&mut self.parked)
    }
}

/// Sends the frames of one client, through all generations of its connection.
pub(crate) struct Writer {
    clock: Clock,
    settings: WriterSettings,
    state: Mutex<State>,
    /// Rings for the writer thread.
    bell: Condvar,
    /// Rings for threads that wait for room.
    room: Condvar,
    /// Number of times that the writer thread was woken.
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

    /// Accepts frames of this generation, which stay queued until [`open`](Self::open). The previous generation must have
    /// been closed.
    pub(crate) fn prepare(&self, generation: u64) -> Prepared {
        let mut state = self.state.lock();
        debug_assert!(state.generation.is_none(), "the generation before was not closed");
        state.generation = Some(generation);
        Prepared(generation)
    }

    /// Publishes the write half. The requests in `first` go in front of everything that was queued since
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// `first`, if the generation has ended in the meantime. The socket is shut down then.
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
            state.queue.push_in_front(first);
            state.rouse()
        };
        self.ring_if(ring);
        Ok(())
    }

    /// Ends the generation: shuts its socket down, wakes the senders that wait, and gives back the requests that never
    /// reached the encoder. Further calls do nothing.
    pub(crate) fn close(&self, generation: u64) -> Closed {
        let (half, socket, unsent, cause, waiting) = {
            let mut state = self.state.lock();
            if state.generation != Some(generation) {
                return Closed::default();
            }
            state.generation = None;
            state.closing = false;
            // The thread that has the half finds the generation gone and drops the half.
            (state.busy, state.wanted) = (false, false);
            state.left_alone = None;
            let unsent = state.queue.clear();
            (state.half.take(), state.socket.take(), unsent, state.cause.take(), state.waiting > 0)
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
        Closed { unsent, cause }
    }

    /// Sends a request. On a quiet connection the calling thread writes the request; otherwise it queues the request, and
    /// blocks until the queue has room, at most until `until`. `in_flight` is the number of requests without a response,
    /// this one included.
    ///
    /// `Ok` means that the request has gone to the encoder or will: only [`withdraw`](Self::withdraw) and
    /// [`close`](Self::close) tell whether it did not. A frame larger than the whole bound is queued when no other
    /// request is.
    ///
    /// # Errors
    ///
    /// Why the request was certainly not sent.
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
            if state.queue.has_room(bytes, self.settings.queue_bytes) {
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
        state.queue.push_request(id, text);
        let direct = may_encode
            && in_flight <= DIRECT
            && state.queue.requests() == 1
            && state.queue.control_bytes() < BATCH
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

    /// Takes a request out of the queue because its deadline has passed. Returns `true` if the request was queued: then it
    /// is certainly not sent.
    pub(crate) fn withdraw(&self, generation: u64, id: u128) -> bool {
        let waiting = {
            let mut state = self.state.lock();
            if state.generation != Some(generation) || !state.queue.remove(id) {
                return false;
            }
            state.waiting > 0
        };
        if waiting {
            self.clock.wake_all(&self.room);
        }
        true
    }

    /// Queues a ping or a close, and rings. Never blocks.
    pub(crate) fn post(&self, generation: u64, out: Out) {
        let last = matches!(out, Out::Close(_));
        self.put(generation, out, last);
    }

    /// Queues the last frame of a generation. Requests behind it are refused with [`NotSent::Gone`].
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
            state.queue.push(out);
            state.rouse()
        };
        self.ring_if(ring);
    }

    /// Queues a frame of the reader. Several such frames make a piece, which is written when it is full, or at the
    /// reader's next [`pause`](Self::pause).
    ///
    /// With more bytes queued than the bound allows, the reader is held back: it writes itself, or waits for the thread
    /// that is writing. The wait ends at the latest with the connection, which is cut when the peer has taken nothing for
    /// [`WriterSettings::stall`].
    pub(crate) fn post_frame(&self, generation: u64, frame: &[u8]) {
        let mut state = self.state.lock();
        if !state.is_current(generation) {
            return;
        }
        let is_due = state.queue.add_frame(frame) || state.queue.control_bytes() > self.settings.control_bytes;
        if is_due {
            self.write_for_reader(state, generation);
        }
    }

    /// Writes the queued frames, because the reader is about to wait for the next frame. If no other thread has the write
    /// half, the reader writes its own frames itself, which wakes no thread. If the socket has made the reader wait a
    /// moment ago, the reader leaves its frames to the writer thread: a peer that takes nothing keeps the reader from
    /// reading no longer than one write may block.
    pub(crate) fn pause(&self, generation: u64) {
        self.write_for_reader(self.state.lock(), generation);
    }

    fn write_for_reader<'a>(&'a self, mut state: MutexGuard<'a, State>, generation: u64) {
        let mut may_write = state.left_alone.is_none() || self.clock.is_past(state.left_alone);
        while state.is_current(generation) {
            let full = state.queue.control_bytes() > self.settings.control_bytes;
            let is_free = state.half.as_ref().is_some_and(|half| !half.is_partial());
            let writes = may_write && is_free && state.queue.control_bytes() > 0;
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

    /// Queues a request that no thread waits for, if need be beyond the bound, and rings. Never blocks.
    ///
    /// # Errors
    ///
    /// The text, if this generation has ended or is closing.
    pub(crate) fn post_request(&self, generation: u64, id: u128, text: String) -> Result<(), String> {
        let ring = {
            let mut state = self.state.lock();
            if !state.is_current(generation) || state.closing {
                return Err(text);
            }
            state.queue.push_request(id, text);
            state.rouse()
        };
        self.ring_if(ring);
        Ok(())
    }

    /// Makes the writer thread call [`Keeper::tick`] again.
    pub(crate) fn wake(&self) {
        let ring = {
            let mut state = self.state.lock();
            state.woken = true;
            std::mem::take(&mut state.parked)
        };
        self.ring_if(ring);
    }

    /// The body of the writer thread. Returns after [`stop`](Self::stop).
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

    /// `true` if the writer thread sleeps and no thread has rung for it.
    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.state.lock().parked
    }

    /// Blocks until everything that is queued has been written, at most until `until`. Returns `false` if it was not.
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

    /// Number of bytes that are queued, for the statistics.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.state.lock().queue.bytes()
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
                    // Callers that are about to send get the chance to do so, and their frames share a flush. Without
                    // this yield every request becomes a wake-up and a system call of its own.
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

    /// Writes with the half that was taken out, and puts it back. No lock is held while it writes. Returns `false` if the
    /// socket did not take everything.
    fn write(&self, generation: u64, mut half: Box<WriteHalf>) -> bool {
        let result = half.write(self.settings.hand_over, self.settings.stall);
        let all = result == Ok(true);
        let mut cut = None;
        let (mut ring, mut waiting) = (false, false);
        // A half that is not put back is dropped after the lock.
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
                        half.swap_spare(state.queue.spare());
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

    /// Shuts the socket down, so that the reader sees the end of the connection, and wakes the threads that wait for room.
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

/// The next job of the writer thread.
enum Job {
    Stop,
    Tick,
    /// Write with this half, of this generation. `true` if threads wait for the room that was made by taking frames out.
    Write(u64, Box<WriteHalf>, bool),
}

#[cfg(test)]
pub(super) mod tests;
