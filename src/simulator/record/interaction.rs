//! Records of a program's acts, and of the people's acts on its calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Kind of an interaction. Its subject is the program, except for [`Heard`](Self::Heard), [`Pressed`](Self::Pressed)
/// and [`Spoke`](Self::Spoke), whose subject is a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InteractionKind {
    /// The program answered a call.
    Answered,
    /// The program passed a call back, unanswered.
    Passed,
    /// The program hung up a call. The words are the reason.
    HungUp,
    /// The program spoke a text, or played a file whose URL is the words. Counts from its start.
    Said,
    /// A person heard a text. A machine hears nothing during its greeting.
    Heard,
    /// The program asked for digits. The words are those of the prompt.
    AskedForDigits,
    /// The program asked for speech. The words are those of the prompt.
    AskedToSpeak,
    /// The program took a payment. The words are its result; the interaction counts once that is known.
    Charged,
    /// The program sent DTMF digits.
    SentDigits,
    /// The program made a recording. The words are those that were said during it.
    Recorded,
    /// The program called a number, by a dial or by a connect.
    Dialled,
    /// The program connected two people. The words are the number of the other one.
    Connected,
    /// The program sent a text message.
    Texted,
    /// The program sent or received a whole fax. The words are the URL of the document.
    Faxed,
    /// A person pressed digits; those of a card are replaced by `*`.
    Pressed,
    /// A person said something, which counts when it begins.
    Spoke,
}

/// An act of the program, or of a person on one of its calls. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Interaction(Arc<Inner>);

/// The fields of an interaction, behind one pointer.
#[derive(PartialEq, Eq)]
struct Inner {
    kind: InteractionKind,
    who: String,
    words: String,
    call_id: Option<String>,
    at: Duration,
    lasted: Duration,
    place: Place,
}

/// A place in the order of all frames and interactions: the last frame before an interaction, then the interactions behind that frame.
pub(crate) type Place = (u64, u64);

impl Interaction {
    pub(crate) fn new(
        kind: InteractionKind,
        who: &str,
        words: &str,
        call_id: Option<&str>,
        at: Duration,
        lasted: Duration,
        place: Place,
    ) -> Self {
        let (who, words, call_id) = (who.to_owned(), words.to_owned(), call_id.map(str::to_owned));
        Self(Arc::new(Inner { kind, who, words, call_id, at, lasted, place }))
    }

    /// The interaction's place in the order of events.
    pub(crate) fn place(&self) -> Place {
        self.0.place
    }

    /// The kind of the interaction.
    #[must_use]
    pub fn kind(&self) -> InteractionKind {
        self.0.kind
    }

    /// The number or address of the person of the interaction.
    #[must_use]
    pub fn with(&self) -> &str {
        &self.0.who
    }

    /// The words of the interaction: spoken words, a prompt, a text message; see [`InteractionKind`].
    #[must_use]
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// The call of the interaction; `None` for text messages.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.0.call_id.as_deref()
    }

    /// Time since the simulator was started, as in [`FrameRecord::at`](crate::simulator::FrameRecord::at).
    #[must_use]
    pub fn at(&self) -> Duration {
        self.0.at
    }

    /// The length of a recording, in simulated time. Zero for all other kinds.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.0.lasted
    }

    fn sentence(&self) -> String {
        let Inner { kind, who, words, .. } = &*self.0;
        let prompt = if words.is_empty() { String::new() } else { format!(" by {words:?}") };
        match kind {
            InteractionKind::Answered => format!("{who} was answered"),
            InteractionKind::Passed => format!("{who} was passed on"),
            InteractionKind::HungUp => format!("{who} was hung up on ({words})"),
            InteractionKind::Said => format!("{who} was told {words:?}"),
            InteractionKind::Heard => format!("{who} heard {words:?}"),
            InteractionKind::AskedForDigits => format!("{who} was asked for digits{prompt}"),
            InteractionKind::AskedToSpeak => format!("{who} was asked to speak{prompt}"),
            InteractionKind::Charged => format!("{who} was charged ({words})"),
            InteractionKind::SentDigits => format!("{who} was sent the digits {words}"),
            InteractionKind::Recorded => {
                format!("{who} was recorded for {:.1} s saying {words:?}", self.0.lasted.as_secs_f64())
            }
            InteractionKind::Dialled => format!("{who} was called"),
            InteractionKind::Connected => format!("{who} was connected with {words}"),
            InteractionKind::Texted => format!("{who} was sent the text {words:?}"),
            InteractionKind::Faxed => format!("a fax passed to or from {who}: {words}"),
            InteractionKind::Pressed => format!("{who} pressed {words}"),
            InteractionKind::Spoke => format!("{who} said {words:?}"),
        }
    }
}

impl fmt::Display for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s: {}", self.0.at.as_secs_f64(), self.sentence())?;
        self.0.call_id.as_ref().map_or(Ok(()), |id| write!(f, " (call {id})"))
    }
}

impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
