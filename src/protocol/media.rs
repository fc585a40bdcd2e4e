//! Media for playbacks: speech, audio files, silence, ringing tones, and playlists.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::states::Gender;

/// Makes speech from a text, plain or SSML.
///
/// ```
/// use signalwire_relay::tts;
///
/// let hello = tts("Hello!").voice("en-US-Neural2-A");
/// let hello_and_bye = hello.then(tts("Goodbye."));
/// ```
pub fn tts(text: impl Into<String>) -> Tts {
    let mut fields = Fields::default();
    fields.set("", "text", Value::String(text.into()));
    Tts::of(fields)
}

/// Makes an audio file from its `http` or `https` URL.
pub fn audio(url: impl Into<String>) -> Audio {
    let mut fields = Fields::default();
    fields.set("", "url", Value::String(url.into()));
    Audio::of(fields)
}

/// Makes silence of a duration.
pub fn silence(duration: Duration) -> Silence {
    let mut fields = Fields::default();
    fields.set("", "duration", super::units::seconds(duration));
    Silence::of(fields)
}

/// Makes a ringing tone from the code of a country, such as `us`.
pub fn ringtone(name: impl Into<String>) -> Ringtone {
    let mut fields = Fields::default();
    fields.set("", "name", Value::String(name.into()));
    Ringtone::of(fields)
}

params! {
    /// Speech made from text. Made by [`tts`]. A string converts into it.
    pub struct Tts {
        /// Language of the speech. The service's default: `en-US`.
        language: String,
        /// Gender of the voice, if no voice is set. The service's default: female.
        gender: Gender,
        /// Voice of the speech, which also decides the gender.
        voice: String,
    }
}

params! {
    /// An audio file. Made by [`audio`]. A string with its URL converts into it.
    pub struct Audio {}
}

params! {
    /// Silence. Made by [`silence`].
    pub struct Silence {}
}

params! {
    /// A ringing tone. Made by [`ringtone`].
    pub struct Ringtone {
        /// Duration of the tone. Sent in seconds.
        duration: Seconds,
    }
}

/// One item to play.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Media {
    /// Speech.
    Tts(Tts),
    /// An audio file.
    Audio(Audio),
    /// Silence.
    Silence(Silence),
    /// A ringing tone.
    Ringtone(Ringtone),
    /// An item that this version does not support: its JSON, with `type` and `params`.
    Raw(Value),
}

impl Media {
    /// Makes an item from JSON with `type` and `params`, which is sent as it is.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self::Raw(json.into())
    }

    /// Appends other media, which are played afterwards.
    pub fn then(self, next: impl Into<Playlist>) -> Playlist {
        Playlist::from(self).then(next)
    }

    fn write_into(&self, out: &mut String) {
        let (kind, fields) = match self {
            Self::Tts(Tts { fields }) => ("tts", fields),
            Self::Audio(Audio { fields }) => ("audio", fields),
            Self::Silence(Silence { fields }) => ("silence", fields),
            Self::Ringtone(Ringtone { fields }) => ("ringtone", fields),
            Self::Raw(json) => {
                // Writing to a `String` never fails.
                let _ = write!(out, "{json}");
                return;
            }
        };
        out.push_str("{\"type\":\"");
        out.push_str(kind);
        out.push_str("\",\"params\":{");
        fields.write_into(out, None);
        out.push_str("}}");
    }
}

/// Media that are played one after the other. One [`Media`], a [`tts`] or [`audio`] and the like, an array and a `Vec`
/// convert into a playlist; `then` puts different kinds in a row:
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::{audio, silence, tts};
/// use signalwire_relay::media::Playlist;
///
/// let list: Playlist = tts("One.").then(silence(Duration::from_millis(500))).then(audio("https://example.com/two.mp3"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Playlist(Vec<Media>);

impl Playlist {
    /// Appends other media, which are played afterwards.
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    /// Returns the text of the playlist's JSON.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(64 * (self.0.len() + 1));
        text.push('[');
        for media in &self.0 {
            if text.len() > 1 {
                text.push(',');
            }
            media.write_into(&mut text);
        }
        text.push(']');
        text
    }
}

impl Tts {
    /// Appends other media, which are played afterwards.
    pub fn then(self, next: impl Into<Playlist>) -> Playlist {
        Playlist::from(self).then(next)
    }
}

impl Audio {
    /// Appends other media, which are played afterwards.
    pub fn then(self, next: impl Into<Playlist>) -> Playlist {
        Playlist::from(self).then(next)
    }
}

impl Silence {
    /// Appends other media, which are played afterwards.
    pub fn then(self, next: impl Into<Playlist>) -> Playlist {
        Playlist::from(self).then(next)
    }
}

impl Ringtone {
    /// Appends other media, which are played afterwards.
    pub fn then(self, next: impl Into<Playlist>) -> Playlist {
        Playlist::from(self).then(next)
    }
}

impl From<&str> for Tts {
    fn from(text: &str) -> Self {
        tts(text)
    }
}

impl From<String> for Tts {
    fn from(text: String) -> Self {
        tts(text)
    }
}

impl From<&str> for Audio {
    fn from(url: &str) -> Self {
        audio(url)
    }
}

impl From<String> for Audio {
    fn from(url: String) -> Self {
        audio(url)
    }
}

impl From<&str> for Ringtone {
    fn from(name: &str) -> Self {
        ringtone(name)
    }
}

impl From<Duration> for Silence {
    fn from(duration: Duration) -> Self {
        silence(duration)
    }
}

impl From<Tts> for Media {
    fn from(media: Tts) -> Self {
        Self::Tts(media)
    }
}

impl From<Audio> for Media {
    fn from(media: Audio) -> Self {
        Self::Audio(media)
    }
}

impl From<Silence> for Media {
    fn from(media: Silence) -> Self {
        Self::Silence(media)
    }
}

impl From<Ringtone> for Media {
    fn from(media: Ringtone) -> Self {
        Self::Ringtone(media)
    }
}

impl<M: Into<Media>> From<M> for Playlist {
    fn from(media: M) -> Self {
        Self(vec![media.into()])
    }
}

impl<M: Into<Media>> From<Vec<M>> for Playlist {
    fn from(media: Vec<M>) -> Self {
        media.into_iter().collect()
    }
}

impl<M: Into<Media>, const N: usize> From<[M; N]> for Playlist {
    fn from(media: [M; N]) -> Self {
        media.into_iter().collect()
    }
}

impl<M: Into<Media>> FromIterator<M> for Playlist {
    fn from_iter<I: IntoIterator<Item = M>>(media: I) -> Self {
        Self(media.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object::value_of;
    use super::*;

    #[test]
    fn media_travel_with_type_and_params() {
        let list = tts("a")
            .language("en-US")
            .gender(Gender::Female)
            .then(silence(Duration::from_millis(1500)))
            .then(audio("https://x/y.mp3"))
            .then([ringtone("us").duration(Duration::from_secs(4))])
            .then(Media::raw(json!({"type": "new", "params": {"a": 1}})));
        assert_eq!(
            value_of(&list.to_text()),
            json!([
                {"type": "tts", "params": {"text": "a", "language": "en-US", "gender": "female"}},
                {"type": "silence", "params": {"duration": 1.5}},
                {"type": "audio", "params": {"url": "https://x/y.mp3"}},
                {"type": "ringtone", "params": {"name": "us", "duration": 4}},
                {"type": "new", "params": {"a": 1}},
            ])
        );
        assert_eq!(Playlist::from(Vec::<Media>::new()).to_text(), "[]");
    }
}
