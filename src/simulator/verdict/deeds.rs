//! What a program did, in the words of telephony, and how to say which of it is meant.
//!
//! The functions here name deeds: [`said`]`("Welcome")`, [`dialled`]`("+15552222222")`, [`hung_up`]`()`. A
//! [`Wanted`] goes to [`Simulator::expect`](crate::simulator::Simulator::expect),
//! [`expect_in_order`](crate::simulator::Simulator::expect_in_order) and [`count_of`](crate::simulator::Simulator::count_of). Texts are
//! found wherever they contain what is wanted; upper and lower case are the same.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::simulator::record::journal::{Entry, EntryKind};
use crate::simulator::world::state::World;

/// How many deeds are kept; the oldest go first.
const KEPT: usize = 50_000;

/// What sort of deed it is. The program is the subject of all of them but [`Heard`](Self::Heard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeedKind {
    /// It answered a call.
    Answered,
    /// It passed a call on, unanswered.
    Passed,
    /// It ended a call; the words are the reason.
    HungUp,
    /// It spoke a text, or played a file, of which the words are the address. It counts when it begins.
    Said,
    /// A person heard it; what is said over the greeting of a machine is heard by nobody.
    Heard,
    /// It asked for digits; the words are those of the prompt.
    AskedForDigits,
    /// It asked for an answer in words; the words are those of the prompt.
    AskedToSpeak,
    /// It asked for a card; the words are the result of the payment once that is known, and the deed counts then.
    Charged,
    /// It sent digits.
    SentDigits,
    /// It made a recording; the words are what was said meanwhile.
    Recorded,
    /// It called a number, by a dial or by a connect.
    Dialled,
    /// It put two people through to each other; the words are the number of the other one.
    Connected,
    /// It sent a text.
    Texted,
    /// It sent or received a fax completely; the words are the address of the document.
    Faxed,
}

/// Something that the program did. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Deed(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    kind: DeedKind,
    who: String,
    words: String,
    call_id: Option<String>,
    at: Duration,
    lasted: Duration,
    place: Place,
}

/// A place in the order of all frames and deeds: the last frame before a deed, then the deeds behind that frame.
pub(crate) type Place = (u64, u64);

impl Deed {
    /// What sort of deed it is.
    #[must_use]
    pub fn kind(&self) -> DeedKind {
        self.0.kind
    }

    /// The number or address of the person it was done to.
    #[must_use]
    pub fn with(&self) -> &str {
        &self.0.who
    }

