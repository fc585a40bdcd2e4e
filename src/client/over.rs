//! The memory of ended calls and finished dials.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::clock::Deadline;

/// Number of legs of one finished dial that are remembered as ended. No dial has more devices.
const LEGS: usize = 64;

/// IDs of the last ended calls. Late events of these calls are dropped instead of waiting for a new call.
#[derive(Default)]
pub(super) struct Tombstones {
    /// IDs of ended calls. A call that went back to routing or to another application may be offered again, so its
    /// offer is kept too.
    left: HashMap<Arc<str>, Option<u64>>,
    order: VecDeque<Arc<str>>,
}

impl Tombstones {
    /// Adds an ended call. `offer` is the fingerprint of its offer if the call may be offered again.
    pub(super) fn insert(&mut self, id: &str, offer: Option<u64>, limit: usize) {
        if let Some(left) = self.left.get_mut(id) {
            // Only a new offer creates a call of a known ID, and that removes the former offer.
            *left = offer.or(*left);
            return;
        }
        let id: Arc<str> = id.into();
        self.left.insert(Arc::clone(&id), offer);
        self.order.push_back(id);
        if self.order.len() > limit {
            if let Some(oldest) = self.order.pop_front() {
                self.left.remove(&oldest);
            }
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.left.contains_key(id)
    }

    /// Returns `true` once if this offers a call again that was passed on.
    pub(super) fn take_back(&mut self, id: &str, offer: u64) -> bool {
        self.left.get_mut(id).is_some_and(|left| left.take_if(|of| *of != offer).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

/// The last dials that finished without having been given up. One of their legs may still be answered.
#[derive(Default)]
pub(super) struct OverDials {
    dials: HashMap<Arc<str>, OverDial>,
    order: VecDeque<(u64, Arc<str>)>,
    added: u64,
}

/// A dial that the service has ended.
struct OverDial {
    number: u64,
    how: HowOver,
    until: Deadline,
    /// Legs that were ended already.
    ended: Vec<Box<str>>,
}

/// The way in which a dial ended.
pub(super) enum HowOver {
    /// The service rejected the dial: there should be no legs.
    Refused,
    /// The call of this ID won.
    Won(Box<str>),
    /// The service reported that no phone was answered.
    Failed,
}

impl OverDials {
    /// Adds a finished dial. If the tag is used again, the last dial counts.
    pub(super) fn insert(&mut self, tag: &str, how: HowOver, until: Deadline, limit: usize) {
        self.added += 1;
        let tag: Arc<str> = tag.into();
        self.order.push_back((self.added, Arc::clone(&tag)));
        self.dials.insert(tag, OverDial { number: self.added, how, until, ended: Vec::new() });
        if self.order.len() > limit {
            if let Some((number, oldest)) = self.order.pop_front() {
                if self.dials.get(&*oldest).is_some_and(|dial| dial.number == number) {
                    self.dials.remove(&*oldest);
                }
            }
        }
    }

    /// Removes a tag that another dial uses now.
    pub(super) fn remove(&mut self, tag: &str) {
        self.dials.remove(tag);
    }

    /// Returns `true` once for a leg that must be ended. The service makes no legs for a rejected dial, and ends losing
    /// legs by itself unless they were answered.
    pub(super) fn must_end(&mut self, tag: &str, call_id: &str, answered: bool, now: Instant) -> bool {
        let Some(dial) = self.dials.get_mut(tag).filter(|dial| dial.until.is_none_or(|until| now < until)) else {
            return false;
        };
        let unwanted = match &dial.how {
            HowOver::Refused => true,
            HowOver::Failed => answered,
            HowOver::Won(winner) => answered && **winner != *call_id,
        };
        if !unwanted || dial.ended.len() >= LEGS || dial.ended.iter().any(|ended| **ended == *call_id) {
            return false;
        }
        dial.ended.push(call_id.into());
        true
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_that_was_given_away_is_taken_again_with_another_offer_and_once() {
        let mut left = Tombstones::default();
        left.insert("a", Some(7), 2);
        left.insert("b", None, 2);
        assert!(!left.take_back("a", 7) && !left.take_back("b", 8) && !left.take_back("c", 8));
        assert!(left.take_back("a", 8) && !left.take_back("a", 9));
        left.insert("a", Some(8), 2);
        assert!(left.take_back("a", 7) && left.contains("a"));
        left.insert("c", None, 2);
        assert!(!left.contains("a") && left.contains("b") && left.len() == 2);
    }

    #[test]
    fn a_leg_of_a_dial_that_has_ended_is_ended_once_unless_it_ends_by_itself() {
        let now = Instant::now();
        let until = now.checked_add(Duration::from_secs(300));
        let mut over = OverDials::default();
        over.insert("refused", HowOver::Refused, until, 3);
        over.insert("won", HowOver::Won("winner".into()), until, 3);
        over.insert("failed", HowOver::Failed, until, 3);
        for (tag, leg, answered, ends) in [
            ("refused", "x", false, true),
            ("refused", "x", true, false),
            ("refused", "y", true, true),
            ("won", "winner", true, false),
            ("won", "loser", false, false),
            ("won", "loser", true, true),
            ("won", "loser", true, false),
            ("failed", "z", false, false),
            ("failed", "z", true, true),
            ("another", "z", true, false),
        ] {
            assert_eq!(over.must_end(tag, leg, answered, now), ends, "{tag} {leg} {answered}");
        }
        assert!(!over.must_end("refused", "late", true, now + Duration::from_secs(300)));
        over.remove("won");
        assert!(!over.must_end("won", "another loser", true, now));
    }

    #[test]
    fn as_many_dials_are_remembered_as_the_bound_says_and_the_last_of_a_tag() {
        let now = Instant::now();
        let mut over = OverDials::default();
        for _ in 0..100 {
            over.insert("same", HowOver::Failed, None, 3);
        }
        over.insert("same", HowOver::Refused, None, 3);
        assert_eq!((over.len(), over.dials.len()), (3, 1));
        assert!(over.must_end("same", "leg", false, now));
        for tag in ["b", "c", "d"] {
            over.insert(tag, HowOver::Refused, None, 3);
        }
        assert_eq!((over.len(), over.dials.len()), (3, 3));
        assert!(!over.must_end("same", "other", false, now));
    }
}
