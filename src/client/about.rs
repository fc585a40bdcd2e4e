//! The properties of a client.

use super::Client;
use crate::session::{LinkState, LinkStates, Stats};

/// # Connection state and statistics
impl Client {
    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.handle.session.board.get()
    }

    /// Returns an iterator over the states of the connection, from the present one until the client is closed.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// for state in client.states() {
    ///     println!("{state:?}");
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn states(&self) -> LinkStates {
        self.handle.session.board.stream(&self.handle.session.clock)
    }

    /// Returns the client's counters, and the fill of its tables and queues.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.handle.session.stats();
        self.handle.router.count(&mut stats);
        stats
    }
}

/// # Properties
impl Client {
    /// The host of the connection.
    #[must_use]
    pub fn host(&self) -> &str {
        self.handle.session.host()
    }

    /// The client's project ID. `None` if the client authenticates with a JWT, and neither the builder nor the
    /// environment names a project.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.handle.session.credentials.project()
    }

    /// The contexts that the client is subscribed to: those of the builder, as changed by [`receive`](Self::receive)
    /// and [`unreceive`](Self::unreceive).
    #[must_use]
    pub fn contexts(&self) -> Vec<String> {
        self.handle.session.contexts()
    }

    /// The session's protocol name, as the service assigned it. The name is not a secret, and is the default context of
    /// messages.
    #[must_use]
    #[doc(alias = "relay_protocol")]
    pub fn protocol(&self) -> String {
        self.handle.session.protocol()
    }
}
