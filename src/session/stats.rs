//! Counters of a client, and what they read at one moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a client has done and holds, at one moment. Counters only grow; the others go up and down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames received.
    pub frames_received: u64,
    /// Events received, repeats included.
    pub events_received: u64,
    /// Events dropped because they had been seen before.
    pub events_repeated: u64,
    /// Frames that could not be understood, binary frames, and events with an ID, tag, name or type longer than 1 KiB.
    pub frames_malformed: u64,
    /// Events for nobody, or for calls that nobody knows, dropped as no [`on_event`](crate::Client::on_event) took them.
    pub events_unclaimed: u64,
    /// Notices to listeners and streams that were dropped because slow ones hold too many.
    pub notices_dropped: u64,
    /// Inbound calls passed back because nobody claimed them in time or there were too many.
    pub calls_passed: u64,
    /// Of those, the calls whose handler got no thread within [`Tuning::offer_wait`](crate::Tuning::offer_wait): all
    /// threads for handlers were busy ([`Tuning::max_workers`](crate::Tuning::max_workers)), or the system refused one.
    pub handlers_late: u64,
    /// Inbound calls dropped without being passed back, because too many requests are unanswered.
    pub calls_dropped: u64,
    /// Events dropped because their dial has as many calls as it may have
    /// ([`Tuning::dial_legs`](crate::Tuning::dial_legs)).
    pub legs_dropped: u64,
    /// Inbound messages dropped because nobody claimed them in time or there were too many.
    pub messages_dropped: u64,
    /// Connections made and authenticated.
    pub connections: u64,
    /// Of those, the ones that went on with the session before.
    pub sessions_resumed: u64,
    /// Pings sent to a silent peer.
    pub pings_sent: u64,
    /// Handlers, listeners and callbacks that panicked.
    pub panics: u64,
    /// Handlers, listeners and callbacks that returned an error other than a normal way out.
    pub handler_failures: u64,
    /// Calls in the table.
    pub calls: usize,
    /// Messages in the table.
    pub messages: usize,
    /// Dials that run.
    pub dials: usize,
    /// Tags of dials that were given up, kept to hang up a late answer.
    pub dials_given_up: usize,
    /// Inbound calls and messages that wait for someone to claim them.
    pub offers: usize,
    /// Bytes of those, and of inbound messages whose handlers run.
    pub offer_bytes: usize,
    /// Events that wait for their call or message to be known.
    pub early_events: usize,
    /// Bytes of those events: everything that they own.
    pub early_bytes: usize,
    /// Events remembered to recognise a repeat: at most [`Tuning::seen_events`](crate::Tuning::seen_events), until the
    /// session ends.
    pub seen_events: usize,
    /// Ended calls, finished dials and received messages remembered to recognise what comes late or again: of each at most
    /// [`Tuning::remembered_ids`](crate::Tuning::remembered_ids), until the client is closed.
    pub remembered_ids: usize,
    /// Requests without an answer yet.
    pub pending_requests: usize,
    /// Of those, the ones that wait for the connection.
    pub offline_requests: usize,
    /// Of the unanswered requests, the ones that no thread waits for: hang-ups, calls that are passed back, dials. At
    /// [`Tuning::posted_requests`](crate::Tuning::posted_requests) of them, further inbound calls are dropped.
    pub posted_requests: usize,
    /// Bytes in the outgoing queue.
    pub write_queue_bytes: usize,
    /// Bytes of notices that wait for slow listeners and streams.
    pub notice_bytes: usize,
    /// Bytes of replies and outcomes of more than 64 KiB each that actions and messages hold.
    pub outcome_bytes: usize,
    /// Timers set.
    pub timers: usize,
    /// Threads for handlers, listeners and callbacks, working or idle.
    pub workers: usize,
    /// Handlers and callbacks that wait for such a thread.
    pub jobs_waiting: usize,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) frames_received: Counter,
    pub(crate) events_received: Counter,
    pub(crate) events_repeated: Counter,
    pub(crate) frames_malformed: Counter,
    pub(crate) events_unclaimed: Counter,
    pub(crate) notices_dropped: Counter,
    pub(crate) calls_passed: Counter,
    pub(crate) handlers_late: Counter,
    pub(crate) calls_dropped: Counter,
    pub(crate) legs_dropped: Counter,
    pub(crate) messages_dropped: Counter,
    pub(crate) connections: Counter,
    pub(crate) sessions_resumed: Counter,
    pub(crate) pings_sent: Counter,
    pub(crate) handler_failures: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        Stats {
            frames_received: self.frames_received.get(),
            events_received: self.events_received.get(),
            events_repeated: self.events_repeated.get(),
            frames_malformed: self.frames_malformed.get(),
            events_unclaimed: self.events_unclaimed.get(),
            notices_dropped: self.notices_dropped.get(),
            calls_passed: self.calls_passed.get(),
            handlers_late: self.handlers_late.get(),
            calls_dropped: self.calls_dropped.get(),
            legs_dropped: self.legs_dropped.get(),
            messages_dropped: self.messages_dropped.get(),
            connections: self.connections.get(),
            sessions_resumed: self.sessions_resumed.get(),
            pings_sent: self.pings_sent.get(),
            handler_failures: self.handler_failures.get(),
            ..Stats::default()
        }
    }
}
