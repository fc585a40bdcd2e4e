//! The trace of a client, and the simulator that replays it.

mod examples;
mod replays;
mod support;
mod traces;
