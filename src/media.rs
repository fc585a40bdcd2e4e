//! Media to play: speech, audio files, silence and ringtones.
//!
//! A function makes each of them: [`tts`], [`audio`], [`silence`], [`ringtone`]. A [`Playlist`] is several in a row:
//! `tts("One moment.").then(silence(Duration::from_secs(1))).then(audio("https://example.com/hold.mp3"))`.

pub use crate::protocol::media::{Audio, Media, Playlist, Ringtone, Silence, Tts, ringtone};
#[doc(no_inline)]
pub use crate::{audio, silence, tts};
