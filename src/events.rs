//! Events of calls and messages, and the ways to receive them.
//!
//! [`Event`] has a variant for each kind of event, and each variant holds a typed struct such as [`PlayEvent`].
//! [`RawEvent`] holds the JSON of any event, also of one that this version does not know.
//!
//! A program receives events through a [`Listener`] ([`Call::on`](crate::Call::on)), an [`EventStream`]
//! ([`Call::events`](crate::Call::events)) or an [`EventWaiter`] ([`Call::waiter`](crate::Call::waiter)).

pub use crate::call::{EventWaiter, Listener};
pub use crate::protocol::event::{
    AiEvent, CallReceiveEvent, CallStateEvent, CallingErrorEvent, CollectEvent, CollectResult, ConferenceEvent,
    ConnectEvent, DenoiseEvent, DetectEvent, DialEvent, EchoEvent, FaxEvent, HoldEvent, LiveEvent, LiveReport,
    LiveTurn, MessageFailure, MessageReceiveEvent, MessageStateEvent, PayEvent, Peer, PlayEvent, QueueEvent, RawEvent,
    RecordEvent, ReferEvent, RoomEvent, SendDigitsEvent, StreamEvent, TapEvent, TranscribeEvent, TypedEvent,
    parse_event,
};
pub use crate::protocol::states::EventName;
pub use crate::stream::EventStream;
#[doc(no_inline)]
pub use crate::{Event, Heard};
