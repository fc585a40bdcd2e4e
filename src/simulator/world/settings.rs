//! The settings from before the start of the simulator.

use std::time::Duration;

use crate::secret::Secret;

/// The settings from before the start of the simulator.
pub(crate) struct Settings {
    pub(crate) speed: f64,
    pub(crate) seed: Option<u64>,
    pub(crate) project: String,
    pub(crate) token: Secret,
    pub(crate) any_credentials: bool,
    pub(crate) allow_unknown_fields: bool,
    pub(crate) allow_violations: bool,
    /// Value of [`KNOWN_FOR`](super::over::KNOWN_FOR), for tests.
    pub(crate) known_for: Duration,
    pub(crate) ping_every: Duration,
    pub(crate) ping_limit: Duration,
    pub(crate) replays_missed_events: bool,
    pub(crate) echo_secrets: bool,
    pub(crate) journal_limit: usize,
}
