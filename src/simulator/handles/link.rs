//! The connections, and those of their faults that have a method of their own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{self, Result};
use crate::simulator::faults::by_hand::Times;
use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::person_on_call::wait;
use crate::simulator::line::out::Out;
use crate::simulator::record::journal::{Direction, Frame, FrameKind, FrameRecord, WaitTimeout};
use crate::simulator::world::state::World;

/// # Connections and their faults
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::{Client, ErrorKind, phone, sms};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).connect()?;
///
/// sim.refuse_next("calling.dial", 403, "not permitted");
/// let error = client.dial(phone("+15552222222").from("+15551111111")).unwrap_err();
/// assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(403)));
///
/// // The service sends the message, and the connection is lost before the response.
/// sim.drop_link_after_request("messaging.send");
/// let error = client.send_message(sms("+15552222222").from("+15551111111").body("Hello")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
/// sim.wait_connected(1, Duration::from_secs(60))?;
/// assert_eq!(sim.texts_sent().len(), 1);
/// # Ok(()) }
/// ```
impl Simulator {
    /// The number of open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.with(|world| world.connections.numbers().len())
    }

    /// The number of connections so far that completed the WebSocket upgrade.
    #[must_use]
    pub fn connections_ever(&self) -> u64 {
        self.shared.with(|world| world.connections.ever())
    }

    /// The protocol strings of all sessions that are kept, connected or not.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        self.shared.with(|world| world.sessions.names())
    }

    /// Blocks until this number of clients is connected and authenticated, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed.
    pub fn wait_connected(&self, clients: usize, timeout: Duration) -> Result<(), WaitTimeout> {
        wait(&self.shared, timeout, &format!("a state with {clients} clients connected"), |world| {
            (world.connections.iter().filter(|(_, conn)| conn.session.is_some()).count() == clients).then_some(())
        })
    }

    /// Cuts every connection at once.
    pub fn drop_link(&self) {
        self.shared.with(|world| {
            let conns: Vec<u64> = world.connections.numbers();
            conns.into_iter().for_each(|conn| world.cut(conn));
        });
    }

    /// Cuts the connection that sends the next request of this method, after the request took effect and instead of
    /// the response.
    pub fn drop_link_after_request(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.cut_after(method));
    }

    /// Cuts the connection that sends the next request of this method, before the request takes any effect.
    pub fn drop_link_before_request(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.cut_before(method));
    }

    /// Refuses new connections; existing connections stay up. The port stays reserved: no other program can take it in
    /// the meantime.
    pub fn stop_listening(&self) {
        self.server.stop_listening();
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when another process has taken the port.
    pub fn listen_again(&self) -> Result<()> {
        self.server
            .listen_again()
            .map_err(|error| error::config(format!("the simulator cannot listen on {} again: {error}", self.host())))
    }

    /// Loses all bytes in both directions without closing anything, as on a half-open connection, until the method is
    /// called with `false`. The lost bytes are not sent later.
    pub fn freeze_link(&self, frozen: bool) {
        self.shared.with(|world| {
            world.faults.by_hand.set_frozen(frozen);
            world.reshape();
        });
    }

    /// Forgets all sessions, so that the next reconnect is not a resume. Their calls end without an event.
    pub fn forget_sessions(&self) {
        self.shared.with(World::forget_sessions);
    }

    /// Rejects the credentials of the next `times` connects.
    pub fn refuse_credentials(&self, times: usize) {
        self.shared.with(|world| world.faults.by_hand.set_credentials(Some(Times::Next(times))));
    }

    /// Rejects all credentials, until [`accept_credentials`](Self::accept_credentials).
    pub fn refuse_all_credentials(&self) {
        self.shared.with(|world| world.faults.by_hand.set_credentials(Some(Times::Always)));
    }

    /// Accepts credentials again.
    pub fn accept_credentials(&self) {
        self.shared.with(|world| world.faults.by_hand.set_credentials(None));
    }

    /// Sends `signalwire.disconnect` to every client and closes the connections 200 ms later. With `restart`, sessions
    /// are forgotten.
    pub fn ask_to_reconnect(&self, restart: bool) {
        self.shared.with(|world| world.ask_to_reconnect(restart));
    }

    /// Rejects the next request of a method. A negative code is sent as a JSON-RPC error, any other one as the `code`
    /// of the result. Several of these apply in order.
    pub fn refuse_next(&self, method: &str, code: i64, message: &str) {
        self.shared.with(|world| world.faults.by_hand.reject(method, Times::Next(1), code, message));
    }

    /// Rejects every request of a method, until [`stop_refusing`](Self::stop_refusing).
    pub fn refuse_always(&self, method: &str, code: i64, message: &str) {
        self.shared.with(|world| world.faults.by_hand.reject(method, Times::Always, code, message));
    }

    /// Ends the rejections of a method.
    pub fn stop_refusing(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.stop_rejecting(method));
    }

    /// Carries out the requests of a method but holds the responses back, until
    /// [`release_replies`](Self::release_replies).
    pub fn hold_replies(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.hold(method));
    }

    /// Sends the responses of a method that were held back, in order, and holds back no further ones.
    pub fn release_replies(&self, method: &str) {
        self.shared.with(|world| {
            world.faults.by_hand.stop_holding(method);
            for reply in world.outbox.take_of(method) {
                world.send(reply.conn, FrameKind::Reply, &reply.method, reply.frame);
            }
        });
    }

    /// Ignores the requests of a method, until [`answer_again`](Self::answer_again).
    pub fn never_answer(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.ignore(method));
    }

    /// Ends [`never_answer`](Self::never_answer) for a method.
    pub fn answer_again(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.stop_ignoring(method));
    }

    /// Refuses the next `count` threads that clients in virtual time request, as a system does that has none left. Zero
    /// ends it. In real time the method has no effect.
    pub fn refuse_threads(&self, count: usize) {
        self.clock().refuse_threads(count);
    }

    /// Sets whether the pings of clients stay without a response.
    pub fn ignore_pings(&self, ignore: bool) {
        self.shared.with(|world| {
            world.faults.by_hand.set_ignores_pings(ignore);
            world.reshape();
        });
    }

    /// Sends the response to each request of a method only after the last event that the request causes: `answered`
    /// overtakes the response to `calling.dial`, `delivered` the one to `messaging.send`, `finished` the one to
    /// `calling.play`.
    pub fn events_before_reply(&self, method: &str) {
        self.shared.with(|world| world.faults.by_hand.send_events_first(method));
    }

    /// Sets whether calls end without the last events of their operations.
    pub fn end_calls_abruptly(&self, abruptly: bool) {
        self.shared.with(|world| world.faults.by_hand.end_calls_abruptly(abruptly));
    }

    /// Sets whether a recording that ends with its call is reported before `ended` instead of after it; likewise for
    /// faxes and transcriptions.
    pub fn finish_recordings_before_ended(&self, before: bool) {
        self.shared.with(|world| world.faults.by_hand.end_recordings_first(before));
    }

    /// Sends an event with this payload in a valid envelope: to the session of the call in `params.call_id` if there
    /// is such a call, otherwise to every session.
    pub fn push_event(&self, event_type: &str, params: Value) {
        self.shared.with(|world| {
            let call = params["call_id"].as_str().and_then(|call_id| world.calls.get(call_id));
            let sessions = match call {
                Some(leg) => vec![leg.session.clone()],
                None => world.sessions.names(),
            };
            for session in sessions {
                let context = params["context"].as_str().map(str::to_owned);
                let (id, frame) = world.envelope(&session, event_type, context, params.clone());
                world.outbox.by_hand(json!(id).to_string());
                world.deliver(&session, event_type, id, frame);
            }
        });
    }

    /// Sends a text frame unchanged to every connection.
    pub fn push_raw(&self, text: &str) {
        self.shared.with(|world| {
            // If the frame is a request, the client may respond to it.
            if let Ok(Value::Object(frame)) = serde_json::from_str::<Value>(text) {
                if let Some(id) = frame.get("id") {
                    world.outbox.by_hand(id.to_string());
                }
            }
            let at = world.time.elapsed();
            for conn in world.connections.numbers() {
                let Some(connection) = world.connections.get(conn) else { continue };
                let _ = connection.out.send(Out::Text(text.to_owned()));
                connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
                let frame = Frame::Text(text.to_owned());
                world.record.frame(at, Direction::ToClient, FrameKind::Raw, conn, "", frame);
            }
        });
    }

    /// Sends a binary frame to every connection. The service never sends one.
    pub fn push_binary(&self, bytes: &[u8]) {
        self.shared.with(|world| {
            for (_, connection) in world.connections.iter() {
                let _ = connection.out.send(Out::Binary(bytes.to_vec()));
            }
        });
    }

    /// Sends the last event of this type again, with the same ID and the same text. Returns `false` if there was none.
    pub fn resend_last_event(&self, event_type: &str) -> bool {
        self.again(event_type, false)
    }

    /// Sends the last event of this type again under a new ID, as the service does after a resume. Returns `false` if
    /// there was none.
    pub fn redeliver_last_event(&self, event_type: &str) -> bool {
        self.again(event_type, true)
    }

    fn again(&self, event_type: &str, fresh_id: bool) -> bool {
        self.shared.with(|world| {
            let is_one = |entry: &FrameRecord| entry.kind() == FrameKind::Event && entry.method() == event_type;
            let conns: Vec<u64> = world.connections.numbers();
            let found = world.record.last(is_one).is_some();
            world.again(event_type, fresh_id, &conns);
            found
        })
    }
}
