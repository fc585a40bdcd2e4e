//! The delay before the next attempt to connect.

use std::time::Duration;

use crate::clock::Rng;
use crate::protocol::constants::RECONNECT_BACKOFF_FACTOR;

/// Delays between attempts to connect. Steps double from the shortest to the longest. Each delay is drawn between a
/// quarter and the whole of its step, so that clients that lost the service together do not reconnect together.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    step: Duration,
    rng: Rng,
}

impl Backoff {
    /// Creates a back-off. `random` is the seed of the delays.
    pub(crate) fn new(shortest: Duration, longest: Duration, random: u64) -> Self {
        let longest = longest.max(shortest);
        Self { shortest, longest, step: shortest, rng: Rng::new(random) }
    }

    /// Returns the delay before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let step = self.step;
        self.step = step.saturating_mul(RECONNECT_BACKOFF_FACTOR).min(self.longest);
        step.mul_f64(0.25 + 0.75 * self.rng.part())
    }

    /// Starts again with the shortest step, after the connection has proved stable.
    pub(crate) fn reset(&mut self) {
        self.step = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_lie_between_a_quarter_and_the_whole_of_a_doubling_step() {
        for random in 0..1000 {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), random << 40);
            for step in [1, 2, 4, 8, 16, 30, 30, 30] {
                let step = Duration::from_secs(step);
                let wait = backoff.next();
                assert!(step / 4 <= wait && wait <= step, "{wait:?} for a step of {step:?}");
            }
            backoff.reset();
            assert!(backoff.next() <= Duration::from_secs(1));
        }
    }
}
