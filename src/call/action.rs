//! Operations on a call. A program starts an operation, controls it by its handle, and an event ends it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Call;
use super::op_core::OpCore;
use super::operation::Operation;
use crate::error::{CallbackResult, Result};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::stream::EventStream;
use crate::workers::Workers;

/// An operation in progress on a call: a playback, a recording, a prompt, a bridge, an AI session.
///
/// Methods of [`Call`] such as [`play`](Call::play) return an action as soon as the service has accepted the request.
/// [`wait`](Self::wait) blocks until the operation has ended. What else an action can do depends on its kind: the traits
/// [`Stoppable`](crate::Stoppable), [`Pausable`](crate::Pausable), [`HasVolume`](crate::actions::HasVolume) and
/// [`InputTimers`](crate::actions::InputTimers) say for which kinds a method exists.
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Call, HandlerResult, audio};
///
/// fn hold_music(call: &Call) -> HandlerResult {
///     let music = call.play(audio("https://example.com/hold.mp3"))?;
///     match music.wait(Duration::from_secs(60)) {
///         Ok(_) => println!("finished"),
///         // Still playing.
///         Err(error) if error.is_timeout() => music.stop()?,
///         // The caller has hung up, for example.
///         Err(error) => return Err(error.into()),
///     }
///     Ok(())
/// }
/// ```
///
/// # Cloning and dropping
///
/// Clones share the operation, and are cheap. Dropping an action changes nothing: the operation continues until it ends by
/// itself, is stopped, or its call ends. An action keeps a handle of its call.
///
/// # Threads
///
/// Any thread may use an action, and several may wait for it. Callbacks run on a worker thread, in order with the other
/// callbacks and listeners of the call.
///
/// # When the call ends
///
/// The operation ends with an error of the kind [`CallEnded`](crate::ErrorKind::CallEnded) or
/// [`CallGone`](crate::ErrorKind::CallGone), unless its kind normally ends with the call: AI sessions, taps, streams and
/// echoes return a result whose `ended_by_call` is `true`. Recordings, transcriptions and faxes wait for their last event for
/// at most [`Tuning::final_event_grace`](crate::connection::Tuning::final_event_grace). Commands such as [`stop`](Self::stop) return `Ok`.
///
/// # When the connection is lost
///
/// Waits continue. When the session is resumed, the next event of the operation ends them as usual. If the session is lost,
/// the operation ends with [`SessionLost`](crate::ErrorKind::SessionLost).
///
/// The event that ends the operation may have been missed. A connect, a disconnect, a refer, a hold, digits that are sent,
/// and noise reduction take a known time, after which their waits return
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). A playback, a prompt, a collect, a recording, a detector, a payment
/// and a fax take any time: `wait(None)` lasts until the call ends. A wait with a timeout returns `OutcomeUnknown` at the
/// timeout, and [`stop`](Self::stop) then ends the operation, see
/// [Reconnecting](crate::docs::reconnecting#when-the-end-of-an-operation-was-missed).
pub struct Action<O: Operation> {
    pub(super) call: Call,
    pub(super) core: Arc<OpCore<O>>,
}

