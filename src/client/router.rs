//! Where events go: the tables of calls, dials and messages, and what waits to be known.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dial::{DialCore, Registry, end_leg, hang_up_late};
use super::early::EarlyEvents;
use super::inbox::{Inbox, Offered};
use super::ordered::Ordered;
use super::over::{HowOver, OverDials, Tombstones};
use super::unmatched::UnmatchedEvents;
use crate::call::core::{ById, CallCore, CallFate, Delivered};
use crate::call::legs::{Moment, News};
use crate::call::{Call, CallEnd};
use crate::error::{self, Error};
use crate::message::{Message, MessageCore};
use crate::protocol::device::RemoteDevice;
use crate::protocol::event::Event;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::limits::{LARGEST_DEVICE, LONGEST_NAME};
use crate::protocol::states::{CallState, Direction, EndReason};
use crate::session::{Alarm, EventSink, Session, Stats};
use crate::steps::Key;
use crate::workers::Workers;

pub(crate) struct Router {
    /// For guards that give something back.
    this: Weak<Router>,
    tables: Mutex<Tables>,
    pub(super) calls: Arc<Inbox<Call>>,
    pub(super) messages: Arc<Inbox<Message>>,
    pub(super) unmatched: Arc<UnmatchedEvents>,
    draining: AtomicBool,
    /// Whether the program was warned that it subscribes to no context.
    warned: AtomicBool,
    /// How many ids of ended calls are kept, so that late events of theirs do not count as early ones, and how many of
    /// inbound messages, so that one that is delivered again is not handled again.
    remembered: usize,
    /// What IDs are remembered by that are only compared.
    seed: RandomState,
}

#[derive(Default)]
struct Tables {
    calls: HashSet<ById>,
    /// Calls that are over, with operations that still wait for their last event.
    lingering: HashSet<ById>,
    tombstones: Tombstones,
    /// Live calls that are legs of a dial that is over: they are about to end, and count for no limit.
    losers: HashSet<Box<str>>,
    early: EarlyEvents,
    /// Whether a sweep of them is due: one at a time, however often they run out in between.
    sweeping: bool,
    /// How many messages are being sent whose ids are not known yet.
    sending: usize,
    dials: HashMap<Key, Arc<DialCore>>,
    given_up: Ordered<GivenUp>,
    /// Whether a sweep of them is due.
    sweeping_dials: bool,
    /// Dials that are over by themselves.
    over_dials: OverDials,
    /// Messages that were sent, each with the moment it was, until their last state.
    messages: Ordered<(Instant, Arc<MessageCore>)>,
    /// Whether a sweep of them is due.
    sweeping_messages: bool,
    received: Ordered<()>,
    /// The calls that take part in a conference, by the conference's name.
    conferences: HashMap<Box<str>, Vec<Box<str>>>,
    closed: bool,
}

/// A call takes part in a conference until this is dropped.
struct Attendance {
    router: Weak<Router>,
    conference: Box<str>,
    call_id: Box<str>,
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let Some(router) = self.router.upgrade() else { return };
        let mut tables = router.tables.lock();
        if let Some(calls) = tables.conferences.get_mut(&self.conference) {
            if let Some(at) = calls.iter().position(|call_id| *call_id == self.call_id) {
                calls.swap_remove(at);
            }
            if calls.is_empty() {
                tables.conferences.remove(&self.conference);
            }
        }
    }
}

/// A message is on its way to the service; over when this is dropped.
pub(super) struct Sending(Arc<Router>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.tables.lock().sending -= 1;
    }
}

/// A dial that nobody waits for: its legs are hung up.
struct GivenUp {
    until: Instant,
    /// Fingerprints of the legs that were hung up already.
    ended: HashSet<u64>,
}

/// What becomes of a leg of a dial that was given up.
enum Late {
    HangUp,
    /// It is over, or was hung up already.
    Known,
    /// The dial has as many legs as it may have; `first` for the one that shows it.
    Surplus {
        first: bool,
    },
}

impl GivenUp {
    fn late_leg(&mut self, leg: u64, limit: usize) -> Late {
        if self.ended.contains(&leg) {
            return Late::Known;
        }
        if self.ended.len() > limit {
            return Late::Surplus { first: false };
        }
        self.ended.insert(leg);
        if self.ended.len() > limit { Late::Surplus { first: true } } else { Late::HangUp }
    }
}

/// What tells an offer from others: one that is delivered again is the same to the letter.
fn fingerprint(offer: &Envelope<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (offer.params.get(), offer.timestamp.map(f64::to_bits)).hash(&mut hasher);
    hasher.finish()
}

