//! Passes each event to its call, dial or message, or to the listeners of the client.
//!
//! One lock guards the tables, which are in `tables`. The methods are in the files beside it, by what they are about:
//! `calls`, `offers`, `dials`, `messages`, `conferences`, `unmatched` and `ends`.

mod calls;
mod conferences;
mod dials;
mod ends;
mod inboxes;
mod messages;
mod offers;
mod tables;
mod unmatched;

use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use self::tables::Tables;
use super::inbox::Inbox;
use super::unmatched::UnmatchedEvents;
use crate::call::Call;
use crate::message::Message;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::limits::LONGEST_NAME;
use crate::session::{EventSink, Session, Stats};

/// Takes every event to where it belongs.
pub(crate) struct Router {
    /// For guards that remove something from the tables when they are dropped.
    this: Weak<Router>,
    tables: Mutex<Tables>,
    pub(super) calls: Arc<Inbox<Call>>,
    pub(super) messages: Arc<Inbox<Message>>,
    pub(super) unmatched: Arc<UnmatchedEvents>,
    draining: AtomicBool,
    /// `true` after the program was warned that it subscribes to no context.
    warned: AtomicBool,
    /// Number of IDs of ended calls that are kept, so that their late events are not taken for early ones, and number of
    /// IDs of inbound messages, so that a message that is delivered again is not handled again.
    remembered: usize,
    /// Makes the fingerprints of IDs that are only compared.
    seed: RandomState,
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

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// `true` once: the program has not been warned yet that it subscribes to no context.
    pub(super) fn first_without_contexts(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    pub(super) fn count(&self, stats: &mut Stats) {
        {
            let tables = self.tables.lock();
            stats.calls = tables.calls.len();
            stats.messages = tables.messages.len();
            stats.dials = tables.dials.len();
            stats.dials_given_up = tables.dials.given_up();
            stats.unmatched_events = tables.early.len();
            stats.unmatched_bytes = tables.early.bytes();
            stats.remembered_ids = tables.calls.remembered() + tables.dials.remembered() + tables.messages.remembered();
        }
        stats.unclaimed = self.calls.len() + self.messages.len();
        stats.unclaimed_bytes = self.calls.bytes() + self.messages.bytes();
    }
}

impl EventSink for Router {
    fn event(&self, session: &Arc<Session>, envelope: &Envelope<'_>) {
        let head = EventHead::parse(envelope.params);
        // A name is never longer than the payload that contains it.
        if envelope.params.get().len() > LONGEST_NAME && self.is_malformed(session, &head) {
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
        self.attend_conference(conference, call_id)
    }

    fn is_live(&self, call_id: &str) -> bool {
        self.tables.lock().calls.is_live(call_id)
    }

    fn sweep(&self, session: &Arc<Session>) {
        self.sweep_early(session);
    }

    fn sweep_messages(&self, session: &Arc<Session>) {
        self.give_up_old_messages(session);
    }

    fn forget_dials(&self, session: &Arc<Session>) {
        self.forget_given_up_dials(session);
    }

    fn resumed(&self, session: &Arc<Session>) {
        self.doubt_calls(session);
    }

    fn end_doubtful(&self, session: &Arc<Session>, since: Instant) {
        self.end_doubtful_calls(session, since);
    }

    fn session_lost(&self, session: &Arc<Session>) {
        self.end_session(session);
    }

    fn closing(&self, session: &Arc<Session>) {
        self.give_up_dials(session);
    }

    fn closed(&self, session: &Arc<Session>) {
        self.close(session);
    }
}
