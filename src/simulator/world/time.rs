//! The clock of the service.

use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::simulator::world::agenda::{Agenda, Job};

/// The clock, and the pending jobs. `W` is the type that the jobs change.
pub(crate) struct Time<W> {
    clock: Clock,
    started: Instant,
    /// Simulated seconds per real second.
    speed: f64,
    agenda: Agenda<W>,
}

impl<W> Time<W> {
    pub(crate) fn new(clock: Clock, speed: f64) -> Self {
        Self { started: clock.now(), clock, speed, agenda: Agenda::default() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Seconds since 1970.
    pub(crate) fn unix(&self) -> f64 {
        self.clock.unix()
    }

    pub(crate) fn speed(&self) -> f64 {
        self.speed
    }

    /// Real time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// The moment after a span of real time. `None` if it is beyond the range of the clock.
    pub(crate) fn after(&self, span: Duration) -> Option<Instant> {
        self.clock.after(span)
    }

    /// The real time of a span of simulated time.
    pub(crate) fn real(&self, span: Duration) -> Duration {
        Duration::try_from_secs_f64(span.as_secs_f64() / self.speed).unwrap_or(Duration::MAX)
    }

    /// Simulated time since the start.
    pub(crate) fn simulated(&self) -> Duration {
        let real = self.now().saturating_duration_since(self.started);
        // No rounding where nothing is converted.
        if self.speed == 1.0 { real } else { real.mul_f64(self.speed) }
    }

    /// The real time after which a span of simulated time is certainly over.
    pub(crate) fn at_least(&self, span: Duration) -> Duration {
        match self.speed == 1.0 || span.is_zero() {
            true => span,
            false => self.real(span).saturating_add(Duration::from_nanos(1)),
        }
    }

    /// Simulated seconds since a moment.
    pub(crate) fn seconds_since(&self, moment: Instant) -> f64 {
        self.clock.now().saturating_duration_since(moment).as_secs_f64() * self.speed
    }

    /// Epoch milliseconds, as calls carry them.
    pub(crate) fn millis(&self) -> u64 {
        // A date in this millennium fits with room to spare, and fractions are not wanted.
        (self.clock.unix() * 1000.0) as u64
    }

    /// Epoch microseconds, as queues and agents carry them.
    pub(crate) fn micros(&self) -> u64 {
        (self.clock.unix() * 1_000_000.0) as u64
    }

    pub(crate) fn add(&mut self, at: Instant, job: Job<W>) {
        self.agenda.add(at, job);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.agenda.next_due()
    }

    /// Takes the first job that is due.
    pub(crate) fn take_due(&mut self) -> Option<Job<W>> {
        self.agenda.take_due(self.clock.now())
    }
}
