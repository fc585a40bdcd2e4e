//! Dials: which call wins, which leg is hung up, and what is remembered of a dial that has ended.

use std::hash::BuildHasher;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::dial::{DialCore, Registry, end_leg, hang_up_late};
use super::super::over::HowOver;
use super::Router;
use super::tables::Late;
use crate::call::core::CallCore;
use crate::error::{self, Error};
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::states::{CallState, Direction, EndReason};
use crate::session::{Alarm, Session};

/// `true` if the call that an event reports was made by another call, as by `calling.connect`, or is bridged with one. It
/// may have the tag of a dial, and is no leg of that dial.
fn is_spawned(envelope: &Envelope<'_>) -> bool {
    /// The members of an event that name other calls.
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        parent: Option<&'a RawValue>,
        #[serde(borrow)]
        peer: Option<&'a RawValue>,
    }
    let names_a_call =
        |of: Option<&RawValue>| of.is_some_and(|of| EventHead::parse(of).call_id.is_some_and(|id| !id.is_empty()));
    serde_json::from_str::<Payload<'_>>(envelope.params.get())
        .is_ok_and(|payload| names_a_call(payload.parent) || names_a_call(payload.peer))
}

impl Router {
    pub(crate) fn running_dials(&self) -> Vec<Arc<DialCore>> {
        self.tables.lock().dials.running()
    }

    /// Enters a dial. Returns `false` if a dial of this tag runs, or was given up and may still be answered.
    pub(crate) fn add_dial(&self, dial: &Arc<DialCore>) -> bool {
        self.tables.lock().dials.add(dial)
    }

    /// Handles an event of a dial.
    pub(super) fn dialled(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let tag = head.tag.as_deref().unwrap_or_default();
        let leg = head.call.map(EventHead::parse);
        let answered = head.dial_state.as_deref() == Some("answered");
        if leg.as_ref().is_some_and(|leg| self.is_malformed(session, leg)) {
            return;
        }
        let dial = self.tables.lock().dials.get(tag);
        let Some(dial) = dial else {
            if !self.dialled_late(session, envelope, head, leg, answered) {
                self.stray(session, envelope);
            }
            return;
        };
        dial.heard();
        match head.dial_state.as_deref() {
            Some("answered") => {
                let Some(mut leg) = leg.filter(|leg| leg.call_id.as_deref().is_some_and(|id| !id.is_empty())) else {
                    return;
                };
                leg.tag = leg.tag.or(head.tag.clone());
                leg.node_id = leg.node_id.or(head.node_id.clone());
                let Some(call) = self.winner(session, &dial, envelope, &leg) else {
                    // The callee answered and hung up before the event of the dial arrived.
                    self.fail_dial(session, &dial, Some("the call was answered and has ended"), None);
                    return;
                };
                self.end_dial(session, &dial, HowOver::Won(call.id().into()));
                if !dial.won(session, self, &call, envelope.timestamp) {
                    // The program has given the dial up at this moment.
                    end_leg(session, &call);
                }
            }
            Some("failed") => {
                let reason = head.reason.as_deref().filter(|reason| !reason.is_empty());
                self.fail_dial(session, &dial, None, reason);
            }
            _ => {}
        }
    }

