//! What a program did, and the judgement of it.

pub mod deeds;
