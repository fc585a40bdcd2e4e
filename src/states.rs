//! States of calls, operations and messages, and the reasons why they ended.
//!
//! Every list is open: a state that this version does not know is `Other`, with its text.

pub use crate::call::CallEnd;
pub use crate::protocol::states::{
    AiState, CollectState, ConferenceEndReason, ConferenceStatus, ConnectState, DialState, Direction, EchoState,
    EndSource, HoldState, PayFault, PayResult, PayState, PayStep, PlayState, QueueStatus, RecordState, ReferState,
    RoomState, RoomStatus, SendDigitsState, StreamState, TapState, TranscribeState,
};
#[doc(no_inline)]
pub use crate::{CallState, EndReason, LinkState, MessageState};
