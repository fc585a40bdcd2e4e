//! Requests about a call.

use std::sync::Arc;

use super::super::over::CallFate;
use super::CallCore;
use super::state::Name;
use crate::error::Result;
use crate::protocol::fields::Fields;
use crate::protocol::frame::{self, Reply};
use crate::session::{Ask, Effect};

impl CallCore {
    /// `{"node_id":…,"call_id":…`, to be continued.
    pub(super) fn address(&self) -> String {
        // Enough for two IDs, a control ID and the members of most requests.
        let mut params = String::with_capacity(256);
        params.push_str("{\"node_id\":");
        frame::push_string(&mut params, self.inner.lock().facts.name(Name::Node));
        params.push_str(",\"call_id\":");
        frame::push_string(&mut params, &self.id);
        params
    }

    /// The parameters of a request about this call: its address, the control ID if the request is about an operation, and
    /// the fields that were set. Extra fields may override the others.
    fn params(&self, fields: &Fields, control_id: Option<&str>) -> String {
        let overridden = |key| fields.has(key);
        let mut params = match (overridden("node_id"), overridden("call_id")) {
            (false, false) => self.address(),
            (node, call) => {
                let mut params = String::from("{");
                if !node {
                    params.push_str("\"node_id\":");
                    frame::push_string(&mut params, self.inner.lock().facts.name(Name::Node));
                }
                if !call {
                    params.push_str("\"call_id\":");
                    frame::push_string(&mut params, &self.id);
                }
                params
            }
        };
        let control_id = control_id.filter(|_| !fields.has_extra("control_id"));
        if let Some(control_id) = control_id {
            params.push_str(if params.len() > 1 { ",\"control_id\":" } else { "\"control_id\":" });
            frame::push_string(&mut params, control_id);
        }
        fields.write_into(&mut params, control_id.map(|_| "control_id"));
        params.push('}');
        params
    }

    /// Sends a request about this call and blocks until the response arrives, whatever it is.
    pub(crate) fn request(self: &Arc<Self>, method: &str, fields: &Fields) -> Result<Reply> {
        self.request_with(method, fields, None, None)
    }

    /// Sends a request about this call, or about its operation with this control ID. The effect runs with the response,
    /// before the caller wakes.
    pub(crate) fn request_with(
        self: &Arc<Self>,
        method: &str,
        fields: &Fields,
        control_id: Option<&str>,
        effect: Option<Effect>,
    ) -> Result<Reply> {
        fields.check(method)?;
        let session = self.session_for(method)?;
        session.check_process(method)?;
        if session.is_closing() {
            return Err(self.over().unwrap_or(CallFate::Closed).error(method, &self.shown_id()));
        }
        if let Some(over @ CallFate::SessionLost) = self.over() {
            return Err(over.error(method, &self.shown_id()));
        }
        let params = self.params(fields, control_id);
        let mut ask = Ask::new(method, &params, Some(&self.id));
        ask.effect = effect;
        let outcome = session.request(ask);
        if outcome.is_ok() {
            self.confirm();
        }
        // A request that ended because the client was closed returns the end of the call, which had the same cause.
        match outcome {
            Err(error) if error.kind() == crate::ErrorKind::Closed => {
                Err(self.over().unwrap_or(CallFate::Closed).error(method, &self.shown_id()))
            }
            outcome => outcome,
        }
    }

    /// Sends a command, which succeeds if its target has ended meanwhile. `ends` tells whether 404 means the call itself.
    pub(crate) fn command(self: &Arc<Self>, method: &str, fields: &Fields, ends: bool) -> Result<Reply> {
        match self.request(method, fields) {
            Err(error) if matches!(error.code(), Some(404 | 410)) => {
                if ends || error.code() == Some(410) {
                    self.gone();
                }
                Ok(Reply::empty())
            }
            outcome => outcome,
        }
    }
}
