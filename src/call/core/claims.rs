//! Responsibility for a call: its handles, its offer, and its end when the program does not want it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::super::over::Leaving;
use super::super::owed::{Debt, Duty};
use super::CallCore;
use crate::error::HandlerResult;
use crate::protocol::states::CallState;
use crate::session::{Alarm, HandlerFailure, Session};

/// Allows one posted request of a kind at a time: a call can be hung up and passed back only once, so that further
/// requests would only wait for the same.
struct OneAtATime {
    of: Weak<CallCore>,
    bit: u8,
}

impl Drop for OneAtATime {
    fn drop(&mut self) {
        if let Some(call) = self.of.upgrade() {
            call.owed.fetch_and(!self.bit, Ordering::AcqRel);
        }
    }
}

impl CallCore {
    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drop_handle(self: &Arc<Self>) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && self.settle_offer() {
            self.pass_back("its last handle was dropped");
        }
    }

    /// Notes that the call is about to be given away, or that the service refused that. Noted before the request is sent,
    /// because the end of the call and its next offer may be reported before the response arrives.
    pub(crate) fn leaves(&self, how: Leaving) {
        self.inner.lock().offer.leave(how);
    }

    /// The number of the offer of a call that was given away, once.
    pub(crate) fn take_left(&self) -> Option<u64> {
        self.inner.lock().offer.take_left()
    }

    /// `true` if the call is being passed back and this is another offer than its first one: the next offer arrived
    /// before the response to the pass.
    pub(crate) fn is_passed_and_offered_anew(&self, offer: u64) -> bool {
        let inner = self.inner.lock();
        !inner.progress.is_over() && inner.offer.is_passed_and_offered_anew(offer)
    }

    pub(crate) fn make_offer(&self, offer: u64) {
        self.inner.lock().offer.make(offer);
    }

    /// Takes the decision about an open offer. Returns `false` if it was taken already, or the call has ended.
    pub(crate) fn settle_offer(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.offer.settle() && !inner.progress.is_over()
    }

    /// Opens the offer again, because the request that was to decide about it was refused or not sent.
    pub(crate) fn reopen_offer(&self) {
        let mut inner = self.inner.lock();
        let is_open = !inner.progress.is_over() && inner.progress.state().rank() < CallState::Answered.rank();
        inner.offer.set_open(is_open);
    }

    /// Passes back an offer that is still open.
    pub(crate) fn pass_unclaimed(self: &Arc<Self>, why: &str) {
        if self.settle_offer() {
            self.pass_back(why);
        }
    }

    /// Passes an inbound call back to routing, without waiting for the response.
    pub(crate) fn pass_back(self: &Arc<Self>, why: &str) {
        let Some(session) = self.session.upgrade() else { return };
        if session.is_forked() || session.is_closing() {
            return;
        }
        session.warn(Alarm::CallPassed, || format!("inbound call {} is passed back: {why}", self.id));
        session.counters.calls_passed.add(1);
        self.leaves(Leaving::Passed);
        self.owe(Duty::Pass, "");
        self.passed();
    }

    /// Ends the call, because code of the program that was responsible for it has failed, unless the program wants such
    /// calls left up.
    pub(crate) fn handler_failed(self: &Arc<Self>, session: &Session) {
        if session.settings.on_handler_failure == HandlerFailure::Leave || self.over().is_some() {
            return;
        }
        if self.settle_offer() {
            self.pass_back("its handler failed");
        } else if self.may_be_bridged_unnoticed() {
            // Hanging up would cut off a caller who is talking to another party.
            log::warn!(
                "call {} is left up although its handler failed: the connection was interrupted, and the call may be \
                 bridged, in a conference or in a queue",
                self.shown_id()
            );
        } else {
            self.owe(Duty::End, "\"reason\":\"error\"");
        }
    }

    /// Runs a listener or a callback of the program. `what` names the event or the operation.
    pub(crate) fn run_callback(self: &Arc<Self>, session: &Session, what: &str, code: impl FnOnce() -> HandlerResult) {
        let what = || format!("a callback of {what} on call {}", self.shown_id());
        session.run_user(&[("call_id", &self.id)], what, code, || self.handler_failed(session));
    }

    /// Hangs the call up or passes it back, without waiting for the response, unless such a request has no response yet.
    /// `members` are further members of the request's parameters.
    pub(crate) fn owe(self: &Arc<Self>, duty: Duty, members: &str) {
        let Some(session) = self.session.upgrade() else { return };
        let bit = if duty == Duty::End { 1 } else { 2 };
        if self.owed.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
            return;
        }
        let mut params = self.address();
        if !members.is_empty() {
            params.push(',');
            params.push_str(members);
        }
        params.push('}');
        let held = OneAtATime { of: Arc::downgrade(self), bit };
        Debt::new(&session, duty, &self.id, params).holding(held).pay(&session);
    }
}
