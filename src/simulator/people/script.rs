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
    /// Digits, and the time before each.
    Presses(String, Duration),
    Says(String),
    Mumbles(String),
    HangsUp,
}

/// Action of a program on a call that a person may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The program asks for digits, and its prompt has ended.
    AskedForDigits,
    /// The program asks for speech, and its prompt has ended.
    AskedToSpeak,
    /// The program asks for a part of a payment.
    AskedToPay,
    /// The program records.
    Recorded,
}

impl Occasion {
    pub(crate) const ALL: [Self; 4] = [Self::AskedForDigits, Self::AskedToSpeak, Self::AskedToPay, Self::Recorded];
}

/// One act of a person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Waits(Duration),
    Presses(String, Duration),
    /// Says something, clearly or not.
    Says(String, bool),
    HangsUp,
}
