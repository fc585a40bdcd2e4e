//! An operation as its call sees it.

use std::sync::Arc;

use super::legs::News;
use super::over::CallFate;
use crate::clock::{Clock, Deadline};
use crate::protocol::event::Event;
use crate::session::Session;

/// Reason why an event is passed to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The event does not concern the operation.
    No,
    /// The event carries the operation's control ID, or is of the operation's second type.
    Own,
    /// The event is of the operation's kind: the newest operation that the event concerns gets it.
    ByKind,
}

/// Result of passing an event to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The event concerned another operation of the kind.
    NotMine,
    Taken,
    /// The event was the operation's last one.
    Over,
}

/// An operation in the table of its call, which is a `C`.
pub(crate) trait Running<C>: Send + Sync {
    fn method(&self) -> &'static str;
    fn control_id(&self) -> &str;
    /// Returns `true` if an event that is matched by kind is for all operations of the kind.
    fn shares(&self) -> bool;
    /// Returns `true` if the operation's last event may arrive after the end of its call.
    fn lingers(&self) -> bool;
    fn claims(&self, event_type: &str, control_id: Option<&str>) -> Claim;
    /// Handles an event. Called on the reader.
    fn feed(self: Arc<Self>, session: &Arc<Session>, call: &Arc<C>, event: &Event) -> Fed;
    /// Handles the end of the call.
    fn end(&self, session: &Arc<Session>, over: &CallFate, call_id: &str);
    /// Blocks until no event of the operation follows. Returns `false` after a timeout.
    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool;
    /// Notes that the session was resumed after a gap, in which events of the operation may have been missed.
    fn doubt(self: Arc<Self>, session: &Arc<Session>, call_id: &str);
    /// Notes that the program requested the operation's end (`true`), or that this request was rejected (`false`).
    fn leaving(&self, is: bool);
    /// Notes a call that the service has made for the operation.
    fn leg(&self, news: News<'_>, limit: usize);
    /// Ends an operation that is proved to have succeeded while its events were missed.
    fn presume(&self, session: &Arc<Session>, call_id: &str);
}
