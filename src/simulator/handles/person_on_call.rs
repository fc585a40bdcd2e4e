//! A person on a call, read and controlled by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::people::person::Person;
use crate::simulator::record::journal::WaitTimeout;
use crate::simulator::world::shared::Shared;
use crate::simulator::world::state::World;

/// A person on a call, usually a caller. The handle reads the person's state, and controls the person in addition to
/// the script.
///
/// Dropping the handle changes nothing about the call.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::Client;
/// use signalwire_relay::simulator::Simulator;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).contexts(["default"]).connect()?;
/// client.on_call(|call| {
///     call.answer()?;
///     call.wait_for_ended(None)?;
///     Ok(())
/// });
/// let ann = sim.caller("+15551230000").calls("+15559990000").dials();
/// ann.wait_answered(Duration::from_secs(20))?;
/// ann.hang_up();
/// ann.wait_ended(Duration::from_secs(20))?;
/// assert!(!ann.was_hung_up_on());
/// # Ok(()) }
/// ```
pub struct PersonOnCall {
    shared: Arc<Shared>,
    person: u64,
    call_id: String,
    number: String,
}

/// # Watching and controlling a person
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::{Client, Collect, tts};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).contexts(["default"]).connect()?;
/// client.on_call(|call| {
///     call.answer()?;
///     let choice = call.prompt(tts("Press 1 for sales."), Collect::digits(1))?.wait(None)?;
///     call.play(tts(format!("You have pressed {}.", choice.digits().unwrap_or_default())))?.wait(None)?;
///     call.wait_for_ended(None)?;
///     Ok(())
/// });
/// let limit = Duration::from_secs(60);
/// let ann = sim.caller("+15551230000").dials();
/// ann.wait_heard("press 1", limit)?;
/// ann.press("1");
/// ann.wait_heard("pressed 1", limit)?;
/// ann.hang_up();
/// assert_eq!(ann.wait_ended(limit)?, "hangup");
/// assert!(ann.was_answered() && !ann.was_hung_up_on());
/// # Ok(()) }
/// ```
impl PersonOnCall {
    pub(crate) fn new(shared: Arc<Shared>, person: u64, call_id: String, number: String) -> Self {
        Self { shared, person, call_id, number }
    }

    /// Creates another handle to the person of a call.
    pub(crate) fn on(shared: &Arc<Shared>, call_id: &str) -> Option<Self> {
        let (person, number) = shared.with(|world| {
            let id = world.calls.get(call_id)?.person;
            let person = world.numbers.person_mut(id)?;
            person.handles += 1;
            Some((id, person.name.clone()))
        })?;
        Some(Self { shared: Arc::clone(shared), person, call_id: call_id.to_owned(), number })
    }

