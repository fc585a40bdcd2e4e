//! The settings of a client: credentials, times and bounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::LinkState;
use crate::error::{BoxError, HandlerResult};
use crate::protocol::constants::{
    AGENT, CONNECT_TIMEOUT, PING_AFTER, PING_TIMEOUT, RECONNECT_MAX_DELAY, RECONNECT_MIN_DELAY, REQUEST_TIMEOUT,
};
use crate::secret::Secret;
use crate::workers::{IDLE, MAX_WORKERS};

/// Source of fresh JWTs. This is code of the program: it runs on a worker.
pub(crate) type JwtSource = Arc<dyn Fn() -> Result<String, BoxError> + Send + Sync>;

/// The program's listener for connection states. Its code runs on a worker.
#[derive(Clone)]
pub(crate) struct StateWatcher(Arc<dyn Fn(&LinkState) -> HandlerResult + Send + Sync>);

impl StateWatcher {
    pub(crate) fn new(watch: impl Fn(&LinkState) -> HandlerResult + Send + Sync + 'static) -> Self {
        Self(Arc::new(watch))
    }

    pub(super) fn call(&self, state: &LinkState) -> HandlerResult {
        (self.0)(state)
    }
}

impl fmt::Debug for StateWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}

/// The credentials of the client.
#[derive(Clone)]
pub(crate) enum Credentials {
    Project {
        project: Secret,
        token: Secret,
    },
    /// A JWT. The project is not sent, and is present if the program or its environment set one.
    Jwt {
        jwt: Secret,
        project: Option<Secret>,
    },
    /// A JWT that is requested from the program at each connect.
    Asked {
        source: JwtSource,
        project: Option<Secret>,
    },
}

impl Credentials {
    /// The project, if it is set: a JWT does not need one.
    pub(crate) fn project(&self) -> Option<&str> {
        match self {
            Self::Project { project, .. } => Some(project.expose()),
            Self::Jwt { project, .. } | Self::Asked { project, .. } => project.as_ref().map(Secret::expose),
        }
    }

    /// The parts of the credentials that must not be printed.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        match self {
            Self::Project { project, token } => [Some(project), Some(token)],
            Self::Jwt { jwt, project } => [Some(jwt), project.as_ref()],
            Self::Asked { source: _, project } => [project.as_ref(), None],
        }
        .into_iter()
        .flatten()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Project { project: _, token: _ } => "<project and token>",
            Self::Jwt { .. } => "<jwt>",
            Self::Asked { .. } => "<jwt on demand>",
        })
    }
}

/// Treatment of a call whose handler, listener or callback returned an error or panicked. Set by
/// [`Builder::on_handler_failure`](crate::Builder::on_handler_failure).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HandlerFailure {
    /// An unanswered call is passed back to the service, an answered one is hung up.
    #[default]
    EndCall,
    /// Nothing is sent, and the call continues. An unanswered call without a handle is passed back nevertheless.
    Leave,
}

/// Default limit of live calls.
const MAX_ACTIVE_CALLS: usize = 1000;

/// Default limit of requests that wait for the connection.
pub(crate) const OFFLINE_QUEUE: usize = 2000;

/// Default stack of a worker, in bytes: as much as the main thread of a program has on Windows, and half of what the
/// standard library gives a thread.
pub(crate) const WORKER_STACK: usize = 1 << 20;

/// The settings of a client, from its builder.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) agent: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) retry_first_connect: bool,
    /// Number of retries with rejected credentials before the first connect gives up.
    pub(crate) first_retries: usize,
    /// Silence after which the service is pinged.
    pub(crate) ping_after: Duration,
    /// Timeout of the response to that ping.
    pub(crate) ping_timeout: Duration,
    /// Silence after which a waiting caller triggers a ping, and timeout of the response to that ping.
    pub(crate) probe_after: Duration,
    pub(crate) reconnect_min: Duration,
    pub(crate) reconnect_max: Duration,
    pub(crate) backoff_reset_after: Duration,
    pub(crate) offline_queue: usize,
    pub(crate) posted_requests: usize,
    pub(crate) write_queue: usize,
    pub(crate) write_timeout: Duration,
    pub(crate) max_frame: usize,
    /// Limit of the frames that may arrive before the response to `signalwire.connect`, in bytes.
    pub(crate) resume_backlog: usize,
    pub(crate) max_active_calls: usize,
    pub(crate) claim_timeout: Duration,
    pub(crate) max_unclaimed: usize,
    pub(crate) max_unclaimed_bytes: usize,
    pub(crate) unconfirmed_limit: Duration,
    pub(crate) final_event_grace: Duration,
    /// Limit of a dial. `None`: derived from the dial.
    pub(crate) dial_timeout: Option<Duration>,
    pub(crate) late_answer_window: Duration,
    pub(crate) losing_leg_timeout: Duration,
    pub(crate) dial_legs: usize,
    pub(crate) unmatched_event_ttl: Duration,
    pub(crate) max_unmatched_events: usize,
    pub(crate) max_unmatched_bytes: usize,
    pub(crate) dedup_window: usize,
    pub(crate) remembered_ids: usize,
    pub(crate) worker_idle: Duration,
    pub(crate) max_workers: usize,
    /// Stack of a worker in bytes. `None`: the default of the standard library.
    pub(crate) worker_stack: Option<usize>,
    pub(crate) message_limit: Duration,
    pub(crate) max_messages: usize,
    pub(crate) max_listener_backlog_bytes: usize,
    pub(crate) outcome_bytes: usize,
    pub(crate) drain_limit: Duration,
    /// Whether the log has whole phone numbers.
    pub(crate) log_numbers: bool,
    /// Whether the trace has content: digits, speech and text.
    pub(crate) log_content: bool,
    pub(crate) on_handler_failure: HandlerFailure,
    pub(crate) on_state: Option<StateWatcher>,
}

impl Default for Settings {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            agent: AGENT.into(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            retry_first_connect: false,
            first_retries: usize::MAX,
            ping_after: PING_AFTER,
            ping_timeout: PING_TIMEOUT,
            probe_after: secs(5),
            reconnect_min: RECONNECT_MIN_DELAY,
            reconnect_max: RECONNECT_MAX_DELAY,
            backoff_reset_after: secs(60),
            offline_queue: OFFLINE_QUEUE,
            // This is enough to pass back a burst of offers beyond every other bound.
            posted_requests: 1 << 15,
            write_queue: 1 << 20,
            write_timeout: secs(10),
            max_frame: 10 << 20,
            resume_backlog: 64 << 20,
            max_active_calls: MAX_ACTIVE_CALLS,
            claim_timeout: secs(5),
            max_unclaimed: MAX_ACTIVE_CALLS,
            max_unclaimed_bytes: 16 << 20,
            unconfirmed_limit: secs(4 * 60 * 60),
            final_event_grace: secs(15),
            dial_timeout: None,
            late_answer_window: secs(5 * 60),
            losing_leg_timeout: secs(5),
            dial_legs: 256,
            unmatched_event_ttl: secs(2),
            max_unmatched_events: 1024,
            max_unmatched_bytes: 4 << 20,
            dedup_window: 4096,
            remembered_ids: 1024,
            worker_idle: IDLE,
            max_workers: MAX_WORKERS,
            worker_stack: Some(WORKER_STACK),
            message_limit: secs(4 * 60 * 60),
            max_messages: 10_000,
            max_listener_backlog_bytes: 64 << 20,
            outcome_bytes: 64 << 20,
            drain_limit: secs(30),
            log_numbers: false,
            log_content: false,
            on_handler_failure: HandlerFailure::EndCall,
            on_state: None,
        }
    }
}
