//! Calls: the handle of a call and its methods.

// These modules have no methods of `Call`.
pub(crate) mod action;
mod confirmed;
pub(crate) mod core;
pub(crate) mod legs;
mod op_core;
pub(crate) mod operation;
pub(crate) mod over;
pub(crate) mod owed;
pub(crate) mod running;
mod start;
mod stays;

// The page of `Call` lists its methods in the order of these lines, each with a title. The blank lines keep rustfmt
// from sorting them.
mod control;

mod play;

mod collect;

mod record;

mod detect;

mod connect;

mod transfer;

mod queue;

mod conference;

mod room;

mod about;

mod waiting;

mod listening;

mod digits;

mod fax;

mod pay;

mod tap;

mod media_stream;

mod audio;

mod speech;

mod ai;

mod custom;

mod requests;

use std::fmt;
use std::sync::Arc;

pub use self::action::Action;
pub use self::ai::{
    Ai, AiAction, AiHold, AiLanguage, AiMessage, AiPrompt, AiUnhold, AmazonBedrock, Hint, Pronounce, Swaig,
};
pub use self::audio::{Denoise, DenoiseAction, DenoiseStop, DenoiseStopAction, Echo, EchoAction};
pub use self::collect::{Collect, CollectAction, Prompt, StandaloneCollectAction};
pub use self::conference::{ConferenceAction, ConferenceStay, ConferenceStream, JoinConference, LeaveConference};
pub use self::connect::{Connect, ConnectAction, Disconnect, DisconnectAction};
pub use self::control::{Answer, Hangup, HasVolume, InputTimers, Pausable, Stoppable};
use self::core::CallCore;
pub use self::custom::UserEvent;
pub use self::detect::{Detect, DetectAction, DigitDetector, FaxDetector, Machine, digit_detector, fax_tone, machine};
pub use self::digits::{BindDigit, ClearDigitBindings, SendDigits, SendDigitsAction};
pub use self::fax::{ReceiveFax, ReceiveFaxAction, SendFax, SendFaxAction};
pub use self::legs::Leg;
pub use self::listening::{EventWaiter, Listener};
pub use self::media_stream::{Stream, StreamAction};
pub(crate) use self::operation::Meaning;
pub use self::operation::Operation;
pub use self::over::CallEnd;
pub use self::pay::{CardTypes, Pay, PayAction, PayPrompt, PostalCode};
pub use self::play::{Play, PlayAction};
pub use self::queue::{QueueAction, QueueEnter, QueueLeave, QueueStay, StayEnd};
pub use self::record::{Record, RecordAction};
pub use self::room::{JoinRoom, LeaveRoom, RoomAction, RoomStay};
pub use self::speech::{
    LiveSummary, LiveTranscribe, LiveTranscribeAction, LiveTranscription, LiveTranslate, LiveTranslateAction,
    LiveTranslation, Transcribe, TranscribeAction,
};
pub use self::tap::{Rtp, Tap, TapAction, TapDevice, Ws, rtp, ws};
pub use self::transfer::{Hold, HoldAction, Refer, ReferAction, Transfer, Unhold, UnholdAction};

/// A live call, inbound or outbound.
///
/// A program gets a call from [`Client::on_call`](crate::Client::on_call), [`Client::calls`](crate::Client::calls) or
/// [`Client::dial`](crate::Client::dial). Methods that send a request block until the service responds, at most the request
/// timeout ([`Builder::request_timeout`](crate::Builder::request_timeout), 10 s by default). Operations such as
/// [`play`](Self::play) return an [`Action`], whose [`wait`](Action::wait) blocks until the operation has ended.
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Call, Collect, HandlerResult, tts};
///
/// fn handler(call: Call) -> HandlerResult {
///     call.answer()?;
///     call.play(tts("Welcome!"))?.wait(None)?;
///     let prompt = call.prompt(tts("Press 1 for sales."), Collect::digits(1))?;
///     if prompt.wait(Duration::from_secs(30))?.digits() == Some("1") {
///         call.play(tts("Sales will be with you shortly."))?.wait(None)?;
///     }
///     call.hangup()?;
///     Ok(())
/// }
/// ```
///
/// # Cloning and dropping
///
/// Clones are the same call, and cheap. Dropping a call changes nothing, with one exception: an inbound call that was not
/// answered, passed or hung up is passed back to the service when its last handle is dropped. The call of a dial is not hung
/// up by being dropped. A call does not keep its client open.
///
/// # Threads
///
/// Any thread may use a call, several at the same time. The handler of an inbound call runs on a thread of its own and may
/// block. Listeners and callbacks of one call run on a worker thread, in order and one at a time.
///
/// # When the call ends
///
/// Commands such as [`hangup`](Self::hangup) return `Ok`, operations return an action that is already complete, and waits
/// return an error of the kind [`CallEnded`](crate::ErrorKind::CallEnded) or [`CallGone`](crate::ErrorKind::CallGone). A
/// handler passes that on with `?`: it is the normal way out. Listeners are removed. The properties can still be read.
///
/// # When the connection is lost
///
/// Requests wait for the connection, at most the request timeout, and then return
/// [`Offline`](crate::ErrorKind::Offline). A request that was already sent returns
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). Waits continue. When the session is resumed, the call
/// continues, and events may be missing ([`is_confirmed`](Self::is_confirmed)). Otherwise the call can no longer be
/// controlled, and everything on it returns [`SessionLost`](crate::ErrorKind::SessionLost).
pub struct Call {
    pub(crate) core: Arc<CallCore>,
}

impl Call {
    pub(crate) fn new(core: Arc<CallCore>) -> Self {
        core.add_handle();
        Self { core }
    }
}

impl Clone for Call {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.core))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.core.drop_handle();
    }
}

impl PartialEq for Call {
    /// Returns `true` if both handles belong to the same call.
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Call {}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.core.shown_id())
            .field("direction", &self.direction())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