/// # Result, callbacks and events
impl<O: Operation> Action<O> {
    /// Blocks until the operation has ended, at most `timeout`, and returns its result. With `None` it blocks until the
    /// operation ends, which it does at the latest with its call.
    ///
    /// `Ok` means that the service has reported the end, not that all went well: look at the `state` of the result. A
    /// playback of a file that cannot be fetched is `Ok` with [`PlayState::Error`](crate::states::PlayState::Error), a
    /// recording of silence is `Ok` with [`RecordState::NoInput`](crate::states::RecordState::NoInput), a detector that
    /// heard nothing is `Ok` with [`Heard::Finished`](crate::Heard::Finished). A bridge that was not made is an error.
    ///
    /// An AI session, a tap and a media stream normally end with their call. Their result has `ended_by_call`,
    /// and is no error. Recordings, transcriptions and faxes may be reported after the end of their call: a wait for
    /// them continues for at most [`Tuning::final_event_grace`](crate::connection::Tuning::final_event_grace), 15 s by default.
    ///
    /// The method may be called several times, from any thread. Once the operation has ended, it returns the same
    /// result at once.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::tts;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play(tts("Hello!"))?.wait(Duration::from_secs(30))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`: the operation continues and may be waited for again. `CallEnded`, `CallGone`,
    /// `SessionLost` or `Closed` if the call, the session or the client ended before the operation.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<O::Outcome> {
        self.core.wait(&self.call.core, timeout.into())
    }

    /// Blocks until an answering machine is ready, or the operation ends without that.
    pub(crate) fn wait_until_ready(&self, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.core.wait_until_ready(&self.call.core, timeout)
    }

    /// `true` if the operation has ended, or its result is known.
    #[must_use]
    #[doc(alias = "completed")]
    pub fn is_done(&self) -> bool {
        self.core.outcome().is_some()
    }

    /// Returns the operation's result without blocking: what [`wait`](Self::wait) returns. `None` while there is none.
    #[must_use]
    pub fn result(&self) -> Option<Result<O::Outcome>> {
        self.core.outcome()
    }

    /// Registers a callback that receives the result, exactly once, also if the operation has already ended.
    ///
    /// The callback runs on a worker thread, never in the calling thread, in order with the call's other callbacks and
    /// listeners. It may block and use any method. If it returns an error or panics, the call is ended, see
    /// [`CallbackResult`].
    ///
    /// ```no_run
    /// # use signalwire_relay::Record;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.record(Record::new())?.on_completed(|ended| match ended {
    ///     Ok(recording) => println!("{}", recording.url),
    ///     Err(error) => println!("no recording: {error}"),
    /// });
    /// # Ok(()) }
    /// ```
    pub fn on_completed<R: CallbackResult>(&self, callback: impl FnOnce(&Result<O::Outcome>) -> R + Send + 'static) {
        let Some(session) = self.call.core.session() else {
            if let Some(ended) = self.result() {
                // The client has been dropped with the call, so an error has no effect.
                Workers::run_alone(move || drop(callback(&ended).into_result()));
            }
            return;
        };
        let mailbox = self.call.core.mailbox();
        // The callback holds the call weakly, because an operation holds no call.
        let (call, of_callback) = (Arc::downgrade(&self.call.core), Arc::downgrade(&session));
        let callback = move |ended: &Result<O::Outcome>| match (call.upgrade(), of_callback.upgrade()) {
            (Some(call), Some(session)) => {
                call.run_callback(&session, O::METHOD, || callback(ended).into_result());
            }
            _ => drop(callback(ended).into_result()),
        };
        self.core.add_callback(&session, mailbox, Box::new(callback));
    }

    /// The operation's control ID, which is part of its requests and events. Empty for operations without one on the
    /// wire, such as `connect` and `hold`.
    #[must_use]
    pub fn control_id(&self) -> &str {
        if O::BY_KIND { "" } else { self.core.control_id() }
    }

    /// The operation's call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Returns an iterator over the events of this operation, from now until the operation ends. If the operation has
    /// already ended, the iterator ends at once.
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let collect = call.collect(Collect::speech().partial_results(true))?;
    /// for event in collect.events() {
    ///     println!("{:?}", event.speech());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> EventStream<O::Event> {
        self.call.core.session().map_or_else(EventStream::ended, |session| self.core.stream(&session))
    }

    /// The service's response to the request that started the operation. Empty if the call had already ended.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.core.reply()
    }

    /// Sends a command about this operation: `method` with its control ID. If the operation has ended meanwhile, the
    /// result is `Ok`.
    pub(crate) fn command(&self, method: &str, fields: &Fields) -> Result<()> {
        if self.core.never_began() {
            fields.check(method)?;
            return Ok(());
        }
        match self.call.core.request_with(method, fields, Some(self.control_id()), None) {
            Err(error) if matches!(error.code(), Some(404 | 410)) => {
                if error.code() == Some(410) {
                    self.call.core.gone();
                } else if let Some(session) = self.call.core.session() {
                    self.core.contradicted(&session, &self.call.core);
                }
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}

impl<O: Operation> Clone for Action<O> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), core: Arc::clone(&self.core) }
    }
}

impl<O: Operation> fmt::Debug for Action<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("method", &O::METHOD)
            .field("control_id", &self.control_id())
            .field("call_id", &self.call.core.shown_id())
            .field("done", &self.is_done())
            .finish()
    }
}
