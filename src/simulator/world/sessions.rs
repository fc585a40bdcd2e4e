//! Sessions: their subscriptions, and the events that they missed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::simulator::world::calls::SessionId;

/// A session, which outlives its connections.
pub(crate) struct Session {
    pub(crate) conn: Option<u64>,
    pub(crate) contexts: BTreeSet<String>,
    pub(crate) authorization_state: String,
    /// Events that found no connection, for a resume: type, ID, frame.
    pub(crate) missed: Vec<(String, String, Value)>,
    /// Time of the session's last offer; the session that has waited longest is next.
    last_offer: u64,
}

impl Session {
    fn new(authorization_state: String) -> Self {
        Self { conn: None, contexts: BTreeSet::new(), authorization_state, missed: Vec::new(), last_offer: 0 }
    }

    /// `true` if calls and messages of this context can be offered to the session.
    fn takes(&self, context: &str) -> bool {
        self.conn.is_some() && self.contexts.contains(context)
    }
}

/// The sessions that are kept, connected or not.
#[derive(Default)]
pub(crate) struct Sessions {
    all: BTreeMap<SessionId, Session>,
    offers: u64,
}

impl Sessions {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Session> {
        self.all.get_mut(name)
    }

    /// The session with this name; creates it with these keys if there is none.
    pub(crate) fn get_or_new(&mut self, name: &str, authorization_state: String) -> &mut Session {
        self.all.entry(name.to_owned()).or_insert_with(|| Session::new(authorization_state))
    }

    pub(crate) fn names(&self) -> Vec<SessionId> {
        self.all.keys().cloned().collect()
    }

    pub(crate) fn forget_all(&mut self) {
        self.all.clear();
    }

    /// `true` if a connected session is subscribed to this context.
    pub(crate) fn any_for(&self, context: &str, except: &[SessionId]) -> bool {
        self.all.iter().any(|(name, session)| session.takes(context) && !except.contains(name))
    }

    /// The connected session that has waited longest for an offer of this context.
    pub(crate) fn next_for(&mut self, context: &str, except: &[SessionId]) -> Option<SessionId> {
        self.offers += 1;
        let fitting = self.all.iter_mut().filter(|(name, session)| session.takes(context) && !except.contains(name));
        let (name, session) = fitting.min_by_key(|(_, session)| session.last_offer)?;
        session.last_offer = self.offers;
        Some(name.clone())
    }
}
