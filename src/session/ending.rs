//! The end of a client, and the end of one connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Session;
use super::pending::Answer;
use super::state::LinkState;
use crate::clock::Clock;
use crate::error::{self, Error};
use crate::transport::Out;
use crate::workers::{self, Workers};

/// Time that `disconnect()` waits for the reader and the writer to end.
const JOIN_LIMIT: Duration = Duration::from_secs(2);

/// End reason of a connection that the service requested to close.
const LEAVING: &str = "the service requested a reconnect";

/// Time that the service has to answer our Close before the socket is cut.
const GOODBYE: Duration = Duration::from_millis(250);

impl Session {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_set()
    }

    /// Ends everything that waits and makes the threads stop. Returns at once. Only the first call does something.
    pub(crate) fn close(self: &Arc<Self>) {
        if self.is_forked() || !self.closing.set(&self.clock, ()) {
            return;
        }
        if matches!(self.ready.get(), Some(Ok(()))) {
            log::info!("closing the connection to {}", self.host());
        }
        self.sink.closing(self);
        self.cutoff.cut();
        let (sent, unsent) = self.pending.close();
        self.complete(sent, &Answer::Closed);
        self.complete(unsent, &Answer::ClosedUnsent);
        self.warn_of_the_rest();
        self.sink.closed(self);
        let generation = self.watch.lock().link.as_ref().map(|link| link.generation);
        if let Some(generation) = generation {
            self.writer.post(generation, Out::Close(1000));
            self.later(GOODBYE, move |session| session.cut(generation, "closed"));
        }
        self.writer.wake();
    }

    /// Ends the session, as the last thing that the reader does. Only user code runs after it.
    pub(super) fn finish(self: &Arc<Self>, cause: Option<Error>) {
        self.close();
        for task in self.timers.close() {
            drop(task);
        }
        match &cause {
            None => log::info!("the connection to {} is closed", self.host()),
            // The error is returned by `connect`, which still waits.
            Some(cause) if !self.ready.is_set() => log::debug!("{cause}"),
            Some(cause) => log::error!("the client gives up: {cause}"),
        }
        self.announce(LinkState::Closed { cause: cause.clone() });
        if let Some(tracer) = &self.tracer {
            tracer.close();
        }
        self.seen.store(0, Ordering::Relaxed);
        self.writer.stop();
        self.pools().into_iter().for_each(Workers::leave);
        let held = self.held.lock().take();
        drop(held);
        self.ready.set(&self.clock, Err(cause.clone().unwrap_or_else(|| error::closed("connect"))));
        self.ended.set(&self.clock, cause);
    }

    /// Blocks until the reader and the writer have ended, at most [`JOIN_LIMIT`]. Returns at once on a thread of the
    /// client, which would otherwise wait for itself.
    pub(crate) fn join(&self) {
        if workers::is_our_thread() || self.is_forked() {
            return;
        }
        let limit = Clock::real().after(JOIN_LIMIT);
        if self.ended.wait(&self.clock, self.clock.after(JOIN_LIMIT)).is_none() {
            log::warn!("closing the connection to {} takes too long: no longer waiting for it", self.host());
            return;
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // The panic of a thread is in the log already.
            let _panicked = thread.join();
        }
        if let Some(tracer) = &self.tracer {
            tracer.wait_written(limit);
        }
    }

    /// Blocks until the client is closed. Returns the reason if the program did not close it.
    pub(crate) fn wait_ended(&self) -> Option<Error> {
        self.ended.wait(&self.clock, None).flatten()
    }

    /// Sends a close frame on the connection that the service requested to close, after everything that is queued.
    pub(super) fn leave(&self, generation: u64) {
        if let Some(link) = self.watch.lock().link.as_mut().filter(|link| link.generation == generation) {
            link.cut.get_or_insert(LEAVING);
        }
        self.writer.post(generation, Out::Close(1000));
        self.later(GOODBYE, move |session| session.cut(generation, LEAVING));
    }

    /// Cuts the socket of a generation. The reader notices the end of the connection.
    pub(super) fn cut(&self, generation: u64, why: &'static str) {
        let socket = {
            let mut watch = self.watch.lock();
            let Some(link) = watch.link.as_mut().filter(|link| link.generation == generation) else { return };
            link.cut.get_or_insert(why);
            link.socket.clone()
        };
        socket.shutdown();
    }
}
