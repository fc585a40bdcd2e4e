//! The end of a call, and its transfer to another application.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::value::RawValue;

use crate::clock::Clock;
use crate::error::{self, Error};
use crate::protocol::frame::EventHead;
use crate::protocol::limits;
use crate::protocol::object;
use crate::protocol::states::{EndReason, EndSource};

const PASS: &str = "calling.pass";
const TRANSFER: &str = "calling.transfer";

/// The end of a call: reason, side, answer time and duration. Returned by
/// [`Call::wait_for_ended`](super::Call::wait_for_ended).
///
/// The times are the service's where its event reports them, otherwise those at which the events arrived. RELAY documents
/// no SIP status for the end of a call; what else the service sends is in
/// [`CallStateEvent::raw`](crate::events::CallStateEvent#structfield.raw), which a listener receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnd {
    /// Reason for the end. `None` if the service did not report one, or no longer knows the call.
    pub reason: Option<EndReason>,
    /// Side that ended the call. `None` if the service did not report one.
    #[doc(alias = "end_source")]
    pub source: Option<EndSource>,
    /// Time of the answer. `None` if the call was never answered, or no event reported it.
    pub answered_at: Option<SystemTime>,
    /// Duration of the call from its answer to its end. `None` if the call was never answered, or the duration is
    /// unknown.
    pub duration: Option<Duration>,
}

impl CallEnd {
    /// Returns the end that an event reports, with the times in the event.
    pub(crate) fn of(head: &EventHead<'_>, params: &RawValue) -> Self {
        let [source, answered, ended] = object::pick(params.get(), ["end_source", "answer_time", "end_time"]).values;
        let source = source.and_then(object::text_of).filter(|source| !source.is_empty());
        let time = |raw: Option<&RawValue>| {
            let millis = raw.and_then(object::integer_of)?;
            u64::try_from(millis).ok().filter(|millis| *millis > 0)
        };
        let (answered, ended) = (time(answered), time(ended));
        let lasted = answered.zip(ended).and_then(|(answered, ended)| ended.checked_sub(answered));
        Self {
            reason: Self::reason_of(head),
            source: source.map(|source| EndSource::from(limits::cut(&source))),
            answered_at: answered.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))),
            duration: lasted.map(Duration::from_millis),
        }
    }

    pub(crate) fn reason_of(head: &EventHead<'_>) -> Option<EndReason> {
        let reason = head.end_reason.as_deref().filter(|reason| !reason.is_empty());
        reason.map(|reason| EndReason::from(limits::cut(reason)))
    }

    /// Adds the times that the service did not report. `answered` is the time at which the answer was reported.
    pub(super) fn complete(&mut self, clock: &Clock, answered: Option<Instant>) {
        let Some(answered) = answered else { return };
        let lasted = clock.now().saturating_duration_since(answered);
        if self.answered_at.is_none() {
            self.answered_at = clock.wall().checked_sub(lasted);
        }
        self.duration.get_or_insert(lasted);
    }
}

/// Reason why no event of a call follows.
#[derive(Clone, Debug)]
pub(crate) enum CallFate {
    Ended(Arc<CallEnd>),
    /// The service does not know the call.
    Gone,
    SessionLost,
    Closed,
}

impl CallFate {
    /// Returns the error for `what` on this call.
    pub(crate) fn error(&self, what: &str, call_id: &str) -> Error {
        match self {
            Self::Ended(_) => error::call_ended(what, call_id),
            Self::Gone => error::call_gone(what, call_id, Some(404), "the service does not know it"),
            Self::SessionLost => error::session_lost(&format!("{what} on call {call_id}")),
            Self::Closed => error::closed(&format!("{what} on call {call_id}")),
        }
    }
}

/// The way in which this client gives up a call.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Leaving {
    #[default]
    No,
    /// The call returns to routing, which may offer it to this client again.
    Passed,
    /// The call moves to another application, whose context may be one of this client's.
    Transferred,
}

impl Leaving {
    pub(crate) fn of_method(method: &str) -> Self {
        match method {
            PASS => Self::Passed,
            TRANSFER => Self::Transferred,
            _ => Self::No,
        }
    }
}

/// Reason why an operation could not be registered.
pub(crate) enum Refusal {
    Over(CallFate),
    InUse,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Transfer;

    #[test]
    fn a_call_that_is_transferred_leaves() {
        assert!(Leaving::of_method(Transfer::METHOD) == Leaving::Transferred);
        assert!(Leaving::of_method("calling.pass") == Leaving::Passed);
        assert!(Leaving::of_method("calling.play") == Leaving::No);
    }
}
