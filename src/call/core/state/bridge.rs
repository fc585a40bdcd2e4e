//! Whom the caller talks to: the bridge with another call, as far as events report it.

use crate::protocol::event::{ConnectEvent, Peer};
use crate::protocol::states::ConnectState;

/// The methods that bring a call together with others.
const BRIDGING: [&str; 4] = ["calling.connect", "calling.queue.enter", "calling.join_conference", "calling.join_room"];

/// `true` if a method brings a call together with others.
pub(crate) fn brings_together(method: &str) -> bool {
    BRIDGING.contains(&method)
}

/// The bridge of a call.
#[derive(Default)]
pub(crate) struct Bridge {
    /// The bridge with another call, and that call if an event named it.
    peer: Option<Box<Option<Peer>>>,
    /// `true` if the connection was lost and the session resumed, so that events of a bridge may have been missed.
    had_gap: bool,
    /// `true` if a request that brings the call together with others was sent and its outcome is unknown.
    is_possible: bool,
}

impl Bridge {
    /// The other call of the bridge, as far as it is known. `None` if there is no bridge.
    pub(crate) fn peer(&self) -> Option<Option<Peer>> {
        self.peer.as_deref().cloned()
    }

    pub(crate) fn apply(&mut self, event: &ConnectEvent) {
        match event.state {
            ConnectState::Connected => self.peer = Some(Box::new(event.peer.clone())),
            ConnectState::Disconnected | ConnectState::Failed => self.peer = None,
            _ => return,
        }
        // From here on the state of the bridge is known.
        self.is_possible = false;
        self.had_gap = false;
    }

    /// Notes a bridge that no event has reported.
    pub(crate) fn presume(&mut self) {
        self.peer.get_or_insert_default();
    }

    /// Notes a request that may have brought the call together with others.
    pub(crate) fn may_exist(&mut self) {
        self.is_possible = true;
    }

    pub(crate) fn gap(&mut self) {
        self.had_gap = true;
    }

    pub(crate) fn end(&mut self) {
        self.peer = None;
    }

    /// `true` if the call may be bridged although no event reported it. `is_being` returns whether an operation runs
    /// that connects the call with others.
    pub(crate) fn may_be_unnoticed(&self, is_being: impl FnOnce() -> bool) -> bool {
        self.is_possible || (self.had_gap && (self.peer.is_some() || is_being()))
    }
}
