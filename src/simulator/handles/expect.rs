//! What a program is expected to do, and the judgement when the simulator is dropped.

use std::fmt;

use crate::simulator::Simulator;
use crate::simulator::handles::watch::ACK_LIMIT;
use crate::simulator::record::journal::{Direction, Entry, EntryKind};
use crate::simulator::verdict::deeds::{self, Deed, DeedKind, Scene, Wanted, shortened};
use crate::simulator::world::shared::Shared;
use crate::simulator::world::state::World;

/// How many lines of the transcript, and how many frames, a failure shows.
const SHOWN: usize = 20;

/// How often something is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exactly(usize),
    AtLeast(usize),
}

impl Count {
    fn fits(self, times: usize) -> bool {
        match self {
            Self::Exactly(wanted) => times == wanted,
            Self::AtLeast(least) => times >= least,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(0) => f.write_str("never"),
            Self::Exactly(1) => f.write_str("once"),
            Self::Exactly(times) => write!(f, "{times} times"),
            Self::AtLeast(1) => f.write_str("at least once"),
            Self::AtLeast(times) => write!(f, "at least {times} times"),
        }
    }
}

/// One thing that is expected, or several in their order.
#[derive(Debug)]
pub enum Expected {
    Deed(Wanted, Count),
    Order(Vec<Wanted>),
}

impl Expected {
    pub(crate) fn at_least_once(wanted: Wanted) -> Self {
        Self::Deed(wanted, Count::AtLeast(1))
    }

    pub(crate) fn never(wanted: Wanted) -> Self {
        Self::Deed(wanted, Count::Exactly(0))
    }

    /// The same, for this person alone.
    pub(crate) fn with(self, number: &str) -> Self {
        self.narrowed(|wanted| wanted.with(number))
    }

    /// The same, on this call alone.
    pub(crate) fn on_call(self, call_id: &str) -> Self {
        self.narrowed(|wanted| wanted.on_call(call_id))
    }

    fn narrowed(self, narrow: impl Fn(Wanted) -> Wanted) -> Self {
        match self {
            Self::Deed(wanted, count) => Self::Deed(narrow(wanted), count),
            Self::Order(all) => Self::Order(all.into_iter().map(narrow).collect()),
        }
    }

    /// Why it is not met, when it is not.
    fn unmet(&self, scene: &Scene) -> Option<String> {
        match self {
            Self::Deed(wanted, count) => {
                let times = wanted.places(scene).len();
                if count.fits(times) {
                    return None;
                }
                let mut line = format!("{wanted}, {count}; it happened {}", times_of(times));
                if times == 0 {
                    tell_all(&mut line, "near it came", &wanted.near(scene));
                }
                Some(line)
            }
            Self::Order(all) => {
                let mut last = None;
                for (at, wanted) in all.iter().enumerate() {
                    let next = wanted.places(scene).into_iter().find(|place| last.is_none_or(|last| *place > last));
                    if next.is_none() {
                        let order: Vec<String> = all.iter().map(ToString::to_string).collect();
                        let mut line = format!("in this order: {}", order.join("; "));
                        line += &format!("\n       what did not come in its place is number {}: {wanted}", at + 1);
                        let what = if at == 0 { "what came" } else { "behind those before it came" };
                        tell_all(&mut line, what, &scene.behind(last));
                        tell_all(&mut line, "near it came", &wanted.near(scene));
                        return Some(line);
                    }
                    last = next;
                }
                None
            }
        }
    }
}

fn times_of(times: usize) -> String {
    match times {
        0 => "never".into(),
        1 => "once".into(),
        times => format!("{times} times"),
    }
}

fn tell_all(line: &mut String, what: &str, all: &[String]) {
    if !all.is_empty() {
        *line += &format!("\n       {what}:");
        all.iter().for_each(|one| *line += &format!("\n         {one}"));
    }
}

/// Something that was said to be expected: at least once, unless one of these says how often.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Expectation<'_> {
    /// Exactly once.
    pub fn once(self) {
        self.count(Count::Exactly(1));
    }

    /// Exactly so often.
    pub fn times(self, times: usize) {
        self.count(Count::Exactly(times));
    }

    /// So often or more.
    pub fn at_least(self, times: usize) {
        self.count(Count::AtLeast(times));
    }

    /// Not at all.
    pub fn never(self) {
        self.count(Count::Exactly(0));
    }

    /// As [`Wanted::with`]: only when it is done to this person.
    pub fn with(self, number: impl Into<String>) -> Self {
        self.narrowed(|wanted| wanted.with(number))
    }

    /// As [`Wanted::saying`]: only with these words.
    pub fn saying(self, text: impl Into<String>) -> Self {
        self.narrowed(|wanted| wanted.saying(text))
    }

    /// As [`Wanted::matching`]: only requests whose parameters fit.
    pub fn matching(self, fits: impl Fn(&serde_json::Value) -> bool + Send + Sync + 'static) -> Self {
        self.narrowed(|wanted| wanted.matching(fits))
    }

    fn count(self, new: Count) {
        self.change(|_, count| *count = new);
    }

    fn narrowed(self, narrow: impl FnOnce(Wanted) -> Wanted) -> Self {
        self.change(|wanted, _| *wanted = narrow(wanted.clone()));
        self
    }

    fn change(self, change: impl FnOnce(&mut Wanted, &mut Count)) {
        self.shared.with(|world| {
            // It is gone when it has been judged by hand already.
            let mine = world.expected.iter_mut().find(|(id, _)| *id == self.id);
            if let Some((_, Expected::Deed(wanted, count))) = mine {
                change(wanted, count);
            }
        });
    }
}

