//! An operation as its call sees it.

use std::sync::Arc;

use super::legs::News;
use super::over::CallFate;
use crate::clock::{Clock, Deadline};
use crate::protocol::event::Event;
use crate::session::Session;

/// Why an event is shown to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The event does not concern the operation.
    No,
    /// The event carries the operation's control ID, or is of the operation's second type.
    Own,
    /// The event is of the operation's kind: the newest operation that the event concerns gets it.
    ByKind,
}

/// What became of an event that was shown to an operation.
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
    /// Whether an event that is found by its kind is for all operations of the kind.
    fn shares(&self) -> bool;
    /// Whether its last event may come after the end of its call.
    fn lingers(&self) -> bool;
    fn claims(&self, event_type: &str, control_id: Option<&str>) -> Claim;
    /// Takes an event, on the reader.
    fn feed(self: Arc<Self>, session: &Arc<Session>, call: &Arc<C>, event: &Event) -> Fed;
    /// Its call is over.
    fn end(&self, session: &Arc<Session>, over: &CallFate, call_id: &str);
    /// Waits until nothing more comes from it; false when the time is up.
    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool;
    /// The session goes on after a gap, in which its news may have been missed.
    fn doubt(self: Arc<Self>, session: &Arc<Session>, call_id: &str);
    /// The program asks for its end, or the request for that was refused.
    fn leaving(&self, is: bool);
    /// An event reports a call that the service has made for it.
    fn leg(&self, news: News<'_>, limit: usize);
    /// Something else proves that it succeeded while its news was missed.
    fn presume(&self, session: &Arc<Session>, call_id: &str);
}
