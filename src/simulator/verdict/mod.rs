//! The acts of a program, and their check.

pub(crate) mod expected;
pub mod interactions;
pub(crate) mod unmet;
