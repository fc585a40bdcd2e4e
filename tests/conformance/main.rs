//! The crate against frames that the reference sent and received: the rows of `tests/wire/*.jsonl`.
//!
//! Everything uses the public interface and, except for the parsing of events, a socket. The server is a recording one
//! of this test, because some rows have fields that a strict server rejects.
//!
//! The rows are a sample of the reference's behaviour. No test uses the name of a row, with one exception:
//! [`deviations`] names the rows with deviations, so that no other row may deviate.

mod actions;
mod deviations;
mod dials;
mod envelope;
mod events;
mod json;
mod messages;
mod mutations;
mod properties;
mod replies;
mod requests;
mod results;
mod verbs;
mod wire;
