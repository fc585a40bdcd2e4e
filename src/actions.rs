//! Operations in progress on a call, and their results.
//!
//! A method such as [`Call::play`](crate::Call::play) starts an operation and returns an [`Action`] of its kind: an alias
//! such as [`PlayAction`] says which. The traits say what a running operation accepts: [`Stoppable`], [`Pausable`],
//! [`HasVolume`], [`InputTimers`]. A call to `pause` on an action that cannot pause does not compile.
//!
//! [`ConferenceStay`], [`QueueStay`] and [`RoomStay`] are the results of the operations that last as long as the call is in a
//! conference, a queue or a room.

pub use crate::call::{
    AiAction, CollectAction, ConferenceAction, ConferenceStay, ConnectAction, DenoiseAction, DenoiseStopAction,
    DetectAction, DisconnectAction, EchoAction, HasVolume, HoldAction, InputTimers, LiveTranscribeAction,
    LiveTranslateAction, Operation, PayAction, PlayAction, QueueAction, QueueStay, ReceiveFaxAction, RecordAction,
    ReferAction, RoomAction, RoomStay, SendDigitsAction, SendFaxAction, StandaloneCollectAction, StayEnd, StreamAction,
    TapAction, TranscribeAction, UnholdAction,
};
#[doc(no_inline)]
pub use crate::{Action, Pausable, Stoppable};
