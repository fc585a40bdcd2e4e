//! Noise reduction and echo.

use super::confirmed::confirmed;
use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation};
use crate::error::Result;
use crate::protocol::event::{DenoiseEvent, EchoEvent};
use crate::protocol::fields::Fields;
use crate::protocol::states::EchoState;

params! {
    /// Parameters of [`Call::echo_with`].
    pub struct Echo("calling.echo") new [] {
        /// Duration of the echo. Sent in seconds. The service accepts `5..=120` s. Default: 60 s. An older guide of the
        /// service says that zero means until the call ends.
        timeout: Seconds,
        /// URL that receives the operation's status callbacks.
        status_url: String,
    }
}

params! {
    /// Parameters of [`Call::denoise`].
    pub struct Denoise("calling.denoise") new [] {}
}

params! {
    /// Parameters of [`Call::denoise_stop`].
    pub struct DenoiseStop("calling.denoise.stop") new [] {}
}

confirmed!(Denoise, DenoiseEvent, |event| event.denoised);

/// Noise reduction that is being switched on.
pub type DenoiseAction = Action<Denoise>;

confirmed!(DenoiseStop, DenoiseEvent, |event| !event.denoised);

/// Noise reduction that is being switched off.
pub type DenoiseStopAction = Action<DenoiseStop>;

impl Sealed for Echo {}

impl Operation for Echo {
    type Event = EchoEvent;
    type Outcome = EchoEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn judge(event: &EchoEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            EchoState::Finished | EchoState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn outcome(event: &EchoEvent, _memo: &()) -> Result<EchoEvent> {
        Ok(event.clone())
    }

    fn ended_by_call(call_id: &str, _control_id: &str, _memo: &()) -> Option<EchoEvent> {
        Some(EchoEvent::ended_by_call(call_id))
    }
}

/// An echo in progress.
pub type EchoAction = Action<Echo>;

/// # Noise reduction and echo
impl Call {
    /// Switches noise reduction on. Sends `calling.denoise`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the service confirms it. Dropping the action changes
    /// nothing.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.denoise()?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, as it does when noise reduction is on already (code 409),
    /// or the connection is down for longer than the request timeout. If the call has already ended, the returned
    /// action is already complete.
    pub fn denoise(&self) -> Result<DenoiseAction> {
        self.start(Denoise::new())
    }

    /// Switches noise reduction off. Sends `calling.denoise.stop`, and returns when the service has accepted the
    /// request. [`wait`](Action::wait) on the returned action blocks until the service confirms it.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.denoise_stop()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`denoise`](Self::denoise); code 409 when noise reduction is not on.
    pub fn denoise_stop(&self) -> Result<DenoiseStopAction> {
        self.start(DenoiseStop::new())
    }

    /// Plays the caller's audio back to the caller, to test the line. Sends `calling.echo`, and returns when the service
    /// has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the echo has ended: after its timeout, or with the
    /// call ([`ended_by_call`](field@EchoEvent::ended_by_call)). Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// call.echo()?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn echo(&self) -> Result<EchoAction> {
        self.echo_with(Echo::new())
    }

    /// Plays the caller's audio back to the caller, with parameters. Sends `calling.echo`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::params::Echo;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.echo_with(Echo::new().timeout(Duration::from_secs(30)))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`echo`](Self::echo).
    pub fn echo_with(&self, how: Echo) -> Result<EchoAction> {
        self.start(how)
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
