//! Requests: registered in the table, given to the writer, and what their callers get.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lines::TARGET;
use super::pending::{Again, Answer, CancelOutcome, DeferredCompletion, Effect, Lost, Registered, Request, Slot};
use super::{Session, refusals};
use crate::clock::Deadline;
use crate::error::{self, Error, Result};
use crate::protocol::frame::{self, EventHead, Reply, WireError};
use crate::transport::NotSent;

/// A request that is about to be sent.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    /// The JSON object of its parameters.
    pub(crate) params: &'a str,
    pub(crate) call_id: Option<&'a str>,
    /// Whether the request makes sense in this session only, as every request about a call does.
    pub(crate) of_session: bool,
    /// `true` if [`Settings::offline_queue`](super::Settings::offline_queue) does not apply, because the number of these
    /// requests is bounded by the number of calls: each call is hung up and passed back at most once, and a full queue
    /// must not leave a caller on the line.
    pub(crate) owed: bool,
    /// Deadline of the response. Default: the request timeout from now.
    pub(crate) until: Deadline,
    pub(crate) effect: Option<Effect>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: &'a str, params: &'a str, call_id: Option<&'a str>) -> Self {
        Self { method, params, call_id, of_session: call_id.is_some(), owed: false, until: None, effect: None }
    }

    pub(crate) fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }
}

impl Session {
    /// Sends a request and blocks until its response arrives, at most until the request's deadline.
    pub(crate) fn request(&self, ask: Ask<'_>) -> Result<Reply> {
        let Ask { method, params, call_id, of_session, owed, until, effect } = ask;
        self.check_process(method)?;
        let slot = Slot::of_this_thread(&self.clock);
        let until = until.or_else(|| self.clock.after(self.settings.request_timeout));
        let id = self.ids.next();
        frame::learn(params, &self.secrets);
        let text = frame::request(id, method, params);
        self.log_frame("→", &text);
        let waiter = Some(slot.sender.clone());
        let request = Request { id: id.as_u128(), text, until, of_session, owed, waiter, effect };
        let answer = match self.pending.register_in_turn(request) {
            Registered::Closed => return Err(error::closed(method)),
            Registered::Full => return Err(self.queue_full(method, call_id)),
            Registered::SessionLost => return Err(error::session_lost(method)),
            Registered::Queued => None,
            Registered::Online(generation, text) => self.hand_over(id.as_u128(), generation, text, until),
        };
        let answer = match answer {
            Some(answer) => answer,
            None => self.wait_for_answer(&slot, id.as_u128(), until),
        };
        self.judge(method, call_id, params, answer)
    }

