//! Starting a simulator.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Held};
use crate::error::{self, Result};
use crate::secret::Secret;
use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::replay::{self, Replay};
use crate::simulator::line::server::Server;
use crate::simulator::line::tls;
use crate::simulator::record::journal::KEPT;
use crate::simulator::service::methods;
use crate::simulator::world::ended::KNOWN_FOR;
use crate::simulator::world::settings::Settings;
use crate::simulator::world::shared::Shared;

/// Settings of a simulator. Made by [`Simulator::builder`].
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
///
/// let sim = Simulator::builder()
///     .virtual_time()
///     .seed(7)
///     .project("project id")
///     .token("API token")
///     .allow_unknown_fields()
///     .allow_violations()
///     .pings_every(Duration::from_secs(30))
///     .replays_missed_events()
///     .start()?;
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone)]
pub struct Builder {
    listen: SocketAddr,
    tls: bool,
    seed: Option<u64>,
    speed: f64,
    project: Option<String>,
    token: Option<Secret>,
    allow_unknown_fields: bool,
    allow_violations: bool,
    ping_every: Duration,
    ping_limit: Option<Duration>,
    replays_missed_events: bool,
    echo_secrets: bool,
    journal_limit: usize,
    time: Time,
}

/// Clock of a simulator, and of the clients that are connected to it by
/// [`Builder::simulator`](crate::Builder::simulator).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Time {
    /// Real time, at the [`speed`](Builder::speed) of the simulator.
    #[default]
    Real,
    /// Virtual time, which advances when no thread has work: ringing for 30 s takes no real time, and the program's own
    /// deadlines run in virtual time too. The same seed and script give the same
    /// [journal](crate::simulator::Journal::canonical).
    ///
    /// Virtual time waits for the threads of the client and of the simulator, for handlers and listeners, and for the
    /// thread that started the simulator. That thread must block only in the crate, or in [`Simulator::blocking`].
    /// Start other threads of a program with [`Simulator::spawn`], or let them take [`Simulator::hold`].
    Virtual,
    /// Virtual time that advances only in [`Simulator::advance`].
    ByHand,
}

/// # Starting
impl Simulator {
    /// Starts a simulator with `ws://`, in real time, that accepts any credentials.
    ///
    /// ```
    /// let sim = signalwire_relay::simulator::Simulator::start()?;
    /// assert!(sim.url().starts_with("ws://127.0.0.1:"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::start`].
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// Returns a builder for a simulator. [`Builder::start`] starts it.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            seed: None,
            speed: 1.0,
            project: None,
            token: None,
            allow_unknown_fields: false,
            allow_violations: false,
            ping_every: Duration::from_secs(5),
            ping_limit: None,
            replays_missed_events: false,
            echo_secrets: false,
            journal_limit: KEPT,
            time: Time::Real,
        }
    }
}

/// # Settings
impl Builder {
    /// Sets the address to listen on. Default: a free port of 127.0.0.1. Port 0 is any free port. The certificate of
    /// [`tls`](Self::tls) is valid for this address and for the loopback addresses.
    ///
    /// Any client that reaches the address may connect: with any credentials unless [`project`](Self::project) and
    /// [`token`](Self::token) are set, and unencrypted unless TLS is enabled.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the seed of IDs and random choices, also of the clients in virtual time: two runs with the same acts in
    /// the same order have the same IDs of calls, sessions, messages and events. Default: 0 in virtual time, random in
    /// real time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the clock. Default: [`Time::Real`].
    #[must_use]
    pub fn time(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// Sets virtual time: `time(Time::Virtual)`.
    #[must_use]
    pub fn virtual_time(self) -> Self {
        self.time(Time::Virtual)
    }

    /// Serves `wss://` with a certificate of the simulator's own authority, whose file is [`Simulator::ca_file`].
    /// Default: `ws://`.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the speed of people and operations, in seconds of simulated time for each second of real time. Default: 1.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// Sets the only project that is accepted. Without this and [`token`](Self::token), any credentials are accepted.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the only token, or JWT, that is accepted.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token.into()));
        self
    }

    /// Does not record undocumented fields as violations, for programs that try new features. Such requests are
    /// carried out in any case.
    #[must_use]
    pub fn allow_unknown_fields(mut self) -> Self {
        self.allow_unknown_fields = true;
        self
    }

    /// Lets clients do what the service would not accept. Such requests are still rejected and recorded as
    /// [`violations`](Simulator::violations), but they do not fail the test when the simulator is dropped.
    #[must_use]
    pub fn allow_violations(mut self) -> Self {
        self.allow_violations = true;
        self
    }

