//! Handles that lead back to the client: calls by their ID, such as the far end of a bridge, and replies to a message.

use std::sync::Arc;

use super::Client;
use super::router::Router;
use crate::call::core::{CallCore, CallFate};
use crate::call::{Call, ConnectAction};
use crate::error::{self, Result};
use crate::message::{Message, Sms, sms};
use crate::protocol::device::RemoteDevice;
use crate::protocol::event::Peer;
use crate::protocol::states::{CallState, Direction};
use crate::session::Session;

/// # Calls by their ID
impl Client {
    /// Returns a handle for a call that the service knows and this client perhaps does not: the far end of a bridge, or
    /// a call whose ID was stored before a restart. Nothing is sent.
    ///
    /// If the client has the call, the handle belongs to the same call as its other handles. Otherwise the call is new
    /// here and unconfirmed: [`Call::is_confirmed`] is `false` until its first event or successful request, its
    /// [state](Call::state) is `created` until an event reports another, and a request for a call that the service does
    /// not know ends it. A call that stays unconfirmed is given up after
    /// [`Tuning::unconfirmed_limit`](crate::connection::Tuning::unconfirmed_limit). `node_id` is the part of its
    /// address that [`Call::node_id`] returned.
    ///
    /// The service sends the events of a call to the session that it belongs to. A call of another session can be
    /// controlled where the service permits it; its events do not arrive here.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let call = client.call("5b1e7c90-2f4d-4a86-b3d1-9c60f2a7e418", "n-7c2a91:eu-3");
    /// call.hangup()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn call(&self, call_id: &str, node_id: &str) -> Call {
        known_call(&self.handle.router, &self.handle.session, call_id, node_id, None, CallState::Created)
    }
}

/// # The far end of a bridge
impl Call {
    /// Returns the call at the far end of the bridge. `None` if this call is not bridged, or its client was dropped.
    ///
    /// The returned handle is the same as that of [`Client::call`]. Both calls of a bridge return each other, whichever
    /// of them requested the bridge.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// if let Some(agent) = call.peer() {
    ///     agent.hangup()?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn peer(&self) -> Option<Self> {
        self.of_peer(&self.core.bridge()??)
    }

    fn of_peer(&self, peer: &Peer) -> Option<Self> {
        if peer.call_id.is_empty() {
            return None;
        }
        let client = self.client().ok()?;
        let (router, session) = (&client.handle.router, &client.handle.session);
        let call = known_call(router, session, &peer.call_id, &peer.node_id, Some(&peer.device), CallState::Answered);
        Some(call)
    }
}

/// # The far end
impl ConnectAction {
    /// Returns the call at the far end of the bridge. `None` if this call is not bridged, or its client was dropped.
    #[must_use]
    pub fn peer(&self) -> Option<Call> {
        self.call().of_peer(&self.peer_told()?)
    }
}

/// # Replying to a message
impl Message {
    /// Returns the message's client.
    ///
    /// # Errors
    ///
    /// `Closed` if the last handle of the client has been dropped.
    pub fn client(&self) -> Result<Client> {
        Client::of(self.core().session(), "the client of a message")
    }

    /// Replies to a received message: sends `body` to its sender, from the number that it was sent to. Sends
    /// `messaging.send`, and blocks until the service has accepted the message, at most the request timeout.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.on_message(|message| {
    ///     message.reply("Thank you, we have got your message.")?;
    ///     Ok(())
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` for a message that was sent, not received; `Closed` if the client was closed; otherwise as
    /// [`Client::send_message`].
    pub fn reply(&self, body: impl Into<String>) -> Result<Self> {
        if self.direction() != Direction::Inbound {
            return Err(error::refused(Sms::METHOD, "only a received message can be replied to"));
        }
        self.client()?.send_message(sms(self.from_number()).from(self.to_number()).body(body))
    }
}

fn known_call(
    router: &Arc<Router>,
    session: &Arc<Session>,
    call_id: &str,
    node_id: &str,
    device: Option<&RemoteDevice>,
    state: CallState,
) -> Call {
    if let Some(known) = router.find(call_id) {
        return Call::new(known);
    }
    let call = CallCore::new(session, call_id, Direction::Outbound, state);
    call.address_to(node_id, device);
    let now = session.clock.now();
    call.doubt(session, now);
    if router.is_tombstone(call_id) {
        // The call ended while this client was handling it.
        call.finish(session, CallFate::Gone, None);
        return Call::new(call);
    }
    let call = router.enter_known(session, call);
    session.later(session.settings.unconfirmed_limit, move |session| session.sink().end_doubtful(session, now));
    Call::new(call)
}
