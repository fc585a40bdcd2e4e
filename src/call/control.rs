//! Answering, hanging up and passing on, and the commands of running operations.

use super::{Action, Call, Operation};
use crate::error::Result;
use crate::protocol::fields::Fields;
use crate::protocol::states::{EndReason, PauseBehavior};

params! {
    /// Parameters of [`Call::answer_with`].
    pub struct Answer("calling.answer") new [] {
        /// Codecs to offer, in order of preference: names, or [`Codec`](crate::choices::Codec)s. A phone leg accepts
        /// PCMU, PCMA, G729, G722 and AMR-WB.
        codecs: Strings,
        /// Longest duration of the call. Sent in whole seconds, rounded up.
        max_duration: WholeSeconds,
    }
}

params! {
    /// Parameters of [`Call::hangup_with`].
    pub struct Hangup("calling.end") new [] {
        /// Reason that the far end receives. Default: [`EndReason::Hangup`].
        reason: EndReason,
    }
}

/// # Answering and hanging up
impl Call {
    /// Answers an inbound call. Sends `calling.answer`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The call is answered when the
    /// service reports the state; [`wait_for_answered`](Self::wait_for_answered) blocks until then.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the caller has already hung up, the method returns `Ok`.
    pub fn answer(&self) -> Result<()> {
        self.answer_with(Answer::new())
    }

    /// Answers an inbound call, with parameters. Sends `calling.answer`.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::choices::Codec;
    /// # use signalwire_relay::params::Answer;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer_with(Answer::new().codecs([Codec::Pcmu]).max_duration(Duration::from_secs(600)))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`answer`](Self::answer).
    pub fn answer_with(&self, how: Answer) -> Result<()> {
        self.command(Answer::METHOD, &how.fields).map(drop)
    }

    /// Hangs up the call, answered or not. Sends `calling.end` with the reason `hangup`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    /// [`wait_for_ended`](Self::wait_for_ended) blocks until the call has ended.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.hangup()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    #[doc(alias = "end")]
    pub fn hangup(&self) -> Result<()> {
        self.hangup_with(Hangup::new())
    }

    /// Hangs up the call for a reason, which the far end receives. Sends `calling.end`.
    ///
    /// ```no_run
    /// # use signalwire_relay::EndReason;
    /// # use signalwire_relay::params::Hangup;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.hangup_with(Hangup::new().reason(EndReason::Busy))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`hangup`](Self::hangup).
    pub fn hangup_with(&self, how: Hangup) -> Result<()> {
        let how = if how.fields.get("reason").is_none() { how.reason(EndReason::Hangup) } else { how };
        self.command(Hangup::METHOD, &how.fields).map(drop)
    }

    /// Passes an unanswered inbound call back to the service, which offers the call to another client. Sends
    /// `calling.pass`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The call then ends for this
    /// client. The service may offer it to the same client again, as a new call.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.pass()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the caller has already hung up, the method returns `Ok`.
    #[doc(alias = "pass_")]
    pub fn pass(&self) -> Result<()> {
        self.command("calling.pass", &Fields::default()).map(drop)
    }
}

/// Operations that can be stopped. The trait cannot be implemented outside of the crate.
pub trait Stoppable: Operation {
    /// The RELAY method that stops the operation.
    const STOP: &'static str;
}

/// Operations that can be paused and resumed. The trait cannot be implemented outside of the crate.
pub trait Pausable: Operation {
    /// The RELAY method that pauses the operation.
    const PAUSE: &'static str;
    /// The RELAY method that resumes the operation.
    const RESUME: &'static str;
}

/// Operations with a volume. The trait cannot be implemented outside of the crate.
pub trait HasVolume: Operation {
    /// The RELAY method that changes the volume.
    const VOLUME: &'static str;
}

/// Operations whose input timers can be started later. The trait cannot be implemented outside of the crate.
pub trait InputTimers: Operation {
    /// The RELAY method that starts the input timers.
    const START: &'static str;
}

