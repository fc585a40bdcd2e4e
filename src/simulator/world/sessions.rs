//! Sessions: who is subscribed to what, and what was missed.

use std::collections::BTreeSet;

use serde_json::Value;

/// A session, which outlives its connections.
pub(crate) struct Session {
    pub(crate) conn: Option<u64>,
    pub(crate) contexts: BTreeSet<String>,
    pub(crate) authorization_state: String,
    /// Events that found no connection, for a resume: type, id, frame.
    pub(crate) missed: Vec<(String, String, Value)>,
    /// When it was last offered something; the one that waits longest is next.
    pub(crate) last_offer: u64,
}
