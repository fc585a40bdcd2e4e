//! Bridging a call with another.

use std::time::Duration;

use super::legs::{Legs, Moment, News};
use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation};
use crate::error::{self, Cause, Result};
use crate::protocol::device::{Devices, destinations, devices_fault, odd_number, ringing};
use crate::protocol::event::{ConnectEvent, Peer};
use crate::protocol::fields::Fields;
use crate::protocol::states::{ConnectState, EndReason};

/// Time beyond the requested ringing in which the result of a connect must arrive.
const RINGING_MARGIN: Duration = Duration::from_secs(30);
/// Longest time until the result of a command that involves no other party.
pub(super) const CONFIRMATION: Duration = Duration::from_secs(10);

params! {
    /// Parameters of [`Call::connect`]. [`Devices`], and anything that converts into them, convert into `Connect`.
    pub struct Connect("calling.connect") {
        /// Media that the party on the call hears while the far end rings.
        ringback: Playlist,
        /// Label that the events of the new leg carry.
        tag: String,
        /// Longest duration of the bridge. The unit is disputed: the older documentation of the service says minutes,
        /// the newest seconds.
        max_duration: u32,
        /// Price per minute above which destinations are not called.
        max_price_per_minute: f64,
        /// URL that receives the bridge's status callbacks.
        status_url: String,
        /// Ringing time for devices that set none of their own. Sent in seconds.
        timeout: Seconds,
        /// DTMF digits that are sent after the answer.
        send_digits: String,
    }
}

params! {
    /// Parameters of [`Call::disconnect_with`].
    pub struct Disconnect("calling.disconnect") new [] {
        /// Label of the program's own.
        reason: String,
    }
}

impl Connect {
    /// Connects to the first of the devices that answers.
    pub fn new(devices: impl Into<Devices>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "devices", devices.into().into_json());
        Self::of(fields)
    }
}

impl<D: Into<Devices>> From<D> for Connect {
    fn from(devices: D) -> Self {
        Self::new(devices)
    }
}

/// State of a connect.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct BridgeMemo {
    destination: String,
    ringing: Duration,
    connected: bool,
    peer: Option<Peer>,
    legs: Legs,
}

impl Sealed for Connect {}

impl Operation for Connect {
    type Event = ConnectEvent;
    type Outcome = ConnectEvent;
    type Memo = BridgeMemo;
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn check(&self) -> Result<()> {
        match devices_fault(self.fields.get("devices")) {
            Some(why) => Err(error::refused(Self::METHOD, why)),
            None => Ok(()),
        }
    }

    fn memo(&self) -> BridgeMemo {
        let devices = self.fields.get("devices");
        let ringing = ringing(&self.fields).into_iter().fold(Duration::ZERO, Duration::saturating_add);
        BridgeMemo { destination: destinations(devices), ringing, ..BridgeMemo::default() }
    }

    fn concerns(event: &ConnectEvent, memo: &BridgeMemo, in_doubt: bool) -> bool {
        // The end of an earlier bridge may arrive while this connect is being requested.
        event.state != ConnectState::Disconnected || memo.connected || in_doubt
    }

