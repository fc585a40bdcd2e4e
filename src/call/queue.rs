//! Queues of calls.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::operation::sealed::Sealed;
use super::stays::MOMENT;
use super::{Action, Call, Meaning, Operation};
use crate::error::Result;
use crate::protocol::event::{Event, Peer, QueueEvent};
use crate::protocol::fields::Fields;
use crate::protocol::limits::SMALL;
use crate::protocol::states::{ConnectState, EventName, QueueStatus};

/// Time after a call was taken out of its queue in which the bridge that shows the agent may follow.
const BRIDGING: Duration = Duration::from_secs(5);

params! {
    /// Parameters of [`Call::queue_enter`]. The name of a queue converts into `QueueEnter`.
    pub struct QueueEnter("calling.queue.enter") {
        /// Control ID of this stay, which the queue's events for this call carry. Default: a generated one.
        control_id: NonEmpty,
        /// URL that receives status callbacks about the call in the queue.
        status_url: String,
        /// URL of what the caller hears while waiting.
        wait_url: String,
        /// Longest time in the queue. Sent in whole seconds. Default: 180 s.
        wait_time: WholeSeconds,
        /// URL of an SWML document, or the document, that runs after the queue.
        execute_after_queue: String,
        /// URL of what the agent hears before the two calls are bridged.
        whisper_url: String,
    }
}

params! {
    /// Parameters of [`Call::queue_leave`]. The name of a queue converts into `QueueLeave`.
    pub struct QueueLeave("calling.queue.leave") {
        /// Control ID of the stay to end. Default: that of the last [`Call::queue_enter`] for this queue.
        control_id: NonEmpty,
        /// The queue's ID, which events report.
        queue_id: String,
        /// URL that receives status callbacks about the call in the queue.
        status_url: String,
    }
}

impl QueueEnter {
    /// Puts the call into the queue of this name. The service creates the queue if there is none.
    pub fn new(queue_name: impl Into<String>) -> Self {
        Self::of(named(queue_name.into()))
    }
}

impl QueueLeave {
    /// Takes the call out of the queue of this name.
    pub fn new(queue_name: impl Into<String>) -> Self {
        Self::of(named(queue_name.into()))
    }
}

fn named(queue_name: String) -> Fields {
    let mut fields = Fields::default();
    fields.set("", "queue_name", Value::String(queue_name));
    fields
}

impl From<&str> for QueueEnter {
    fn from(queue_name: &str) -> Self {
        Self::new(queue_name)
    }
}

impl From<String> for QueueEnter {
    fn from(queue_name: String) -> Self {
        Self::new(queue_name)
    }
}

impl From<&str> for QueueLeave {
    fn from(queue_name: &str) -> Self {
        Self::new(queue_name)
    }
}

impl From<String> for QueueLeave {
    fn from(queue_name: String) -> Self {
        Self::new(queue_name)
    }
}

/// Ways in which a stay in a queue, a conference or a room ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StayEnd {
    /// The call was taken out of the queue to be connected.
    Connected,
    /// The wait time has passed, or others took the call out of the queue. This is known 1 s after the service reported
    /// that the call left: if the call ends within that time, the stay ended with the call.
    TimedOut,
    /// The program took the call out.
    Left,
    /// The call was taken out by others. That is known 1 s after the service reported that the call left: if the call or
    /// the conference ends within that time, the stay ended with it.
    Removed,
    /// The conference ended, and the call stays up.
    ConferenceEnded,
    /// The call ended.
    CallEnded,
}

/// The end of a stay in a queue: the outcome of [`Call::queue_enter`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueStay {
    /// The reason why the stay ended.
    pub end: StayEnd,
    /// The other call of the bridge, with [`StayEnd::Connected`]. `None` if no bridge was reported within 5 s.
    pub peer: Option<Peer>,
    /// The last event of the stay, if there was one. Events of more than 64 KiB are not kept.
    pub last: Option<QueueEvent>,
}

/// State of a stay in a queue, from the events so far.
#[doc(hidden)]
#[derive(Default)]
pub struct QueueMemo {
    last: Option<QueueEvent>,
    /// Whether the program has requested to leave.
    leaving: bool,
    taken: bool,
    peer: Option<Peer>,
}

