//! What a test asks the simulator: the journal, the violations, the transcript.

use std::time::Duration;

use crate::clock::{Sender, Whose};
use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::person_on_call::{PersonOnCall, wait};
use crate::simulator::record::interaction::Interaction;
use crate::simulator::record::journal::{FrameKind, FrameRecord, Journal, WaitTimeout};
use crate::simulator::service::methods;
use crate::simulator::wire::schema;
use crate::simulator::world::calls::Leg;

/// How old an event is when its missing acknowledgement counts as a violation: more than a busy machine needs.
pub(crate) const ACK_LIMIT: Duration = Duration::from_secs(5);

/// A call, as it is at one moment; from [`Simulator::calls`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSnapshot {
    /// ID of the call, as the program sees it too.
    pub call_id: String,
    /// The number or address of the person.
    pub person: String,
    /// The number or address of the program.
    pub program: String,
    /// Whether the person called the program.
    pub inbound: bool,
    /// `created`, `ringing`, `answered` or `ending`.
    pub state: &'static str,
    /// The ID of the call that this one is connected to.
    pub connected_to: Option<String>,
    /// The name of the conference that the call is in.
    pub conference: Option<String>,
    /// The name of the queue that the call waits in.
    pub queue: Option<String>,
    /// `true` if the program has put the call on hold.
    pub held: bool,
}

/// # What happened
impl Simulator {
    /// Every frame so far, without secrets: the last 50,000 of them, unless
    /// [`journal_limit`](crate::simulator::Builder::journal_limit) sets another bound.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.with(|world| world.record.journal())
    }

    /// Waits for the next request of a method. Each call gives a request that no earlier call gave, so that several in
    /// a row walk through them in order.
    ///
    /// # Errors
    ///
    /// When `timeout` passed before; the error shows the last twenty frames.
    pub fn wait_for_request(&self, method: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        self.wait_for_entry(FrameKind::Request, method, timeout)
    }

    /// Waits for the next event of a type, in the same manner.
    ///
    /// # Errors
    ///
    /// When `timeout` passed before; the error shows the last twenty frames.
    pub fn wait_for_event(&self, event_type: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        self.wait_for_entry(FrameKind::Event, event_type, timeout)
    }

    fn wait_for_entry(&self, kind: FrameKind, method: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        wait(&self.shared, timeout, method, |world| world.record.claim(kind, method))
    }

    /// Returns what clients did that the service does not know or would not accept, one sentence each: unknown methods
    /// and fields, wrong types, repeated ids, malformed frames, events not acknowledged within five seconds, commands
    /// for calls and operations that never were or of whose end the client had known for a second, `calling.end`
    /// excepted. A request whose only fault is an unknown field is carried out.
    ///
    /// What is left of them when the simulator is dropped fails the test, unless
    /// [`allow_violations`](crate::simulator::Builder::allow_violations) is set.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.with(|world| {
            let now = world.time.now();
            let mut all = world.record.violations().to_vec();
            for (conn, connection) in world.connections.iter().filter(|(_, connection)| !connection.foreign) {
                let late =
                    connection.unacked.values().filter(|event| now.saturating_duration_since(event.sent) >= ACK_LIMIT);
                let late = late.count();
                if late > 0 {
                    all.push(format!("connection {conn} has not acknowledged {late} events"));
                }
            }
            all
        })
    }

    /// Whether the service has, or once had, a method of this name: what has none is a slip of the pen.
    #[must_use]
    pub fn knows_method(&self, method: &str) -> bool {
        methods::all().knows(method) || schema::refused(method).is_some()
    }

    /// The calls that there are now, ended ones not included, in the order in which they were made.
    #[must_use]
    pub fn calls(&self) -> Vec<CallSnapshot> {
        self.shared.with(|world| {
            let mut legs: Vec<&Leg> = world.calls.all().collect();
            legs.sort_unstable_by_key(|leg| leg.person);
            let seen = |leg: &Leg| CallSnapshot {
                call_id: leg.call_id.clone(),
                person: world.person_name(leg.person),
                program: leg.own_address().to_owned(),
                inbound: leg.inbound,
                state: leg.state.name(),
                connected_to: leg.peer.clone(),
                conference: leg.conference.clone(),
                queue: leg.stay.as_ref().map(|stay| stay.queue.clone()),
                held: leg.held,
            };
            legs.into_iter().map(seen).collect()
        })
    }

    /// Returns the person at the far end of a call, whether that person called or was called. `None` if there is no
    /// such call.
    #[must_use]
    pub fn person_on(&self, call_id: &str) -> Option<PersonOnCall> {
        PersonOnCall::on(&self.shared, call_id)
    }

    /// Returns the [`violations`](Self::violations) and forgets them: for a test that provokes violations.
    pub fn take_violations(&self) -> Vec<String> {
        let all = self.violations();
        self.shared.with(|world| {
            world.record.forget_violations();
            let now = world.time.now();
            let recent = |sent| now.saturating_duration_since(sent) < ACK_LIMIT;
            world.connections.retain_unacked(|event| recent(event.sent));
        });
        all
    }

    /// The longest time that any event waited for its acknowledgement, of those that were acknowledged.
    #[must_use]
    pub fn slowest_ack(&self) -> Duration {
        self.shared.with(|world| world.record.slowest_ack())
    }

    /// Returns what happened in words, a line each, in order: who called, what was heard, pressed, recorded, how the
    /// call ended.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared.with(|world| world.record.transcript())
    }

    /// Hands every line of the transcript, from the first, to a function on a thread of its own.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.on_transcript(|line| println!("  {line}"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn on_transcript(&self, mut listener: impl FnMut(&str) + Send + 'static) {
        if let Some(sender) = self.listener("simulator-transcript", move |line: String| listener(&line)) {
            self.shared.with(|world| world.record.on_line(sender));
        }
    }

    /// Hands every frame of the journal, from the first that it still has, to a function on a thread of its own. The
    /// drop of the simulator waits two seconds for the function to be done with all of them.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.on_frame(|frame| println!("{}", frame.to_json()));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn on_frame(&self, mut listener: impl FnMut(&FrameRecord) + Send + 'static) {
        if let Some(sender) = self.listener("simulator-journal", move |entry: FrameRecord| listener(&entry)) {
            self.shared.with(|world| world.record.on_frame(sender));
        }
    }

    /// Calls `listener` with every [`Interaction`], from the first, on a thread of its own: what the program does, and what
    /// people hear, press and say.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.on_interaction(|interaction| println!("{interaction}"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn on_interaction(&self, mut listener: impl FnMut(&Interaction) + Send + 'static) {
        if let Some(sender) =
            self.listener("simulator-interactions", move |interaction: Interaction| listener(&interaction))
        {
            self.shared.with(|world| world.record.on_interaction(sender));
        }
    }

    /// A thread that does something with whatever is sent to it; nothing when the machine has no thread to give.
    fn listener<T: Send + 'static>(&self, name: &str, mut each: impl FnMut(T) + Send + 'static) -> Option<Sender<T>> {
        let clock = self.shared.clock.clone();
        let (sender, waiting) = clock.unbounded::<T>();
        let (done, ended) = clock.bounded::<()>(1);
        let of_thread = clock.clone();
        let thread = clock.spawn(Whose::User, name, move || {
            // Dropped when this thread ends, in whatever way.
            let _done = done;
            while let Ok(next) = of_thread.recv(&waiting, None) {
                each(next);
            }
        });
        let thread = thread.ok()?;
        self.listeners.lock().push((thread.thread().id(), ended));
        Some(sender)
    }
}
