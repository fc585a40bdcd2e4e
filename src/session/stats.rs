//! Counters of a client, and their values at one moment.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Generates the struct and its Prometheus text from one list, so that both have the same numbers. The documentation of
/// a number is its help text.
macro_rules! stats {
    (
        $(#[$of_all:meta])*
        counters { $($(#[doc = $grows:literal])+ $counter:ident,)* }
        gauges { $($(#[doc = $changes:literal])+ $gauge:ident,)* }
    ) => {
        $(#[$of_all])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $grows])+ pub $counter: u64,)*
            $($(#[doc = $changes])+ pub $gauge: usize,)*
        }

        impl Stats {
            /// Each number: name, help text, whether it is a counter, and value.
            fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, bool, u64)> {
                [
                    $((stringify!($counter), concat!($($grows),+), true, self.$counter),)*
                    $((stringify!($gauge), concat!($($changes),+), false, self.$gauge as u64),)*
                ]
                .into_iter()
            }
        }
    };
}

stats! {
    /// Counters of a client, and the fill of its tables and queues, at one moment. Counters (`u64`) only grow; the
    /// others (`usize`) go up and down.
    ///
    /// [`to_prometheus`](Self::to_prometheus) returns them as text for a monitoring system.
    counters {
        /// Frames received.
        frames_received,
        /// Events received, repeats included.
        events_received,
        /// Events dropped because they had been seen before.
        events_repeated,
        /// Malformed frames, binary frames, and events with an ID, tag, name or type longer than 1 KiB.
        frames_malformed,
        /// Events without a known call or message that were dropped because no [`on_event`](crate::Client::on_event)
        /// listener was registered.
        events_unclaimed,
        /// Notices to listeners and streams that were dropped because slow ones hold too many.
        listener_events_dropped,
        /// Inbound calls passed back because they were not claimed in time or there were too many.
        calls_passed,
        /// Of those, the calls whose handler got no thread within [`Tuning::claim_timeout`](crate::connection::Tuning::claim_timeout): all
        /// threads for handlers were busy ([`Tuning::max_workers`](crate::connection::Tuning::max_workers)), or the system refused one.
        handlers_late,
        /// Inbound calls dropped without being passed back, because too many requests are unanswered.
        calls_dropped,
        /// Events dropped because their dial has reached its limit of calls
        /// ([`Tuning::dial_legs`](crate::connection::Tuning::dial_legs)).
        legs_dropped,
        /// Inbound messages dropped because they were not claimed in time or there were too many.
        messages_dropped,
        /// Connections made and authenticated.
        connections,
        /// Of those, the ones that resumed the previous session.
        sessions_resumed,
        /// Pings sent to a silent peer.
        pings_sent,
        /// Handlers, listeners and callbacks that panicked.
        panics,
        /// Handlers, listeners and callbacks that returned an error other than a normal way out.
        handler_failures,
        /// Lines of the trace that were dropped, because too many waited to be written or because writing failed.
        trace_dropped,
    }
    gauges {
        /// Calls in the table.
        calls,
        /// Messages in the table.
        messages,
        /// Dials in progress.
        dials,
        /// Tags of dials that were given up, kept to hang up a late answer.
        dials_given_up,
        /// Inbound calls and messages that are waiting to be claimed.
        unclaimed,
        /// Bytes of these, and of inbound messages whose handlers are running.
        unclaimed_bytes,
        /// Events that wait for their call or message.
        unmatched_events,
        /// Bytes of those events: everything that they own.
        unmatched_bytes,
        /// Events remembered to recognise a repeat: at most [`Tuning::dedup_window`](crate::connection::Tuning::dedup_window), until the
        /// session ends.
        remembered_events,
        /// Ended calls, finished dials and received messages remembered to recognise late and repeated events: of each
        /// at most [`Tuning::remembered_ids`](crate::connection::Tuning::remembered_ids), until the client is closed.
        remembered_ids,
        /// Requests without a response yet.
        pending_requests,
        /// Of those, the ones that are queued until the connection is up.
        offline_requests,
        /// Of the unanswered requests, the ones that no thread waits for: hang-ups, calls that are passed back, dials. At
        /// [`Tuning::posted_requests`](crate::connection::Tuning::posted_requests) of them, further inbound calls are dropped.
        posted_requests,
        /// Bytes in the outgoing queue.
        write_queue_bytes,
        /// Bytes of notices that wait for slow listeners and streams.
        listener_backlog_bytes,
        /// Bytes of replies and outcomes of more than 64 KiB each that actions and messages hold.
        outcome_bytes,
        /// Timers set.
        timers,
        /// Threads for handlers, listeners and callbacks, working or idle.
        workers,
        /// Handlers and callbacks that wait for such a thread.
        jobs_waiting,
        /// Bytes of lines of the trace that wait to be written: at most [`Trace::queue_bytes`](crate::connection::Trace::queue_bytes).
        trace_bytes,
    }
}

impl Stats {
    /// Returns these numbers in the text format of Prometheus, version 0.0.4, which OpenMetrics and most monitoring
    /// systems read too.
    ///
    /// Each name begins with `signalwire_relay_`, and ends in `_total` if the number only grows. The text contains no
    /// secret, no phone number and no ID. The crate has no HTTP endpoint: a program serves the text with its other
    /// metrics, as `Content-Type: text/plain; version=0.0.4`. For several clients in one process, add a label for each.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// # let client = signalwire_relay::Client::builder().simulator(&sim).connect()?;
    /// let text = client.stats().to_prometheus();
    /// assert!(text.contains("\nsignalwire_relay_connections_total 1\n"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        for (name, doc, grows, value) in self.rows() {
            let (suffix, kind) = if grows { ("_total", "counter") } else { ("", "gauge") };
            let name = format!("signalwire_relay_{name}{suffix}");
            let help = plain(doc);
            // Writing to a `String` never fails.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
        text
    }
}

/// The text of a documentation comment on one line, without its links.
fn plain(doc: &str) -> String {
    let mut text = String::new();
    let mut rest = doc.trim();
    while let Some((before, link)) = rest.split_once("[`") {
        text.push_str(before);
        let (words, behind) = link.split_once("`]").unwrap_or((link, ""));
        text.push_str(words);
        rest = match behind.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    text.push_str(rest);
    text.replace('\\', "\\\\")
}

/// A number that only grows.
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

/// The counters of a client.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) frames_received: Counter,
    pub(crate) events_received: Counter,
    pub(crate) events_repeated: Counter,
    pub(crate) frames_malformed: Counter,
    pub(crate) events_unclaimed: Counter,
    pub(crate) listener_events_dropped: Counter,
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
            listener_events_dropped: self.listener_events_dropped.get(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_the_text_with_its_kind_and_what_it_says() {
        let stats = Stats { frames_received: 7, calls: 3, ..Stats::default() };
        let text = stats.to_prometheus();
        let all = format!("{stats:?}").matches(": ").count();
        assert_eq!(text.lines().count(), all * 3, "{text}");
        for line in [
            "# HELP signalwire_relay_frames_received_total Frames received.",
            "# TYPE signalwire_relay_frames_received_total counter",
            "signalwire_relay_frames_received_total 7",
            "# HELP signalwire_relay_calls Calls in the table.",
            "# TYPE signalwire_relay_calls gauge",
            "signalwire_relay_calls 3",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} is missing: {text}");
        }
        assert!(text.ends_with('\n') && !text.contains(['[', ']', '`']), "{text}");
    }

    #[test]
    fn what_a_number_says_has_no_links_and_no_ends_of_lines() {
        assert_eq!(
            plain(" At most [`Tuning::max`](crate::connection::Tuning::max), [`b`] too."),
            "At most Tuning::max, b too."
        );
        assert_eq!(plain(r" a\b"), r"a\\b");
    }
}
