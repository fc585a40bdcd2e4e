//! Noise reduction and echo.

use super::Call;
use crate::error::Result;
use crate::protocol::fields::Fields;

params! {
    /// How long the caller hears itself; sent by [`Call::echo_with`].
    pub struct Echo("calling.echo") new [] {
        /// When it ends; sent in seconds. The service takes 5 to 120 s, 60 by default; an older guide says that zero
        /// means until the call ends.
        timeout: Seconds,
        /// A webhook for its states.
        status_url: String,
    }
}

impl Call {
    /// Switches noise reduction on: `calling.denoise`. A [`DenoiseEvent`](crate::DenoiseEvent) tells that it is.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.denoise()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, as it does when it is on already (code 409), or the connection is gone. A call that is
    /// over is no error.
    pub fn denoise(&self) -> Result<()> {
        self.command("calling.denoise", &Fields::default()).map(drop)
    }

    /// Switches noise reduction off: `calling.denoise.stop`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.denoise_stop()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, as it does when it is not on (code 409), or the connection is gone. A call that is over
    /// is no error.
    pub fn denoise_stop(&self) -> Result<()> {
        self.command("calling.denoise.stop", &Fields::default()).map(drop)
    }

    /// Has the caller hear itself, for a test of the line: `calling.echo`. [`EchoEvent`](crate::EchoEvent)s tell when
    /// it begins and ends.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// call.echo()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn echo(&self) -> Result<()> {
        self.echo_with(Echo::new())
    }

    /// Has the caller hear itself, with parameters: `calling.echo`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::Echo;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.echo_with(Echo::new().timeout(Duration::from_secs(30)))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`echo`](Self::echo).
    pub fn echo_with(&self, how: Echo) -> Result<()> {
        self.command(Echo::METHOD, &how.fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (echo, params) in [
            (Echo::new(), json!({})),
            (Echo::new().timeout(Duration::from_secs(30)), json!({"timeout": 30})),
            (Echo::new().timeout(Duration::from_millis(1500)), json!({"timeout": 1.5})),
            (
                Echo::new().timeout(Duration::ZERO).status_url("https://example.com/echo").extra("swml", true),
                json!({"timeout": 0, "status_url": "https://example.com/echo", "swml": true}),
            ),
        ] {
            assert_eq!(echo.fields.to_json(), params);
        }
    }
}
