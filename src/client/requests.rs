//! Requests of any kind.

use super::Client;
use crate::call::core::Leaving;
use crate::error::{self, ErrorKind, Result};
use crate::protocol::fields;
use crate::protocol::frame::Reply;
use crate::secret::Secret;
use crate::session::Ask;

/// # Authentication
impl Client {
    /// Sends a fresh JWT on the open connection, and uses that JWT for later connections. Sends
    /// `signalwire.reauthenticate`, and blocks until the service responds, at most the request timeout.
    ///
    /// If the outcome is unknown, or the connection is down, the new JWT is sent with the next connection. A client
    /// with [`Builder::jwt_from`](crate::Builder::jwt_from) calls its closure instead.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.reauthenticate(std::fs::read_to_string("fresh.jwt").unwrap_or_default().trim())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` if the JWT is empty. `Rejected` if the service rejects the JWT: the previous one stays in use.
    /// Otherwise the same as for [`execute`](Self::execute).
    pub fn reauthenticate(&self, jwt: impl Into<String>) -> Result<()> {
        const METHOD: &str = "signalwire.reauthenticate";
        let jwt: String = jwt.into();
        let jwt = jwt.trim();
        if jwt.is_empty() {
            return Err(error::refused(METHOD, "the JWT is empty"));
        }
        let session = &self.handle.session;
        let params = serde_json::json!({"authentication": {"jwt_token": jwt}}).to_string();
        let outcome = session.request(Ask::new(METHOD, &params, None));
        if !outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Rejected) {
            session.keep_jwt(Secret::new(jwt));
        }
        outcome.map(drop)
    }
}

/// # Any request
impl Client {
    /// Sends a request of any RELAY method, and returns the whole response. `params` is a JSON object.
    ///
    /// Blocks until the service responds, at most the request timeout. This is for methods that the crate does not
    /// support; [`Call::execute`](crate::Call::execute) adds the address of a call.
    ///
    /// ```no_run
    /// # use serde_json::json;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let reply = client.execute("signalwire.ping", json!({}))?;
    /// println!("{}", reply.json());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or does not respond or cannot be reached within the request
    /// timeout.
    pub fn execute(&self, method: &str, params: serde_json::Value) -> Result<Reply> {
        if !params.is_object() {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        }
        fields::check(method, &params)?;
        // As with `Call::transfer` and `Call::pass`, the events of the call's end and of its new offer may arrive
        // before the response.
        let leaving = Leaving::of_method(method);
        let leaves = params["call_id"].as_str().filter(|_| leaving != Leaving::No);
        let leaves = leaves.and_then(|id| self.handle.router.find(id));
        if let Some(call) = &leaves {
            call.leaves(leaving);
        }
        let outcome = self.handle.session.request(Ask::new(method, &params.to_string(), None));
        if let (Some(call), Err(error)) = (&leaves, &outcome) {
            if !error.may_have_been_sent() {
                call.leaves(Leaving::No);
            }
        }
        outcome
    }

    /// Sends a notification: a request without an ID, to which no response comes. `params` is a JSON object. RELAY
    /// needs no notification of a client: this is for methods that the crate does not support. Blocks until the
    /// notification is written, at most the request timeout.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.notify("signalwire.something", serde_json::json!({"key": "value"}))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Offline` if the connection is down, or takes no data for as long as the request timeout: nothing was sent then.
    /// `Closed` if the client is closed. `Ok` means that the notification was sent; whether it arrived is not known.
    pub fn notify(&self, method: &str, params: serde_json::Value) -> Result<()> {
        if !params.is_object() {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        }
        fields::check(method, &params)?;
        self.handle.session.notify(method, &params.to_string())
    }
}
