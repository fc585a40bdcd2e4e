//! Parameters of the methods of a call and of a client.
//!
//! Each struct belongs to the method that its page names. Required values are arguments of its constructor, optional ones
//! are setters. `extra(key, value)` adds a parameter that this version has no setter for.

pub use crate::call::{
    Ai, AiHold, AiLanguage, AiMessage, AiPrompt, AiUnhold, AmazonBedrock, Answer, BindDigit, CardTypes,
    ClearDigitBindings, ConferenceStream, Denoise, DenoiseStop, DigitDetector, Disconnect, Echo, FaxDetector, Hangup,
    Hint, Hold, JoinConference, JoinRoom, LeaveConference, LeaveRoom, LiveSummary, LiveTranscribe, LiveTranscription,
    LiveTranslate, LiveTranslation, Machine, Pay, PayPrompt, PostalCode, Prompt, Pronounce, QueueEnter, QueueLeave,
    ReceiveFax, Refer, SendDigits, SendFax, Stream, Swaig, Tap, Transcribe, Transfer, Unhold, UserEvent,
    digit_detector, fax_tone,
};
pub use crate::message::Sms;
#[doc(no_inline)]
pub use crate::{Collect, Connect, Detect, Dial, Play, Record, machine, sms};
