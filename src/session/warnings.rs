//! Warnings that a session logs. Frequent ones are summed up.

use super::Session;
use super::alarms::Alarm;

impl Session {
    /// Logs a warning. If one of its kind was logged a moment ago, the warning is counted instead.
    pub(crate) fn warn(&self, alarm: Alarm, text: impl FnOnce() -> String) {
        let (at_once, until) = self.alarms.raise(alarm, self.clock.now());
        if at_once {
            log::warn!("{}", self.for_log(&text()));
        }
        if let Some(until) = until {
            self.at(until, Box::new(move |session| session.warn_of_more(alarm)));
        }
    }

    /// Logs that a number does not look like a phone number. The number is sent, and the service decides.
    pub(crate) fn warn_of_number(&self, method: &str, number: &str) {
        self.warn(Alarm::OddNumber, || {
            format!("{method}: {number:?} does not look like a phone number and is sent unchanged")
        });
    }

    fn warn_of_more(&self, alarm: Alarm) {
        let count = self.alarms.take(alarm, self.clock.now());
        if count > 0 {
            log::warn!("{}", alarm.more(count));
        }
    }

    /// Logs the counts of all counted warnings. Called when the client is closed.
    pub(super) fn warn_of_the_rest(&self) {
        for alarm in Alarm::ALL {
            self.warn_of_more(alarm);
        }
    }
}
