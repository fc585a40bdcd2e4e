//! The steps of a script.

use std::time::Duration;

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    When(Occasion),
    AfterHearing(String),
    WhileHearing(String),
    WhenPutThrough,
    Waits(Duration),
    /// Keys, and the time before each.
    Presses(String, Duration),
    Says(String),
    Mumbles(String),
    HangsUp,
}

/// What a program does to a call that a person may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It asks for digits, and its prompt is over.
    AskedForDigits,
    /// The same for an answer in words.
    AskedToSpeak,
    /// It asks for a part of a payment.
    AskedToPay,
    /// It records.
    Recorded,
}

impl Occasion {
    pub(crate) const ALL: [Self; 4] = [Self::AskedForDigits, Self::AskedToSpeak, Self::AskedToPay, Self::Recorded];
}

/// What a person does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Waits(Duration),
    Presses(String, Duration),
    /// Says something, clearly or not.
    Says(String, bool),
    HangsUp,
}
