//! The trace of a client, and the simulator that replays it.

mod support;
mod traces;
