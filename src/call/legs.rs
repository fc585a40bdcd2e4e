//! The legs of a dial or a connect.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::protocol::limits::cut;
use crate::protocol::states::{CallState, EndReason};

/// One leg of a dial or of a connect: a call to one destination.
///
/// [`Dialing::progress`](crate::Dialing::progress) reports the legs of a dial as they change. The error of a dial or of a
/// connect that failed lists its legs: see [`Error::legs`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leg {
    /// The leg's call ID.
    pub call_id: String,
    /// The number or address that was called. Empty if the service did not report it.
    pub to: String,
    /// The leg's last known state.
    pub state: CallState,
    /// Reason why the leg ended.
    pub end_reason: Option<EndReason>,
    /// Time for which the leg rang until it was answered or ended, or has rung so far. `None` if no event reported that
    /// it rang. Measured by the times of the service's events if they have them, otherwise by their arrival.
    pub rang: Option<Duration>,
}

impl Leg {
    /// Size of the leg while it waits to be read, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.call_id.len() + self.to.len()
    }

    /// Returns `true` if the leg is answered or has ended. These few steps are not dropped when there is no room.
    pub(crate) fn is_last_step(&self) -> bool {
        self.state.rank() >= CallState::Answered.rank()
    }
}

/// # Legs of a dial or a connect
impl Error {
    /// The legs of a dial or a connect that failed: which destinations were called, why each call ended and how long it
    /// rang, in the order in which they were called. Empty for other errors, and if no event reported a leg.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Client, phone};
    /// # fn show(client: &Client) {
    /// if let Err(error) = client.dial(phone("+15552222222").from("+15551111111")) {
    ///     for leg in error.legs() {
    ///         println!("{}: {:?}, rang for {:?}", leg.to, leg.end_reason, leg.rang);
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        self.legs_told()
    }
}

/// The time of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time at which the event arrived, by the clock of the session, if known.
    pub(crate) arrived: Option<Instant>,
    /// The time of the event in seconds since 1970, if the service reported one.
    pub(crate) told: Option<f64>,
}

impl Moment {
    /// Returns the time since `earlier`. The service's own times are preferred: after a gap, events arrive late.
    fn since(self, earlier: Self) -> Option<Duration> {
        let told = self.told.zip(earlier.told).map(|(end, begin)| ((end - begin) * 1000.0).round());
        let told = told.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
        let arrived = || Some(self.arrived?.saturating_duration_since(earlier.arrived?));
        told.or_else(arrived)
    }
}

/// The legs of one dial or connect.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    known: HashMap<Box<str>, Known>,
}

/// A leg with its number in the order of arrival, and the time since which it has been ringing.
#[derive(Debug)]
struct Known {
    number: usize,
    leg: Leg,
    rings_since: Option<Moment>,
}

/// Report of an event about a leg.
#[doc(hidden)]
#[derive(Debug)]
pub struct News<'a> {
    pub(crate) call_id: &'a str,
    pub(crate) to: &'a str,
    pub(crate) state: CallState,
    pub(crate) end_reason: Option<EndReason>,
    pub(crate) at: Moment,
}

impl Legs {
    /// Applies a reported event. Returns the leg if it is new or has changed its state. Legs beyond the `limit` are not
    /// kept.
    pub(crate) fn take(&mut self, news: News<'_>, limit: usize) -> Option<Leg> {
        let number = self.known.len();
        let is_new = !self.known.contains_key(news.call_id);
        if is_new && number >= limit {
            return None;
        }
        let known = self.known.entry(news.call_id.into()).or_insert_with(|| Known {
            number,
            leg: Leg {
                call_id: news.call_id.to_owned(),
                to: String::new(),
                state: CallState::Created,
                end_reason: None,
                rang: None,
            },
            rings_since: None,
        });
        let leg = &mut known.leg;
        if leg.to.is_empty() {
            cut(news.to).clone_into(&mut leg.to);
        }
        let is_further = news.state.rank() > leg.state.rank();
        if is_further {
            match known.rings_since {
                None if news.state == CallState::Ringing => known.rings_since = Some(news.at),
                Some(since) if leg.rang.is_none() => leg.rang = news.at.since(since),
                _ => {}
            }
            leg.state = news.state;
        }
        if leg.end_reason.is_none() {
            leg.end_reason = news.end_reason;
        }
        (is_new || is_further).then(|| leg.clone())
    }

