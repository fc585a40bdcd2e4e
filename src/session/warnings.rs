//! Warnings that a session logs, the frequent ones together.

use super::Session;
use super::alarms::Alarm;

impl Session {
    /// Logs a warning, unless one of its kind was logged a moment ago: then it is counted.
    pub(crate) fn warn(&self, alarm: Alarm, text: impl FnOnce() -> String) {
        let (at_once, until) = self.alarms.raise(alarm, self.clock.now());
        if at_once {
            log::warn!("{}", self.for_log(&text()));
        }
        if let Some(until) = until {
            self.at(until, Box::new(move |session| session.warn_of_more(alarm)));
        }
    }

    /// A number does not look like one. It is left to the service, whose refusal may not say as much.
    pub(crate) fn warn_of_number(&self, method: &str, number: &str) {
        self.warn(Alarm::OddNumber, || {
            format!("{method}: {number:?} does not look like a phone number, and is sent as it is")
        });
    }

    fn warn_of_more(&self, alarm: Alarm) {
        let count = self.alarms.take(alarm, self.clock.now());
        if count > 0 {
            log::warn!("{}", alarm.more(count));
        }
    }

    /// The client is closed: what was counted is logged now.
    pub(super) fn warn_of_the_rest(&self) {
        for alarm in Alarm::ALL {
            self.warn_of_more(alarm);
        }
    }
}