impl QueueMemo {
    fn stay(&self, end: StayEnd) -> QueueStay {
        QueueStay { end, peer: self.peer.clone(), last: self.last.clone() }
    }
}

impl fmt::Debug for QueueMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMemo").finish_non_exhaustive()
    }
}

impl Sealed for QueueEnter {}

impl Operation for QueueEnter {
    type Event = QueueEvent;
    type Outcome = QueueStay;
    type Memo = QueueMemo;
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    // The bridge that follows shows the call that this one was connected to.
    const ALSO: Option<EventName> = Some(EventName::Connect);

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn judge(event: &QueueEvent, memo: &mut QueueMemo) -> Meaning {
        if event.raw.bytes() <= SMALL {
            memo.last = Some(event.clone());
        }
        match event.status {
            QueueStatus::Dequeue => {
                memo.taken = true;
                if memo.peer.is_some() { Meaning::Final } else { Meaning::Within(BRIDGING) }
            }
            QueueStatus::Leave if memo.leaving => Meaning::Final,
            // The end of the call may follow, and is more precise.
            QueueStatus::Leave => Meaning::Within(MOMENT),
            _ => Meaning::Progress,
        }
    }

    fn outcome(_event: &QueueEvent, memo: &QueueMemo) -> Result<QueueStay> {
        Ok(memo.stay(match memo {
            QueueMemo { taken: true, .. } => StayEnd::Connected,
            QueueMemo { leaving: true, .. } => StayEnd::Left,
            _ => StayEnd::TimedOut,
        }))
    }

    fn also(event: &Event, memo: &mut QueueMemo) -> Option<Result<QueueStay>> {
        let Event::Connect(connect) = event else { return None };
        if connect.state != ConnectState::Connected {
            return None;
        }
        memo.peer.clone_from(&connect.peer);
        memo.taken.then(|| Ok(memo.stay(StayEnd::Connected)))
    }

    fn ended_by_call(_call_id: &str, _control_id: &str, memo: &QueueMemo) -> Option<QueueStay> {
        Some(memo.stay(if memo.taken { StayEnd::Connected } else { StayEnd::CallEnded }))
    }

    fn leaving(memo: &mut QueueMemo, is: bool) {
        memo.leaving = is;
    }
}

/// A call's stay in a queue.
pub type QueueAction = Action<QueueEnter>;

/// # A stay in a queue
///
/// ```no_run
/// # use std::time::Duration;
/// # use signalwire_relay::tts;
/// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
/// let stay = call.queue_enter("support")?;
/// if stay.wait(Duration::from_secs(120)).is_err_and(|error| error.is_timeout()) {
///     println!("{:?} of {:?}, {:?}", stay.position(), stay.size(), stay.average_wait());
///     stay.leave()?;
///     call.play(tts("Please call again later."))?.wait(None)?;
/// }
/// # Ok(()) }
/// ```
impl QueueAction {
    /// The call's place in the queue; the front is 1. `None` before the first event.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        self.last_event().map(|event| event.position)
    }

    /// Number of calls in the queue, this one included. `None` before the first event.
    #[must_use]
    pub fn size(&self) -> Option<i64> {
        self.last_event().map(|event| event.size)
    }

    /// Average time that calls wait in the queue, as the service reports it. `None` before the first event.
    #[must_use]
    pub fn average_wait(&self) -> Option<Duration> {
        self.last_event().and_then(|event| Duration::try_from_secs_f64(event.avg_time).ok())
    }

    /// The last event of the stay: its position, size and times. [`events`](Self::events) reports them as they arrive.
    #[must_use]
    pub fn last_event(&self) -> Option<QueueEvent> {
        self.core.memo(|memo| memo.last.clone())
    }

    /// Takes the call out of the queue. Sends `calling.queue.leave` with the control ID of this stay.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The stay has ended when its last
    /// event arrives: see [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. A stay that has ended is no error.
    pub fn leave(&self) -> Result<()> {
        let queue = self.core.memo(|memo| memo.last.as_ref().map(|event| event.queue_name.clone()));
        let queue = queue.or_else(|| self.queue_name()).unwrap_or_default();
        self.call.queue_leave(QueueLeave::new(queue).control_id(self.control_id()))
    }

    fn queue_name(&self) -> Option<String> {
        self.call.core.queue_of(self.control_id()).map(String::from)
    }
}

