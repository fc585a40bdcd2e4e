//! The trace of a client, and the simulator that replays it.

mod replays;
mod support;
mod traces;
