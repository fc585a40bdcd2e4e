//! The core of a call: its fields, its state, and everything that waits on it.
//!
//! One lock guards all of it. `state` has the parts behind the lock, each with methods of its own. The methods of a call
//! are in the files beside it, one for each purpose: `claims` (responsibility for the call), `requests`, `confirming`,
//! `operations`, `listening`, `events`, `waiting` and `ends`.

mod by_id;
mod claims;
mod confirming;
mod ends;
mod events;
mod listening;
mod operations;
mod requests;
mod state;
mod waiting;

use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

pub(crate) use self::by_id::ById;
pub(crate) use self::ends::Delivered;
pub(crate) use self::state::{Handler, Listened, ListenerEntry, Reached};
use self::state::{Inner, Name};
pub(crate) use super::over::{CallFate, Leaving};
use crate::error::Result;
use crate::protocol::device::RemoteDevice;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::states::{CallState, Direction};
use crate::session::{OfCalls, Session};

/// A call, shared by its handles, its operations and the tables of the client.
pub(crate) struct CallCore {
    id: Box<str>,
    session: Weak<Session>,
    shared: Arc<OfCalls>,
    /// Number of `Call`s. When the last one of an open offer is dropped, the offer is passed back.
    handles: AtomicUsize,
    /// Which posted requests about the call have no response yet.
    owed: AtomicU8,
    inner: Mutex<Inner<CallCore>>,
}

impl CallCore {
    pub(crate) fn new(session: &Arc<Session>, id: &str, direction: Direction, state: CallState) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            session: Arc::downgrade(session),
            shared: Arc::clone(&session.of_calls),
            handles: AtomicUsize::new(0),
            owed: AtomicU8::new(0),
            inner: Mutex::new(Inner::new(direction, state)),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The ID as it may be shown. It is masked because it is a text of the service.
    pub(crate) fn shown_id(&self) -> String {
        self.shared.secrets.clean(&self.id)
    }

    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.upgrade()
    }

    /// The session. An error if the client is closed.
    fn session_for(&self, what: &str) -> Result<Arc<Session>> {
        self.session.upgrade().ok_or_else(|| match self.inner.lock().progress.over() {
            Some(over) => over.error(what, &self.shown_id()),
            None => CallFate::Closed.error(what, &self.shown_id()),
        })
    }

    pub(crate) fn node_id(&self) -> String {
        self.inner.lock().facts.name(Name::Node).to_owned()
    }

    pub(crate) fn project_id(&self) -> String {
        let told = self.inner.lock().facts.name(Name::Project).to_owned();
        if !told.is_empty() {
            return told;
        }
        // The events of a dial do not report the project, and it can only be the client's own.
        let session = self.session.upgrade();
        session.and_then(|session| session.credentials.project().map(str::to_owned)).unwrap_or_default()
    }

    pub(crate) fn context(&self) -> String {
        self.inner.lock().facts.name(Name::Context).to_owned()
    }

    pub(crate) fn tag(&self) -> String {
        self.inner.lock().facts.name(Name::Tag).to_owned()
    }

    pub(crate) fn segment_id(&self) -> String {
        self.inner.lock().facts.name(Name::Segment).to_owned()
    }

    /// Memory that the call takes, in bytes, without what the program does with it.
    pub(crate) fn bytes(&self) -> usize {
        self.id.len() + self.inner.lock().facts.bytes() + 600
    }

    pub(crate) fn device(&self) -> RemoteDevice {
        self.inner.lock().facts.device().clone()
    }

    pub(crate) fn direction(&self) -> Direction {
        self.inner.lock().facts.direction().clone()
    }

    pub(crate) fn state(&self) -> CallState {
        self.inner.lock().progress.state().clone()
    }

    pub(crate) fn was_answered(&self) -> bool {
        self.inner.lock().progress.was_answered()
    }

    /// The end of the call. `None` while the call is live.
    pub(crate) fn over(&self) -> Option<CallFate> {
        self.inner.lock().progress.over().cloned()
    }

    /// Sets what is known of a call that no event has reported yet.
    pub(crate) fn address_to(&self, node_id: &str, device: Option<&RemoteDevice>) {
        self.inner.lock().facts.address_to(&self.shared.labels, node_id, device);
    }

    /// Takes over the fields that any event may carry. Called when the call is made, and with every event of it.
    pub(crate) fn fill(&self, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        self.inner.lock().facts.fill(&self.shared.labels, envelope, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Size of an idle call besides its texts. A field that is rarely used belongs in `state::Live`.
    #[test]
    fn an_idle_call_is_small() {
        assert!(size_of::<CallCore>() <= 248, "{} bytes", size_of::<CallCore>());
    }
}
