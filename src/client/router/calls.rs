//! Calls enter the tables, receive their events, and leave.

use std::sync::Arc;

use super::Router;
use crate::call::CallEnd;
use crate::call::core::{CallCore, CallFate, Delivered};
use crate::call::legs::{Moment, News};
use crate::protocol::device::RemoteDevice;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::limits::LARGEST_DEVICE;
use crate::protocol::states::{CallState, Direction};
use crate::session::Session;

impl Router {
    pub(crate) fn live_calls(&self) -> Vec<Arc<CallCore>> {
        self.tables.lock().calls.all_live().cloned().collect()
    }

    pub(crate) fn lingering_calls(&self) -> Vec<Arc<CallCore>> {
        let mut lingering: Vec<_> = {
            let tables = self.tables.lock();
            tables.calls.all_lingering().chain(tables.calls.all_live()).cloned().collect()
        };
        // A waiting thread wakes a moment before its call goes from one table to the other.
        lingering.retain(|call| call.over().is_some());
        lingering
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<CallCore>> {
        self.tables.lock().calls.find(id)
    }

    /// `true` if a call of this ID has ended.
    pub(crate) fn is_tombstone(&self, id: &str) -> bool {
        self.tables.lock().calls.has_ended(id)
    }

    /// Enters a call that is only known by its ID. Returns the one that another thread has entered meanwhile, if there is
    /// one.
    pub(crate) fn enter_known(&self, session: &Arc<Session>, call: Arc<CallCore>) -> Arc<CallCore> {
        let known = {
            let mut tables = self.tables.lock();
            let known = tables.calls.find(call.id());
            if known.is_none() && !tables.closed {
                tables.calls.insert(&call);
            }
            known
        };
        if let Some(known) = known {
            return known;
        }
        self.enter(session, &call);
        call
    }

    /// Enters a new call and gives it the events that arrived before it.
    pub(super) fn enter(&self, session: &Arc<Session>, call: &Arc<CallCore>) {
        let early = {
            let mut tables = self.tables.lock();
            if tables.closed {
                None
            } else {
                tables.calls.insert(call);
                Some(tables.early.take(call.id()))
            }
        };
        let Some(early) = early else {
            call.finish(session, CallFate::Closed, None);
            return;
        };
        for event in early {
            let envelope = event.envelope.borrow();
            let head = EventHead::parse(envelope.params);
            self.told(session, call, &envelope, &head);
        }
    }

    /// Handles an event of a call, or one that belongs to no other kind.
    pub(super) fn of_call(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let Some(id) = head.call_id.as_deref().filter(|id| !id.is_empty()) else {
            if envelope.event_type == "calling.conference" {
                self.of_conference(session, envelope);
            }
            self.stray(session, envelope);
            return;
        };
        let is_state = envelope.event_type == "calling.call.state";
        let answered = head.call_state.as_deref() == Some(CallState::Answered.as_str());
        let (call, dial, known) = {
            let tables = self.tables.lock();
            let call = tables.calls.find_either(id);
            let tag = head.tag.as_deref().filter(|_| call.is_none() && is_state);
            let dial = tag.and_then(|tag| tables.dials.get(tag));
            let known = call.is_none() && tables.calls.has_ended(id);
            (call, dial, known)
        };
        if is_state {
            self.tell_parent(session, envelope, head);
        }
        let call = match (call, dial) {
            (Some(call), _) => Some(call),
            (None, _) if known => None,
            (None, Some(dial)) => match self.leg(session, &dial, envelope, head, false) {
                Some(call) => Some((call, false)),
                None => return,
            },
            (None, None) => None,
        };
        match call {
            Some((call, is_lingering)) => {
                // The listeners of an ended call have been removed, though one of its operations may still wait.
                if is_lingering {
                    self.unmatched.tell(session, envelope);
                }
                let outcome = self.told(session, &call, envelope, head);
                if is_state && outcome == Delivered::Live && answered {
                    self.hang_up_second_winner(session, &call, Some(envelope));
                }
            }
            // A leg that was dropped because its end was not reported may be answered nevertheless.
            None if is_state && (answered || !known) && self.late_leg(session, envelope, head, answered) => {}
            None if known => self.stray(session, envelope),
            None => self.keep_early(session, id, envelope),
        }
    }

    /// Delivers an event to its call, and reports it to the dial that the call is a leg of.
    fn told(
        &self,
        session: &Arc<Session>,
        call: &Arc<CallCore>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
    ) -> Delivered {
        let outcome = call.deliver(session, envelope, head);
        if envelope.event_type == "calling.call.state" && call.direction() == Direction::Outbound {
            let dial = self.tables.lock().dials.get(&call.tag());
            if let Some(dial) = dial {
                dial.leg_told(session, call, envelope.timestamp);
            }
        }
        self.delivered(call, outcome);
        outcome
    }

    /// Moves a call to the table where it belongs after an event.
    pub(super) fn delivered(&self, call: &Arc<CallCore>, outcome: Delivered) {
        if outcome == Delivered::Live {
            return;
        }
        if call.direction() == Direction::Outbound {
            let dial = self.tables.lock().dials.get(&call.tag());
            if let Some(dial) = dial {
                dial.leg_ended(call);
            }
        }
        self.settle(call.id());
    }

    /// Moves the calls of this ID that have ended to where they belong: among the lingering calls, or out.
    pub(super) fn settle(&self, id: &str) {
        let known = self.tables.lock().calls.find_both(id);
        for call in known.into_iter().flatten() {
            // Another call may have come back under the same ID, and is live.
            if call.over().is_some() {
                self.settle_call(&call);
            }
        }
    }

    pub(crate) fn settle_call(&self, call: &Arc<CallCore>) {
        // Both are read before the table is locked. A call that has ended only gets fewer operations, and the thread that ends the last one calls this afterwards.
        let (lingers, left) = (call.is_lingering(), call.take_left());
        let tag = if call.direction() == Direction::Outbound { Some(call.tag()) } else { None };
        let dial = {
            let mut tables = self.tables.lock();
            if !tables.calls.settle(call, lingers, left, self.remembered) {
                return;
            }
            tag.and_then(|tag| tables.dials.get(&tag))
        };
        if let Some(dial) = dial {
            dial.leg_ended(call);
        }
    }

    /// Reports a call that the service has made for another one to that call: it is a leg of the other one's connect.
    fn tell_parent(&self, session: &Session, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let parent = head.parent.map(EventHead::parse).and_then(|parent| parent.call_id);
        let Some(parent) = parent.and_then(|id| self.find(&id)) else { return };
        let device = RemoteDevice::read(head.device.filter(|device| device.get().len() <= LARGEST_DEVICE));
        let news = News {
            call_id: head.call_id.as_deref().unwrap_or_default(),
            to: device.to(),
            state: head.call_state.as_deref().unwrap_or_default().into(),
            end_reason: CallEnd::reason_of(head),
            at: Moment { arrived: Some(session.clock.now()), told: envelope.timestamp },
        };
        parent.take_leg(news, session.settings.dial_legs);
    }
}
