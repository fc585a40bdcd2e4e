//! What can go wrong, what happens then, and the test that shows it.
#![doc = ""]
#![doc = include_str!("reliability.md")]
