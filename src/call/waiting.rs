//! Blocking until a call has reached a state.

use std::time::Duration;

use super::core::{CallFate, Reached};
use super::{Call, CallEnd};
use crate::error::{Error, Result};
use crate::protocol::states::CallState;

/// # Waiting for a state
///
/// These methods return at once if the call has reached the state, or is past it. With `None` as the timeout they block
/// until then. A wait that times out changes nothing and may be repeated.
impl Call {
    /// Blocks until the call is ringing or past that, at most `timeout`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.wait_for_ringing(Duration::from_secs(10))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `SessionLost` or `Closed` if the call can no longer be followed.
    pub fn wait_for_ringing(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Ringing, timeout.into(), "waiting for ringing")
    }

    /// Blocks until the call is answered, at most `timeout`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// call.wait_for_answered(Duration::from_secs(10))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `CallEnded` if the call ended without an answer; `Timeout` after `timeout`; `SessionLost` or `Closed` if the
    /// call can no longer be followed.
    pub fn wait_for_answered(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Answered, timeout.into(), "waiting for an answer")
    }

    /// Blocks until the call is ending or has ended, at most `timeout`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.wait_for_ending(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `SessionLost` or `Closed` if the call can no longer be followed.
    pub fn wait_for_ending(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Ending, timeout.into(), "waiting for the call to end")
    }

    /// Blocks until the call has ended, at most `timeout`, and returns its [end](CallEnd): reason, side, answer time
    /// and duration.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let end = call.wait_for_ended(None)?;
    /// println!("ended: {:?} by {:?} after {:?}", end.reason, end.source, end.duration);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `SessionLost` or `Closed` if the call can no longer be followed.
    pub fn wait_for_ended(&self, timeout: impl Into<Option<Duration>>) -> Result<CallEnd> {
        let what = "waiting for the call to end";
        match self.core.wait_for_state(CallState::Ended, self.deadline(timeout.into()), what)? {
            Reached::State(_) | Reached::Over(CallFate::Gone) => Ok(CallEnd::default()),
            Reached::Over(CallFate::Ended(end)) => Ok((*end).clone()),
            Reached::Over(over) => Err(over.error(what, &self.core.shown_id())),
        }
    }

    fn wait_for_state(&self, target: CallState, timeout: Option<Duration>, what: &str) -> Result<CallState> {
        let passed = target.rank();
        match self.core.wait_for_state(target, self.deadline(timeout), what)? {
            Reached::State(state) => Ok(state),
            Reached::Over(over @ (CallFate::Ended(_) | CallFate::Gone)) => {
                // A call that is past a state has reached it. But a call that ended unanswered was never answered.
                if passed != CallState::Answered.rank() || self.core.was_answered() {
                    Ok(CallState::Ended)
                } else {
                    Err(over.error(what, &self.core.shown_id()))
                }
            }
            Reached::Over(over) => Err(over.error(what, &self.core.shown_id())),
        }
    }

    pub(super) fn deadline(&self, timeout: Option<Duration>) -> crate::clock::Deadline {
        self.core.session().and_then(|session| session.clock.deadline(timeout))
    }

    pub(super) fn over_error(&self, what: &str) -> Error {
        self.core.over().unwrap_or(CallFate::Closed).error(what, &self.core.shown_id())
    }
}
