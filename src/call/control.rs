//! Answering, hanging up and passing on, and what an operation that runs can be told.

use super::{Action, Call, Operation};
use crate::error::Result;
use crate::protocol::fields::Fields;
use crate::protocol::states::{EndReason, PauseBehavior};

params! {
    /// How a call is answered; sent by [`Call::answer_with`].
    pub struct Answer("calling.answer") new [] {
        /// The codecs to offer, best first: names, or [`Codec`](crate::choices::Codec)s. On a phone leg PCMU, PCMA, G729, G722
        /// and AMR-WB count.
        codecs: Strings,
        /// How long the call may last; sent in whole seconds.
        max_duration: WholeSeconds,
    }
}

params! {
    /// How a call is ended; sent by [`Call::hangup_with`].
    pub struct Hangup("calling.end") new [] {
        /// Why; [`EndReason::Hangup`] when it is not given.
        reason: EndReason,
    }
}

impl Call {
    /// Answers an inbound call: `calling.answer`. The state changes when the service says so; see
    /// [`wait_for_answered`](Self::wait_for_answered).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A caller who has left is no error.
    pub fn answer(&self) -> Result<()> {
        self.answer_with(Answer::new())
    }

    /// Answers an inbound call, with parameters: `calling.answer`.
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
    /// As for [`answer`](Self::answer).
    pub fn answer_with(&self, how: Answer) -> Result<()> {
        self.command(Answer::METHOD, &how.fields).map(drop)
    }

    /// Ends the call, answered or not: `calling.end` with the reason `hangup`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.hangup()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    #[doc(alias = "end")]
    pub fn hangup(&self) -> Result<()> {
        self.hangup_with(Hangup::new())
    }

    /// Ends the call for a reason that the other side is told: `calling.end`.
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
    /// As for [`hangup`](Self::hangup).
    pub fn hangup_with(&self, how: Hangup) -> Result<()> {
        let how = if how.fields.get("reason").is_none() { how.reason(EndReason::Hangup) } else { how };
        self.command(Hangup::METHOD, &how.fields).map(drop)
    }

    /// Refuses an inbound call without ending it, so that it is offered elsewhere: `calling.pass`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.pass()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A caller who has left is no error.
    #[doc(alias = "pass_")]
    pub fn pass(&self) -> Result<()> {
        self.command("calling.pass", &Fields::default()).map(drop)
    }
}

/// Operations that can be stopped. It cannot be implemented elsewhere.
pub trait Stoppable: Operation {
    /// The RELAY method that stops the operation.
    const STOP: &'static str;
}

/// Operations that can be paused and resumed. It cannot be implemented elsewhere.
pub trait Pausable: Operation {
    /// The method that pauses.
    const PAUSE: &'static str;
    /// The method that resumes.
    const RESUME: &'static str;
}

/// Operations with a volume. It cannot be implemented elsewhere.
pub trait HasVolume: Operation {
    /// The method that changes it.
    const VOLUME: &'static str;
}

/// Operations whose timers for input can be started later. It cannot be implemented elsewhere.
pub trait InputTimers: Operation {
    /// The method that starts them.
    const START: &'static str;
}

impl<O: Stoppable> Action<O> {
    /// Stops the operation, for example `calling.play.stop`. It has ended when its last event comes: see
    /// [`wait`](Self::wait).
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
    /// When the service refuses, or the connection is gone. An operation that is over is no error.
    pub fn stop(&self) -> Result<()> {
        self.command(O::STOP, &Fields::default())
    }
}

impl<O: Pausable> Action<O> {
    /// Pauses the operation, for example `calling.play.pause`. The service has published no such method for
    /// [`prompt`](Call::prompt), and may refuse it.
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
    /// When the service refuses, or the connection is gone. An operation that is over is no error.
    pub fn pause(&self) -> Result<()> {
        self.command(O::PAUSE, &Fields::default())
    }

    /// Pauses the operation and says what becomes of the time until it goes on. This has a published meaning for
    /// recordings only.
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
    /// As for [`pause`](Self::pause).
    pub fn pause_with(&self, behavior: impl Into<PauseBehavior>) -> Result<()> {
        let mut fields = Fields::default();
        fields.set("", "behavior", crate::protocol::fields::unless_empty(behavior.into().into()));
        self.command(O::PAUSE, &fields)
    }

    /// Lets a paused operation go on, for example `calling.play.resume`.
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
    /// As for [`pause`](Self::pause).
    pub fn resume(&self) -> Result<()> {
        self.command(O::RESUME, &Fields::default())
    }
}

impl<O: HasVolume> Action<O> {
    /// Changes the volume, in dB from -40 to 40, where 0 is unchanged: for example `calling.play.volume`.
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
    /// `Config` if `db` is not a finite number: the request is not sent. An error as well if the service rejects the
    /// request or the connection is down for longer than the request timeout. An operation that has ended is no error.
    pub fn volume(&self, db: f64) -> Result<()> {
        let mut fields = Fields::default();
        fields.set_number("", "volume", db);
        self.command(O::VOLUME, &fields)
    }
}

impl<O: InputTimers> Action<O> {
    /// Starts the time given for the first input: `calling.collect.start_input_timers`. For a collect that was
    /// started with `start_input_timers(false)`.
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
    /// When the service refuses, or the connection is gone. An operation that is over is no error.
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