/// # Queues
impl Call {
    /// Puts the call into a queue. Sends `calling.queue.enter`, and returns when the service has accepted the request.
    ///
    /// [`wait`](Action::wait) on the returned action blocks until the stay ends: connected (to whom), timed out, left,
    /// or ended with the call. [`events`](Action::events) reports the call's position as it changes, and
    /// [`leave`](Action::leave) takes the call out. Dropping the action changes nothing.
    ///
    /// A stay has no limit that could be checked after the connection was interrupted: if its end was missed, a
    /// `wait` that times out is `OutcomeUnknown`, and one without a timeout lasts until the call ends.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::actions::StayEnd;
    /// # use signalwire_relay::params::QueueEnter;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let stay = call.queue_enter(QueueEnter::new("support").wait_time(Duration::from_secs(600)))?;
    /// match stay.wait(None)?.end {
    ///     StayEnd::Connected => call.wait_for_ended(None).map(drop)?,
    ///     end => println!("nobody took the call: {end:?}"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn queue_enter(&self, which: impl Into<QueueEnter>) -> Result<QueueAction> {
        let mut which = which.into();
        let control_id = match which.fields.text("control_id") {
            Some(given) => given.to_owned(),
            None => Uuid::new_v4().to_string(),
        };
        which = which.control_id(control_id.clone());
        let queue = which.fields.text("queue_name").unwrap_or_default().to_owned();
        let before = self.core.queue_entry(&queue);
        self.core.enter_queue(&queue, &control_id);
        let outcome = self.start(which);
        if outcome.as_ref().is_err_and(|error| !error.may_have_been_sent()) {
            // The stay never began; an earlier one continues.
            self.core.leave_queue(&control_id);
            if let Some(before) = before {
                self.core.enter_queue(&queue, &before);
            }
        }
        outcome
    }

    /// Takes the call out of a queue. Sends `calling.queue.leave` with the control ID of the stay.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.queue_leave("support")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended or left the queue, the method returns `Ok`.
    pub fn queue_leave(&self, which: impl Into<QueueLeave>) -> Result<()> {
        let mut which = which.into();
        let control_id = match which.fields.text("control_id") {
            Some(given) => given.to_owned(),
            None => {
                let stay = self.core.queue_entry(which.fields.text("queue_name").unwrap_or_default());
                stay.map_or_else(|| Uuid::new_v4().to_string(), String::from)
            }
        };
        which = which.control_id(control_id.clone());
        self.core.leaving(&control_id, true);
        let outcome = self.command(QueueLeave::METHOD, &which.fields);
        match &outcome {
            Ok(_) => self.core.leave_queue(&control_id),
            Err(error) if !error.may_have_been_sent() => self.core.leaving(&control_id, false),
            Err(_) => {}
        }
        outcome.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (enter, params) in [
            (QueueEnter::from("support"), json!({"queue_name": "support"})),
            (QueueEnter::new("support").control_id("q-1"), json!({"control_id": "q-1", "queue_name": "support"})),
            (
                QueueEnter::new("support").control_id("").status_url("https://example.com/q"),
                json!({"queue_name": "support", "status_url": "https://example.com/q"}),
            ),
            (
                QueueEnter::new("q")
                    .wait_url("w")
                    .wait_time(Duration::from_millis(1500))
                    .execute_after_queue("e")
                    .whisper_url("h"),
                json!({"queue_name": "q", "wait_url": "w", "wait_time": 2, "execute_after_queue": "e",
                    "whisper_url": "h"}),
            ),
        ] {
            assert_eq!(enter.fields.to_json(), params);
        }
        for (leave, params) in [
            (QueueLeave::from("support").control_id(""), json!({"queue_name": "support"})),
            (
                QueueLeave::new("support")
                    .control_id("q-2")
                    .queue_id("qid-7")
                    .status_url("https://example.com/q")
                    .extra("reason", "timeout"),
                json!({"control_id": "q-2", "queue_name": "support", "queue_id": "qid-7",
                    "status_url": "https://example.com/q", "reason": "timeout"}),
            ),
        ] {
            assert_eq!(leave.fields.to_json(), params);
        }
    }
}