    /// Turns the outcome of a request into what its caller gets.
    pub(crate) fn judge(&self, method: &str, call_id: Option<&str>, params: &str, answer: Answer) -> Result<Reply> {
        if matches!(answer, Answer::Unsent | Answer::ClosedUnsent) {
            self.request_dropped(method, call_id);
        }
        let shown = match &answer {
            Answer::Reply(_) => None,
            _ => call_id.map(|id| self.clean(id)),
        };
        let call_id = shown.as_deref();
        let outcome = match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Refused(refusal) => {
                let refusal = self.clean_refusal(refusal);
                let error = match (refusal.code, call_id) {
                    (Some(404 | 410), Some(call_id)) => {
                        error::call_gone(method, call_id, refusal.code, &refusal.message)
                    }
                    (code, call_id) if refusals::leaves_outcome_open(method, code) => {
                        error::failed_midway(method, call_id, code, &refusal.message)
                    }
                    (code, call_id) => error::rejected(method, call_id, code, &refusal.message),
                };
                Err(error.with_details(refusal.details))
            }
            Answer::Lost => Err(error::outcome_unknown(method, call_id, false)),
            Answer::Late => Err(error::outcome_unknown(method, call_id, true)),
            Answer::Unsent => Err(error::offline(method, call_id)),
            Answer::SessionLost => Err(error::session_lost(method)),
            Answer::Closed | Answer::ClosedUnsent => Err(error::closed(method)),
        };
        if log::log_enabled!(target: TARGET, log::Level::Debug) {
            let head = EventHead::parse_text(params);
            let about = [
                ("method", method),
                ("call_id", head.call_id.as_deref().unwrap_or_default()),
                ("control_id", head.control_id.as_deref().unwrap_or_default()),
                ("tag", head.tag.as_deref().unwrap_or_default()),
            ];
            self.line(log::Level::Debug, &about, || match &outcome {
                Ok(_) => "done".to_owned(),
                Err(error) => match error.code() {
                    Some(code) => {
                        format!("{:?} ({code}): {}", error.kind(), error.server_message().unwrap_or_default())
                    }
                    None => format!("{:?}", error.kind()),
                },
            });
        }
        outcome
    }

    /// Sends a request that no thread waits for. Its effect is called with the outcome. Never blocks. Returns the
    /// request's ID.
    pub(crate) fn post(self: &Arc<Self>, ask: Ask<'_>) -> Result<u128> {
        let Ask { method, params, call_id, of_session, owed, until, effect } = ask;
        self.check_process(method)?;
        let until = until.or_else(|| self.clock.after(self.settings.request_timeout));
        let id = self.ids.next();
        frame::learn(params, &self.secrets);
        let text = frame::request(id, method, params);
        self.log_frame("→", &text);
        let id = id.as_u128();
        let request = Request { id, text, until, of_session, owed, waiter: None, effect };
        match self.pending.register(request) {
            Registered::Online(mut generation, mut text) => {
                while let Err(back) = self.writer.post_request(generation, id, text) {
                    match self.pending.again(id, back) {
                        Again::Online(next, back) => (generation, text) = (next, back),
                        Again::Settled => break,
                        Again::Full(owed) | Again::InPlaceOf(owed) => {
                            owed.complete(Answer::Unsent);
                            break;
                        }
                    }
                }
            }
            Registered::Queued => {}
            Registered::Full => return Err(self.queue_full(method, call_id)),
            Registered::SessionLost => return Err(error::session_lost(method)),
            Registered::Closed => return Err(error::closed(method)),
        }
        if self.pending.watch(id) {
            self.writer.wake();
        }
        Ok(id)
    }

    /// Sends a notification, which gets no response. Fails if the connection is down.
    pub(crate) fn notify(&self, method: &str, params: &str) -> Result<()> {
        self.check_process(method)?;
        if self.is_closing() {
            return Err(error::closed(method));
        }
        let Some(generation) = self.pending.generation() else { return Err(error::offline(method, None)) };
        frame::learn(params, &self.secrets);
        let text = frame::notification(method, params);
        self.log_frame("→", &text);
        let until = self.clock.after(self.settings.request_timeout);
        // The table of requests has no entry with this ID, so that the loss of the notification completes nothing.
        let id = self.ids.next().as_u128();
        let sent = self.writer.send(generation, id, text, self.pending.count(), until);
        log::debug!("{method}: {}", if sent.is_ok() { "sent" } else { "not sent" });
        sent.map_err(|_| error::offline(method, None))
    }

    /// `true` if requests are sent at once.
    pub(crate) fn is_up(&self) -> bool {
        self.pending.generation().is_some()
    }

    /// `true` if as many posted requests as are allowed have no response yet.
    pub(crate) fn posts_are_full(&self) -> bool {
        self.pending.posted() >= self.settings.posted_requests
    }

    /// `true` if a posted request still waits for the connection.
    pub(crate) fn is_queued(&self, id: u128) -> bool {
        self.pending.is_queued(id)
    }

    /// Takes a posted request back that still waits for the connection. Its effect is not called. Returns `false` if the
    /// request has been sent.
    pub(crate) fn retract(&self, id: u128) -> bool {
        self.pending.retract(id).is_some()
    }

    /// Drops a request, because as many as are allowed wait for the connection.
    fn queue_full(&self, method: &str, call_id: Option<&str>) -> Error {
        self.request_dropped(method, call_id);
        error::queue_full(method, call_id.map(|id| self.clean(id)).as_deref(), self.settings.offline_queue)
    }

    /// Gives a registered request to the writer. Returns the outcome if the request ended without being sent.
    fn hand_over(&self, id: u128, mut generation: u64, mut text: String, until: Deadline) -> Option<Answer> {
        loop {
            match self.writer.send(generation, id, text, self.pending.count(), until) {
                Ok(()) => return None,
                Err(NotSent::Gone(back)) => match self.pending.again(id, back) {
                    Again::Online(next, back) => (generation, text) = (next, back),
                    Again::Settled => return None,
                    Again::InPlaceOf(other) => {
                        other.complete(Answer::Unsent);
                        return None;
                    }
                    Again::Full(owed) => {
                        owed.complete_here(&Answer::Unsent);
                        return Some(Answer::Unsent);
                    }
                },
                Err(NotSent::Full) => {
                    return match self.pending.withdraw(id) {
                        CancelOutcome::Unsent(owed) | CancelOutcome::Handed(_, owed) => {
                            owed.complete_here(&Answer::Unsent);
                            Some(Answer::Unsent)
                        }
                        CancelOutcome::Answered => None,
                    };
                }
            }
        }
    }

    fn wait_for_answer(&self, slot: &Slot, id: u128, until: Deadline) -> Answer {
        let suspicious = self.clock.after(self.settings.probe_after);
        let first = match (suspicious, until) {
            (Some(suspicious), Some(until)) => Some(suspicious.min(until)),
            (suspicious, until) => suspicious.or(until),
        };
        if let Some(answer) = slot.wait(&self.clock, id, self.pending.count(), first) {
            return answer;
        }
        if !self.clock.is_past(until) {
            self.suspect();
            if let Some(answer) = slot.wait(&self.clock, id, 0, until) {
                return answer;
            }
        }
        let (answer, owed) = match self.pending.withdraw(id) {
            // The thread that removed the request completes it: the outcome is on its way.
            CancelOutcome::Answered => return slot.wait(&self.clock, id, 0, None).unwrap_or(Answer::Closed),
            CancelOutcome::Unsent(owed) => (Answer::Unsent, owed),
            CancelOutcome::Handed(generation, owed) => {
                let unsent = self.writer.withdraw(generation, id);
                (if unsent { Answer::Unsent } else { Answer::Late }, owed)
            }
        };
        owed.complete_here(&answer);
        answer
    }

    /// Checks the connection early, because a caller has waited for a while: if nothing was received either, the writer
    /// thread sends a ping now.
    fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
        self.writer.wake();
    }

    /// The service's refusal, with the secrets of this client masked.
    pub(super) fn clean_refusal(&self, mut refusal: WireError) -> WireError {
        refusal.message = self.clean(&refusal.message);
        if let Some(details) = &mut refusal.details {
            frame::mask_texts(details, &self.secrets.mask());
        }
        refusal
    }

    pub(super) fn complete(&self, owed: Vec<DeferredCompletion>, answer: &Answer) {
        for owed in owed {
            owed.complete(answer.clone());
        }
    }

    pub(super) fn complete_lost(&self, lost: Lost) {
        self.complete(lost.sent, &Answer::Lost);
        self.complete(lost.unsent, &Answer::Unsent);
    }

    /// Makes requests count as sent although there is no connection.
    #[cfg(test)]
    pub(crate) fn pretend_online(&self) {
        drop(self.pending.online(self.writer.prepare(1), self.clock.now()));
    }
}
