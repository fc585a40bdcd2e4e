//! Rarely used settings: times and bounds.

use std::time::Duration;

use crate::session::Settings;

/// Times and bounds of a client that few programs set. Passed to the closure of
/// [`Builder::tuning`](crate::Builder::tuning).
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .contexts(["default"])
///     .tuning(|tuning| tuning.late_answer_window(Duration::from_secs(60)).max_unclaimed(256))
///     .connect()?;
/// # Ok(()) }
/// ```
///
/// Each description has the default. All memory of a client is bounded; [`Stats`](crate::connection::Stats) shows how
/// much is in use. These bounds are fixed: 1 MiB of frames before the service has accepted the credentials, 4 MiB of
/// acknowledgements and pongs behind a write that stalls, 64 secrets of requests that are masked in logs, 32 queues
/// whose stay a call remembers, 250 ms for the service to respond to a close, and 2 s for
/// [`Client::disconnect`](crate::Client::disconnect).
#[derive(Clone, Debug, Default)]
#[must_use = "the closure of `Builder::tuning` returns it"]
pub struct Tuning {
    pub(super) settings: Settings,
    /// `None`: derived from the number of calls.
    pub(super) offline_queue: Option<usize>,
    /// `None`: the number of calls.
    pub(super) max_unclaimed: Option<usize>,
    /// `None`: the value of the environment.
    pub(super) worker_stack: Option<usize>,
}

