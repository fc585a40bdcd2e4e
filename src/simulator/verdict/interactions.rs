//! The acts of a program as patterns, which expectations use.
//!
//! The functions in this module name interactions: [`said`]`("Welcome")`, [`dialled`]`("+15552222222")`,
//! [`hung_up`]`()`. A [`Matcher`] goes to [`Simulator::expect`](crate::simulator::Simulator::expect),
//! [`expect_in_order`](crate::simulator::Simulator::expect_in_order) and
//! [`count_of`](crate::simulator::Simulator::count_of). A text matches if it contains the expected text; case is
//! ignored.

use std::fmt;
use std::sync::Arc;

use crate::simulator::record::interaction::Place;
pub use crate::simulator::record::interaction::{Interaction, InteractionKind};
use crate::simulator::record::journal::{FrameKind, FrameRecord};
use serde_json::Value;

/// A condition on the parameters of an interaction.
type Fits = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// A pattern of interactions, from the functions of this module.
#[derive(Clone)]
pub struct Matcher {
    sought: Sought,
    who: Option<String>,
    words: Option<String>,
    fits: Option<Fits>,
    call: Option<String>,
}

/// The kind of interaction that a matcher looks for.
#[derive(Clone, PartialEq, Eq)]
enum Sought {
    Interaction(InteractionKind),
    Request(String),
}

fn wanted(kind: InteractionKind) -> Matcher {
    Matcher { sought: Sought::Interaction(kind), who: None, words: None, fits: None, call: None }
}

/// The program said a text that contains `text`, or played the file at this URL.
pub fn said(text: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Said).saying(text)
}

/// A person heard a text that contains `text`.
pub fn heard(text: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Heard).saying(text)
}

/// The program asked for digits.
#[must_use]
pub fn asked_for_digits() -> Matcher {
    wanted(InteractionKind::AskedForDigits)
}

/// The program asked for speech.
#[must_use]
pub fn asked_to_speak() -> Matcher {
    wanted(InteractionKind::AskedToSpeak)
}

/// The program asked for a card payment, with this result: `success`, `payment-connector-error` and so on.
pub fn charged(result: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Charged).saying(result)
}

/// The program sent digits that contain these.
pub fn sent_digits(digits: impl Into<String>) -> Matcher {
    wanted(InteractionKind::SentDigits).saying(digits)
}

/// The program made a recording; it counts when it is complete.
#[must_use]
pub fn recorded() -> Matcher {
    wanted(InteractionKind::Recorded)
}

/// The program called this number, to dial it or to connect a call to it.
pub fn dialled(number: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Dialled).with(number)
}

/// The program connected these two people.
pub fn connected(one: impl Into<String>, other: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Connected).with(one).saying(other)
}

/// The program sent a text message to this number, which the service accepted.
pub fn texted(number: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Texted).with(number)
}

/// The program sent or received the document at this URL, to its last page.
pub fn faxed(document: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Faxed).saying(document)
}

/// A person pressed digits that contain these.
pub fn pressed(digits: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Pressed).saying(digits)
}

/// A person said something that contains `text`.
pub fn spoke(text: impl Into<String>) -> Matcher {
    wanted(InteractionKind::Spoke).saying(text)
}

/// The program answered a call.
#[must_use]
pub fn answered() -> Matcher {
    wanted(InteractionKind::Answered)
}

/// The program passed a call.
#[must_use]
pub fn passed() -> Matcher {
    wanted(InteractionKind::Passed)
}

/// The program ended a call.
#[must_use]
pub fn hung_up() -> Matcher {
    wanted(InteractionKind::HungUp)
}

/// The client sent a request of this method, whatever the response was.
pub fn requested(method: impl Into<String>) -> Matcher {
    let sought = Sought::Request(method.into());
    Matcher { sought, who: None, words: None, fits: None, call: None }
}

impl Matcher {
    /// Restricts the pattern to interactions with the person at this number or address. Requests have no person and
    /// are not restricted.
    #[must_use]
    pub fn with(mut self, number: impl Into<String>) -> Self {
        self.who = Some(number.into());
        self
    }

