//! The simulator itself, and its address.

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
/// The simulator listens from its start to its drop, which closes every connection and waits for the simulator's
/// threads. Several independent simulators may run at once.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Arc<Server>,
    pub(crate) project: String,
    pub(crate) token: Secret,
    pub(crate) listeners: Mutex<Vec<(std::thread::ThreadId, Receiver<()>)>>,
    pub(crate) ca: Option<tls::CaFile>,
    /// The last field to be dropped: in virtual time, the thread that started the simulator is held until then.
    pub(crate) _starter: Option<Unbound>,
}

/// # Address and credentials
impl Simulator {
    /// Address and port for a client's builder: `127.0.0.1:49152`. For a simulator that listens on every address of
    /// the machine, the loopback address.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.reachable().to_string()
    }

    /// Address and port that the simulator listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The URL: `ws://127.0.0.1:49152`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls() { "wss" } else { "ws" }, self.host())
    }

    /// `true` if the simulator offers `wss://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.ca_file().is_some()
    }

    /// The PEM file with the certificate of the simulator's authority, which is removed with the simulator. `None`
    /// without TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_ref().map(tls::CaFile::path)
    }

    /// A project that the simulator accepts.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// A token that the simulator accepts.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose()
    }

    /// Returns the environment variables that connect a program of this crate in another process to this simulator:
    /// host, scheme or certificate, credentials, and no proxy.
    ///
    /// ```no_run
    /// use std::process::Command;
    /// use std::time::Duration;
    /// use signalwire_relay::simulator::Simulator;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::builder().speed(20.0).start()?;
    /// let mut program = Command::new("target/debug/switchboard").envs(sim.environment()).spawn()?;
    /// let ann = sim.caller("+15551230000").calls("+15559990000").dials();
    /// ann.wait_ended(Duration::from_secs(60))?;
    /// program.kill()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    #[doc(alias = "env")]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let trust = match self.ca_file() {
            Some(ca) => ("SIGNALWIRE_RELAY_CA_FILE", ca.display().to_string()),
            None => ("SIGNALWIRE_RELAY_SCHEME", "ws".to_owned()),
        };
        vec![
            ("SIGNALWIRE_RELAY_HOST", self.host()),
            trust,
            ("SIGNALWIRE_PROJECT_ID", self.project().to_owned()),
            ("SIGNALWIRE_API_TOKEN", self.token().to_owned()),
            ("no_proxy", "*".to_owned()),
        ]
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}
