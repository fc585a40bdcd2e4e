//! Requests about a call.

use super::Call;
use super::over::Leaving;
use crate::error::{self, Result};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;

/// # Any request
impl Call {
    /// Sends a request of any RELAY method about this call, and returns the whole response. `params` is a JSON object,
    /// to which the call's address is added.
    ///
    /// Blocks until the service responds, at most the request timeout. This is for methods that the crate does not
    /// support: the other methods of a call send the supported ones.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let reply = call.execute("calling.new_method", serde_json::json!({"key": "value"}))?;
    /// println!("{reply:?}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, if the call has ended, or if the connection is down for
    /// longer than the request timeout.
    pub fn execute(&self, method: &str, params: serde_json::Value) -> Result<Reply> {
        let serde_json::Value::Object(members) = params else {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        };
        let mut fields = Fields::default();
        for (key, value) in members {
            fields.extra(key, value);
        }
        self.deciding(method, |decides| {
            let outcome = self.core.request(method, &fields);
            match &outcome {
                Err(error) if error.code() == Some(410) || (decides && error.code() == Some(404)) => self.core.gone(),
                _ => {}
            }
            outcome
        })
    }

    /// Sends a command that is complete when the service acknowledges it. If the call has ended, the result is `Ok`.
    pub(crate) fn command(&self, method: &'static str, fields: &Fields) -> Result<Reply> {
        self.deciding(method, |decides| self.core.command(method, fields, decides))
    }

    /// Sends a request that may decide an open offer. `send` receives whether it does.
    fn deciding(&self, method: &str, send: impl FnOnce(bool) -> Result<Reply>) -> Result<Reply> {
        let decides = matches!(method, "calling.answer" | "calling.end" | "calling.pass");
        let was_open = decides && self.core.settle_offer();
        let leaving = Leaving::of_method(method);
        if leaving != Leaving::No {
            self.core.leaves(leaving);
        }
        let outcome = send(decides);
        match &outcome {
            Ok(_) if leaving == Leaving::Passed => self.core.passed(),
            Err(error) if !error.may_have_been_sent() => {
                if leaving != Leaving::No {
                    self.core.leaves(Leaving::No);
                }
                if was_open {
                    // The request had no effect: the caller still hears ringing.
                    self.core.reopen_offer();
                }
            }
            _ => {}
        }
        outcome
    }
}
