//! Values of parameters that are one of a list, such as a recording format or a codec.
//!
//! The setters take these enums as well as plain strings: `Record::new().format("mp3")` is the same as
//! `Record::new().format(RecordFormat::Mp3)`. Every list is open: a value that this version does not list is `Other`, with
//! its text.

pub use crate::protocol::choices::{
    AiRole, BankAccountType, CallSide, CallbackFormat, CardType, ConferenceAcl, ConferenceBeep, ConferenceCallback,
    ConferenceRecord, ConferenceRegion, ConferenceTrim, HttpMethod, PayInput, PaymentMethod, RecordingCallback,
    TokenType, Track, TranslationMode,
};
pub use crate::protocol::states::{
    AudioDirection, Codec, DetectKind, Encryption, FaxKind, FaxTone, Gender, PauseBehavior, RecordFormat, SpeechEngine,
    SpeechModel,
};
