//! Playing to a call.

use super::operation::sealed::Sealed;
use super::{Action, Call, HasVolume, Meaning, Operation, Pausable, Stoppable};
use crate::error::Result;
use crate::protocol::event::PlayEvent;
use crate::protocol::fields::Fields;
use crate::protocol::media::{Audio, Playlist, Ringtone, Silence, Tts};
use crate::protocol::states::{AudioDirection, Gender, PlayState};

params! {
    /// Parameters of [`Call::play`]. A [`Playlist`], and anything that converts into one, converts into `Play`.
    pub struct Play("calling.play") {
        /// Volume in dB, `-40.0..=40.0`. Default: 0.0, the original volume.
        volume: f64,
        /// Side of the call that hears the playback. Default: the party on the call.
        direction: AudioDirection,
        /// Number of times the playlist is played. `0` repeats until the playback is stopped. Default: 1.
        #[doc(alias = "loop")]
        loops: u32 as "loop",
        /// Control ID of this playback. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives the operation's status callbacks.
        status_url: String,
        /// Language for speech that sets none of its own.
        language: String,
        /// Voice for speech that sets none of its own.
        voice: String,
        /// Gender of the voice for speech that sets none of its own.
        gender: Gender,
    }
}

/// A playback in progress.
pub type PlayAction = Action<Play>;

impl Play {
    /// Plays one medium, or several in a row.
    pub fn new(what: impl Into<Playlist>) -> Self {
        let mut fields = Fields::default();
        fields.set_json("", "play", what.into().to_text());
        Self::of(fields)
    }
}

impl<M: Into<Playlist>> From<M> for Play {
    fn from(what: M) -> Self {
        Self::new(what)
    }
}

impl Sealed for Play {}

impl Operation for Play {
    type Event = PlayEvent;
    type Outcome = PlayEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &PlayEvent, _memo: &()) -> Result<PlayEvent> {
        Ok(event.clone())
    }

    fn judge(event: &PlayEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            PlayState::Finished | PlayState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }
}

impl Stoppable for Play {
    const STOP: &'static str = "calling.play.stop";
}

impl Pausable for Play {
    const PAUSE: &'static str = "calling.play.pause";
    const RESUME: &'static str = "calling.play.resume";
}

impl HasVolume for Play {
    const VOLUME: &'static str = "calling.play.volume";
}

/// # Playing
impl Call {
    /// Starts a playback. Sends `calling.play`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the playback has ended. Its state is `Finished` when
    /// the media were played, and also when the playback was stopped or cut off by the end of the call, which the
    /// service may report first: [`Call::end`] says who ended the call. It is `Error` when the media could not be
    /// played. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Play, silence, tts};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play(tts("Hello!").then(silence(Duration::from_millis(500))).then(tts("Goodbye.")))?.wait(None)?;
    /// let music = call.play(Play::new(signalwire_relay::audio("https://example.com/hold.mp3")).loops(0).volume(-6.0))?;
    /// music.stop()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn play(&self, what: impl Into<Play>) -> Result<PlayAction> {
        self.start(what.into())
    }

    /// Plays a text as speech: [`play`](Self::play) with [`tts`](crate::tts).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play_tts("Hello!")?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`play`](Self::play).
    #[doc(alias = "say")]
    #[doc(alias = "speak")]
    pub fn play_tts(&self, text: impl Into<Tts>) -> Result<PlayAction> {
        self.play(text.into())
    }

    /// Plays an audio file: [`play`](Self::play) with [`audio`](crate::audio).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play_audio("https://example.com/welcome.mp3")?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`play`](Self::play).
    pub fn play_audio(&self, url: impl Into<Audio>) -> Result<PlayAction> {
        self.play(url.into())
    }

    /// Plays silence: [`play`](Self::play) with [`silence`](crate::silence).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play_silence(Duration::from_secs(2))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`play`](Self::play).
    pub fn play_silence(&self, duration: impl Into<Silence>) -> Result<PlayAction> {
        self.play(duration.into())
    }

    /// Plays a ringing tone: [`play`](Self::play) with [`ringtone`](crate::media::ringtone).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::media::ringtone;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play_ringtone(ringtone("us").duration(Duration::from_secs(5)))?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`play`](Self::play).
    pub fn play_ringtone(&self, name: impl Into<Ringtone>) -> Result<PlayAction> {
        self.play(name.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};
    use crate::protocol::media::{Media, audio, ringtone, silence, tts};

    #[test]
    fn requests_are_as_on_the_wire() {
        let hello = json!({"type": "tts", "params": {"text": "Hello there"}});
        for (play, params) in [
            (Play::from(tts("Hello there")), json!({"play": [hello]})),
            (Play::from(Vec::<Media>::new()), json!({"play": []})),
            (Play::new([tts("Hello there"), tts("Hello there")]).loops(0), json!({"play": [hello, hello], "loop": 0})),
            (
                Play::new(tts("Hello there")).volume(-3.5).direction(AudioDirection::Both).loops(3).control_id("my-1"),
                json!({"control_id": "my-1", "play": [hello], "volume": -3.5, "direction": "both", "loop": 3}),
            ),
            (
                Play::new(tts("Hello there").language("").gender(Gender::from("")).voice(""))
                    .volume(0.0)
                    .control_id(""),
                json!({"play": [{"type": "tts", "params": {"text": "Hello there", "language": "", "gender": "", "voice": ""}}],
                    "volume": 0.0}),
            ),
            (
                Play::new(audio("https://cdn.example.com/a%20b.mp3?x=1&y=2"))
                    .status_url("u")
                    .extra("loop", "odd")
                    .loops(2),
                json!({"play": [{"type": "audio", "params": {"url": "https://cdn.example.com/a%20b.mp3?x=1&y=2"}}],
                    "status_url": "u", "loop": "odd"}),
            ),
            (
                Play::from(silence(Duration::from_secs(2)).then(ringtone("us").duration(Duration::ZERO))),
                json!({"play": [
                    {"type": "silence", "params": {"duration": 2}},
                    {"type": "ringtone", "params": {"name": "us", "duration": 0}},
                ]}),
            ),
        ] {
            assert_eq!(play.fields.to_json(), params);
        }
    }

    #[test]
    fn it_ends_when_finished_or_failed() {
        for (state, verdict) in [
            ("playing", Meaning::Progress),
            ("paused", Meaning::Progress),
            ("new", Meaning::Progress),
            ("", Meaning::Progress),
            ("finished", Meaning::Final),
            ("error", Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.play", "params": {"state": state}}));
            let Event::Play(event) = event else { panic!("a play") };
            assert_eq!(Play::judge(&event, &mut ()), verdict, "{state}");
        }
    }
}