    fn judge(event: &ConnectEvent, memo: &mut BridgeMemo) -> Meaning {
        match event.state {
            ConnectState::Connected => {
                memo.connected = true;
                memo.peer.clone_from(&event.peer);
                Meaning::Outcome
            }
            ConnectState::Disconnected | ConnectState::Failed => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn outcome(event: &ConnectEvent, memo: &BridgeMemo) -> Result<ConnectEvent> {
        if event.state != ConnectState::Failed {
            return Ok(event.clone());
        }
        let reason = event.failed_reason.as_deref().filter(|reason| !reason.is_empty()).map(EndReason::from);
        let call_id = event.raw.call_id().unwrap_or_default();
        let told = Some(event.raw.timestamp()).filter(|time| *time > 0.0);
        let legs = memo.legs.all(Moment { arrived: None, told });
        Err(error::connect_failed(call_id, &memo.destination, Cause { reason, legs }))
    }

    fn ended_by_call(call_id: &str, _control_id: &str, memo: &BridgeMemo) -> Option<ConnectEvent> {
        memo.connected.then(|| ConnectEvent::ended_by_call(call_id, memo.peer.clone()))
    }

    fn leg(memo: &mut BridgeMemo, news: News<'_>, limit: usize) {
        if !memo.connected {
            drop(memo.legs.take(news, limit));
        }
    }

    fn doubt_limit(memo: &BridgeMemo) -> Option<Duration> {
        Some(memo.ringing.saturating_add(RINGING_MARGIN))
    }

    fn presumed(call_id: &str, memo: &mut BridgeMemo) -> Option<ConnectEvent> {
        memo.connected = true;
        Some(ConnectEvent::presumed(call_id, memo.peer.clone()))
    }
}

/// A bridge that is being set up, or is in place.
pub type ConnectAction = Action<Connect>;

/// # A bridge
impl ConnectAction {
    /// Blocks until the bridge ends, at most `timeout`. With `None` it blocks indefinitely. Returns at once when the
    /// bridge has ended.
    ///
    /// The returned event reports the reason: the peer left or was disconnected, or this call ended
    /// ([`ended_by_call`](field@ConnectEvent::ended_by_call)).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::phone;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let bridge = call.connect(phone("+15553334444").from("+15551111111"))?;
    /// bridge.wait(Duration::from_secs(60))?;
    /// bridge.wait_disconnected(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `ConnectFailed` if no bridge was made; otherwise as [`wait`](Self::wait).
    pub fn wait_disconnected(&self, timeout: impl Into<Option<Duration>>) -> Result<ConnectEvent> {
        self.wait_until_ready(timeout.into())
    }

    pub(crate) fn peer_told(&self) -> Option<Peer> {
        self.core.memo(|memo| memo.peer.clone())
    }

    /// Ends the bridge; both calls stay up. Sends `calling.disconnect`, as [`Call::disconnect`].
    ///
    /// # Errors
    ///
    /// The same as for [`Call::disconnect`].
    pub fn disconnect(&self) -> Result<DisconnectAction> {
        self.call.disconnect()
    }
}

impl Sealed for Disconnect {}

impl Operation for Disconnect {
    type Event = ConnectEvent;
    type Outcome = ConnectEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn judge(event: &ConnectEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            ConnectState::Disconnected | ConnectState::Failed => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn outcome(event: &ConnectEvent, _memo: &()) -> Result<ConnectEvent> {
        Ok(event.clone())
    }

    fn ended_by_call(call_id: &str, _control_id: &str, _memo: &()) -> Option<ConnectEvent> {
        Some(ConnectEvent::ended_by_call(call_id, None))
    }

    fn doubt_limit(_memo: &()) -> Option<Duration> {
        Some(CONFIRMATION)
    }
}

/// A bridge that is being ended.
pub type DisconnectAction = Action<Disconnect>;

/// # Connecting to other parties
impl Call {
    /// Dials other devices and bridges the first that answers with this call. Sends `calling.connect`, and returns when
    /// the service has accepted the request. A call has one bridge at a time.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the two calls are bridged, and
    /// [`wait_disconnected`](Action::wait_disconnected) until the bridge ends. Dropping the action changes nothing: the
    /// connect continues. The [`reply`](Action::reply) may list, under `message_data`, the destinations that cannot be
    /// called.
    ///
    /// The service reports on a bridge without a control ID. Of two connects on one call the newer one gets the events.
    ///
    /// After the connection was lost and the session resumed, the report may have been missed. `wait` then returns
    /// `OutcomeUnknown` if no event of the bridge arrives for the ringing time and 30 s more; a later event of the
    /// bridge, or the refusal of another connect because one is in progress (code 409), settles it as connected.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Connect, ErrorKind, phone, tts};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let agent = phone("+15553334444").from("+15551111111");
    /// let bridge = call.connect(Connect::new(agent).ringback(tts("Please wait.")))?;
    /// match bridge.wait(Duration::from_secs(40)) {
    ///     Ok(_) => drop(bridge.wait_disconnected(None)?),
    ///     Err(error) if error.kind() == ErrorKind::ConnectFailed => println!("{:?}", error.end_reason()),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` if there is no device to call, or the `to` of one cannot be an address: nothing is sent then.
    /// Otherwise an error if the service rejects the request or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    #[doc(alias = "bridge")]
    pub fn connect(&self, to: impl Into<Connect>) -> Result<ConnectAction> {
        let to = to.into();
        if let (Some(session), Some(number)) = (self.core.session(), odd_number(to.fields.get("devices"))) {
            session.warn_of_number(Connect::METHOD, number);
        }
        self.start(to)
    }

    /// Ends the bridge with another call; both calls stay up. Sends `calling.disconnect`.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the bridge has ended.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.disconnect()?.wait(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn disconnect(&self) -> Result<DisconnectAction> {
        self.disconnect_with(Disconnect::new())
    }

    /// Ends the bridge with another call, with parameters. Sends `calling.disconnect`.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::Disconnect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.disconnect_with(Disconnect::new().reason("back to the menu"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`disconnect`](Self::disconnect).
    pub fn disconnect_with(&self, how: Disconnect) -> Result<DisconnectAction> {
        self.start(how)
    }

    /// `true` if the call is bridged with another, according to the events so far.
    ///
    /// ```no_run
    /// # use signalwire_relay::tts;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// if !call.is_connected() {
    ///     call.play(tts("Still trying to reach an agent."))?.wait(None)?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.core.bridge().is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::device::{phone, sip};
    use crate::protocol::media::{ringtone, tts};

    #[test]
    fn requests_are_as_on_the_wire() {
        let to = phone("+15551230001").from("+15551230002").timeout(Duration::from_secs(30));
        let params = json!({"to_number": "+15551230001", "from_number": "+15551230002", "timeout": 30});
        let device = json!({"type": "phone", "params": params});
        let desk = json!({"type": "sip", "params": {"to": "sip:desk@pbx.example"}});
        for (connect, params) in [
            (Connect::from(to.clone()), json!({"devices": [[device]]})),
            (
                Connect::new(to.clone()).tag("").max_duration(0).max_price_per_minute(0.0),
                json!({"devices": [[device]], "tag": "", "max_duration": 0, "max_price_per_minute": 0.0}),
            ),
            (
                Connect::new(Devices::at_once([to.clone(), to]).then(sip("sip:desk@pbx.example")))
                    .ringback(tts("Please wait.").then(ringtone("us")))
                    .tag("bridge-1")
                    .extra("call_state_events", json!(["answered", "ended"])),
                json!({
                    "devices": [[device, device], [desk]],
                    "ringback": [
                        {"type": "tts", "params": {"text": "Please wait."}},
                        {"type": "ringtone", "params": {"name": "us"}},
                    ],
                    "tag": "bridge-1",
                    "call_state_events": ["answered", "ended"],
                }),
            ),
        ] {
            assert_eq!(connect.fields.to_json(), params);
        }
    }
}