impl Router {
    pub(super) fn new(remembered: usize) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            tables: Mutex::default(),
            calls: Arc::new(Inbox::new()),
            messages: Arc::new(Inbox::new()),
            unmatched: UnmatchedEvents::new(),
            draining: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            remembered,
            seed: RandomState::new(),
        })
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the program has not been warned yet that it subscribes to no context.
    pub(super) fn first_without_contexts(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(super) fn live_calls(&self) -> Vec<Arc<CallCore>> {
        self.tables.lock().calls.iter().map(|call| Arc::clone(&call.0)).collect()
    }

    pub(super) fn lingering_calls(&self) -> Vec<Arc<CallCore>> {
        let mut lingering: Vec<_> = {
            let tables = self.tables.lock();
            tables.lingering.iter().chain(&tables.calls).map(|call| Arc::clone(&call.0)).collect()
        };
        // A waiting thread wakes a moment before its call goes from one table to the other.
        lingering.retain(|call| call.over().is_some());
        lingering
    }

    pub(super) fn running_dials(&self) -> Vec<Arc<DialCore>> {
        self.tables.lock().dials.values().cloned().collect()
    }

    pub(super) fn count(&self, stats: &mut Stats) {
        {
            let tables = self.tables.lock();
            stats.calls = tables.calls.len() + tables.lingering.len();
            stats.messages = tables.messages.len();
            stats.dials = tables.dials.len();
            stats.dials_given_up = tables.given_up.len();
            stats.unmatched_events = tables.early.len();
            stats.unmatched_bytes = tables.early.bytes();
            stats.remembered_ids = tables.tombstones.len() + tables.over_dials.len() + tables.received.len();
        }
        stats.unclaimed = self.calls.len() + self.messages.len();
        stats.unclaimed_bytes = self.calls.bytes() + self.messages.bytes();
    }

    /// How many conferences have calls of this client in them.
    #[cfg(test)]
    pub(super) fn conferences(&self) -> usize {
        self.tables.lock().conferences.len()
    }

    // Dials.

    /// False when a dial of that tag runs, or was given up and may still be answered.
    pub(super) fn add_dial(&self, dial: &Arc<DialCore>) -> bool {
        let mut tables = self.tables.lock();
        if tables.dials.contains_key(dial.tag()) || tables.given_up.contains(dial.tag()) {
            return false;
        }
        tables.over_dials.remove(dial.tag());
        tables.dials.insert(dial.tag().into(), Arc::clone(dial));
        true
    }

    /// A leg of a dial that is over: hung up, once, if nobody else does it. `envelope` is the event that tells of it.
    fn late_leg(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>, answered: bool) -> bool {
        let (Some(tag), Some(call_id)) = (head.tag.as_deref(), head.call_id.as_deref()) else { return false };
        let alive = head.call_state.as_deref() != Some(CallState::Ended.as_str());
        let late = {
            let tables = &mut *self.tables.lock();
            match tables.given_up.get_mut(tag) {
                // Without room for the request, the leg's next event will do.
                Some(dial) if alive && !session.posts_are_full() => {
                    dial.late_leg(self.seed.hash_one(call_id), session.settings.dial_legs)
                }
                Some(_) => Late::Known,
                None if !alive || is_spawned(envelope) => return false,
                None if tables.over_dials.must_end(tag, call_id, answered, session.clock.now()) => Late::HangUp,
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

    /// A dial has more legs than it may have.
    fn surplus_leg(&self, session: &Arc<Session>, tag: &str, first: bool) {
        session.counters.legs_dropped.add(1);
        if first {
            let limit = session.settings.dial_legs;
            session.warn(Alarm::LegDropped, || {
                format!("dial {tag} has more than {limit} calls: further ones are ignored")
            });
        }
    }

    fn dialled(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let tag = head.tag.as_deref().unwrap_or_default();
        let leg = head.call.map(EventHead::parse);
        let answered = head.dial_state.as_deref() == Some("answered");
        if leg.as_ref().is_some_and(|leg| self.is_malformed(session, leg)) {
            return;
        }
        let dial = self.tables.lock().dials.get(tag).cloned();
        let Some(dial) = dial else {
            // A late winner, or news of a call that was won long ago.
            let mut known = false;
            if let Some(mut leg) = leg.filter(|leg| leg.call_id.is_some()) {
                leg.tag = leg.tag.or(head.tag.clone());
                leg.node_id = leg.node_id.or(head.node_id.clone());
                let wanted = leg.call_id.as_deref().and_then(|id| self.find(id));
                known = match wanted {
                    Some(call) => {
                        self.delivered(&call, call.deliver(session, envelope, &leg));
                        if answered {
                            self.end_second_winner(session, &call, Some(envelope));
                        }
                        true
                    }
                    None => {
                        let failed = head.dial_state.as_deref() == Some("failed");
                        !failed && self.late_leg(session, envelope, &leg, answered)
                    }
                };
            }
            if !known {
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
                    // The callee answered and hung up before the dial was told to be answered.
                    self.fail_dial(session, &dial, Some("the call was answered and has ended"), None);
                    return;
                };
                self.end_dial(session, &dial, HowOver::Won(call.id().into()));
                if !dial.won(session, self, &call, envelope.timestamp) {
                    // Given up in this very moment.
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

    /// The service says that the dial came to nothing, why if it can, and otherwise why its last leg ended.
    fn fail_dial(&self, session: &Arc<Session>, dial: &Arc<DialCore>, what: Option<&str>, reason: Option<&str>) {
        self.end_dial(session, dial, HowOver::Failed);
        let mut cause = dial.cause(session, reason.map(EndReason::from));
        cause.reason = cause.reason.map(|reason| session.clean(reason.as_str()).into());
        dial.fail(session, error::dial_failed(dial.to(), what, cause));
        dial.drop_losers(session, self, None);
    }

    /// The leg that won a dial, unless it is over: a leg that was heard to have ended cannot win.
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
            if !tables.calls.contains(id) && tables.tombstones.contains(id) {
                return None;
            }
        }
        let call = self.leg(session, dial, envelope, head, true)?;
        call.fill(envelope, head);
        call.over().is_none().then_some(call)
    }

    /// The leg of a dial that an event tells of, made if it is new.
    fn leg(
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
        // The one that was answered is what the dial is for, however many there are.
        if !won && dial.is_full(session) {
            self.surplus_leg(session, dial.tag(), dial.first_surplus());
            return None;
        }
        let call = CallCore::new(session, id, Direction::Outbound, CallState::Created);
        call.fill(envelope, head);
        // Before what came early, which may end it.
        dial.add_leg(&call);
        self.enter(session, &call);
        Some(call)
    }

    // Calls.

    pub(super) fn find(&self, id: &str) -> Option<Arc<CallCore>> {
        let tables = self.tables.lock();
        tables.calls.get(id).or_else(|| tables.lingering.get(id)).map(|call| Arc::clone(&call.0))
    }

    /// Whether a call of this ID has ended here.
    pub(super) fn is_tombstone(&self, id: &str) -> bool {
        self.tables.lock().tombstones.contains(id)
    }

    /// Puts a call into the table that is only known by its ID. The one that another thread has put there meanwhile
    /// wins.
    pub(super) fn enter_known(&self, session: &Arc<Session>, call: Arc<CallCore>) -> Arc<CallCore> {
        let known = {
            let mut tables = self.tables.lock();
            let known = tables.calls.get(call.id()).or_else(|| tables.lingering.get(call.id()));
            let known = known.map(|known| Arc::clone(&known.0));
            if known.is_none() && !tables.closed {
                tables.calls.insert(ById(Arc::clone(&call)));
            }
            known
        };
        if let Some(known) = known {
            return known;
        }
        self.enter(session, &call);
        call
    }

    /// Puts a new call into the table and gives it the events that came before it.
    fn enter(&self, session: &Arc<Session>, call: &Arc<CallCore>) {
        let early = {
            let mut tables = self.tables.lock();
            if tables.closed {
                None
            } else {
                tables.calls.insert(ById(Arc::clone(call)));
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

    /// Gives a call an event of it, and tells the dial that the call is a leg of.
    fn told(
        &self,
        session: &Arc<Session>,
        call: &Arc<CallCore>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
    ) -> Delivered {
        let outcome = call.deliver(session, envelope, head);
        if envelope.event_type == "calling.call.state" && call.direction() == Direction::Outbound {
            let dial = self.tables.lock().dials.get(&*call.tag()).cloned();
            if let Some(dial) = dial {
                dial.leg_told(session, call, envelope.timestamp);
            }
        }
        self.delivered(call, outcome);
        outcome
    }

    /// What an event did to its call decides where the call belongs.
    fn delivered(&self, call: &Arc<CallCore>, outcome: Delivered) {
        if outcome == Delivered::Live {
            return;
        }
        if call.direction() == Direction::Outbound {
            let dial = self.tables.lock().dials.get(&*call.tag()).cloned();
            if let Some(dial) = dial {
                dial.leg_ended(call);
            }
        }
        self.settle(call.id());
    }

    /// What is over under this id goes where it belongs: among the lingering, or out.
    fn settle(&self, id: &str) {
        let known = {
            let tables = self.tables.lock();
            [tables.calls.get(id), tables.lingering.get(id)].map(|call| call.map(|call| Arc::clone(&call.0)))
        };
        for call in known.into_iter().flatten() {
            // Another call may have come back under the same id, and lives.
            if call.over().is_some() {
                self.settle_call(&call);
            }
        }
    }

    pub(super) fn settle_call(&self, call: &Arc<CallCore>) {
        // Looked at before the table is locked: a call that is over lingers less and less, and whoever ends the last of
        // it comes here afterwards.
        let (lingers, left) = (call.is_lingering(), call.take_left());
        let dial = if call.direction() == Direction::Outbound { Some(call.tag()) } else { None };
        let (id, is_it) = (call.id(), |other: &ById| Arc::ptr_eq(&other.0, call));
        let mut tables = self.tables.lock();
        let was_live = tables.calls.get(id).is_some_and(is_it) && tables.calls.remove(id);
        let was_lingering = tables.lingering.get(id).is_some_and(is_it) && tables.lingering.remove(id);
        if !(was_live || was_lingering) {
            return;
        }
        if was_live {
            tables.losers.remove(id);
        }
        tables.tombstones.insert(id, left, self.remembered);
        if lingers {
            tables.lingering.insert(ById(Arc::clone(call)));
        }
        let dial = dial.and_then(|tag| tables.dials.get(tag.as_str())).cloned();
        drop(tables);
        if let Some(dial) = dial {
            dial.leg_ended(call);
        }
    }

    fn offered(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let Some(id) = head.call_id.as_deref().filter(|id| !id.is_empty()) else {
            session.counters.frames_malformed.add(1);
            return;
        };
        let state = head.call_state.as_deref().filter(|state| !state.is_empty()).map_or(CallState::Created, Into::into);
        let offer = fingerprint(envelope);
        if let Some(passed) = self.find(id).filter(|known| known.is_passed_and_offered_anew(offer)) {
            passed.passed();
        }
        let comes_back = self.comes_back(session, id, offer);
        if let Some(known) = self.find(id) {
            // Delivered again: the call that we have goes on, unless the service says that it does not.
            known.fill(envelope, head);
            if state == CallState::Ended {
                self.delivered(
                    &known,
                    known.finish(session, CallFate::Ended(Arc::new(CallEnd::of(head, envelope.params))), None),
                );
            }
            return;
        }
        let draining = self.is_draining();
        // A service that answers so little would not take the call back either. Looked at here, so that a call that was
        // taken can always be passed back.
        let mute = session.posts_are_full();
        let crowded = {
            let mut tables = self.tables.lock();
            if tables.closed || (tables.tombstones.contains(id) && !comes_back) {
                return;
            }
            if state == CallState::Ended {
                // The caller is gone before anything could be offered.
                tables.tombstones.insert(id, None, self.remembered);
                return;
            }
            let crowded = tables.active_calls() >= session.settings.max_active_calls;
            if crowded || draining || mute {
                // Its end will be told, and it may be offered again, or anew.
                tables.tombstones.insert(id, Some(offer), self.remembered);
            }
            crowded
        };
        if mute {
            session.counters.calls_dropped.add(1);
            let why = "too many requests are unanswered (Tuning::posted_requests)";
            session.warn(Alarm::CallDropped, || format!("inbound call {id} is dropped: {why}"));
            return;
        }
        let call = CallCore::new(session, id, Direction::Inbound, state);
        call.fill(envelope, head);
        call.make_offer(offer);
        let offer = Call::new(Arc::clone(&call));
        if crowded || draining {
            let why = if crowded { "as many calls as allowed are live already" } else { "the client is shutting down" };
            return call.pass_unclaimed(why);
        }
        self.enter(session, &call);
        if call.over().is_none() {
            self.calls.offer(session, offer);
        }
    }

    /// Whether this offers a call anew that was given away: routing has it back, or a transfer leads here. The offer
    /// that it came with first may also be delivered again, and counts for nothing.
    fn comes_back(&self, session: &Arc<Session>, id: &str, offer: u64) -> bool {
        let left = {
            let mut tables = self.tables.lock();
            if !tables.tombstones.take_back(id, offer) {
                return false;
            }
            tables.lingering.take(id)
        };
        // From now on the events of this id are the new call's.
        if let Some((left, over)) = left.and_then(|left| left.0.over().map(|over| (left, over))) {
            left.0.end_lingering(session, &over);
        }
        true
    }

    fn of_call(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let Some(id) = head.call_id.as_deref().filter(|id| !id.is_empty()) else {
            if envelope.event_type == "calling.conference" {
                self.of_conference(session, envelope);
            }
            self.stray(session, envelope);
            return;
        };
        let is_state = envelope.event_type == "calling.call.state";
        let answered = head.call_state.as_deref() == Some(CallState::Answered.as_str());
        let (call, dial, known, late) = {
            let tables = self.tables.lock();
            let live = tables.calls.get(id);
            let late = if live.is_none() { tables.lingering.get(id) } else { None };
            let call = live.or(late).map(|call| Arc::clone(&call.0));
            let late = late.is_some();
            let tag = head.tag.as_deref().filter(|_| call.is_none() && is_state);
            let dial = tag.and_then(|tag| tables.dials.get(tag)).cloned();
            let known = call.is_none() && tables.tombstones.contains(id);
            (call, dial, known, late)
        };
        if is_state {
            self.tell_parent(session, envelope, head);
        }
        let call = match (call, dial) {
            (Some(call), _) => Some(call),
            (None, _) if known => None,
            (None, Some(dial)) => match self.leg(session, &dial, envelope, head, false) {
                Some(call) => Some(call),
                None => return,
            },
            (None, None) => None,
        };
        match call {
            Some(call) => {
                // The listeners of a call that ended are gone, though an operation of it still waits.
                if late {
                    self.unmatched.tell(session, envelope);
                }
                let outcome = self.told(session, &call, envelope, head);
                if is_state && outcome == Delivered::Live && answered {
                    self.end_second_winner(session, &call, Some(envelope));
                }
            }
            // A leg that was dropped because its end was not told may be answered all the same.
            None if is_state && (answered || !known) && self.late_leg(session, envelope, head, answered) => {}
            None if known => self.stray(session, envelope),
            None => self.keep_early(session, id, envelope),
        }
    }

    /// A call that the service has made for another one is a leg of the connect of that one.
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

    /// What happened to a conference as a whole names no call: those that take part in it are told.
    fn of_conference(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        let event = Event::parse(envelope);
        let Event::Conference(conference) = &event else { return };
        let calls: Vec<_> = {
            let tables = self.tables.lock();
            let ids = tables.conferences.get(&*conference.name).into_iter().flatten();
            ids.filter_map(|id| tables.calls.get(&**id)).map(|call| Arc::clone(&call.0)).collect()
        };
        for call in calls {
            call.of_conference(session, &event);
        }
    }

    // Messages.

    /// A message is about to be sent: states of it may come before its id is known.
    pub(super) fn sending(self: &Arc<Self>) -> Sending {
        self.tables.lock().sending += 1;
        Sending(Arc::clone(self))
    }

    pub(super) fn track_message(&self, session: &Arc<Session>, id: &str, message: &Arc<MessageCore>) {
        let now = session.clock.now();
        let (early, sweep, surplus) = {
            let mut tables = self.tables.lock();
            if tables.closed {
                (None, false, None)
            } else {
                let full = tables.messages.len() >= session.settings.max_messages;
                let surplus = if full { tables.messages.pop_oldest() } else { None };
                tables.messages.insert(id, (now, Arc::clone(message)));
                let sweep = !std::mem::replace(&mut tables.sweeping_messages, true);
                (Some(tables.early.take(id)), sweep, surplus)
            }
        };
        let Some(early) = early else {
            message.end(session, &CallFate::Closed);
            return;
        };
        if let Some((_, surplus)) = surplus {
            session.warn(Alarm::MessageForgotten, || {
                let limit = session.settings.max_messages;
                format!("message {} is followed no longer: more than {limit} have no final state", surplus.id())
            });
            surplus.give_up(session);
        }
        if sweep {
            session.later(session.settings.message_limit, |session| session.sink().sweep_messages(session));
        }
        for event in early {
            self.message_event(session, message, &event.envelope.borrow());
        }
    }

    fn message_event(&self, session: &Arc<Session>, message: &Arc<MessageCore>, envelope: &Envelope<'_>) {
        if let Event::MessageState(event) = Event::parse(envelope) {
            if message.deliver(session, event) {
                self.tables.lock().messages.remove(&message.id());
            }
        }
    }

    fn of_message(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let Some(id) = head.message_id.as_deref().filter(|id| !id.is_empty()) else {
            self.stray(session, envelope);
            return;
        };
        let message = self.tables.lock().messages.get(id).map(|(_, message)| Arc::clone(message));
        match message {
            Some(message) => self.message_event(session, &message, envelope),
            None => self.keep_early(session, id, envelope),
        }
    }

    fn received(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        let id = head.message_id.as_deref().unwrap_or_default();
        {
            let mut tables = self.tables.lock();
            if tables.closed || (!id.is_empty() && !tables.received.remember(id, self.remembered)) {
                return;
            }
        }
        if let Event::MessageReceive(event) = Event::parse(envelope) {
            self.messages.offer(session, Message::received(session, event));
        }
    }

    // Early events, and those of nobody.

    /// Whether a name in an event is longer than any that may be kept.
    fn is_malformed(&self, session: &Session, head: &EventHead<'_>) -> bool {
        let Some((name, bytes)) = head.too_long() else { return false };
        session.counters.frames_malformed.add(1);
        session.warn(Alarm::FrameDropped, || {
            format!("an event was dropped: its {name} has {bytes} bytes, and at most {LONGEST_NAME} are allowed")
        });
        true
    }

    /// Nobody knows whom it concerns: the client's own listeners get it.
    fn stray(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        if !self.unmatched.tell(session, envelope) {
            session.counters.events_unclaimed.add(1);
        }
    }

    fn keep_early(&self, session: &Arc<Session>, id: &str, envelope: &Envelope<'_>) {
        let Some(until) = session.clock.after(session.settings.unmatched_event_ttl) else { return };
        let (dropped, first) = {
            let mut tables = self.tables.lock();
            if tables.closed {
                // What the service still says while the link is being closed: nobody comes to know it any more, and
                // there are no timers to sweep it away.
                return;
            }
            tables.early.push(id, envelope, until);
            let mut dropped = Vec::new();
            while tables.early.len() > session.settings.max_unmatched_events
                || tables.early.bytes() > session.settings.max_unmatched_bytes
            {
                dropped.extend(tables.early.pop_oldest());
            }
            let first = tables.early.len() > 0 && !std::mem::replace(&mut tables.sweeping, true);
            (dropped, first)
        };
        for early in dropped {
            self.stray(session, &early.envelope.borrow());
        }
        if first {
            session.at(until, Box::new(|session| session.sink().sweep(session)));
        }
    }
}

impl Registry for Router {
    /// Gives a dial up: its legs are ended, and a late winner will be.
    fn give_up(&self, session: &Arc<Session>, dial: &Arc<DialCore>, why: Error) {
        // What was never sent cannot be answered late.
        let until = if dial.retract(session) { None } else { session.clock.after(session.settings.late_answer_window) };
        let sweep = {
            let mut tables = self.tables.lock();
            if !tables.take_dial(dial) {
                return;
            }
            until.is_some_and(|until| {
                tables.given_up.insert(dial.tag(), GivenUp { until, ended: HashSet::new() });
                if tables.given_up.len() > session.settings.remembered_ids {
                    tables.given_up.pop_oldest();
                }
                !std::mem::replace(&mut tables.sweeping_dials, true)
            })
        };
        dial.fail_and_end(session, self, why);
        if let Some(until) = until.filter(|_| sweep) {
            session.at(until, Box::new(|session| session.sink().forget_dials(session)));
        }
    }

    /// A dial is over by what the service said of it. A leg that answers all the same will be ended.
    fn end_dial(&self, session: &Session, dial: &DialCore, how: HowOver) {
        let until = session.clock.after(session.settings.late_answer_window);
        let mut tables = self.tables.lock();
        if tables.take_dial(dial) {
            tables.over_dials.insert(dial.tag(), how, until, self.remembered);
        }
    }

    /// A dial that leaves nothing behind, because it was not sent.
    fn forget_unsent(&self, dial: &DialCore) {
        self.tables.lock().take_dial(dial);
    }

    /// A call that is known has been answered. If it is a leg of a dial that is over, and not the one that won, there is
    /// a person at the phone to whom nobody speaks.
    fn end_second_winner(&self, session: &Session, call: &Arc<CallCore>, envelope: Option<&Envelope<'_>>) {
        let tag = call.tag();
        let unwanted =
            !tag.is_empty() && call.direction() == Direction::Outbound && !envelope.is_some_and(is_spawned) && {
                let mut tables = self.tables.lock();
                tables.over_dials.must_end(&tag, call.id(), true, session.clock.now())
            };
        if unwanted {
            end_leg(session, call);
        }
    }

    /// Legs of a dial that is over end soon, and take the place of no other call until then.
    fn discount(&self, legs: &[Arc<CallCore>]) {
        let mut tables = self.tables.lock();
        for leg in legs {
            if tables.calls.contains(leg.id()) {
                tables.losers.insert(leg.id().into());
            }
        }
    }
}

/// Whether the call that an event tells of was made by another call, as by `calling.connect`, or is bridged to one. It
/// may have the tag of a dial, and is no leg of it.
fn is_spawned(envelope: &Envelope<'_>) -> bool {
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

impl Tables {
    /// How many calls count for the limit of them.
    fn active_calls(&self) -> usize {
        self.calls.len().saturating_sub(self.losers.len())
    }

    /// Takes this dial out. Another one may have its tag by now, and stays.
    fn take_dial(&mut self, dial: &DialCore) -> bool {
        let is_it = self.dials.get(dial.tag()).is_some_and(|known| std::ptr::eq(&raw const **known, dial));
        is_it && self.dials.remove(dial.tag()).is_some()
    }
}

impl EventSink for Router {
    fn event(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        let head = EventHead::parse(envelope.params);
        if self.is_malformed(session, &head) {
            return;
        }
        match &*envelope.event_type {
            "calling.call.receive" => self.offered(session, envelope, &head),
            "calling.call.dial" => self.dialled(session, envelope, &head),
            "messaging.receive" => self.received(session, envelope, &head),
            "messaging.state" => self.of_message(session, envelope, &head),
            _ => self.of_call(session, envelope, &head),
        }
    }

    fn call_over(&self, call_id: &str) {
        self.settle(call_id);
    }

    fn attend(&self, conference: &str, call_id: &str) -> Box<dyn Send> {
        let mut tables = self.tables.lock();
        if !tables.closed {
            tables.conferences.entry(conference.into()).or_default().push(call_id.into());
        }
        Box::new(Attendance { router: Weak::clone(&self.this), conference: conference.into(), call_id: call_id.into() })
    }

    fn sweep(&self, session: &Arc<Session>) {
        let now = session.clock.now();
        let (dropped, next) = {
            let mut tables = self.tables.lock();
            // While a reply is out, any message may be the one that it names.
            let sending = tables.sending > 0;
            let dropped = tables.early.expire(now, sending);
            let next = tables.early.next(now);
            let next = next.or_else(|| {
                session.clock.after(session.settings.unmatched_event_ttl).filter(|_| tables.early.len() > 0)
            });
            tables.sweeping = next.is_some();
            (dropped, next)
        };
        for early in &dropped {
            let about = [("event", &*early.envelope.borrow().event_type), ("call_id", early.id())];
            session.line(log::Level::Debug, &about, || "the call or message is not known".to_owned());
            self.stray(session, &early.envelope.borrow());
        }
        session.kick();
        if let Some(next) = next {
            session.at(next, Box::new(|session| session.sink().sweep(session)));
        }
    }

    fn sweep_messages(&self, session: &Arc<Session>) {
        let (now, limit) = (session.clock.now(), session.settings.message_limit);
        let (old, next) = {
            let mut tables = self.tables.lock();
            let mut old = Vec::new();
            while tables.messages.oldest().is_some_and(|(sent, _)| now.saturating_duration_since(*sent) >= limit) {
                old.extend(tables.messages.pop_oldest());
            }
            let next = tables.messages.oldest().map(|(sent, _)| *sent);
            tables.sweeping_messages = next.is_some();
            (old, next)
        };
        for (_, message) in old {
            message.give_up(session);
        }
        if let Some(at) = next.and_then(|sent| sent.checked_add(limit)) {
            session.at(at, Box::new(|session| session.sink().sweep_messages(session)));
        }
    }

    fn forget_dials(&self, session: &Arc<Session>) {
        let now = session.clock.now();
        let next = {
            let mut tables = self.tables.lock();
            while tables.given_up.oldest().is_some_and(|dial| dial.until <= now) {
                tables.given_up.pop_oldest();
            }
            let next = tables.given_up.oldest().map(|dial| dial.until);
            tables.sweeping_dials = next.is_some();
            next
        };
        if let Some(next) = next {
            session.at(next, Box::new(|session| session.sink().forget_dials(session)));
        }
    }

    fn resumed(&self, session: &Arc<Session>) {
        let now = session.clock.now();
        for call in self.live_calls() {
            call.doubt(session, now);
        }
        session.later(session.settings.unconfirmed_limit, move |session| session.sink().end_doubtful(session, now));
    }

    fn is_live(&self, call_id: &str) -> bool {
        self.tables.lock().calls.contains(call_id)
    }

    fn end_doubtful(&self, session: &Arc<Session>, since: Instant) {
        for call in self.live_calls() {
            if call.in_doubt_since(since) {
                log::warn!("call {} was not heard of for too long and is given up", call.shown_id());
                call.finish(session, CallFate::SessionLost, None);
                self.settle(call.id());
            }
        }
    }

    fn session_lost(&self, session: &Arc<Session>) {
        self.end_all(session, &CallFate::SessionLost);
        self.calls.clear();
    }

    fn closing(&self, session: &Arc<Session>) {
        for dial in self.running_dials() {
            self.give_up(session, &dial, error::closed(&format!("dial {}", dial.to())));
        }
    }

    fn closed(&self, session: &Arc<Session>) {
        self.tables.lock().closed = true;
        self.end_all(session, &CallFate::Closed);
        self.calls.close(session);
        self.messages.close(session);
        self.unmatched.close(session);
    }
}

impl Router {
    /// Ends everything that belongs to the session.
    fn end_all(&self, session: &Arc<Session>, over: &CallFate) {
        // A dial that waits for the link belongs to no session yet, and goes out in the next. One that comes while
        // this looks is such a one: there is no link.
        let closed = matches!(over, CallFate::Closed);
        let mut ending = self.running_dials();
        ending.retain(|dial| !dial.is_queued(session));
        let (calls, lingering, dials, messages) = {
            let mut tables = self.tables.lock();
            tables.early.clear();
            tables.given_up = Ordered::default();
            tables.losers.clear();
            tables.over_dials = OverDials::default();
            if closed {
                // Nothing comes late or again any more.
                tables.tombstones = Tombstones::default();
                tables.received = Ordered::default();
            }
            (
                std::mem::take(&mut tables.calls),
                std::mem::take(&mut tables.lingering),
                if closed {
                    std::mem::take(&mut tables.dials).into_values().collect()
                } else {
                    ending.iter().filter_map(|dial| tables.dials.remove(dial.tag())).collect::<Vec<_>>()
                },
                tables.messages.take(),
            )
        };
        for dial in dials {
            let what = format!("dial {}", dial.to());
            dial.fail(session, if closed { error::closed(&what) } else { error::session_lost(&what) });
        }
        for call in calls {
            // One that is over already is on its way from one table to the other, and its operations may wait.
            if call.0.finish(session, over.clone(), None) == Delivered::Live {
                call.0.end_lingering(session, over);
            }
        }
        for call in lingering {
            call.0.end_lingering(session, over);
        }
        for (_, message) in messages {
            message.end(session, over);
        }
    }
}

impl Offered for Call {
    const WHAT: &'static str = "call";
    const ID: &'static str = "call_id";
    const HELD_BY_HANDLER: bool = false;

    fn workers(session: &Session) -> &Workers {
        &session.call_workers
    }

    fn bytes(&self) -> usize {
        self.core.bytes()
    }

    fn unclaimed(&self, _session: &Session, why: &str) {
        self.core.pass_unclaimed(why);
    }

    fn failed(&self, session: &Session) {
        self.core.handler_failed(session);
    }

    fn id(&self) -> Cow<'_, str> {
        Self::id(self).into()
    }

    fn is_over(&self) -> bool {
        self.core.over().is_some()
    }
}

impl Offered for Message {
    const WHAT: &'static str = "message";
    const ID: &'static str = "message_id";
    const HELD_BY_HANDLER: bool = true;

    fn workers(session: &Session) -> &Workers {
        &session.message_workers
    }

    fn bytes(&self) -> usize {
        self.core().bytes()
    }

    fn unclaimed(&self, session: &Session, why: &str) {
        session.warn(Alarm::MessageDropped, || format!("inbound message {} was dropped: {why}", self.id()));
        session.counters.messages_dropped.add(1);
    }

    fn failed(&self, _session: &Session) {}

    fn id(&self) -> Cow<'_, str> {
        Self::id(self).into()
    }

    fn is_over(&self) -> bool {
        false
    }
}
