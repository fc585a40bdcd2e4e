//! The trace besides frames: phases, states, handlers, waits and dropped items.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{LinkState, Session};
use crate::error::{Error, Phase, Result};
use crate::protocol::frame::{self, Contents};
use crate::trace::{Tracer, Wait, Way, seconds};

/// The name of a phase in the trace.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Lookup => "lookup",
        Phase::Tcp => "tcp",
        Phase::Proxy => "proxy",
        Phase::Tls => "tls",
        Phase::Upgrade => "upgrade",
        Phase::Auth => "authentication",
    }
}

/// Writes a phase of connecting to the trace.
pub(super) fn phase(tracer: &Tracer, phase: Phase, took: Duration, error: Option<&Error>) {
    let error = error.map(ToString::to_string);
    tracer.note("phase", None, json!({"phase": name(phase), "took": seconds(took), "error": error}));
}

/// Ends a wait in the trace, if there is a trace.
pub(crate) fn end_wait<T>(wait: Option<Wait>, outcome: &Result<T>) {
    let Some(wait) = wait else { return };
    match outcome {
        Ok(_) => wait.end("done"),
        Err(error) => wait.end(&format!("{:?}", error.kind())),
    }
}

impl Session {
    pub(super) fn log_frame(&self, arrow: &str, text: &str) {
        if log::log_enabled!(target: "signalwire_relay::wire", log::Level::Trace) {
            let contents = if self.settings.log_content { Contents::Shown } else { Contents::Masked };
            let text = frame::redact(text, &self.secrets.mask(), contents);
            log::trace!(target: "signalwire_relay::wire", "{arrow} {text}");
        }
    }

    /// Notes a received frame.
    pub(super) fn received(&self, text: &str) {
        self.log_frame("←", text);
        if let Some(tracer) = &self.tracer {
            tracer.frame(Way::ToClient, text);
        }
    }

    pub(super) fn trace_state(&self, state: &LinkState) {
        let Some(tracer) = &self.tracer else { return };
        let fields = match state {
            LinkState::Connecting => json!({"state": "connecting"}),
            LinkState::Online { resumed } => json!({"state": "online", "resumed": resumed}),
            LinkState::Reconnecting { attempt, next, cause } => json!({
                "state": "reconnecting", "attempt": attempt, "next": seconds(*next), "error": cause.to_string(),
            }),
            LinkState::Closed { cause } => {
                json!({"state": "closed", "error": cause.as_ref().map(ToString::to_string)})
            }
        };
        tracer.note("state", None, fields);
    }

    /// Writes to the trace that a request was not sent.
    pub(super) fn request_dropped(&self, method: &str, call_id: Option<&str>) {
        if let Some(tracer) = &self.tracer {
            tracer.note("dropped", call_id, json!({"what": "request", "method": method, "count": 1}));
        }
    }

    pub(super) fn trace_handler(
        &self,
        call_id: Option<&str>,
        state: &str,
        what: &str,
        began: Option<Instant>,
        error: Option<String>,
    ) {
        let Some(tracer) = &self.tracer else { return };
        let took = began.map(|began| seconds(self.clock.now().saturating_duration_since(began)));
        tracer.note("handler", call_id, json!({"state": state, "what": what, "took": took, "error": error}));
    }

    /// Begins a wait of this thread in the trace, if there is a trace.
    pub(crate) fn begin_wait(&self, call_id: Option<&str>, what: impl FnOnce() -> String) -> Option<Wait> {
        self.tracer.as_ref().map(|tracer| Wait::begin(tracer, call_id, what()))
    }
}
