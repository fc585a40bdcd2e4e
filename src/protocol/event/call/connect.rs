//! Progress of a bridge between two calls.

use super::peer::Peer;
use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{ConnectState, EventName};

/// A bridge progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectEvent {
    /// State that the event reports.
    #[doc(alias = "connect_state")]
    pub state: ConnectState,
    /// The other call of the bridge.
    pub peer: Option<Peer>,
    /// Reason for the failure.
    pub failed_reason: Option<String>,
    /// `true` if the bridge ended because this call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// `true` if the event that reported the connection was missed while the client was offline, and something else
    /// proved it: the service refused a second connect, for example. The service sent no event then: `raw` is empty.
    pub presumed: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl ConnectEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            state: payload.state("connect_state"),
            peer: Peer::read(payload.get("peer")),
            failed_reason: payload.optional("failed_reason"),
            ended_by_call: false,
            presumed: false,
            raw,
        }
    }

    fn unsent(state: ConnectState, call_id: &str, peer: Option<Peer>) -> Self {
        let raw = RawEvent::unsent(EventName::Connect, call_id, "");
        Self { state, peer, failed_reason: None, ended_by_call: false, presumed: false, raw }
    }

    /// Creates the end of a bridge whose call has ended.
    pub(crate) fn ended_by_call(call_id: &str, peer: Option<Peer>) -> Self {
        Self { ended_by_call: true, ..Self::unsent(ConnectState::Disconnected, call_id, peer) }
    }

    /// Creates the connection of a bridge that no event reported, and that something else proves.
    pub(crate) fn presumed(call_id: &str, peer: Option<Peer>) -> Self {
        Self { presumed: true, ..Self::unsent(ConnectState::Connected, call_id, peer) }
    }

    /// The ID of the other call. `None` if unknown.
    #[must_use]
    pub fn peer_call_id(&self) -> Option<&str> {
        self.peer.as_ref().map(|peer| peer.call_id.as_str()).filter(|id| !id.is_empty())
    }
}

impl TypedEvent for ConnectEvent {
    const NAME: EventName = EventName::Connect;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Connect(event) = event { Some(event) } else { None }
    }
}