    /// The words that belong to it: those spoken, those of the prompt, of the text; [`DeedKind`] says which.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// The call on which it was done; nothing for texts.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.0.call_id.as_deref()
    }

    /// Time since the simulator was started, as in [`Entry::at`].
    #[must_use]
    pub fn at(&self) -> Duration {
        self.0.at
    }

    /// How long a recording is, in simulated time; zero for everything else.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.0.lasted
    }

    fn sentence(&self) -> String {
        let Inner { kind, who, words, .. } = &*self.0;
        let prompt = if words.is_empty() { String::new() } else { format!(" by {words:?}") };
        match kind {
            DeedKind::Answered => format!("{who} was answered"),
            DeedKind::Passed => format!("{who} was passed on"),
            DeedKind::HungUp => format!("{who} was hung up on ({words})"),
            DeedKind::Said => format!("{who} was told {words:?}"),
            DeedKind::Heard => format!("{who} heard {words:?}"),
            DeedKind::AskedForDigits => format!("{who} was asked for digits{prompt}"),
            DeedKind::AskedToSpeak => format!("{who} was asked to speak{prompt}"),
            DeedKind::Charged => format!("{who} was charged ({words})"),
            DeedKind::SentDigits => format!("{who} was sent the digits {words}"),
            DeedKind::Recorded => {
                format!("{who} was recorded for {:.1} s saying {words:?}", self.0.lasted.as_secs_f64())
            }
            DeedKind::Dialled => format!("{who} was called"),
            DeedKind::Connected => format!("{who} was connected with {words}"),
            DeedKind::Texted => format!("{who} was sent the text {words:?}"),
            DeedKind::Faxed => format!("a fax passed to or from {who}: {words}"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s: {}", self.0.at.as_secs_f64(), self.sentence())?;
        self.0.call_id.as_ref().map_or(Ok(()), |id| write!(f, " (call {id})"))
    }
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

type Matcher = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// Which deeds are meant; from the functions of this module.
#[derive(Clone)]
pub struct Wanted {
    sought: Sought,
    who: Option<String>,
    words: Option<String>,
    fits: Option<Matcher>,
    call: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Sought {
    Deed(DeedKind),
    Request(String),
}

fn wanted(kind: DeedKind) -> Wanted {
    Wanted { sought: Sought::Deed(kind), who: None, words: None, fits: None, call: None }
}

/// The program said something that contains `text`, or played the file at this address.
pub fn said(text: impl Into<String>) -> Wanted {
    wanted(DeedKind::Said).saying(text)
}

/// Somebody heard something that contains `text`.
pub fn heard(text: impl Into<String>) -> Wanted {
    wanted(DeedKind::Heard).saying(text)
}

/// The program asked for digits.
#[must_use]
pub fn asked_for_digits() -> Wanted {
    wanted(DeedKind::AskedForDigits)
}

/// The program asked for an answer in words.
#[must_use]
pub fn asked_to_speak() -> Wanted {
    wanted(DeedKind::AskedToSpeak)
}

/// The program asked for a card, and this came of it: `success`, `payment-connector-error` and so on.
pub fn charged(result: impl Into<String>) -> Wanted {
    wanted(DeedKind::Charged).saying(result)
}

/// The program sent digits that contain these.
pub fn sent_digits(digits: impl Into<String>) -> Wanted {
    wanted(DeedKind::SentDigits).saying(digits)
}

/// The program made a recording; it counts when it is complete.
#[must_use]
pub fn recorded() -> Wanted {
    wanted(DeedKind::Recorded)
}

/// The program called this number, to dial it or to connect a call to it.
pub fn dialled(number: impl Into<String>) -> Wanted {
    wanted(DeedKind::Dialled).with(number)
}

/// The program put these two through to each other.
pub fn connected(one: impl Into<String>, other: impl Into<String>) -> Wanted {
    wanted(DeedKind::Connected).with(one).saying(other)
}

/// The program sent a text to this number, which the service took.
pub fn texted(number: impl Into<String>) -> Wanted {
    wanted(DeedKind::Texted).with(number)
}

/// The program sent or received the document at this address, to its last page.
pub fn faxed(document: impl Into<String>) -> Wanted {
    wanted(DeedKind::Faxed).saying(document)
}

/// The program answered a call.
#[must_use]
pub fn answered() -> Wanted {
    wanted(DeedKind::Answered)
}

/// The program passed a call on.
#[must_use]
pub fn passed() -> Wanted {
    wanted(DeedKind::Passed)
}

/// The program ended a call.
#[must_use]
pub fn hung_up() -> Wanted {
    wanted(DeedKind::HungUp)
}

/// The client sent a request of this method, whatever was answered.
pub fn requested(method: impl Into<String>) -> Wanted {
    let sought = Sought::Request(method.into());
    Wanted { sought, who: None, words: None, fits: None, call: None }
}

impl Wanted {
    /// Only when it was done to the person with this number or address. Requests know nobody, and are not narrowed.
    #[must_use]
    pub fn with(mut self, number: impl Into<String>) -> Self {
        self.who = Some(number.into());
        self
    }

    /// Only with words that contain `text`: those that were spoken, those of the prompt, of the text; of a request,
    /// its parameters as JSON.
    #[must_use]
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.words = Some(text.into());
        self
    }

    /// Only requests whose parameters fit.
    ///
    /// The function runs when the expectation is judged, in the thread that does so.
    #[must_use]
    pub fn matching(mut self, fits: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.fits = Some(Arc::new(fits));
        self
    }

    /// Only on this call.
    pub(crate) fn on_call(mut self, call_id: &str) -> Self {
        self.call = Some(call_id.to_owned());
        self
    }

    /// Where in the order of things it happened.
    pub(crate) fn places(&self, scene: &Scene) -> Vec<Place> {
        match &self.sought {
            Sought::Deed(_) => scene.deeds.iter().filter(|deed| self.is(deed)).map(|deed| deed.0.place).collect(),
            Sought::Request(_) => {
                let requests = scene.requests().filter(|entry| self.is_request(entry));
                requests.map(|entry| (entry.sequence(), 0)).collect()
            }
        }
    }

    fn is(&self, deed: &Deed) -> bool {
        let inner = &*deed.0;
        let who = self.who.as_ref();
        let people = match inner.kind {
            // Either of the two may be named first.
            DeedKind::Connected => {
                let there = [&inner.who, &inner.words];
                let asked = who.into_iter().chain(&self.words);
                return self.sought == Sought::Deed(inner.kind) && asked.into_iter().all(|one| there.contains(&one));
            }
            _ => who.is_none_or(|who| *who == inner.who),
        };
        let on_call = self.call.as_ref().is_none_or(|call| inner.call_id.as_ref() == Some(call));
        let spoken = self.words.as_ref().is_none_or(|words| contains(&inner.words, words));
        self.sought == Sought::Deed(inner.kind) && people && on_call && spoken
    }

    fn is_request(&self, entry: &Entry) -> bool {
        matches!(&self.sought, Sought::Request(method) if method == entry.method())
            && self.words.as_ref().is_none_or(|words| contains(&entry.params().to_string(), words))
            && self.fits.as_ref().is_none_or(|fits| fits(entry.params()))
    }

    /// What came near, the nearest first, a line each.
    pub(crate) fn near(&self, scene: &Scene) -> Vec<String> {
        let mut near: Vec<(f64, String)> = match &self.sought {
            Sought::Request(method) => {
                let others = scene.requests().filter(|entry| !self.is_request(entry));
                others.map(|entry| (alike(method, entry.method()), shortened(&entry.to_string()))).collect()
            }
            Sought::Deed(kind) => {
                let others = scene.deeds.iter().filter(|deed| !self.is(deed));
                others.map(|deed| (self.nearness(*kind, deed), deed.to_string())).collect()
            }
        };
        // The sort is stable, and of what is as near as something else the latest is told.
        near.reverse();
        near.sort_by(|one, other| other.0.total_cmp(&one.0));
        near.into_iter().filter(|(nearness, _)| *nearness >= NEAR).take(SHOWN_NEAR).map(|(_, line)| line).collect()
    }

    fn nearness(&self, kind: DeedKind, deed: &Deed) -> f64 {
        let inner = &*deed.0;
        let family = if inner.kind == kind { 1.0 } else { 0.0 };
        let words = self.words.as_ref().map_or(0.0, |words| {
            let whole = if contains(&inner.words, words) { 1.0 } else { alike(words, &inner.words) };
            let related = family > 0.0 || matches!(inner.kind, DeedKind::Said | DeedKind::Heard);
            if related { whole } else { 0.0 }
        });
        let who = if self.who.as_ref() == Some(&inner.who) { 0.25 } else { 0.0 };
        family * 0.75 + words + who
    }
}

/// What is less near than this is not told.
const NEAR: f64 = 0.6;

/// How many near misses are told.
const SHOWN_NEAR: usize = 3;

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.sought {
            Sought::Request(method) => {
                write!(f, "request {method}")?;
                if let Some(words) = &self.words {
                    write!(f, " with {words:?}")?;
                }
                return f.write_str(if self.fits.is_some() { " that fits" } else { "" });
            }
            Sought::Deed(kind) => *kind,
        };
        let who = self.who.as_deref().unwrap_or("somebody");
        match kind {
            DeedKind::Answered => write!(f, "{who} is answered"),
            DeedKind::Passed => write!(f, "{who} is passed on"),
            DeedKind::HungUp => write!(f, "{who} is hung up on"),
            DeedKind::Said => write!(f, "{who} is told"),
            DeedKind::Heard => write!(f, "{who} hears"),
            DeedKind::AskedForDigits => write!(f, "{who} is asked for digits"),
            DeedKind::AskedToSpeak => write!(f, "{who} is asked to speak"),
            DeedKind::Charged => write!(f, "{who} is charged"),
            DeedKind::SentDigits => write!(f, "{who} is sent digits"),
            DeedKind::Recorded => write!(f, "{who} is recorded"),
            DeedKind::Dialled => write!(f, "{who} is called"),
            DeedKind::Connected => write!(f, "{who} is connected with"),
            DeedKind::Texted => write!(f, "{who} is sent a text"),
            DeedKind::Faxed => write!(f, "a fax passes to or from {who}"),
        }?;
        self.words.as_ref().map_or(Ok(()), |words| write!(f, " {words:?}"))?;
        self.call.as_ref().map_or(Ok(()), |call| write!(f, " (call {call})"))
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All that has happened, at one moment.
pub(crate) struct Scene {
    pub(crate) deeds: Vec<Deed>,
    pub(crate) entries: Vec<Entry>,
}

impl Scene {
    fn requests(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind() == EntryKind::Request)
    }

    /// The first thing that happened behind a place, as far as deeds go.
    pub(crate) fn behind(&self, place: Option<Place>) -> Vec<String> {
        let behind = self.deeds.iter().filter(|deed| place.is_none_or(|place| deed.0.place > place));
        behind.take(SHOWN_NEAR).map(ToString::to_string).collect()
    }
}

impl World {
    /// The program did something to the person of a call.
    pub(crate) fn did_on(&mut self, call_id: &str, kind: DeedKind, words: &str) {
        let Some(person) = self.calls.get(call_id).map(|leg| leg.person) else { return };
        let who = self.person_name(person);
        self.did(kind, &who, Some(call_id), words);
    }

    pub(crate) fn did(&mut self, kind: DeedKind, who: &str, call_id: Option<&str>, words: &str) {
        self.did_for(kind, who, call_id, words, Duration::ZERO);
    }

    pub(crate) fn did_for(&mut self, kind: DeedKind, who: &str, call_id: Option<&str>, words: &str, lasted: Duration) {
        if self.deeds.len() == KEPT {
            self.deeds.pop_front();
        }
        let place = (self.log.last_sequence(), self.number());
        let at = self.elapsed();
        let (who, words, call_id) = (who.to_owned(), words.to_owned(), call_id.map(str::to_owned));
        self.deeds.push_back(Deed(Arc::new(Inner { kind, who, words, call_id, at, lasted, place })));
    }

    pub(crate) fn scene(&self) -> Scene {
        Scene { deeds: self.deeds.iter().cloned().collect(), entries: self.log.snapshot().entries().to_vec() }
    }
}

fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(&wanted.to_lowercase())
}

