//! What is known of numbers: what becomes of texts to them, and the texts themselves.

use std::collections::VecDeque;

/// What becomes of a text to a number.
#[derive(Clone, Debug, Default)]
pub(crate) enum Outlook {
    #[default]
    Delivered,
    Undelivered(String),
    Failed(String),
    /// The service does not take it at all.
    Refused(i64, String),
}

/// What becomes of one text to a number after the other; the last of them is what becomes of all that follow.
#[derive(Debug, Default)]
pub(crate) struct Outlooks(VecDeque<Outlook>);

impl Outlooks {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn add(&mut self, outlook: Outlook) {
        self.0.push_back(outlook);
    }

    pub(crate) fn next(&mut self) -> Outlook {
        let last = self.0.len() < 2;
        let next = if last { self.0.front().cloned() } else { self.0.pop_front() };
        next.unwrap_or_default()
    }
}

/// A text that the program sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// Who sent it.
    pub from: String,
    /// Whom it was for.
    pub to: String,
    /// What it says; empty when it is only media.
    pub body: String,
    /// The addresses of its media.
    pub media: Vec<String>,
}
