//! The properties of a call.

use super::over::CallFate;
use super::{Call, CallEnd};
use crate::protocol::device::RemoteDevice;
use crate::protocol::states::{CallState, Direction};

/// # Properties
///
/// None of these methods blocks or sends anything: they return what responses and events have reported so far. They
/// work on a call that has ended, too.
impl Call {
    /// The call's ID.
    #[must_use]
    #[doc(alias = "call_id")]
    pub fn id(&self) -> &str {
        self.core.id()
    }

    /// The call's state, as the last event reported it.
    ///
    /// ```no_run
    /// # use signalwire_relay::CallState;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// if call.state() == CallState::Answered {
    ///     call.play_tts("One moment, please.")?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn state(&self) -> CallState {
        self.core.state()
    }

    /// The caller's number or SIP address. Empty if unknown.
    #[must_use]
    pub fn from_number(&self) -> String {
        self.core.device().from().to_owned()
    }

    /// The callee's number or SIP address. Empty if unknown.
    #[must_use]
    pub fn to_number(&self) -> String {
        self.core.device().to().to_owned()
    }

    /// The call's direction: inbound, or dialled by this client.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.core.direction()
    }

    /// The device at the far end.
    #[must_use]
    pub fn device(&self) -> RemoteDevice {
        self.core.device()
    }

    /// The context of an inbound call. Empty for a dialled call: the service reports none.
    #[must_use]
    pub fn context(&self) -> String {
        self.core.context()
    }

    /// The label that was set when the call was dialled or connected. Empty if there is none.
    #[must_use]
    pub fn tag(&self) -> String {
        self.core.tag()
    }

    /// The end of the call: reason, side, answer time and duration. `None` while the call is live, and if its end can
    /// no longer be known because the session was lost or the client was closed.
    ///
    /// [`wait_for_ended`](Self::wait_for_ended) blocks until the call has ended.
    #[must_use]
    pub fn end(&self) -> Option<CallEnd> {
        match self.core.over()? {
            CallFate::Ended(end) => Some((*end).clone()),
            CallFate::Gone => Some(CallEnd::default()),
            CallFate::SessionLost | CallFate::Closed => None,
        }
    }

    /// Returns the lines of the client's [trace](crate::connection::Trace) about this call so far, as JSON. Empty if
    /// the client writes no trace.
    ///
    /// The text begins with the first line of a trace, so that a handler can attach it to a report. It has the requests
    /// about the call and their responses, its events, and the handlers and waits that concern it. Acknowledgements,
    /// and events before the ID of the call was known, are not in it. At most 64 KiB are kept for a call
    /// ([`Trace::call_bytes`](crate::connection::Trace::call_bytes)), and 8 MiB for all calls: the oldest lines are
    /// dropped first, and a line of the kind `dropped` reports that. Secrets, content and phone numbers are masked as
    /// in the trace itself.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// if let Err(error) = call.answer() {
    ///     eprintln!("{error}\n{}", call.trace());
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn trace(&self) -> String {
        self.core.session().map(|session| session.trace_of_call(self.id())).unwrap_or_default()
    }

    /// `true` if the call is known to be live since the connection was last interrupted.
    ///
    /// A call that is not confirmed may have ended while the connection was down. The next event of the call, or any
    /// response to a request about it, confirms it.
    ///
    /// ```no_run
    /// # use signalwire_relay::LinkState;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let call = client.next_call(None)?;
    /// for state in client.states() {
    ///     if matches!(state, LinkState::Online { resumed: true }) && !call.is_confirmed() {
    ///         println!("call {} may have ended while the connection was down", call.id());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.core.is_confirmed()
    }

    /// The node of the service that has the call. Part of the call's address.
    #[must_use]
    pub fn node_id(&self) -> String {
        self.core.node_id()
    }

    /// The ID of the call's project: the one that the service reported, or the client's if there is none.
    #[must_use]
    pub fn project_id(&self) -> String {
        self.core.project_id()
    }

    /// The ID of the call's segment. Related calls share a segment.
    #[must_use]
    pub fn segment_id(&self) -> String {
        self.core.segment_id()
    }
}