    /// The legs at this moment, in the order of their first events.
    pub(crate) fn all(&self, now: Moment) -> Vec<Leg> {
        let mut known: Vec<_> = self.known.values().collect();
        known.sort_unstable_by_key(|known| known.number);
        let leg = |known: &Known| {
            let so_far = known.rings_since.filter(|_| known.leg.rang.is_none()).and_then(|since| now.since(since));
            Leg { rang: known.leg.rang.or(so_far), ..known.leg.clone() }
        };
        known.into_iter().map(leg).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of a leg: the reported state, the time in seconds, and the service's time.
    fn told<'a>(state: &'a str, at: u64, told: Option<f64>, since: Instant) -> News<'a> {
        let arrived = Some(since + Duration::from_secs(at));
        let end_reason = (state == "ended").then_some(EndReason::Busy);
        News { call_id: "leg", to: "+1", state: state.into(), end_reason, at: Moment { arrived, told } }
    }

    #[test]
    fn a_leg_rang_from_ringing_until_its_answer_or_its_end() {
        let begun = Instant::now();
        let secs = Duration::from_secs;
        type Step = (&'static str, u64, Option<f64>);
        let cases: [(&[Step], Option<Duration>); 9] = [
            (&[("created", 0, None), ("ringing", 1, None), ("ended", 21, None)], Some(secs(20))),
            (&[("ringing", 1, None), ("answered", 4, None), ("ended", 60, None)], Some(secs(3))),
            // The service's times take precedence if both are reported.
            (&[("ringing", 1, Some(100.5)), ("ended", 61, Some(125.5))], Some(secs(25))),
            (&[("ringing", 1, Some(100.5)), ("ended", 61, None)], Some(secs(60))),
            (&[("ringing", 1, Some(100.5)), ("ended", 61, Some(f64::NAN))], Some(secs(60))),
            (&[("ringing", 1, Some(100.5)), ("ended", 61, Some(99.5))], Some(secs(60))),
            // The leg is still ringing.
            (&[("ringing", 1, None)], Some(secs(99))),
            (&[("ringing", 1, Some(100.5))], Some(secs(99))),
            // The leg never rang.
            (&[("created", 0, None), ("ended", 1, None)], None),
        ];
        for (steps, rang) in cases {
            let mut legs = Legs::default();
            for (state, at, time) in steps {
                assert!(legs.take(told(state, *at, *time, begun), 9).is_some(), "{steps:?}");
            }
            let now = Moment { arrived: Some(begun + secs(100)), told: None };
            assert_eq!(legs.all(now)[0].rang, rang, "{steps:?}");
        }
    }

    #[test]
    fn a_leg_never_goes_back_and_no_more_than_the_limit_are_kept() {
        let begun = Instant::now();
        let mut legs = Legs::default();
        let steps = ["ringing", "created", "ringing", "ended", "answered", "ended"];
        let changed = steps.map(|state| legs.take(told(state, 0, None, begun), 2).is_some());
        assert_eq!(changed, [true, false, false, true, false, false]);
        for id in ["b", "c"] {
            let _ = legs.take(News { call_id: id, ..told("created", 0, None, begun) }, 2);
        }
        let all = legs.all(Moment { arrived: Some(begun), told: None });
        assert_eq!(all.iter().map(|leg| &*leg.call_id).collect::<Vec<_>>(), ["leg", "b"]);
        assert_eq!((&all[0].state, &all[0].end_reason, &*all[0].to), (&CallState::Ended, &Some(EndReason::Busy), "+1"));
    }
}