/// # Stopping
impl<O: Stoppable> Action<O> {
    /// Stops the operation. Sends the operation's stop method, for example `calling.play.stop`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The operation has ended when its
    /// last event arrives: see [`wait`](Self::wait).
    ///
    /// ```no_run
    /// # use signalwire_relay::audio;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let music = call.play(audio("https://example.com/hold.mp3"))?;
    /// music.stop()?;
    /// music.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the operation has already ended, the method returns `Ok`.
    pub fn stop(&self) -> Result<()> {
        self.command(O::STOP, &Fields::default())
    }
}

/// # Pausing
impl<O: Pausable> Action<O> {
    /// Pauses the operation. Sends the operation's pause method, for example `calling.play.pause`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The service documents no such
    /// method for [`prompt`](Call::prompt), and may reject the request.
    ///
    /// ```no_run
    /// # use signalwire_relay::Record;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let recording = call.record(Record::new())?;
    /// recording.pause()?;
    /// recording.resume()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the operation has already ended, the method returns `Ok`.
    pub fn pause(&self) -> Result<()> {
        self.command(O::PAUSE, &Fields::default())
    }

    /// Pauses the operation and sets what the recording contains for the time of the pause. Sends the operation's pause
    /// method. The service documents this for recordings only.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # use signalwire_relay::Record;
    /// # use signalwire_relay::choices::PauseBehavior;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.record(Record::new())?.pause_with(PauseBehavior::Silence)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`pause`](Self::pause).
    pub fn pause_with(&self, behavior: impl Into<PauseBehavior>) -> Result<()> {
        let mut fields = Fields::default();
        fields.set("", "behavior", crate::protocol::fields::unless_empty(behavior.into().into()));
        self.command(O::PAUSE, &fields)
    }

    /// Resumes a paused operation. Sends the operation's resume method, for example `calling.play.resume`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # use signalwire_relay::audio;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let music = call.play(audio("https://example.com/hold.mp3"))?;
    /// music.pause()?;
    /// music.resume()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`pause`](Self::pause).
    pub fn resume(&self) -> Result<()> {
        self.command(O::RESUME, &Fields::default())
    }
}

/// # Volume
impl<O: HasVolume> Action<O> {
    /// Sets the volume in dB, `-40.0..=40.0`. `0.0` is the original volume. Sends the operation's volume method, for
    /// example `calling.play.volume`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # use signalwire_relay::audio;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play(audio("https://example.com/hold.mp3"))?.volume(-6.0)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `Config`, without sending anything, if `db` is not a finite number. Returns an error as well if the
    /// service rejects the request, or the connection is down for longer than the request timeout. If the operation has
    /// already ended, the method returns `Ok`.
    pub fn volume(&self, db: f64) -> Result<()> {
        let mut fields = Fields::default();
        fields.set_number("", "volume", db);
        self.command(O::VOLUME, &fields)
    }
}

/// # Input timers
impl<O: InputTimers> Action<O> {
    /// Starts the input timers of a collect that was started with `start_input_timers(false)`. Sends
    /// `calling.collect.start_input_timers`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let collect = call.collect(Collect::digits(4).start_input_timers(false))?;
    /// collect.start_input_timers()?;
    /// collect.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the operation has already ended, the method returns `Ok`.
    pub fn start_input_timers(&self) -> Result<()> {
        self.command(O::START, &Fields::default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::states::Codec;

    #[test]
    fn requests_are_as_on_the_wire() {
        assert_eq!(Answer::new().fields.to_json(), json!({}));
        let answer = Answer::new().max_duration(Duration::from_secs(120)).codecs([Codec::Pcmu]).extra("swml", false);
        assert_eq!(answer.fields.to_json(), json!({"max_duration": 120, "codecs": ["PCMU"], "swml": false}));
        for (reason, text) in [(EndReason::NoAnswer, "noAnswer"), (EndReason::from(""), ""), ("new".into(), "new")] {
            assert_eq!(Hangup::new().reason(reason).fields.to_json(), json!({ "reason": text }));
        }
    }
}
