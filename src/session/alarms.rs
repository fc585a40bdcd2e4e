//! Warnings about events that may happen thousands of times. The first warning of a kind is logged at once; those of
//! the next seconds are counted and logged as one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Deadline;

/// Time during which further warnings of one kind are counted after one was logged.
const PERIOD: Duration = Duration::from_secs(10);

/// A kind of warning, of which only the first ones in a period are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    CallPassed,
    CallLeft,
    MessageDropped,
    MessageForgotten,
    NoticeDropped,
    CallDropped,
    LegDropped,
    LateLeg,
    FrameDropped,
    OutcomeDropped,
    OddNumber,
}

impl Alarm {
    pub(super) const ALL: [Self; 11] = [
        Self::CallPassed,
        Self::CallLeft,
        Self::MessageDropped,
        Self::MessageForgotten,
        Self::NoticeDropped,
        Self::CallDropped,
        Self::LegDropped,
        Self::LateLeg,
        Self::FrameDropped,
        Self::OutcomeDropped,
        Self::OddNumber,
    ];
    const COUNT: usize = Self::ALL.len();

    pub(super) fn more(self, count: u64) -> String {
        let (one, many) = match self {
            Self::CallPassed => ("inbound call was passed back", "inbound calls were passed back"),
            Self::CallLeft => ("call could not be cleaned up", "calls could not be cleaned up"),
            Self::MessageDropped => ("inbound message was dropped", "inbound messages were dropped"),
            Self::MessageForgotten => ("sent message is no longer tracked", "sent messages are no longer tracked"),
            Self::NoticeDropped => ("event was dropped", "events were dropped"),
            Self::CallDropped => ("inbound call was dropped", "inbound calls were dropped"),
            Self::LegDropped => ("dial had too many calls", "dials had too many calls"),
            Self::LateLeg => ("call of a finished dial was hung up", "calls of finished dials were hung up"),
            Self::FrameDropped => ("malformed frame was dropped", "malformed frames were dropped"),
            Self::OutcomeDropped => {
                ("outcome was dropped because of its size", "outcomes were dropped because of their size")
            }
            Self::OddNumber => ("number did not look like a phone number", "numbers did not look like phone numbers"),
        };
        format!("{count} more {} in the last {PERIOD:?}", if count == 1 { one } else { many })
    }
}

/// The warnings of a client, counted by kind.
#[derive(Default)]
pub(super) struct Alarms(Mutex<[Counted; Alarm::COUNT]>);

/// The warnings of one kind in the current period.
#[derive(Clone, Copy, Default)]
struct Counted {
    /// End of the period in which the warnings are counted.
    until: Deadline,
    count: u64,
}

impl Alarms {
    /// Returns whether a warning is logged now. For the first one that is not, also returns when the counting ends.
    pub(super) fn raise(&self, alarm: Alarm, now: Instant) -> (bool, Deadline) {
        let counted = &mut self.0.lock()[alarm as usize];
        match counted.until {
            Some(until) if now < until => {
                counted.count += 1;
                (false, Some(until).filter(|_| counted.count == 1))
            }
            _ => {
                counted.until = now.checked_add(PERIOD);
                (true, None)
            }
        }
    }

    pub(super) fn take(&self, alarm: Alarm, now: Instant) -> u64 {
        let counted = &mut self.0.lock()[alarm as usize];
        let count = std::mem::take(&mut counted.count);
        if count > 0 {
            counted.until = now.checked_add(PERIOD);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_is_logged_and_the_others_are_counted() {
        let alarms = Alarms::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(alarms.raise(Alarm::CallPassed, at(0)), (true, None));
        assert_eq!(alarms.raise(Alarm::CallPassed, at(1)), (false, Some(at(10))));
        assert_eq!(alarms.raise(Alarm::CallPassed, at(9)), (false, None));
        assert_eq!(alarms.raise(Alarm::NoticeDropped, at(9)), (true, None), "kinds do not hide each other");
        assert_eq!(alarms.take(Alarm::CallPassed, at(10)), 2);
        assert_eq!(alarms.raise(Alarm::CallPassed, at(11)), (false, Some(at(20))), "a line in ten seconds");
        assert_eq!(alarms.take(Alarm::CallPassed, at(20)), 1);
        assert_eq!(alarms.take(Alarm::CallPassed, at(30)), 0);
        assert_eq!(alarms.raise(Alarm::CallPassed, at(31)), (true, None));
        assert_eq!(Alarm::CallPassed.more(1), "1 more inbound call was passed back in the last 10s");
        assert_eq!(Alarm::NoticeDropped.more(2), "2 more events were dropped in the last 10s");
    }
}
