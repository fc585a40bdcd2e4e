//! Operations: started on a call, controlled by their handle, ended by an event.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Call;
use super::legs::News;
use super::running::OpCore;
use crate::error::{CallbackResult, Result};
use crate::protocol::event::{Event, TypedEvent};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::protocol::states::EventName;
use crate::stream::EventStream;
use crate::workers::Workers;

/// What an event means for the operation it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Verdict {
    /// It goes on.
    Progress,
    /// This is what `wait` returns; more events may follow.
    Outcome,
    /// This is what `wait` returns, unless something was before, and the end.
    Final,
    /// The same, unless something better follows within this time.
    Within(Duration),
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// Something that is started on a call and goes on until an event ends it. Implemented by its set of parameters.
///
/// This trait is sealed: the operations are those of the crate.
pub trait Operation: Sealed + Sized + 'static {
    /// The events that report on the operation.
    type Event: TypedEvent;
    /// What [`Action::wait`] returns.
    type Outcome: Clone + fmt::Debug + Send + Sync + 'static;
    /// What is remembered of the events so far.
    #[doc(hidden)]
    type Memo: Default + Send + 'static;
    /// The RELAY method that starts it.
    const METHOD: &'static str;
    /// `true` for an operation that the service reports without a control ID. Its events are matched by call and type,
    /// and of two operations of one kind the newer one gets them.
    #[doc(hidden)]
    const BY_KIND: bool = false;
    /// The types of the events that report on an operation without a control ID.
    #[doc(hidden)]
    const NAMES: &'static [EventName] = &[<Self::Event as TypedEvent>::NAME];
    /// Whether the events of an operation without a control ID are for all operations of its kind, not only for the
    /// newest: there is one of them at a time, and the others ask for something of it.
    #[doc(hidden)]
    const SHARES: bool = false;
    /// Whether a start that is answered with 404 means that the call is gone. Otherwise it may be the bridge, the queue or
    /// the conference that the service does not know, and the call stays.
    #[doc(hidden)]
    const NEEDS_CALL_ONLY: bool = true;
    /// A second type of event that tells of the operation, without its control ID.
    #[doc(hidden)]
    const ALSO: Option<EventName> = None;
    /// Whether its last event often comes after the end of its call, so that it is waited for a moment longer.
    #[doc(hidden)]
    const GRACE: bool = false;

    #[doc(hidden)]
    fn fields(&self) -> &Fields;

    /// Takes the control id that the program gave, if it gave one.
    #[doc(hidden)]
    fn control_id(&self) -> Option<&str> {
        self.fields().text("control_id")
    }

    /// Refuses, before anything is sent, what cannot be right.
    #[doc(hidden)]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// What is known before the first event.
    #[doc(hidden)]
    fn memo(&self) -> Self::Memo {
        Self::Memo::default()
    }

    /// `false` for an event of the right type that is about another operation of the kind.
    #[doc(hidden)]
    fn concerns(_event: &Self::Event, _memo: &Self::Memo, _in_doubt: bool) -> bool {
        true
    }

    /// What an event of its kind means.
    #[doc(hidden)]
    fn judge(event: &Self::Event, memo: &mut Self::Memo) -> Verdict;

    /// The outcome that an event stands for, after [`judge`](Self::judge) has called it one.
    #[doc(hidden)]
    fn outcome(event: &Self::Event, memo: &Self::Memo) -> Result<Self::Outcome>;

    /// What an event of the type [`ALSO`](Self::ALSO) means: the last outcome, if it is the end.
    #[doc(hidden)]
    fn also(_event: &Event, _memo: &mut Self::Memo) -> Option<Result<Self::Outcome>> {
        None
    }

    /// What [`Action::wait`] returns when the call ended first, for operations that normally end with their call. The
    /// others end with an error then.
    #[doc(hidden)]
    fn ended_by_call(_call_id: &str, _control_id: &str, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// The service has accepted the request. Called on the reader, before any later frame.
    #[doc(hidden)]
    fn accepted(_reply: &Reply, _memo: &mut Self::Memo) {}

    /// The outcome of an operation that is complete when the service has accepted it.
    #[doc(hidden)]
    fn done_by_reply(_call_id: &str, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// The program asks for its end, or the request for that was refused.
    #[doc(hidden)]
    fn leaving(_memo: &mut Self::Memo, _is: bool) {}

    /// An event reports a call that the service has made for the operation. At most `limit` of them are kept.
    #[doc(hidden)]
    fn leg(_memo: &mut Self::Memo, _news: News<'_>, _limit: usize) {}

    /// The first stage of an operation that has two: a machine's greeting is over, a conference is joined.
    #[doc(hidden)]
    fn ready(_event: &Self::Event, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// How long after a resume the news of the operation may take at most. With `None`, what was missed cannot be told
    /// from what takes its time.
    #[doc(hidden)]
    fn doubt_limit(_memo: &Self::Memo) -> Option<Duration> {
        None
    }

    /// The outcome, when something else proves that the operation succeeded while its news was missed.
    #[doc(hidden)]
    fn presumed(_call_id: &str, _memo: &mut Self::Memo) -> Option<Self::Outcome> {
        None
    }
}

/// An operation on a call: playing, recording, collecting, detecting, paying, an AI session and the like.
///
/// Cheap to clone; clones share the operation. It keeps its [`Call`] with it. Dropping it changes nothing: the
/// operation goes on until it ends by itself, is stopped, or its call ends.
///
/// It ends by the event that its kind ends with, or when its call ends, is gone, or can no longer be followed, or the
/// client is closed: no wait on it lasts longer than that.
pub struct Action<O: Operation> {
    pub(super) call: Call,
    pub(super) core: Arc<OpCore<O>>,
}

impl<O: Operation> Action<O> {
    /// Waits for the outcome: for ever with `None`, or as long as a `Duration` says.
    ///
    /// An AI session, a tap and a media stream normally end with their call: then the outcome says so
    /// (`ended_by_call`), and is no error.
    ///
    /// May be called again, from any thread; once there is an outcome it returns at once, the same for all.
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
    /// `Timeout` when the time is up: the operation goes on and may be waited for again. `CallEnded`, `CallGone`,
    /// `SessionLost` or `Closed` when the call or the connection went before the operation had ended.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<O::Outcome> {
        self.core.wait(&self.call, timeout.into())
    }

    /// Waits until it is time to speak, or the operation ends without that.
    pub(crate) fn wait_until_ready(&self, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.core.wait_until_ready(&self.call, timeout)
    }

    /// Whether there is an outcome.
    #[must_use]
    #[doc(alias = "completed")]
    pub fn is_done(&self) -> bool {
        self.core.outcome().is_some()
    }

    /// The outcome, if there is one yet: what [`wait`](Self::wait) returns.
    #[must_use]
    pub fn result(&self) -> Option<Result<O::Outcome>> {
        self.core.outcome()
    }

    /// Registers a callback that receives the outcome, once, also if the operation has ended already.
    ///
    /// The callback runs on a thread for callbacks, never inline, in order with the call's other callbacks and listeners,
    /// and may block and use any method. If it returns an error or panics, the call is ended, see [`CallbackResult`].
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
                // The client is gone, and the call with it: an error would concern nobody.
                Workers::run_alone(move || drop(callback(&ended).into_result()));
            }
            return;
        };
        let mailbox = self.call.core.mailbox();
        // Weakly: an operation holds no call.
        let (call, of_callback) = (Arc::downgrade(&self.call.core), Arc::downgrade(&session));
        let callback = move |ended: &Result<O::Outcome>| match (call.upgrade(), of_callback.upgrade()) {
            (Some(call), Some(session)) => {
                call.run_callback(&session, O::METHOD, || callback(ended).into_result());
            }
            _ => drop(callback(ended).into_result()),
        };
        self.core.add_callback(&session, mailbox, Box::new(callback));
    }

    /// The operation's control ID, which its requests and events carry. Empty for operations that have none on the wire,
    /// such as `connect` and `hold`.
    #[must_use]
    pub fn control_id(&self) -> &str {
        if O::BY_KIND { "" } else { self.core.control_id() }
    }

    /// The call it runs on.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The events of this operation from now on; ends with the operation.
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

    /// What the service answered to the request that started it; empty when the call was gone.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.core.reply()
    }

    /// Sends a command about this operation: `method` with its control id. That it has ended meanwhile is no error.
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
