//! The expectations of a test, and their check when the simulator is dropped.

use std::fmt;
use std::time::Duration;

use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::watch::ACK_LIMIT;
use crate::simulator::verdict::expected::{Count, Expected};
use crate::simulator::verdict::interactions::{self, Interaction, InteractionKind, Matcher, Scene};
use crate::simulator::verdict::unmet::{SHOWN, VerificationError};
use crate::simulator::world::shared::Shared;
use crate::simulator::world::state::World;

/// Longest time that the drop of a simulator waits for listeners that are still at work.
const LISTENER_LIMIT: Duration = Duration::from_secs(2);

/// An expectation of an interaction. Default: at least once.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Expectation<'_> {
    /// Expects the interaction exactly once.
    pub fn once(self) {
        self.count(Count::Exactly(1));
    }

    /// Expects the interaction exactly `times` times.
    pub fn times(self, times: usize) {
        self.count(Count::Exactly(times));
    }

    /// Expects the interaction `times` times or more.
    pub fn at_least(self, times: usize) {
        self.count(Count::AtLeast(times));
    }

    /// Expects that the interaction does not happen.
    pub fn never(self) {
        self.count(Count::Exactly(0));
    }

    /// Restricts the expectation to interactions with this person, like [`Matcher::with`].
    pub fn with(self, number: impl Into<String>) -> Self {
        self.narrowed(|wanted| wanted.with(number))
    }

    /// Restricts the expectation to interactions with these words, like [`Matcher::saying`].
    pub fn saying(self, text: impl Into<String>) -> Self {
        self.narrowed(|wanted| wanted.saying(text))
    }

    /// Restricts the expectation to requests whose parameters match, like [`Matcher::matching`].
    pub fn matching(self, fits: impl Fn(&serde_json::Value) -> bool + Send + Sync + 'static) -> Self {
        self.narrowed(|wanted| wanted.matching(fits))
    }

    fn count(self, new: Count) {
        self.change(|_, count| *count = new);
    }

    fn narrowed(self, narrow: impl FnOnce(Matcher) -> Matcher) -> Self {
        self.change(|wanted, _| *wanted = narrow(wanted.clone()));
        self
    }

    fn change(self, change: impl FnOnce(&mut Matcher, &mut Count)) {
        // The expectation is no longer there if it was checked by hand.
        if let Some(Expected::Interaction(wanted, count)) = self.shared.expected.lock().get(self.id) {
            change(wanted, count);
        }
    }
}

impl fmt::Debug for Expectation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectation").finish_non_exhaustive()
    }
}

/// # Expectations
///
/// Expectations are checked when the simulator is dropped, or by [`verify`](Self::verify).
///
/// ```
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::simulator::interactions::{asked_for_digits, hung_up, said};
///
/// let sim = Simulator::start()?;
/// sim.expect_said("welcome").with("+15551230000").once();
/// sim.expect_dialled("+15553334444").never();
/// sim.expect_request("calling.record").matching(|params| params["record"]["audio"]["beep"] == true);
/// sim.expect_in_order([said("press 1"), asked_for_digits(), said("goodbye"), hung_up()]);
///
/// let unmet = sim.verify().unwrap_err(); // no program has connected
/// assert_eq!(unmet.expectations().len(), 3);
/// assert!(unmet.to_string().contains("+15551230000 is told \"welcome\", once; it happened never"));
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
impl Simulator {
    /// Expects an interaction. Default: at least once.
    pub fn expect(&self, wanted: Matcher) -> Expectation<'_> {
        let id = self.shared.expected.lock().add(Expected::at_least_once(wanted));
        Expectation { shared: &self.shared, id }
    }

    /// Expects interactions in this order. Other interactions may occur between them.
    pub fn expect_in_order(&self, wanted: impl IntoIterator<Item = Matcher>) {
        let all = wanted.into_iter().collect();
        self.shared.expected.lock().add(Expected::Order(all));
    }

    /// Expects the program to say a text that contains `text`.
    pub fn expect_said(&self, text: impl Into<String>) -> Expectation<'_> {
        self.expect(interactions::said(text))
    }

    /// Expects the program to ask a person for digits.
    pub fn expect_asked_for_digits(&self) -> Expectation<'_> {
        self.expect(interactions::asked_for_digits())
    }

    /// Expects the program to call a number.
    pub fn expect_dialled(&self, number: impl Into<String>) -> Expectation<'_> {
        self.expect(interactions::dialled(number))
    }

    /// Expects the program to connect two people.
    pub fn expect_connected(&self, one: impl Into<String>, other: impl Into<String>) -> Expectation<'_> {
        self.expect(interactions::connected(one, other))
    }

    /// Expects a recording.
    pub fn expect_recorded(&self) -> Expectation<'_> {
        self.expect(interactions::recorded())
    }

    /// Expects a text message to a number.
    pub fn expect_texted(&self, number: impl Into<String>) -> Expectation<'_> {
        self.expect(interactions::texted(number))
    }

    /// Expects the program to answer a call.
    pub fn expect_answered(&self) -> Expectation<'_> {
        self.expect(interactions::answered())
    }

    /// Expects the program to end a call.
    pub fn expect_hung_up(&self) -> Expectation<'_> {
        self.expect(interactions::hung_up())
    }

    /// Expects a request of this method.
    pub fn expect_request(&self, method: impl Into<String>) -> Expectation<'_> {
        self.expect(interactions::requested(method))
    }

    /// Checks the expectations and the violations so far. The drop of the simulator does not check them again.
    ///
    /// # Errors
    ///
    /// If an expected interaction did not happen, or happened too often, or if there are violations and
    /// [`allow_violations`](crate::simulator::Builder::allow_violations) is not set.
    pub fn verify(&self) -> Result<(), VerificationError> {
        let violations = self.take_violations();
        let allowed = self.shared.with(|world| world.settings.allow_violations);
        let violations = if allowed { Vec::new() } else { violations };
        let expected = self.shared.expected.lock().take();
        if expected.is_empty() && violations.is_empty() {
            return Ok(());
        }
        let (scene, lines) = self.shared.with(|world| {
            let lines = world.record.last_lines(SHOWN);
            (scene(world), lines)
        });
        let expectations: Vec<String> = expected.iter().filter_map(|expected| expected.unmet(&scene)).collect();
        if expectations.is_empty() && violations.is_empty() {
            return Ok(());
        }
        Err(VerificationError::new(expectations, violations, lines, &scene.entries))
    }

    /// Waits until the sent events are acknowledged, so that the drop does not report events on their way.
    fn settle(&self) {
        let until = self.shared.clock.after(ACK_LIMIT);
        // Events without an acknowledgement by then are violations.
        let _ = self.shared.wait_for(until, |world| {
            let settled = world.settings.allow_violations
                || world.connections.iter().all(|(_, conn)| conn.foreign || conn.unacked.is_empty());
            settled.then_some(())
        });
    }
}

