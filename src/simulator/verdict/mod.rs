//! What a program did, and the judgement of it.

pub(crate) mod expected;
pub mod interactions;
pub(crate) mod unmet;