/// How alike two texts are, from 0 to 1: the share of pairs of letters that they have in common.
fn alike(one: &str, other: &str) -> f64 {
    fn pairs(text: &str) -> Vec<(char, char)> {
        let letters: Vec<char> = text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }
    let (wanted, mut there) = (pairs(one), pairs(other));
    let all = wanted.len() + there.len();
    if all == 0 {
        return 0.0;
    }
    let mut common = 0_usize;
    for pair in &wanted {
        if let Some(at) = there.iter().position(|other| other == pair) {
            there.swap_remove(at);
            common += 1;
        }
    }
    // Texts are shorter than what a float counts exactly.
    2.0 * common as f64 / all as f64
}

/// A line that a person still reads.
pub(crate) fn shortened(line: &str) -> String {
    const LONGEST: usize = 200;
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{alike, shortened};

    #[test]
    fn texts_that_differ_by_a_word_are_alike() {
        assert!(alike("Sales will be with you", "Support will be with you") > 0.6);
        assert!(alike("Welcome", "Goodbye") < 0.3);
        assert!(alike("calling.play", "calling.play.stop") > 0.7);
        assert_eq!((alike("", ""), alike("a", "a")), (0.0, 0.0));
    }

    #[test]
    fn a_long_line_is_cut_between_letters() {
        let long = "é".repeat(300);
        assert_eq!(shortened(&long).chars().count(), 202);
        assert_eq!(shortened("é"), "é");
    }
}
