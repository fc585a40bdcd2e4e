//! What a program did, and the judgement of it.

pub mod deeds;
pub(crate) mod expected;
pub(crate) mod unmet;
