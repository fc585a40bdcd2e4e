//! Inbound calls: which offer is new, and which is taken.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::Router;
use crate::call::core::{CallCore, CallFate};
use crate::call::{Call, CallEnd};
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::states::{CallState, Direction};
use crate::session::{Alarm, Session};

/// A number that tells an offer from others. An offer that is delivered again has the same text and the same number.
fn fingerprint(offer: &Envelope<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (offer.params.get(), offer.timestamp.map(f64::to_bits)).hash(&mut hasher);
    hasher.finish()
}

impl Router {
    /// Handles the offer of an inbound call.
    pub(super) fn offered(&self, session: &Arc<Session>, envelope: &Envelope<'_>, head: &EventHead<'_>) {
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
            // The offer was delivered again: the call stays, unless the service reports its end.
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
        // A service that answers so few requests would not take the call back either. This is checked here, so that a
        // call that was taken can always be passed back.
        let mute = session.posts_are_full();
        let crowded = {
            let mut tables = self.tables.lock();
            if tables.closed || (tables.calls.has_ended(id) && !comes_back) {
                return;
            }
            if state == CallState::Ended {
                // The caller hung up before the call could be offered to the program.
                tables.calls.remember(id, None, self.remembered);
                return;
            }
            let crowded = tables.calls.active() >= session.settings.max_active_calls;
            if crowded || draining || mute {
                // Further events of the call will arrive, and it may be offered again.
                tables.calls.remember(id, Some(offer), self.remembered);
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

    /// `true` if this offers a call again that was given away: it was passed back, or a transfer leads here. A repeat
    /// of the first offer of the call does not count.
    fn comes_back(&self, session: &Arc<Session>, id: &str, offer: u64) -> bool {
        let Some(left) = self.tables.lock().calls.take_back(id, offer) else { return false };
        // From now on the events of this ID are those of the new call.
        if let Some((left, over)) = left.and_then(|left| left.over().map(|over| (left, over))) {
            left.end_lingering(session, &over);
        }
        true
    }
}
