//! Progress of a call: its state, its answer, its end, and whether the call is confirmed.

use std::time::Instant;

use super::super::super::over::{CallEnd, CallFate};
use crate::clock::Clock;
use crate::protocol::states::CallState;

/// The state of a call, from its creation to its end.
pub(crate) struct Progress {
    state: CallState,
    answer: Answer,
    /// Time of the resume since which nothing has confirmed that the call is still live.
    unconfirmed: Option<Instant>,
    /// The end of the call. `None` while the call is live.
    over: Option<CallFate>,
}

/// The answer of a call, as far as events reported it.
enum Answer {
    No,
    /// The call was answered before its first event.
    Unreported,
    /// An event reported the answer at this time.
    Reported(Instant),
}

impl Progress {
    pub(crate) fn new(state: CallState) -> Self {
        let was_answered = matches!(state, CallState::Answered | CallState::Ending);
        let answer = if was_answered { Answer::Unreported } else { Answer::No };
        Self { state, answer, unconfirmed: None, over: None }
    }

    pub(crate) fn state(&self) -> &CallState {
        &self.state
    }

    pub(crate) fn was_answered(&self) -> bool {
        !matches!(self.answer, Answer::No)
    }

    /// The end of the call. `None` while the call is live.
    pub(crate) fn over(&self) -> Option<&CallFate> {
        self.over.as_ref()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Raises the state. Returns `false` if the call is in this state already, or in a later one.
    pub(crate) fn raise(&mut self, clock: &Clock, state: &CallState) -> bool {
        if state.rank() <= self.state.rank() {
            return false;
        }
        if state.rank() == CallState::Answered.rank() {
            self.answer = Answer::Reported(clock.now());
        }
        self.state = state.clone();
        true
    }

    /// Adds to an end what the service did not report.
    pub(crate) fn complete(&self, end: &mut CallEnd, clock: &Clock) {
        let answered = if let Answer::Reported(at) = self.answer { Some(at) } else { None };
        end.complete(clock, answered);
    }

    /// Ends the call. Returns `false` if it has ended already.
    pub(crate) fn finish(&mut self, over: &CallFate, last: Option<CallState>) -> bool {
        if self.is_over() {
            return false;
        }
        self.over = Some(over.clone());
        self.state = last.unwrap_or(CallState::Ended);
        true
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_none()
    }

    /// Notes that the service still knows the call.
    pub(crate) fn confirm(&mut self) {
        self.unconfirmed = None;
    }

    /// Notes that the session was resumed, so that the end of the call may have been missed.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.unconfirmed.get_or_insert(now);
    }

    /// `true` if the call has been unconfirmed since this moment, or since before it.
    pub(crate) fn in_doubt_since(&self, moment: Instant) -> bool {
        self.unconfirmed.is_some_and(|since| since <= moment)
    }
}