impl fmt::Debug for Expectation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectation").finish_non_exhaustive()
    }
}

/// What was expected and did not happen, and what a client did that the service would not accept.
///
/// `Display` and `Debug` are the same: each unmet expectation with what came near it, each violation, then the end of
/// the transcript and the last frames.
#[derive(Clone)]
pub struct Unmet {
    expectations: Vec<String>,
    violations: Vec<String>,
    transcript: Vec<String>,
    frames: Vec<String>,
}

impl Unmet {
    /// The expectations that are not met, a sentence or more each.
    #[must_use]
    pub fn expectations(&self) -> &[String] {
        &self.expectations
    }

    /// The violations that were not allowed.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.expectations.is_empty() {
            write!(f, "the program did not do what was expected:")?;
            for (at, line) in self.expectations.iter().enumerate() {
                write!(f, "\n  {:>2}. {line}", at + 1)?;
            }
        }
        if !self.violations.is_empty() {
            let next = if self.expectations.is_empty() { "" } else { "\n" };
            write!(f, "{next}what the service would not accept (`allow_violations()` lets it pass):")?;
            self.violations.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        for (what, lines) in [("the transcript ends with", &self.transcript), ("the last frames", &self.frames)] {
            match lines.is_empty() {
                true => write!(f, "\n{what}: nothing")?,
                false => write!(f, "\n{what}:")?,
            }
            lines.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unmet {}

/// What is expected of the program. It is judged when the simulator is dropped, or by [`verify`](Self::verify).
///
/// ```
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::simulator::deeds::{asked_for_digits, hung_up, said};
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
    /// Expects a deed, at least once when nothing else is said.
    pub fn expect(&self, wanted: Wanted) -> Expectation<'_> {
        let id = self.shared.with(|world| world.expects(Expected::at_least_once(wanted)));
        Expectation { shared: &self.shared, id }
    }

    /// Expects deeds in this order; others may come between them.
    pub fn expect_in_order(&self, wanted: impl IntoIterator<Item = Wanted>) {
        let all = wanted.into_iter().collect();
        self.shared.with(|world| world.expects(Expected::Order(all)));
    }

    /// Expects something that contains `text` to be spoken.
    pub fn expect_said(&self, text: impl Into<String>) -> Expectation<'_> {
        self.expect(deeds::said(text))
    }

    /// Expects somebody to be asked for digits.
    pub fn expect_asked_for_digits(&self) -> Expectation<'_> {
        self.expect(deeds::asked_for_digits())
    }

    /// Expects a number to be called.
    pub fn expect_dialled(&self, number: impl Into<String>) -> Expectation<'_> {
        self.expect(deeds::dialled(number))
    }

    /// Expects two people to be put through to each other.
    pub fn expect_connected(&self, one: impl Into<String>, other: impl Into<String>) -> Expectation<'_> {
        self.expect(deeds::connected(one, other))
    }

    /// Expects a recording.
    pub fn expect_recorded(&self) -> Expectation<'_> {
        self.expect(deeds::recorded())
    }

    /// Expects a text to a number.
    pub fn expect_texted(&self, number: impl Into<String>) -> Expectation<'_> {
        self.expect(deeds::texted(number))
    }

    /// Expects a call to be answered by the program.
    pub fn expect_answered(&self) -> Expectation<'_> {
        self.expect(deeds::answered())
    }

    /// Expects a call to be ended by the program.
    pub fn expect_hung_up(&self) -> Expectation<'_> {
        self.expect(deeds::hung_up())
    }

    /// Expects a request of this method.
    pub fn expect_request(&self, method: impl Into<String>) -> Expectation<'_> {
        self.expect(deeds::requested(method))
    }

    /// Judges now what is expected so far, and the violations so far; the drop of the simulator judges neither again.
    ///
    /// # Errors
    ///
    /// When something expected did not happen, or happened too often, and when there are violations that
    /// [`allow_violations`](crate::simulator::Builder::allow_violations) does not let pass.
    pub fn verify(&self) -> Result<(), Unmet> {
        let violations = self.take_violations();
        let allowed = self.shared.with(|world| world.settings.allow_violations);
        let violations = if allowed { Vec::new() } else { violations };
        let expected = self.shared.with(|world| std::mem::take(&mut world.expected));
        if expected.is_empty() && violations.is_empty() {
            return Ok(());
        }
        let (scene, lines) = self.shared.with(|world| {
            let skip = world.lines.len().saturating_sub(SHOWN);
            let lines: Vec<String> = world.lines.iter().skip(skip).cloned().collect();
            (scene(world), lines)
        });
        let expectations: Vec<String> = expected.iter().filter_map(|(_, expected)| expected.unmet(&scene)).collect();
        if expectations.is_empty() && violations.is_empty() {
            return Ok(());
        }
        // Acknowledgements say nothing.
        let told: Vec<&Entry> = scene.entries.iter().filter(|entry| entry.kind() != EntryKind::Ack).collect();
        let skip = told.len().saturating_sub(SHOWN);
        let frames = told.into_iter().skip(skip).map(in_brief).collect();
        Err(Unmet { expectations, violations, transcript: lines, frames })
    }

    /// Waits until what was sent is acknowledged, so that the drop does not judge what is still on its way.
    pub(crate) fn settle(&self) {
        let until = self.shared.clock.after(ACK_LIMIT);
        // What is not acknowledged by then is a violation.
        let _ = self.shared.wait_for(until, |world| {
            let settled = world.settings.allow_violations
                || world.conns.values().all(|conn| conn.foreign || conn.unacked.is_empty());
            settled.then_some(())
        });
    }
}

