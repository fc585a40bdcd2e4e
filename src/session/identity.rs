//! The identity of a client at the service: contexts, protocol string, credentials.

use crate::secret::Secret;

/// Contexts, protocol string and credentials of a client, as they were or will be sent to the service.
#[derive(Default)]
pub(super) struct Identity {
    /// The contexts that the program subscribes to, in the order of its requests.
    contexts: Vec<String>,
    /// The protocol string of the session. Empty before the first session.
    protocol: String,
    /// `true` if `protocol` may be sent to resume the session.
    resumable: bool,
    authorization_state: Secret,
    /// The previous authorization state, which the service may still repeat when it rejects it.
    former_state: Secret,
    /// A JWT that replaces the one that the client was built with.
    jwt: Option<Secret>,
    /// The previous JWT, which the service may still repeat when it rejects it.
    former_jwt: Option<Secret>,
}

impl Identity {
    pub(super) fn new(contexts: Vec<String>) -> Self {
        Self { contexts, ..Self::default() }
    }

    pub(super) fn contexts(&self) -> &[String] {
        &self.contexts
    }

    pub(super) fn add_contexts(&mut self, contexts: &[String]) {
        for context in contexts {
            if !self.contexts.contains(context) {
                self.contexts.push(context.clone());
            }
        }
    }

    pub(super) fn remove_contexts(&mut self, contexts: &[String]) {
        self.contexts.retain(|context| !contexts.contains(context));
    }

    pub(super) fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Takes over the protocol string of a session. An empty one cannot be resumed.
    pub(super) fn set_protocol(&mut self, protocol: &str) {
        self.resumable = !protocol.is_empty();
        protocol.clone_into(&mut self.protocol);
    }

    /// Protocol string and authorization state that resume the session. `None` if there is none to resume.
    pub(super) fn resumption(&self) -> Option<(&str, &Secret)> {
        (self.resumable && !self.protocol.is_empty()).then_some((&*self.protocol, &self.authorization_state))
    }

    /// Drops what would resume the session.
    pub(super) fn forget_session(&mut self) {
        self.resumable = false;
        self.set_state(Secret::default());
    }

    pub(super) fn set_state(&mut self, state: Secret) {
        let former = std::mem::replace(&mut self.authorization_state, state);
        if !former.is_empty() {
            self.former_state = former;
        }
    }

    pub(super) fn jwt(&self) -> Option<&Secret> {
        self.jwt.as_ref()
    }

    pub(super) fn set_jwt(&mut self, jwt: Secret) {
        self.former_jwt = self.jwt.replace(jwt);
    }

    /// The secrets that must never be printed.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let states = [&self.authorization_state, &self.former_state];
        let states = states.into_iter().filter(|state| !state.is_empty());
        states.chain(&self.jwt).chain(&self.former_jwt)
    }
}
