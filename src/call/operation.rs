//! The definition of an operation: its parameters, and the meaning of its events.

use std::fmt;
use std::time::Duration;

use super::legs::News;
use crate::error::Result;
use crate::protocol::event::{Event, TypedEvent};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::protocol::states::EventName;

/// Meaning of an event for its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Meaning {
    /// The operation continues.
    Progress,
    /// The event is what `wait` returns; more events may follow.
    Outcome,
    /// The event is the last one, and what `wait` returns unless there was an outcome before.
    Final,
    /// As `Final`, unless a better event follows within this time.
    Within(Duration),
}

pub(crate) mod sealed {
    /// Implemented only by the crate, which seals [`Operation`](super::Operation).
    pub trait Sealed {}
}
use sealed::Sealed;

/// An operation on a call, which an event ends. Implemented by the operation's parameters, such as
/// [`Play`](crate::Play).
///
/// This trait is sealed: the operations are those of the crate.
pub trait Operation: Sealed + Sized + 'static {
    /// The events that report on the operation.
    type Event: TypedEvent;
    /// The type of the operation's result, which [`Action::wait`](super::Action::wait) returns.
    type Outcome: Clone + fmt::Debug + Send + Sync + 'static;
    /// State of the operation, from the events so far.
    #[doc(hidden)]
    type Memo: Default + Send + 'static;
    /// The RELAY method that starts the operation.
    const METHOD: &'static str;
    /// `true` for an operation that the service reports without a control ID. Its events are matched by call and type,
    /// and of two operations of one kind the newer one gets them.
    #[doc(hidden)]
    const BY_KIND: bool = false;
    /// The types of the events that report on an operation without a control ID.
    #[doc(hidden)]
    const NAMES: &'static [EventName] = &[<Self::Event as TypedEvent>::NAME];
    /// `true` if the events of an operation without a control ID are for all operations of its kind, not only for the
    /// newest. There is one such operation at a time, and the others control it.
    #[doc(hidden)]
    const SHARES: bool = false;
    /// `true` if a start that is rejected with 404 means that the call is gone. Otherwise the service may not know the
    /// bridge, the queue or the conference, and the call stays.
    #[doc(hidden)]
    const NEEDS_CALL_ONLY: bool = true;
    /// A second type of event that reports on the operation, without its control ID.
    #[doc(hidden)]
    const ALSO: Option<EventName> = None;
    /// `true` if the operation's last event often arrives after the end of its call. The operation then stays open a
    /// little longer.
    #[doc(hidden)]
    const GRACE: bool = false;

    #[doc(hidden)]
    fn fields(&self) -> &Fields;

    /// Returns the control ID that the program set, if any.
    #[doc(hidden)]
    fn control_id(&self) -> Option<&str> {
        self.fields().text("control_id")
    }

    /// Rejects invalid parameters before anything is sent.
    #[doc(hidden)]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Returns the state before the first event.
    #[doc(hidden)]
    fn memo(&self) -> Self::Memo {
        Self::Memo::default()
    }

    /// `false` for an event of the right type that is about another operation of the kind.
    #[doc(hidden)]
    fn concerns(_event: &Self::Event, _memo: &Self::Memo, _in_doubt: bool) -> bool {
        true
    }

    /// Judges an event of the operation.
    #[doc(hidden)]
    fn judge(event: &Self::Event, memo: &mut Self::Memo) -> Meaning;

    /// Returns the outcome of an event, after [`judge`](Self::judge) has classified it as one.
    #[doc(hidden)]
    fn outcome(event: &Self::Event, memo: &Self::Memo) -> Result<Self::Outcome>;

    /// Judges an event of the type [`ALSO`](Self::ALSO). Returns the last outcome if the event is the end.
    #[doc(hidden)]
    fn also(_event: &Event, _memo: &mut Self::Memo) -> Option<Result<Self::Outcome>> {
        None
    }

    /// Returns the result if the call ended first, for operations that normally end with their call. The others end
    /// with an error then.
    #[doc(hidden)]
    fn ended_by_call(_call_id: &str, _control_id: &str, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// Handles the acceptance of the request. Called on the reader, before any later frame.
    #[doc(hidden)]
    fn accepted(_reply: &Reply, _memo: &mut Self::Memo) {}

    /// Returns the outcome of an operation that is complete when the service has accepted it.
    #[doc(hidden)]
    fn done_by_reply(_call_id: &str, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// Notes that the program requested the operation's end (`true`), or that this request was rejected (`false`).
    #[doc(hidden)]
    fn leaving(_memo: &mut Self::Memo, _is: bool) {}

    /// Notes a call that the service has made for the operation. At most `limit` of them are kept.
    #[doc(hidden)]
    fn leg(_memo: &mut Self::Memo, _news: News<'_>, _limit: usize) {}

    /// Returns the outcome of the first stage of an operation that has two: the greeting of an answering machine has
    /// ended, a conference is joined.
    #[doc(hidden)]
    fn ready(_event: &Self::Event, _memo: &Self::Memo) -> Option<Self::Outcome> {
        None
    }

    /// Returns the time after a resume within which the operation is reported on. With `None`, a missed report cannot
    /// be distinguished from a late one.
    #[doc(hidden)]
    fn doubt_limit(_memo: &Self::Memo) -> Option<Duration> {
        None
    }

    /// Returns the outcome if something else proves that the operation succeeded while its events were missed.
    #[doc(hidden)]
    fn presumed(_call_id: &str, _memo: &mut Self::Memo) -> Option<Self::Outcome> {
        None
    }
}
