//! The crate against frames that the reference sent and took: the rows of `tests/wire/*.jsonl`.
//!
//! Everything goes through the public interface and, but for the parsing of events, through a socket. The server is a
//! recording one of this crate's own, because some rows carry fields that a strict server refuses.
//!
//! The rows are a sample of what the reference does. Nothing here is keyed to the name of a row, with one exception:
//! [`deviations`] names those that are answered otherwise than recorded, so that no other may be.

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