/// # Interactions of the program
///
/// ```
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::{Client, phone, tts};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).connect()?;
/// let call = client.dial(phone("+15552222222").from("+15551111111"))?;
/// call.play(tts("Your order is ready."))?.wait(None)?;
/// call.hangup()?;
///
/// assert_eq!(sim.dialled(), ["+15552222222"]);
/// assert_eq!(sim.said(), ["Your order is ready."]);
/// assert_eq!(sim.hung_up(), ["+15552222222"]);
/// assert!(sim.recordings().is_empty() && sim.asked_for_digits().is_empty());
/// # Ok(()) }
/// ```
impl Simulator {
    /// Returns all interactions of the program so far, and everything that people heard, pressed and said; the last
    /// 50,000.
    #[must_use]
    pub fn interactions(&self) -> Vec<Interaction> {
        self.shared.with(|world| world.record.interactions().cloned().collect())
    }

    /// The number of interactions so far that match.
    #[must_use]
    pub fn count_of(&self, wanted: &Matcher) -> usize {
        let scene = self.shared.with(|world| scene(world));
        wanted.places(&scene).len()
    }

    /// Returns the texts that the program said, to any person, and the URLs of the files that it played.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.pick(InteractionKind::Said, Interaction::words)
    }

    /// Returns the prompts with which the program asked for digits; an empty string where it asked without a prompt.
    #[must_use]
    pub fn asked_for_digits(&self) -> Vec<String> {
        self.pick(InteractionKind::AskedForDigits, Interaction::words)
    }

    /// Returns the numbers that the program called.
    #[must_use]
    pub fn dialled(&self) -> Vec<String> {
        self.pick(InteractionKind::Dialled, Interaction::with)
    }

    /// Returns the pairs of numbers that the program connected.
    #[must_use]
    pub fn connected(&self) -> Vec<(String, String)> {
        let both = |interaction: &Interaction| (interaction.with().to_owned(), interaction.words().to_owned());
        self.of(InteractionKind::Connected).iter().map(both).collect()
    }

    /// Returns the complete recordings of the program: the person, the words, and the length of each.
    #[must_use]
    pub fn recordings(&self) -> Vec<Interaction> {
        self.of(InteractionKind::Recorded)
    }

    /// Returns the numbers of the callers whose calls the program answered.
    #[must_use]
    pub fn answered(&self) -> Vec<String> {
        self.pick(InteractionKind::Answered, Interaction::with)
    }

    /// Returns the numbers of the people whose calls the program ended.
    #[must_use]
    pub fn hung_up(&self) -> Vec<String> {
        self.pick(InteractionKind::HungUp, Interaction::with)
    }

    fn of(&self, kind: InteractionKind) -> Vec<Interaction> {
        self.shared.with(|world| {
            world.record.interactions().filter(|interaction| interaction.kind() == kind).cloned().collect()
        })
    }

    fn pick(&self, kind: InteractionKind, part: fn(&Interaction) -> &str) -> Vec<String> {
        self.of(kind).iter().map(|interaction| part(interaction).to_owned()).collect()
    }
}

/// Everything that has happened so far.
fn scene(world: &World) -> Scene {
    Scene {
        interactions: world.record.interactions().cloned().collect(),
        entries: world.record.journal().entries().to_vec(),
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle();
        }
        let verdict = self.verify();
        self.server.close();
        // Without senders, the listeners end after they have processed everything.
        self.shared.with(|world| world.record.end_listening());
        let until = self.shared.clock.after(LISTENER_LIMIT);
        let listeners = std::mem::take(&mut *self.listeners.lock());
        for (thread, ended) in listeners {
            if thread != std::thread::current().id() {
                let _ = self.shared.clock.recv(&ended, until);
            }
        }
        judge(verdict);
    }
}

/// Reports the verdict when a simulator is dropped: the test fails, or a line is printed if it has failed already.
fn judge(verdict: Result<(), VerificationError>) {
    if let Err(unmet) = verdict {
        if std::thread::panicking() {
            // A second panic would end the process, and with it the other tests.
            #[expect(clippy::print_stderr, reason = "it belongs to the panic that is being reported")]
            {
                eprintln!("{unmet}");
            }
        } else {
            panic!("{unmet}");
        }
    }
}
