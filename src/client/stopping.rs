//! Running and stopping.

use std::sync::Arc;
use std::time::Duration;

#[cfg(all(feature = "signals", any(unix, windows)))]
use super::signals;
use super::{Client, WeakClient, some_of};
use crate::call::owed::Duty;
use crate::clock::Deadline;
use crate::error::{self, Result};
use crate::protocol::constants::METHOD_SIGNALWIRE_UNRECEIVE;
use crate::session::Ask;

/// Time in which a call that was hung up at the end of a shutdown may report its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// # Running and stopping
impl Client {
    /// Blocks until the client is closed.
    ///
    /// With the feature `signals`, which is on by default, SIGINT, SIGTERM and SIGHUP (on Windows Ctrl-C, Ctrl-Break
    /// and the closing of the console) shut the client down, as [`shutdown`](Self::shutdown) does with the builder's
    /// [`drain_limit`](crate::Builder::drain_limit). A second signal ends the process at once. Signal handlers are installed
    /// by this method only.
    ///
    /// A signal that is ignored when the process starts, as SIGHUP is under `nohup`, stays ignored, and a program that
    /// has a handler of its own for SIGHUP keeps that signal (both can be detected on Linux only). Other handlers that
    /// a program has installed before are called as well. After `run` has returned only they are left, and a signal
    /// without a handler ends the process, as before. A handler that is installed by `signal-hook` has to be there
    /// before the first `run`.
    ///
    /// On Windows, handlers of the program that were installed before the first `run` are no longer called. If the
    /// program has one by the crate `ctrlc`, that one stays, and a warning is logged: Ctrl-C does not end `run`. The
    /// system gives a process a few seconds when its console is closed, whatever the drain limit.
    ///
    /// # Errors
    ///
    /// The cause, if the client was closed by something else than [`disconnect`](Self::disconnect),
    /// [`shutdown`](Self::shutdown) or a signal.
    #[doc(alias = "sigterm")]
    pub fn run(&self) -> Result<()> {
        self.handle.session.check_process("run")?;
        #[cfg(all(feature = "signals", any(unix, windows)))]
        let _watch = signals::Watch::start(self)?;
        match self.handle.session.wait_ended() {
            None => Ok(()),
            Some(cause) => Err(cause),
        }
    }

    /// Drains the client, then closes it. Blocks until live calls, dials and handlers have ended or `limit` has passed,
    /// and up to 2 s longer if calls are hung up at the limit.
    ///
    /// - The client unsubscribes from its contexts first (`signalwire.unreceive`), so that the service offers new calls
    ///   to others. A call that is offered nevertheless is passed back. New dials return `Draining`, and so do new text
    ///   messages, unless a handler, listener or callback sends them.
    /// - Live calls, dials, handlers and listeners may finish until `limit`, and recordings, transcriptions and faxes may
    ///   get their last event.
    /// - Calls that are live at `limit` are hung up. They have 1 s to report their end, and then their handlers have 1 s
    ///   to finish.
    ///
    /// The log has the calls that are waited for, and, at WARN, those that are hung up at the limit.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// // 30 s for the live calls:
    /// client.shutdown(Duration::from_secs(30));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "drain")]
    pub fn shutdown(&self, limit: Duration) {
        let (session, router) = (&self.handle.session, &self.handle.router);
        if session.is_forked() {
            return;
        }
        router.drain();
        let until = session.clock.after(limit);
        self.unsubscribe();
        log::info!("shutting down within {limit:?}: {}", self.waited_for());
        for dial in router.running_dials() {
            dial.wait_over(session, until);
        }
        self.wait_for_calls(until);
        // A waiting thread wakes a moment before the table drops the call, which may still be in it here.
        let mut left = router.live_calls();
        left.retain(|call| call.over().is_none());
        let (mut last_words, mut quiet) = (until, until);
        if !left.is_empty() {
            let ids = left.iter().map(|call| session.clean(call.id()));
            log::warn!("{}: {}", error::hanging_up(limit, left.len()), some_of(ids));
            for call in &left {
                call.owe(Duty::End, "\"reason\":\"hangup\"");
            }
            last_words = session.clock.after(LAST_WORDS);
            self.wait_for_calls(last_words);
            // The handlers of these calls may still have something to store.
            quiet = session.clock.after(LAST_WORDS);
        }
        // The last event of a recording often follows the end of its call, and a handler may wait for it.
        for call in router.lingering_calls() {
            call.wait_operations(session, last_words);
        }
        if !session.wait_quiet(quiet) {
            let jobs = error::counted(session.unfinished(), "handler or callback");
            log::warn!("shutdown: the limit of {limit:?} has passed, no longer waiting for {jobs}");
        }
        self.disconnect();
    }

    /// Closes the client. Waits and requests of this client end with `Closed`. Calls are not hung up; the ringing legs
    /// of a dial are.
    ///
    /// Blocks until the reader and the writer thread have ended, at most 2 s. The method does not wait for handlers;
    /// called on a thread of the crate, such as that of a handler, it does not wait at all. May be called several
    /// times.
    pub fn disconnect(&self) {
        self.handle.session.close();
        self.handle.session.join();
    }

    /// Returns a handle that does not keep the client open.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let client = client.downgrade();
    /// std::thread::spawn(move || {
    ///     // The thread ends with the client instead of keeping it open.
    ///     while let Some(client) = client.upgrade() {
    ///         println!("{:?}", client.stats());
    ///         drop(client);
    ///         std::thread::park_timeout(std::time::Duration::from_secs(60));
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.handle))
    }

    /// Unsubscribes from the contexts, so that new calls and messages go to other clients. Does not block: offers that
    /// still arrive are passed back.
    fn unsubscribe(&self) {
        let session = &self.handle.session;
        let contexts = session.contexts();
        // The contexts are not subscribed by the next connection either.
        session.unwant(&contexts);
        if contexts.is_empty() || !session.is_up() {
            return;
        }
        let params = serde_json::json!({ "contexts": contexts }).to_string();
        if let Err(error) = session.post(Ask::new(METHOD_SIGNALWIRE_UNRECEIVE, &params, None)) {
            log::debug!("{error}");
        }
    }

    /// Describes what a shutdown is waiting for.
    pub(crate) fn waited_for(&self) -> String {
        let (session, router) = (&self.handle.session, &self.handle.router);
        let mut calls = router.live_calls();
        calls.retain(|call| call.over().is_none());
        let ids = some_of(calls.iter().map(|call| session.clean(call.id())));
        let counts = [
            (calls.len(), "call", if ids.is_empty() { ids } else { format!(" ({ids})") }),
            (router.running_dials().len(), "dial", String::new()),
            (session.unfinished(), "handler or callback", String::new()),
        ];
        let some = counts.into_iter().filter(|(count, ..)| *count > 0);
        let some: Vec<_> = some.map(|(count, what, ids)| format!("{}{ids}", error::counted(count, what))).collect();
        if some.is_empty() { "nothing to wait for".to_owned() } else { format!("waiting for {}", some.join(", ")) }
    }

    fn wait_for_calls(&self, until: Deadline) {
        for call in self.handle.router.live_calls() {
            // The result is ignored, because the remaining calls are checked afterwards.
            let _ = call.wait_over(until);
        }
    }
}
