//! Requests that are repeated until they succeed, so that no caller is left on an abandoned line: an unwanted call is
//! hung up, an unclaimed one is passed back.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Deadline;
use crate::protocol::frame::WireError;
use crate::session::{Alarm, Answer, Ask, Effect, Session, may_pass};

/// Pauses before a request without a response, or to a service in trouble, is sent again. The pause starts with the
/// first value and doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Shortest time between attempts that are not sent, however short the request timeout is.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// A request about a call that the client has to send on its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Sends `calling.end`. The request is sent in another session, too: it does no harm to an ended call, and without
    /// it a live call would keep a caller on the line.
    End,
    /// Sends `calling.pass`. Another session has no offers of the earlier one.
    Pass,
}

impl Duty {
    fn method(self) -> &'static str {
        match self {
            Self::End => "calling.end",
            Self::Pass => "calling.pass",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::End => "hung up",
            Self::Pass => "passed back",
        }
    }
}

/// A request about a call that is repeated until the service has responded, or until
/// [`late_answer_window`](crate::connection::Tuning::late_answer_window) has passed.
///
/// The number of these requests is bounded only by the number of calls: each has at most one of each kind.
pub(crate) struct Debt {
    duty: Duty,
    call_id: Box<str>,
    params: String,
    limit: Deadline,
    pause: Duration,
    /// A guard that is dropped when no more attempts follow.
    held: Option<Box<dyn Send>>,
}

impl Debt {
    pub(crate) fn new(session: &Session, duty: Duty, call_id: &str, params: String) -> Self {
        let limit = session.clock.after(session.settings.late_answer_window);
        Self { duty, call_id: call_id.into(), params, limit, pause: PAUSES.0, held: None }
    }

    /// Keeps a guard until the service has responded, or the limit has passed.
    pub(crate) fn holding(mut self, held: impl Send + 'static) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// Sends the request without waiting for the response.
    pub(crate) fn pay(self, session: &Arc<Session>) {
        let (duty, call_id, params) = (self.duty, self.call_id.clone(), self.params.clone());
        let of_effect = Arc::downgrade(session);
        let effect: Effect = Box::new(move |answer| {
            if let Some(session) = of_effect.upgrade() {
                self.answered(&session, answer);
            }
        });
        let until = session.clock.after(session.settings.request_timeout.max(SHORTEST_ATTEMPT));
        let ask = Ask {
            until,
            owed: true,
            of_session: duty == Duty::Pass,
            ..Ask::new(duty.method(), &params, Some(&call_id))
        };
        if let Err(error) = session.post(ask.with_effect(effect)) {
            if !session.is_forked() {
                unpaid(session, duty, &call_id, &error.to_string());
            }
        }
    }

    /// Handles the result of an attempt. Runs on the thread that completes the request, which may be the reader or the
    /// writer.
    fn answered(self, session: &Arc<Session>, answer: &Answer) {
        let why = match answer {
            Answer::Reply(_) => return,
            // The call has ended already.
            Answer::Refused(WireError { code: Some(404 | 410), .. }) => return,
            // The service is in trouble, which may pass.
            Answer::Refused(refusal) if may_pass(refusal.code) && !session.clock.is_past(self.limit) => {
                return self.again_later(session);
            }
            Answer::Refused(refusal) => {
                let code = refusal.code.map(|code| format!(" ({code})")).unwrap_or_default();
                format!("the service rejected the request: {}{code}", session.clean(&refusal.message))
            }
            Answer::SessionLost => "the session was lost".to_owned(),
            // The request was sent, and usually takes effect.
            Answer::Closed => {
                let about = [("method", self.duty.method()), ("call_id", &*self.call_id)];
                let closed = || "the client was closed before the response".to_owned();
                return session.line(log::Level::Debug, &about, closed);
            }
            Answer::ClosedUnsent => "the client was closed".to_owned(),
            Answer::Lost | Answer::Late | Answer::Unsent if !session.clock.is_past(self.limit) => {
                let may_have_worked = matches!(answer, Answer::Lost | Answer::Late);
                let later = matches!(answer, Answer::Late) || (may_have_worked && self.duty == Duty::Pass);
                return if later { self.again_later(session) } else { self.pay(session) };
            }
            Answer::Unsent => "the connection was down for too long".to_owned(),
            Answer::Lost | Answer::Late => "the service did not respond".to_owned(),
        };
        unpaid(session, self.duty, &self.call_id, &why);
    }

    /// Sends the request again after a pause. A pass that may have worked waits for the connection: the call may have
    /// been offered again meanwhile, and that offer must not be passed back in place of the first one.
    fn again_later(mut self, session: &Arc<Session>) {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(PAUSES.1);
        session.later(pause, move |session| {
            if self.duty == Duty::End {
                self.pay(session);
            } else if session.sink().is_live(&self.call_id) {
                let again = || "was passed back, and has been offered again".to_owned();
                session.line(log::Level::Debug, &[("call_id", &self.call_id)], again);
            } else if session.is_up() || session.clock.is_past(self.limit) {
                self.pay(session);
            } else {
                self.again_later(session);
            }
        });
    }
}

fn unpaid(session: &Session, duty: Duty, call_id: &str, why: &str) {
    let what = duty.what();
    session.warn(Alarm::CallLeft, || format!("call {call_id} could not be {what}, and may still be up: {why}"));
}