    /// Handles an event of a dial that has ended: a late answer, or an event of the call that won. Returns `false` if
    /// the event concerns no known call and no leg to be hung up.
    fn dialled_late<'a>(
        &self,
        session: &Arc<Session>,
        envelope: &Envelope<'_>,
        head: &EventHead<'a>,
        leg: Option<EventHead<'a>>,
        answered: bool,
    ) -> bool {
        let Some(mut leg) = leg.filter(|leg| leg.call_id.is_some()) else { return false };
        leg.tag = leg.tag.or(head.tag.clone());
        leg.node_id = leg.node_id.or(head.node_id.clone());
        let Some(call) = leg.call_id.as_deref().and_then(|id| self.find(id)) else {
            let failed = head.dial_state.as_deref() == Some("failed");
            return !failed && self.late_leg(session, envelope, &leg, answered);
        };
        self.delivered(&call, call.deliver(session, envelope, &leg));
        if answered {
            self.hang_up_second_winner(session, &call, Some(envelope));
        }
        true
    }

    /// Ends a dial that failed. The reason is the one that the service reports, or else why its last leg ended.
    fn fail_dial(&self, session: &Arc<Session>, dial: &Arc<DialCore>, what: Option<&str>, reason: Option<&str>) {
        self.end_dial(session, dial, HowOver::Failed);
        let mut cause = dial.cause(session, reason.map(EndReason::from));
        cause.reason = cause.reason.map(|reason| session.clean(reason.as_str()).into());
        dial.fail(session, error::dial_failed(dial.to(), what, cause));
        dial.drop_losers(session, self, None);
    }

    /// The leg that won a dial. `None` if it has ended: such a leg cannot win.
    fn winner(
        &self,
        session: &Arc<Session>,
        dial: &Arc<DialCore>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
    ) -> Option<Arc<CallCore>> {
        let id = head.call_id.as_deref()?;
        {
            let tables = self.tables.lock();
            if !tables.calls.is_live(id) && tables.calls.has_ended(id) {
                return None;
            }
        }
        let call = self.leg(session, dial, envelope, head, true)?;
        call.fill(envelope, head);
        call.over().is_none().then_some(call)
    }

    /// The leg of a dial that an event reports, made if it is new. `None` if the dial has as many legs as are allowed.
    pub(super) fn leg(
        &self,
        session: &Arc<Session>,
        dial: &Arc<DialCore>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
        won: bool,
    ) -> Option<Arc<CallCore>> {
        let id = head.call_id.as_deref()?;
        if let Some(known) = self.find(id) {
            return Some(known);
        }
        // The leg that was answered is what the dial is for, however many there are.
        if !won && dial.is_full(session) {
            self.surplus_leg(session, dial.tag(), dial.first_surplus());
            return None;
        }
        let call = CallCore::new(session, id, Direction::Outbound, CallState::Created);
        call.fill(envelope, head);
        // The leg is added before the events that arrived early, because they may end it.
        dial.add_leg(&call);
        self.enter(session, &call);
        Some(call)
    }

    /// Hangs up a leg of a dial that has ended, once, if the service does not do so. `envelope` is the event that reports
    /// the leg. Returns `false` if the leg belongs to no such dial.
    pub(super) fn late_leg(
        &self,
        session: &Arc<Session>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
        answered: bool,
    ) -> bool {
        let (Some(tag), Some(call_id)) = (head.tag.as_deref(), head.call_id.as_deref()) else { return false };
        let alive = head.call_state.as_deref() != Some(CallState::Ended.as_str());
        // Without room for the request, the leg is hung up at its next event.
        let leg = || (alive && !session.posts_are_full()).then(|| self.seed.hash_one(call_id));
        let late = {
            let mut tables = self.tables.lock();
            match tables.dials.late_leg(tag, session.settings.dial_legs, leg) {
                Some(late) => late,
                None if !alive || is_spawned(envelope) => return false,
                None if tables.dials.must_end(tag, call_id, answered, session.clock.now()) => Late::HangUp,
                None => return false,
            }
        };
        match late {
            Late::HangUp => hang_up_late(session, head.node_id.as_deref().unwrap_or_default(), call_id),
            Late::Known => {}
            Late::Surplus { first } => self.surplus_leg(session, tag, first),
        }
        true
    }

    /// Counts a leg beyond the number that a dial may have. The first one is logged.
    fn surplus_leg(&self, session: &Arc<Session>, tag: &str, first: bool) {
        session.counters.legs_dropped.add(1);
        if first {
            let limit = session.settings.dial_legs;
            session.warn(Alarm::LegDropped, || {
                format!("dial {tag} has more than {limit} calls: further ones are ignored")
            });
        }
    }

    /// Hangs up a call that has been answered if it is a leg of a dial that has ended, and not the one that won: otherwise
    /// the callee would listen to silence.
    pub(super) fn hang_up_second_winner(
        &self,
        session: &Session,
        call: &Arc<CallCore>,
        envelope: Option<&Envelope<'_>>,
    ) {
        let tag = call.tag();
        let unwanted =
            !tag.is_empty() && call.direction() == Direction::Outbound && !envelope.is_some_and(is_spawned) && {
                let mut tables = self.tables.lock();
                tables.dials.must_end(&tag, call.id(), true, session.clock.now())
            };
        if unwanted {
            end_leg(session, call);
        }
    }

    /// Forgets dials that were given up and can no longer be answered.
    pub(super) fn forget_given_up_dials(&self, session: &Arc<Session>) {
        let next = self.tables.lock().dials.expire(session.clock.now());
        if let Some(next) = next {
            session.at(next, Box::new(|session| session.sink().forget_dials(session)));
        }
    }

    /// Gives up all dials, because the client is about to be closed.
    pub(super) fn give_up_dials(&self, session: &Arc<Session>) {
        for dial in self.running_dials() {
            self.give_up(session, &dial, error::closed(&format!("dial {}", dial.to())));
        }
    }
}

impl Registry for Router {
    fn give_up(&self, session: &Arc<Session>, dial: &Arc<DialCore>, why: Error) {
        // A dial that was never sent cannot be answered late.
        let until = if dial.retract(session) { None } else { session.clock.after(session.settings.late_answer_window) };
        let limit = session.settings.remembered_ids;
        let Some(is_first) = self.tables.lock().dials.give_up(dial, until, limit) else { return };
        dial.fail_and_end(session, self, why);
        if let Some(until) = until.filter(|_| is_first) {
            session.at(until, Box::new(|session| session.sink().forget_dials(session)));
        }
    }

    fn end_dial(&self, session: &Session, dial: &DialCore, how: HowOver) {
        let until = session.clock.after(session.settings.late_answer_window);
        self.tables.lock().dials.end(dial, how, until, self.remembered);
    }

    fn forget_unsent(&self, dial: &DialCore) {
        self.tables.lock().dials.remove(dial);
    }

    fn end_second_winner(&self, session: &Session, call: &Arc<CallCore>, envelope: Option<&Envelope<'_>>) {
        self.hang_up_second_winner(session, call, envelope);
    }

    fn discount(&self, legs: &[Arc<CallCore>]) {
        self.tables.lock().calls.discount(legs);
    }
}
