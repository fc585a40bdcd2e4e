//! The simulator itself, and where it is.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::{Receiver, Unbound};
use crate::secret::Secret;
use crate::simulator::line::server::Server;
use crate::simulator::line::tls;
use crate::simulator::world::shared::Shared;

/// A RELAY service with people, for one test or one trial.
///
/// It listens from the start to the drop, which closes every connection and waits for its threads. Each simulator is
/// on its own: several may run at once.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Arc<Server>,
    pub(crate) project: String,
    pub(crate) token: Secret,
    pub(crate) listeners: Mutex<Vec<(std::thread::ThreadId, Receiver<()>)>>,
    pub(crate) ca: Option<tls::CaFile>,
    /// The last to go: in virtual time, the thread that started it is held until then.
    pub(crate) _starter: Option<Unbound>,
}

/// # Address and credentials
impl Simulator {
    /// Address and port, as a client's builder takes them: `127.0.0.1:49152`. One that listens on every address of the
    /// machine gives that of the loopback.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.reachable().to_string()
    }

    /// Address and port that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The whole address: `ws://127.0.0.1:49152`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls() { "wss" } else { "ws" }, self.host())
    }

    /// `true` if the simulator offers `wss://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.ca_file().is_some()
    }

    /// The certificate of its authority, in PEM, in a file that goes with the simulator; nothing without TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_ref().map(tls::CaFile::path)
    }

    /// A project that is let in.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// A token that is let in.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}