    /// The call's ID, the same as in the program.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The person's number: the number of a caller, or the dialled number of a callee.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The state of the call: `created`, `ringing`, `answered`, `ending` or `ended`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.shared.with(|world| world.calls.get(&self.call_id).map_or("ended", |leg| leg.state.name()))
    }

    /// Returns the texts that the person heard so far, the URLs of audio files, and the words of connected people.
    /// Each text is in the list from its beginning, even if it was cut off later: see
    /// [`heard_to_the_end`](Self::heard_to_the_end).
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.read(|person| person.heard.clone())
    }

    /// Returns what the person heard from beginning to end, in the order of the ends. What was stopped, interrupted by
    /// input, or cut off by the end of the call is not in the list.
    ///
    /// ```
    /// use std::time::Duration;
    /// use signalwire_relay::simulator::Simulator;
    /// use signalwire_relay::{Client, tts};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::builder().virtual_time().start()?;
    /// let client = Client::builder().simulator(&sim).contexts(["default"]).connect()?;
    /// client.on_call(|call| {
    ///     call.answer()?;
    ///     call.play(tts("Hello!"))?.wait(None)?;
    ///     call.play(tts("Here is the whole story, from its beginning."))?.wait(None)?;
    ///     Ok(())
    /// });
    /// let ann = sim.caller("+15551230000").while_hearing("the whole story").hangs_up().dials();
    /// ann.wait_ended(Duration::from_secs(60))?;
    /// assert_eq!(ann.heard().len(), 2);
    /// assert_eq!(ann.heard_to_the_end(), ["Hello!"]);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn heard_to_the_end(&self) -> Vec<String> {
        self.read(|person| person.heard_out.clone())
    }

    /// The digits that the person received.
    #[must_use]
    pub fn digits_heard(&self) -> String {
        self.read(|person| person.digits_heard.clone())
    }

    /// `true` if a client passed the call.
    #[must_use]
    pub fn was_passed(&self) -> bool {
        self.read(|person| person.passed)
    }

    /// `true` if the call was ever answered.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        self.read(|person| person.answered)
    }

    /// The end reason of the call, once it has ended: `hangup`, `busy`, `noAnswer` and so on.
    #[must_use]
    pub fn end_reason(&self) -> Option<String> {
        self.read(|person| person.ending.as_ref().map(|ending| ending.reason.clone()))
    }

    /// `true` if the program ended the call.
    #[must_use]
    pub fn was_hung_up_on(&self) -> bool {
        self.read(|person| person.ending.as_ref().is_some_and(|ending| ending.by_program))
    }

    /// Blocks until the call is answered, for at most `timeout`. Returns at once if it was answered before.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed, or the call ended without an answer.
    pub fn wait_answered(&self, timeout: Duration) -> Result<(), WaitTimeout> {
        let what = format!("the answer to the call from {}", self.number);
        let answered = wait(&self.shared, timeout, &what, |world| {
            let person = world.numbers.person(self.person)?;
            if person.answered { Some(true) } else { person.ending.as_ref().map(|_| false) }
        })?;
        if answered { Ok(()) } else { Err(self.shared.with(|world| world.record.missed(what))) }
    }

    /// Blocks until the call has ended, for at most `timeout`, and returns the end reason.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed.
    pub fn wait_ended(&self, timeout: Duration) -> Result<String, WaitTimeout> {
        wait(&self.shared, timeout, &format!("the end of the call from {}", self.number), |world| {
            world.numbers.person(self.person)?.ending.as_ref().map(|ending| ending.reason.clone())
        })
    }

    /// Blocks until the person begins to hear a text that contains `text`, for at most `timeout`. Returns at once if
    /// the person heard it before.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed.
    pub fn wait_heard(&self, text: &str, timeout: Duration) -> Result<(), WaitTimeout> {
        let wanted = text.to_lowercase();
        wait(&self.shared, timeout, &format!("{text:?} to {}", self.number), |world| {
            let person = world.numbers.person(self.person)?;
            person.heard.iter().any(|heard| heard.to_lowercase().contains(&wanted)).then_some(())
        })
    }

    /// Presses digits, all at once. Digits that no operation waits for are lost.
    pub fn press(&self, keys: &str) {
        self.shared.with(|world| world.press(self.person, keys));
    }

    /// Begins to say a text, at 12 characters per second of simulated time.
    pub fn say(&self, text: &str) {
        self.shared.with(|world| {
            world.say(self.person, text.to_owned(), true);
        });
    }

    /// Answers the call at once and returns `true`. Returns `false` if the person's phone does not ring: the person
    /// made the call, has answered it, or the call has ended.
    pub fn answer(&self) -> bool {
        self.shared.with(|world| world.person_answers(&self.call_id))
    }

    /// Declines the ringing call at once and returns `true`: the call ends with the reason `decline`. Returns `false`
    /// in the same cases as [`answer`](Self::answer).
    pub fn decline(&self) -> bool {
        self.shared.with(|world| world.person_declines(&self.call_id, "decline"))
    }

    /// Rejects the ringing call as busy: the call ends with the reason `busy`. Returns `false` in the same cases as
    /// [`answer`](Self::answer).
    pub fn is_busy(&self) -> bool {
        self.shared.with(|world| world.person_declines(&self.call_id, "busy"))
    }

    /// Hangs up at once; a ringing call is declined. Does nothing if the call has ended.
    pub fn hang_up(&self) {
        self.shared.with(|world| world.hang_up(self.person));
    }

    fn read<A: Default>(&self, job: impl FnOnce(&Person) -> A) -> A {
        self.shared.with(|world| world.numbers.person(self.person).map(job)).unwrap_or_default()
    }
}

impl Drop for PersonOnCall {
    fn drop(&mut self) {
        self.shared.with(|world| world.let_go(self.person));
    }
}

impl fmt::Debug for PersonOnCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonOnCall")
            .field("number", &self.number)
            .field("call_id", &self.call_id)
            .finish_non_exhaustive()
    }
}

/// Waits until `look` returns a value.
pub(crate) fn wait<A>(
    shared: &Shared,
    timeout: Duration,
    what: &str,
    look: impl FnMut(&mut World) -> Option<A>,
) -> Result<A, WaitTimeout> {
    let until = shared.clock.after(timeout);
    shared.wait_for(until, look).ok_or_else(|| shared.with(|world| world.record.missed(what.to_owned())))
}