    /// Restricts the pattern to interactions whose words contain `text`: spoken text, the prompt, or the text message;
    /// for a request, its parameters as JSON.
    #[must_use]
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.words = Some(text.into());
        self
    }

    /// Restricts the pattern to requests whose parameters match.
    ///
    /// The function runs when the expectation is checked, on the checking thread.
    #[must_use]
    pub fn matching(mut self, fits: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.fits = Some(Arc::new(fits));
        self
    }

    /// Restricts the pattern to this call.
    pub(crate) fn on_call(mut self, call_id: &str) -> Self {
        self.call = Some(call_id.to_owned());
        self
    }

    /// The places of the matching interactions in the order of events.
    pub(crate) fn places(&self, scene: &Scene) -> Vec<Place> {
        match &self.sought {
            Sought::Interaction(_) => {
                scene.interactions.iter().filter(|interaction| self.is(interaction)).map(Interaction::place).collect()
            }
            Sought::Request(_) => {
                let requests = scene.requests().filter(|entry| self.is_request(entry));
                requests.map(|entry| (entry.sequence(), 0)).collect()
            }
        }
    }

    fn is(&self, interaction: &Interaction) -> bool {
        let who = self.who.as_deref();
        let people = match interaction.kind() {
            // A pattern may name either of the two people first.
            InteractionKind::Connected => {
                let there = [interaction.with(), interaction.words()];
                let mut asked = who.into_iter().chain(self.words.as_deref());
                return self.sought == Sought::Interaction(interaction.kind()) && asked.all(|one| there.contains(&one));
            }
            _ => who.is_none_or(|who| who == interaction.with()),
        };
        let on_call = self.call.as_ref().is_none_or(|call| interaction.call_id() == Some(call));
        let spoken = self.words.as_ref().is_none_or(|words| contains(interaction.words(), words));
        self.sought == Sought::Interaction(interaction.kind()) && people && on_call && spoken
    }

    fn is_request(&self, entry: &FrameRecord) -> bool {
        matches!(&self.sought, Sought::Request(method) if method == entry.method())
            && self.words.as_ref().is_none_or(|words| contains(&entry.params().to_string(), words))
            && self.fits.as_ref().is_none_or(|fits| fits(entry.params()))
    }

    /// The near misses, the nearest first, a line each.
    pub(crate) fn near(&self, scene: &Scene) -> Vec<String> {
        let mut near: Vec<(f64, String)> = match &self.sought {
            Sought::Request(method) => {
                let others = scene.requests().filter(|entry| !self.is_request(entry));
                others.map(|entry| (alike(method, entry.method()), shortened(&entry.to_string()))).collect()
            }
            Sought::Interaction(kind) => {
                let others = scene.interactions.iter().filter(|interaction| !self.is(interaction));
                others.map(|interaction| (self.nearness(*kind, interaction), interaction.to_string())).collect()
            }
        };
        // The sort is stable, and the list is reversed first: of equal near misses the latest is reported.
        near.reverse();
        near.sort_by(|one, other| other.0.total_cmp(&one.0));
        near.into_iter().filter(|(nearness, _)| *nearness >= NEAR).take(SHOWN_NEAR).map(|(_, line)| line).collect()
    }

    fn nearness(&self, kind: InteractionKind, interaction: &Interaction) -> f64 {
        let family = if interaction.kind() == kind { 1.0 } else { 0.0 };
        let words = self.words.as_ref().map_or(0.0, |words| {
            let whole = if contains(interaction.words(), words) { 1.0 } else { alike(words, interaction.words()) };
            let related = family > 0.0 || matches!(interaction.kind(), InteractionKind::Said | InteractionKind::Heard);
            if related { whole } else { 0.0 }
        });
        let who = if self.who.as_deref() == Some(interaction.with()) { 0.25 } else { 0.0 };
        family * 0.75 + words + who
    }
}

/// Likeness below which a near miss is not reported.
const NEAR: f64 = 0.6;

/// Number of near misses that are reported.
const SHOWN_NEAR: usize = 3;

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.sought {
            Sought::Request(method) => {
                write!(f, "request {method}")?;
                if let Some(words) = &self.words {
                    write!(f, " with {words:?}")?;
                }
                return f.write_str(if self.fits.is_some() { " that fits" } else { "" });
            }
            Sought::Interaction(kind) => *kind,
        };
        let who = self.who.as_deref().unwrap_or("somebody");
        match kind {
            InteractionKind::Answered => write!(f, "{who} is answered"),
            InteractionKind::Passed => write!(f, "{who} is passed on"),
            InteractionKind::HungUp => write!(f, "{who} is hung up on"),
            InteractionKind::Said => write!(f, "{who} is told"),
            InteractionKind::Heard => write!(f, "{who} hears"),
            InteractionKind::AskedForDigits => write!(f, "{who} is asked for digits"),
            InteractionKind::AskedToSpeak => write!(f, "{who} is asked to speak"),
            InteractionKind::Charged => write!(f, "{who} is charged"),
            InteractionKind::SentDigits => write!(f, "{who} is sent digits"),
            InteractionKind::Recorded => write!(f, "{who} is recorded"),
            InteractionKind::Dialled => write!(f, "{who} is called"),
            InteractionKind::Connected => write!(f, "{who} is connected with"),
            InteractionKind::Texted => write!(f, "{who} is sent a text"),
            InteractionKind::Faxed => write!(f, "a fax passes to or from {who}"),
            InteractionKind::Pressed => write!(f, "{who} presses"),
            InteractionKind::Spoke => write!(f, "{who} says"),
        }?;
        self.words.as_ref().map_or(Ok(()), |words| write!(f, " {words:?}"))?;
        self.call.as_ref().map_or(Ok(()), |call| write!(f, " (call {call})"))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that has happened, at one moment.
pub(crate) struct Scene {
    pub(crate) interactions: Vec<Interaction>,
    pub(crate) entries: Vec<FrameRecord>,
}

impl Scene {
    fn requests(&self) -> impl Iterator<Item = &FrameRecord> {
        self.entries.iter().filter(|entry| entry.kind() == FrameKind::Request)
    }

    /// The first event after a place, as far as interactions record it.
    pub(crate) fn behind(&self, place: Option<Place>) -> Vec<String> {
        let behind =
            self.interactions.iter().filter(|interaction| place.is_none_or(|place| interaction.place() > place));
        // Acts of people are left out, because the list shows the program's acts.
        let behind = behind
            .filter(|interaction| !matches!(interaction.kind(), InteractionKind::Pressed | InteractionKind::Spoke));
        behind.take(SHOWN_NEAR).map(ToString::to_string).collect()
    }
}

fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(&wanted.to_lowercase())
}

/// Likeness of two texts, from 0 to 1: the share of pairs of letters that they have in common.
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
    // The length of a text fits into a float exactly.
    2.0 * common as f64 / all as f64
}

/// A line for readers.
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
    fn sentences_that_differ_by_a_word_are_alike() {
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