    /// Sets the interval of the service's pings, in real time, and closes a connection without a response within twice that
    /// time. Default: a ping every 5 s, and 10 s for its response in virtual time, 30 s in real time: a test on a busy machine
    /// keeps its connection.
    #[must_use]
    pub fn pings_every(mut self, span: Duration) -> Self {
        self.ping_every = span;
        self.ping_limit = Some(span.saturating_mul(2));
        self
    }

    /// Replays the events that a session missed without a connection when it is resumed. Default: these events are
    /// lost.
    #[must_use]
    pub fn replays_missed_events(mut self) -> Self {
        self.replays_missed_events = true;
        self
    }

    /// Puts the token into the response to `signalwire.connect`, to find programs that log it.
    #[must_use]
    pub fn echoes_secrets(mut self) -> Self {
        self.echo_secrets = true;
        self
    }

    /// Sets the number of frames that the [journal](Simulator::journal) keeps, at 1 to 2 KiB of memory each. Beyond
    /// the limit the oldest frames are dropped and [counted](crate::simulator::Journal::dropped): waits and
    /// expectations no longer find them, and a canonical journal begins in the middle. [`Simulator::on_frame`]
    /// receives every frame in any case. Default: 50,000.
    ///
    /// ```
    /// use signalwire_relay::simulator::Simulator;
    ///
    /// let sim = Simulator::builder().journal_limit(1_000).start()?;
    /// assert_eq!(sim.journal().dropped(), 0);
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    #[must_use]
    pub fn journal_limit(mut self, frames: usize) -> Self {
        self.journal_limit = frames;
        self
    }

    /// Starts the simulator.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if the speed is not a positive number, or if the system refuses the
    /// address, the port, a thread or a temporary file.
    pub fn start(self) -> Result<Simulator> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(error::config("the speed of the simulator must be a number above zero, such as 20.0"));
        }
        // Virtual time always has a seed, so that each run is the same.
        let seed = self.seed.or((self.time != Time::Real).then_some(0));
        let any_credentials = self.project.is_none() && self.token.is_none();
        let settings = Settings {
            speed: self.speed,
            seed,
            project: self.project.unwrap_or_else(|| "51300000-0000-4000-8000-000000000001".into()),
            token: self.token.unwrap_or_else(|| Secret::new("PT-simulated")),
            any_credentials,
            allow_unknown_fields: self.allow_unknown_fields,
            allow_violations: self.allow_violations,
            known_for: KNOWN_FOR,
            ping_every: self.ping_every,
            ping_limit: self.ping_limit.unwrap_or(Duration::from_secs(if self.time == Time::Real { 30 } else { 10 })),
            replays_missed_events: self.replays_missed_events,
            echo_secrets: self.echo_secrets,
            journal_limit: self.journal_limit,
        };
        let (project, token) = (settings.project.clone(), settings.token.clone());
        let clock = match self.time {
            Time::Real => Clock::real(),
            Time::Virtual => Clock::virtual_time(seed.unwrap_or_default(), false),
            Time::ByHand => Clock::virtual_time(seed.unwrap_or_default(), true),
        };
        let starter = clock.hold().map(Held::unbound);
        let shared = Arc::new(Shared::new(clock, settings, methods::may_carry_secrets));
        let listen = self.listen;
        let no_socket = |error| error::config(format!("the simulator cannot listen on {listen}: {error}"));
        let (acceptor, ca) = if self.tls {
            let (acceptor, ca) = tls::prepare(listen.ip())?;
            (Some(acceptor), Some(ca))
        } else {
            (None, None)
        };
        let server = Server::start(Arc::<Shared>::clone(&shared), listen, acceptor).map_err(no_socket)?;
        Ok(Simulator { shared, server, project, token, listeners: Mutex::default(), ca, _starter: starter })
    }

    /// Starts the simulator to replay a recording; see [`Replay`]. In real time, it can replay to programs of other
    /// processes.
    ///
    /// Unusable parts of the file, such as a truncated last line, are left out; [`Replay::problems`] lists them.
    ///
    /// # Errors
    ///
    /// `Config` if the file cannot be read, if it has no connection to replay, or if content that the program would
    /// receive is masked in the file; the error names line and field. Otherwise as for [`start`](Self::start).
    pub fn replay(self, path: impl AsRef<Path>) -> Result<Replay> {
        let recording = replay::read(path.as_ref())?;
        Ok(Replay::play(self.start()?, recording))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("tls", &self.tls).field("speed", &self.speed).finish_non_exhaustive()
    }
}
