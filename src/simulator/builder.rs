//! Starting a simulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Simulator;
use super::over::KNOWN_FOR;
use super::server::Server;
#[cfg(feature = "native-tls")]
use super::tls;
use super::world::{Settings, Shared};
use crate::clock::Clock;
use crate::error::{self, Result};
use crate::secret::Secret;

/// How a simulator is started; from [`Simulator::builder`].
#[derive(Clone)]
pub struct Builder {
    pub(super) tls: bool,
    pub(super) speed: f64,
    pub(super) project: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) allow_unknown_fields: bool,
    pub(super) allow_violations: bool,
    pub(super) ping_every: Duration,
    pub(super) replays_missed_events: bool,
    pub(super) echo_secrets: bool,
}

impl Builder {
    /// Offers `wss://` with a certificate of its own authority, in [`Simulator::ca_file`]; plain `ws://` by default.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// How many seconds pass for people and operations in one second of real time; 1 by default.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The only project that is let in. Without this and [`token`](Self::token), any credentials are accepted.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The only token, or JWT, that is let in.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token.into()));
        self
    }

    /// Takes fields that the service does not know, for programs that try out what is new.
    #[must_use]
    pub fn allow_unknown_fields(mut self) -> Self {
        self.allow_unknown_fields = true;
        self
    }

    /// Lets clients do what the service would not accept: it is refused and recorded in
    /// [`violations`](Simulator::violations) all the same, but does not fail the test when the simulator is dropped.
    #[must_use]
    pub fn allow_violations(mut self) -> Self {
        self.allow_violations = true;
        self
    }

    /// How often the service pings each connection, in real time; every 5 s by default. One that does not answer
    /// within twice that is closed.
    #[must_use]
    pub fn pings_every(mut self, span: Duration) -> Self {
        self.ping_every = span;
        self
    }

    /// Sends what a session missed while it had no connection once it is resumed; by default that is lost.
    #[must_use]
    pub fn replays_missed_events(mut self) -> Self {
        self.replays_missed_events = true;
        self
    }

    /// Puts the token into the reply to `signalwire.connect`, to find out who logs it.
    #[must_use]
    pub fn echoes_secrets(mut self) -> Self {
        self.echo_secrets = true;
        self
    }

    /// Starts the simulator on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when the speed is not a positive number, when TLS is wanted and the
    /// feature `native-tls` is off, or when the machine has no port, thread or temporary file to give.
    pub fn start(self) -> Result<Simulator> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(error::config("the speed of the simulator must be a number above zero, such as 20.0"));
        }
        let any_credentials = self.project.is_none() && self.token.is_none();
        let settings = Settings {
            speed: self.speed,
            project: self.project.unwrap_or_else(|| "51300000-0000-4000-8000-000000000001".into()),
            token: self.token.unwrap_or_else(|| Secret::new("PT-simulated")),
            any_credentials,
            allow_unknown_fields: self.allow_unknown_fields,
            allow_violations: self.allow_violations,
            known_for: KNOWN_FOR,
            ping_every: self.ping_every,
            ping_limit: self.ping_every.saturating_mul(2),
            replays_missed_events: self.replays_missed_events,
            echo_secrets: self.echo_secrets,
        };
        let (project, token) = (settings.project.clone(), settings.token.clone());
        let shared = Arc::new(Shared::new(Clock::real(), settings));
        let no_socket = |error| error::config(format!("the simulator cannot listen on 127.0.0.1: {error}"));
        #[cfg(feature = "native-tls")]
        {
            let (acceptor, ca) = if self.tls {
                let (acceptor, ca) = tls::prepare()?;
                (Some(acceptor), Some(ca))
            } else {
                (None, None)
            };
            let server = Server::start(Arc::clone(&shared), acceptor).map_err(no_socket)?;
            Ok(Simulator { shared, server, project, token, listeners: Mutex::default(), ca })
        }
        #[cfg(not(feature = "native-tls"))]
        {
            if self.tls {
                return Err(error::config("the simulator offers TLS only with the feature `native-tls`"));
            }
            let server = Server::start(Arc::clone(&shared)).map_err(no_socket)?;
            Ok(Simulator { shared, server, project, token, listeners: Mutex::default() })
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("tls", &self.tls).field("speed", &self.speed).finish_non_exhaustive()
    }
}