/// What the program did, in order.
impl Simulator {
    /// Everything that the program did so far (the last 50,000 of it).
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.shared.with(|world| world.deeds.iter().cloned().collect())
    }

    /// How often this was done so far.
    #[must_use]
    pub fn count_of(&self, wanted: &Wanted) -> usize {
        let scene = self.shared.with(|world| scene(world));
        wanted.places(&scene).len()
    }

    /// What the program said, to whomever, and the addresses of the files it played.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.pick(DeedKind::Said, Deed::words)
    }

    /// The prompts with which it asked for digits; an empty text where it asked without one.
    #[must_use]
    pub fn asked_for_digits(&self) -> Vec<String> {
        self.pick(DeedKind::AskedForDigits, Deed::words)
    }

    /// The numbers it called.
    #[must_use]
    pub fn dialled(&self) -> Vec<String> {
        self.pick(DeedKind::Dialled, Deed::with)
    }

    /// Whom it put through to whom.
    #[must_use]
    pub fn connected(&self) -> Vec<(String, String)> {
        let both = |deed: &Deed| (deed.with().to_owned(), deed.words().to_owned());
        self.of(DeedKind::Connected).iter().map(both).collect()
    }

    /// Its complete recordings: of whom, what was said meanwhile, and how long they are.
    #[must_use]
    pub fn recordings(&self) -> Vec<Deed> {
        self.of(DeedKind::Recorded)
    }

    /// Whose calls it answered.
    #[must_use]
    pub fn answered(&self) -> Vec<String> {
        self.pick(DeedKind::Answered, Deed::with)
    }

    /// Whose calls it ended.
    #[must_use]
    pub fn hung_up(&self) -> Vec<String> {
        self.pick(DeedKind::HungUp, Deed::with)
    }

    fn of(&self, kind: DeedKind) -> Vec<Deed> {
        self.shared.with(|world| world.deeds.iter().filter(|deed| deed.kind() == kind).cloned().collect())
    }

    fn pick(&self, kind: DeedKind, part: fn(&Deed) -> &str) -> Vec<String> {
        self.of(kind).iter().map(|deed| part(deed).to_owned()).collect()
    }
}

impl World {
    /// Notes what is expected; gives what it is found by.
    pub(crate) fn expects(&mut self, expected: Expected) -> u64 {
        let id = self.number();
        self.expected.push((id, expected));
        id
    }
}

/// All that has happened so far.
fn scene(world: &World) -> Scene {
    Scene { deeds: world.deeds.iter().cloned().collect(), entries: world.log.snapshot().entries().to_vec() }
}

/// A frame in one line that can be read: what of it tells something, and the end of the call's id.
fn in_brief(entry: &Entry) -> String {
    let arrow = match entry.direction() {
        Direction::FromClient => "→",
        Direction::ToClient => "←",
    };
    let mut params = entry.params().clone();
    if let Some(fields) = params.as_object_mut() {
        for dull in ["node_id", "call_id", "segment_id", "tag"] {
            fields.remove(dull);
        }
    }
    let what = if entry.kind() == EntryKind::Raw { entry.text() } else { params.to_string() };
    let id = entry.call_id().map_or_else(String::new, |id| {
        let from = id.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
        format!(" (call …{})", &id[from..])
    });
    let reply = if matches!(entry.kind(), EntryKind::Reply | EntryKind::ErrorReply) { " reply" } else { "" };
    shortened(&format!("{:.3} s {arrow} {}{reply}{id} {what}", entry.at().as_secs_f64(), entry.method()))
}

/// The verdict at the drop of a simulator: a failure of the test, or only a word when it has failed already.
pub(crate) fn judge(verdict: Result<(), Unmet>) {
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
