//! The verbs that run on one call: a file each, and a row each in [`ALL`].

pub(crate) mod activity;
mod ai;
mod audio;
pub(crate) mod bindings;
mod collect;
mod detect;
mod digits;
mod fax;
mod info;
mod live;
mod pay;
mod play;
mod record;
mod room;
mod sidecar;
mod tap;
#[cfg(test)]
mod tests;
mod transcribe;
mod user_event;

use self::activity::Verb;

/// Every verb that runs on one call.
pub(crate) const ALL: &[Verb] = &[
    play::PLAY,
    record::RECORD,
    collect::COLLECT,
    collect::PLAY_AND_COLLECT,
    detect::DETECT,
    digits::SEND_DIGITS,
    pay::PAY,
    fax::SEND_FAX,
    fax::RECEIVE_FAX,
    tap::TAP,
    tap::STREAM,
    transcribe::TRANSCRIBE,
    live::LIVE_TRANSCRIBE,
    live::LIVE_TRANSLATE,
    room::JOIN_ROOM,
    room::LEAVE_ROOM,
    audio::DENOISE,
    audio::DENOISE_STOP,
    audio::ECHO,
    bindings::BIND_DIGIT,
    bindings::CLEAR_DIGIT_BINDINGS,
    user_event::USER_EVENT,
    ai::AI,
    ai::AMAZON_BEDROCK,
    ai::AI_MESSAGE,
    ai::AI_HOLD,
    ai::AI_UNHOLD,
    sidecar::AI_SIDECAR,
    sidecar::POKE,
    sidecar::ASK,
    sidecar::STOP,
    sidecar::STATUS,
];
