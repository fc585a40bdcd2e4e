//! The records that a test reads: the journal, the violations, the transcript.

use std::time::Duration;

use crate::clock::{Sender, Whose};
use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::person_on_call::{PersonOnCall, wait};
use crate::simulator::record::interaction::Interaction;
use crate::simulator::record::journal::{FrameKind, FrameRecord, Journal, WaitTimeout};
use crate::simulator::service::methods;
use crate::simulator::wire::schema;
use crate::simulator::world::calls::Leg;

/// Age of an event from which its missing acknowledgement is a violation: more than a busy machine needs.
pub(crate) const ACK_LIMIT: Duration = Duration::from_secs(5);

/// A snapshot of a call. Made by [`Simulator::calls`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSnapshot {
    /// The call's ID, the same as in the program.
    pub call_id: String,
    /// The number or address of the person.
    pub person: String,
    /// The number or address of the program.
    pub program: String,
    /// `true` if the person called the program.
    pub inbound: bool,
    /// The state: `created`, `ringing`, `answered` or `ending`.
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

/// # Records
impl Simulator {
    /// Returns every frame so far, without secrets: the last 50,000 of them, unless
    /// [`journal_limit`](crate::simulator::Builder::journal_limit) sets another bound.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.with(|world| world.record.journal())
    }

    /// Blocks until the next request of a method, for at most `timeout`. Each call returns a request that no earlier
    /// call returned, so that repeated calls return the requests in order.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed. The error shows the last 20 frames.
    pub fn wait_for_request(&self, method: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        self.wait_for_entry(FrameKind::Request, method, timeout)
    }

    /// Blocks until the next event of a type, for at most `timeout`, in the same way.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed. The error shows the last 20 frames.
    pub fn wait_for_event(&self, event_type: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        self.wait_for_entry(FrameKind::Event, event_type, timeout)
    }

    fn wait_for_entry(&self, kind: FrameKind, method: &str, timeout: Duration) -> Result<FrameRecord, WaitTimeout> {
        wait(&self.shared, timeout, method, |world| world.record.claim(kind, method))
    }

    /// Returns the violations of the protocol by clients, one sentence each: unknown methods and fields, wrong types,
    /// repeated IDs, malformed frames, events that were not acknowledged within 5 s, commands on calls and operations
    /// that never existed or whose end the client acknowledged more than 1 s before, except `calling.end`. A request
    /// whose only fault is an unknown field is carried out.
    ///
    /// Violations that remain when the simulator is dropped fail the test, unless
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

    /// `true` if the service has, or once had, a method of this name. Any other name is probably misspelt.
    #[must_use]
    pub fn knows_method(&self, method: &str) -> bool {
        methods::all().knows(method) || schema::refused(method).is_some()
    }

    /// Returns the live calls, in the order in which they were created.
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

    /// Returns the [`violations`](Self::violations) and removes them, for a test that provokes violations.
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

    /// The longest time from an event to its acknowledgement, of the acknowledged events.
    #[must_use]
    pub fn slowest_ack(&self) -> Duration {
        self.shared.with(|world| world.record.slowest_ack())
    }

    /// Returns the transcript, one line per event, in order: calls, texts that were heard, digits, recordings, end
    /// reasons.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared.with(|world| world.record.transcript())
    }

    /// Calls a function with every line of the transcript, from the first, on a thread of its own.
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

    /// Calls a function with every frame of the journal, from the first that is kept, on a thread of its own. The drop
    /// of the simulator waits at most 2 s for the function to process all of them.
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

    /// Calls `listener` with every [`Interaction`], from the first, on a thread of its own: the acts of the program,
    /// and the words and digits of people.
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

    /// Starts a thread that processes everything that is sent to it; returns `None` if the system refuses a thread.
    fn listener<T: Send + 'static>(&self, name: &str, mut each: impl FnMut(T) + Send + 'static) -> Option<Sender<T>> {
        let clock = self.shared.clock.clone();
        let (sender, waiting) = clock.unbounded::<T>();
        let (done, ended) = clock.bounded::<()>(1);
        let of_thread = clock.clone();
        let thread = clock.spawn(Whose::User, name, move || {
            // Dropped when this thread ends, for any reason.
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