/// # Watching the connection and reconnecting
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .tuning(|tuning| {
///         tuning
///             .ping_after(Duration::from_secs(20))
///             .ping_timeout(Duration::from_secs(15))
///             .probe_after(Duration::from_secs(5))
///             .reconnect_delay(Duration::from_secs(2), Duration::from_secs(60))
///             .backoff_reset_after(Duration::from_secs(120))
///             .write_timeout(Duration::from_secs(20))
///     })
///     .connect()?;
/// # Ok(()) }
/// ```
impl Tuning {
    /// Sets the silence of the service after which the client sends a ping. Default: 15 s.
    pub fn ping_after(mut self, silence: Duration) -> Self {
        self.settings.ping_after = silence;
        self
    }

    /// Sets the time for which the service may stay silent after a ping before the connection is closed. Default: 10 s.
    ///
    /// A service that sends a few bytes now and then but responds neither to requests nor to pings is given up after
    /// six times as long, at least after 1 min. A large frame that is still arriving extends that time.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.settings.ping_timeout = timeout;
        self
    }

    /// Sets the time after which a blocked request on a silent connection causes a ping; the service then has the same
    /// time again to respond. Default: 5 s.
    pub fn probe_after(mut self, silence: Duration) -> Self {
        self.settings.probe_after = silence;
        self
    }

    /// Sets the shortest and the longest step of the delays between attempts to reconnect. The step doubles each time,
    /// and each delay is a random value between a quarter and the whole of its step. Default: 1 s and 30 s.
    #[doc(alias = "RECONNECT_MIN_DELAY")]
    #[doc(alias = "RECONNECT_MAX_DELAY")]
    pub fn reconnect_delay(mut self, shortest: Duration, longest: Duration) -> Self {
        self.settings.reconnect_min = shortest;
        self.settings.reconnect_max = longest;
        self
    }

    /// Sets the time after which a connection counts as stable: the next loss then starts with the shortest step.
    /// Default: 60 s.
    pub fn backoff_reset_after(mut self, span: Duration) -> Self {
        self.settings.backoff_reset_after = span;
        self
    }

    /// Sets the time for which the peer may accept no data before the connection is closed. Only the time during which
    /// writing is blocked counts. Acknowledgements that are queued meanwhile hold back the receiving of events.
    /// Default: 10 s.
    pub fn write_timeout(mut self, span: Duration) -> Self {
        self.settings.write_timeout = span;
        self
    }
}

/// # Frames and requests
///
/// ```no_run
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .tuning(|tuning| {
///         tuning
///             .resume_backlog(128 << 20)
///             .max_frame(20 << 20)
///             .write_queue(4 << 20)
///             .offline_queue(10_000)
///             .posted_requests(65_536)
///     })
///     .connect()?;
/// # Ok(()) }
/// ```
impl Tuning {
    /// Sets the number of bytes of events that the service may send before its response to `signalwire.connect`, as it
    /// does when a session with a backlog is resumed. The events are acknowledged as they arrive and delivered after
    /// the response. Beyond the limit the session is given up: its calls end with
    /// [`SessionLost`](crate::ErrorKind::SessionLost). Default: 64 MiB.
    pub fn resume_backlog(mut self, bytes: usize) -> Self {
        self.settings.resume_backlog = bytes;
        self
    }

    /// Sets the largest size of a frame of the service. A larger frame ends the connection; if the service sends it
    /// again after the session was resumed, the session is given up, and its calls end with
    /// [`SessionLost`](crate::ErrorKind::SessionLost). Default: 10 MiB.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.settings.max_frame = bytes;
        self
    }

    /// Sets the number of bytes of requests that may be queued for writing. Default: 1 MiB.
    pub fn write_queue(mut self, bytes: usize) -> Self {
        self.settings.write_queue = bytes;
        self
    }

    /// Sets the number of requests that may wait for the connection. Beyond that a method that blocks waits for room,
    /// at most for its request timeout, and [`Client::start_dial`](crate::Client::start_dial) returns an error of kind
    /// [`Offline`](crate::ErrorKind::Offline). Requests that come back from a connection that was lost before they were
    /// sent count, too, and the newest beyond the bound end as `Offline`. Hang-ups and passes that the client itself
    /// sends are always queued: each call has one of each at a time. Default: twice
    /// [`max_active_calls`](crate::Builder::max_active_calls), at least 2,000. With less than that, `connect` logs a
    /// warning.
    pub fn offline_queue(mut self, requests: usize) -> Self {
        self.offline_queue = Some(requests);
        self
    }

    /// Sets the number of requests that may be unanswered and that no thread waits for: hang-ups and calls that are
    /// passed back. Beyond that further inbound calls are dropped and counted
    /// ([`Stats::calls_dropped`](crate::connection::Stats::calls_dropped)); requests about calls that were taken are
    /// always sent. Default: 32,768.
    pub fn posted_requests(mut self, requests: usize) -> Self {
        self.settings.posted_requests = requests.max(1);
        self
    }
}

/// # Calls, dials and messages
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .tuning(|tuning| {
///         tuning
///             .claim_timeout(Duration::from_secs(10))
///             .max_unclaimed(2_000)
///             .max_unclaimed_bytes(32 << 20)
///             .unconfirmed_limit(Duration::from_secs(3600))
///             .final_event_grace(Duration::from_secs(30))
///             .late_answer_window(Duration::from_secs(120))
///             .losing_leg_timeout(Duration::from_secs(10))
///             .dial_legs(64)
///             .message_limit(Duration::from_secs(7200))
///             .max_messages(50_000)
///     })
///     .connect()?;
/// # Ok(()) }
/// ```
impl Tuning {
    /// Sets the time for which an inbound call waits for a handler thread, for
    /// [`Client::next_call`](crate::Client::next_call) or for [`Client::calls`](crate::Client::calls) before it is
    /// passed back, and an inbound message before it is dropped. Default: 5 s.
    pub fn claim_timeout(mut self, span: Duration) -> Self {
        self.settings.claim_timeout = span;
        self
    }

    /// Sets the number of inbound calls that may wait for [`Client::next_call`](crate::Client::next_call) or
    /// [`Client::calls`](crate::Client::calls), and the number of messages that may wait. Further calls are passed
    /// back, further messages dropped. Default: as many as [`max_active_calls`](crate::Builder::max_active_calls). With
    /// less than that, `connect` logs a warning.
    pub fn max_unclaimed(mut self, offers: usize) -> Self {
        self.max_unclaimed = Some(offers);
        self
    }

    /// Sets the number of bytes of inbound calls and messages that may wait to be claimed, and of inbound messages
    /// whose handlers run. Beyond that, calls are passed back and messages dropped, and both are counted. Default: 16
    /// MiB.
    pub fn max_unclaimed_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_unclaimed_bytes = bytes;
        self
    }

    /// Sets the time for which a call may stay unconfirmed after a reconnect before it is given up. Default: 4 h.
    pub fn unconfirmed_limit(mut self, span: Duration) -> Self {
        self.settings.unconfirmed_limit = span;
        self
    }

    /// Sets the time for which recordings, transcriptions and faxes wait for their last event after their call has
    /// ended: the event with the URL of a recording often follows the end of the call by some seconds. A wait on them
    /// ends as soon as the event arrives. A later event reaches [`Client::on_event`](crate::Client::on_event) only.
    /// Default: 15 s.
    pub fn final_event_grace(mut self, span: Duration) -> Self {
        self.settings.final_event_grace = span;
        self
    }

    /// Sets the time for which a late answer to a dial that was given up is hung up, and for which a pending hang-up or
    /// pass is repeated until the service responds. Default: 5 min.
    pub fn late_answer_window(mut self, span: Duration) -> Self {
        self.settings.late_answer_window = span;
        self
    }

    /// Sets the time that a leg that lost a dial has to report its end before it is dropped. Default: 5 s.
    pub fn losing_leg_timeout(mut self, span: Duration) -> Self {
        self.settings.losing_leg_timeout = span;
        self
    }

    /// Sets the number of calls that one dial may have at a time. Events of further ones are dropped and counted
    /// ([`Stats::legs_dropped`](crate::connection::Stats::legs_dropped)), except that of an answer. After a dial was
    /// given up, at most this number of late calls is hung up. Default: 256.
    pub fn dial_legs(mut self, calls: usize) -> Self {
        self.settings.dial_legs = calls.max(1);
        self
    }

    /// Sets the time after which a sent message without a final state is no longer followed: waits for it then end with
    /// `OutcomeUnknown`. Default: 4 h.
    pub fn message_limit(mut self, span: Duration) -> Self {
        self.settings.message_limit = span;
        self
    }

    /// Sets the number of sent messages that are followed at the same time. Beyond that the oldest is no longer
    /// followed. Default: 10,000.
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.settings.max_messages = messages.max(1);
        self
    }
}

/// # Memory of events and IDs
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .tuning(|tuning| {
///         tuning
///             .unmatched_event_ttl(Duration::from_secs(5))
///             .max_unmatched_events(4_096)
///             .max_unmatched_bytes(16 << 20)
///             .dedup_window(16_384)
///             .remembered_ids(4_096)
///     })
///     .connect()?;
/// # Ok(()) }
/// ```
impl Tuning {
    /// Sets the time for which an event with an unknown ID waits for its call or message. Default: 2 s.
    pub fn unmatched_event_ttl(mut self, span: Duration) -> Self {
        self.settings.unmatched_event_ttl = span;
        self
    }

    /// Sets the number of events with an unknown ID that may wait for their calls and messages. Default: 1,024.
    pub fn max_unmatched_events(mut self, events: usize) -> Self {
        self.settings.max_unmatched_events = events;
        self
    }

    /// Sets the number of bytes of events with an unknown ID that may wait, with all of their memory. Default: 4 MiB.
    pub fn max_unmatched_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_unmatched_bytes = bytes;
        self
    }

    /// Sets the number of events that are remembered in order to recognize one that is delivered again. Default: 4,096.
    pub fn dedup_window(mut self, events: usize) -> Self {
        self.settings.dedup_window = events.max(1);
        self
    }

    /// Sets the number of ended calls that are remembered in order to recognize late events, of received messages, so
    /// that none is handled twice, and of dials that were given up, so that a late answer is hung up. Default: 1,024 of
    /// each.
    pub fn remembered_ids(mut self, ids: usize) -> Self {
        self.settings.remembered_ids = ids.max(1);
        self
    }
}

/// # Handlers, listeners and callbacks
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .tuning(|tuning| {
///         tuning
///             .max_listener_backlog_bytes(128 << 20)
///             .outcome_bytes(128 << 20)
///             .max_workers(1_000)
///             .worker_idle(Duration::from_secs(10))
///             .worker_stack_size(2 << 20)
///     })
///     .connect()?;
/// # Ok(()) }
/// ```
impl Tuning {
    /// Sets the number of bytes of events that may be queued for slow listeners and streams. Default: 64 MiB.
    pub fn max_listener_backlog_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_listener_backlog_bytes = bytes;
        self
    }

    /// Sets the number of bytes of responses and results of more than 64 KiB each that actions and messages may hold.
    /// Without room, `wait` returns an error of kind [`Protocol`](crate::ErrorKind::Protocol), and
    /// [`Action::reply`](crate::Action::reply) is empty. The room is freed when the handle is dropped. Default: 64 MiB.
    pub fn outcome_bytes(mut self, bytes: usize) -> Self {
        self.settings.outcome_bytes = bytes;
        self
    }

    /// Sets the number of threads that may run handlers of inbound calls. As many again may run handlers of inbound
    /// messages, and as many listeners and callbacks: handlers that block do not keep callbacks from running. Default:
    /// 4,000 of each.
    ///
    /// At the limit, a call waits for a thread for at most [`claim_timeout`](Self::claim_timeout). Then it is passed
    /// back, counted ([`Stats::handlers_late`](crate::connection::Stats::handlers_late)) and logged at WARN. The same
    /// happens when the system refuses threads. Messages and callbacks wait without a limit.
    ///
    /// Threads are started as needed and end when they are idle. On Linux all clients of a process together have at
    /// most three quarters of the threads that `vm.max_map_count` allows, which is 12,285 with the system's default.
    pub fn max_workers(mut self, threads: usize) -> Self {
        self.settings.max_workers = threads.max(1);
        self
    }

    /// Sets the time for which an idle worker thread stays. Default: 2 s.
    pub fn worker_idle(mut self, span: Duration) -> Self {
        self.settings.worker_idle = span;
        self
    }

    /// Sets the stack size of the worker threads for handlers, listeners and callbacks, in bytes, `65536..=1073741824`.
    /// Values outside of that range are clamped. Default: the value of `RUST_MIN_STACK`; without that variable 1 MiB.
    ///
    /// A stack takes address space, but memory only for its used part. A smaller one is for processes whose address
    /// space is limited (`ulimit -v`). A thread that needs more than its stack aborts the process.
    pub fn worker_stack_size(mut self, bytes: usize) -> Self {
        self.worker_stack = Some(bytes.clamp(64 << 10, 1 << 30));
        self
    }
}
