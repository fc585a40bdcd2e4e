//! Building a client: arguments, environment, settings.

use std::env::{self, VarError};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Client;
use super::cancel::CancelToken;
use super::router::Router;
use super::tuning::Tuning;
use crate::clock::Clock;
use crate::error::{self, BoxError, CallbackResult, Result};
use crate::protocol::limits::check_contexts;
use crate::secret::{MASK, Secret};
use crate::session::{
    Credentials, HandlerFailure, JwtSource, LinkState, OFFLINE_QUEUE, Session, StateWatcher, WORKER_STACK,
};
use crate::trace::Trace;
use crate::transport::{ClientFiles, Connector, Endpoint, Proxy, Roots, Scheme, TlsBackend, TlsSettings};

/// The default host.
#[doc(alias = "DEFAULT_RELAY_HOST")]
pub const DEFAULT_HOST: &str = "relay.signalwire.com";

/// Environment variable with the path of the trace.
const TRACE_FILE: &str = "SIGNALWIRE_RELAY_TRACE";

/// Environment variable with the list of what that trace shows unmasked.
const TRACE_SHOW: &str = "SIGNALWIRE_RELAY_TRACE_SHOW";

/// Environment variable with the path of the certificates.
const CA_FILE: &str = "SIGNALWIRE_RELAY_CA_FILE";

/// The settings of a [`Client`]. Made by [`Client::builder`].
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Client, Result};
///
/// # fn main() -> Result<()> {
/// let client = Client::builder()
///     .project("project id")
///     .token("API token")
///     .contexts(["default"])
///     .max_active_calls(200)
///     .drain_limit(Duration::from_secs(90))
///     .retry_first_connect(true)
///     .connect()?;
/// # Ok(()) }
/// ```
///
/// Settings of the builder take precedence over the environment, and an empty string counts as not set. White space
/// around credentials and hosts, such as the newline at the end of a file, is removed, with a warning in the log.
///
/// | setting | environment variable | default |
/// |---|---|---|
/// | [`project`](Self::project) | `SIGNALWIRE_PROJECT_ID` | required, unless there is a JWT |
/// | [`token`](Self::token) | `SIGNALWIRE_API_TOKEN` | required, unless there is a JWT |
/// | [`jwt`](Self::jwt) | `SIGNALWIRE_JWT_TOKEN`, unless project and token are both set here | |
/// | [`jwt_from`](Self::jwt_from) | replaces the other credentials | |
/// | [`host`](Self::host) | `SIGNALWIRE_RELAY_HOST`, then `SIGNALWIRE_SPACE` | `relay.signalwire.com` |
/// | [`tls`](Self::tls) | `SIGNALWIRE_RELAY_SCHEME` (`wss` or `ws`) | `wss` |
/// | [`ca_file`](Self::ca_file), [`ca_dir`](Self::ca_dir) | `SIGNALWIRE_RELAY_CA_FILE` | the system's certificates only |
/// | [`proxy`](Self::proxy), [`no_proxy`](Self::no_proxy) | `https_proxy`, `all_proxy`, `no_proxy`, also in capitals | no proxy |
/// | [`max_active_calls`](Self::max_active_calls) | `RELAY_MAX_ACTIVE_CALLS` | 1,000 |
/// | [`trace`](Self::trace) | `SIGNALWIRE_RELAY_TRACE`: the path of a file | no trace |
/// | [`Trace::content`], [`Trace::numbers`] | `SIGNALWIRE_RELAY_TRACE_SHOW`: `content`, `numbers` or both, with a comma; for the trace of that file | both masked |
/// | | `RELAY_MAX_CONNECTIONS`: number of clients in one process; read at each `connect` | no limit |
///
/// Times and bounds that few programs set are in [`Tuning`], which [`tuning`](Self::tuning) changes.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder {
    project: Option<Secret>,
    token: Option<Secret>,
    jwt: Option<Secret>,
    jwt_source: Option<Source>,
    pub(super) cancel: Option<CancelToken>,
    host: Option<Host>,
    path: Option<UrlPath>,
    tls: Option<bool>,
    allow_plaintext: bool,
    tls_settings: TlsSettings,
    proxy: Via,
    pub(super) contexts: Vec<String>,
    max_active_calls: Option<usize>,
    pub(super) tuning: Tuning,
    trace: Option<Trace>,
    pub(super) clock: Clock,
}

/// The program's source of fresh JWTs.
#[derive(Clone)]
struct Source(JwtSource);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}

/// # Connecting
impl Builder {
    /// Connects, and returns a client that is connected and authenticated. Blocks at most
    /// [`connect_timeout`](Self::connect_timeout) for each attempt.
    ///
    /// Rejected credentials are tried three times in all, with pauses of 1 and 2 s, because a service that is being
    /// updated may reject them for a moment. Any other failure is returned at once, unless
    /// [`retry_first_connect`](Self::retry_first_connect) is set.
    ///
    /// # Errors
    ///
    /// `Config` if a setting is missing or invalid: the error names it. `Connect` if the service cannot be reached,
    /// with the [`phase`](crate::Error::phase) that failed. `AuthRejected` if the credentials are rejected, with the
    /// service's message. `Closed` if the [token](Self::cancel) was cancelled.
    pub fn connect(self) -> Result<Client> {
        let cancel = self.cancel.clone();
        let (session, router) = self.assemble(|_| ())?;
        match &cancel {
            Some(token) => token.start(&session)?,
            None => session.start()?,
        }
        Ok(Client::new(session, router))
    }

    /// Sets whether [`connect`](Self::connect) keeps trying if the service cannot be reached. Default: no. This is for
    /// daemons that start before the network does. Rejected credentials end the attempts nevertheless. The example of
    /// [`on_state`](Self::on_state) logs the failed attempts.
    pub fn retry_first_connect(mut self, retry: bool) -> Self {
        self.tuning.settings.retry_first_connect = retry;
        self
    }

    /// Sets a token with which another thread, or a signal handler, ends [`connect`](Self::connect) while it blocks.
    ///
    /// This is for use with [`retry_first_connect`](Self::retry_first_connect), with which `connect` may block
    /// indefinitely. See [`CancelToken`] for an example.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// # Credentials
///
/// ```no_run
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder().project("project id").token("API token").connect()?;
/// // Or with a JWT:
/// let client = Client::builder().jwt(std::fs::read_to_string("client.jwt").unwrap_or_default()).connect()?;
/// # Ok(()) }
/// ```
impl Builder {
    /// Sets the project ID.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(Secret::new(project.into()));
        self
    }

    /// Sets the project's API token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token.into()));
        self
    }

    /// Sets a JWT, which replaces project ID and token.
    #[doc(alias = "jwt_token")]
    pub fn jwt(mut self, jwt: impl Into<String>) -> Self {
        self.jwt = Some(Secret::new(jwt.into()));
        self
    }

    /// Sets a closure that returns a fresh JWT, which replaces project ID and token.
    ///
    /// The closure is called before each attempt to connect, on a worker thread: it may block, at most as long as
    /// [`connect_timeout`](Self::connect_timeout). If it returns an error, panics or takes longer, the attempt fails,
    /// and is repeated as after any other passing failure.
    ///
    /// ```no_run
    /// use signalwire_relay::Client;
    ///
    /// # fn fetch_token() -> std::io::Result<String> { Ok(String::new()) }
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().jwt_from(|| Ok(fetch_token()?)).contexts(["default"]).connect()?;
    /// # Ok(()) }
    /// ```
    pub fn jwt_from(mut self, source: impl Fn() -> Result<String, BoxError> + Send + Sync + 'static) -> Self {
        self.jwt_source = Some(Source(Arc::new(source)));
        self
    }
}

/// # Contexts and limits
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .contexts(["support", "sales"])
///     .max_active_calls(5_000)
///     .connect_timeout(Duration::from_secs(20))
///     .request_timeout(Duration::from_secs(5))
///     .dial_timeout(Duration::from_secs(60))
///     .drain_limit(Duration::from_secs(300))
///     .connect()?;
/// # Ok(()) }
/// ```
impl Builder {
    /// Sets the contexts to subscribe to: the client receives their inbound calls and messages. A context has at most
    /// 1,024 bytes: [`connect`](Self::connect) returns a `Config` error for a longer one. Default: none.
    pub fn contexts(mut self, contexts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.contexts = contexts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the number of live calls above which further inbound calls are passed back. Dials count as live calls and
    /// are never refused because of the limit; legs of a dial that has ended do not count. Default: 1,000.
    pub fn max_active_calls(mut self, calls: usize) -> Self {
        self.max_active_calls = Some(calls.max(1));
        self
    }

    /// Sets the timeout of one attempt to connect: name lookup, TCP, proxy, TLS, upgrade and authentication together.
    /// Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.tuning.settings.connect_timeout = timeout;
        self
    }

    /// Sets the timeout of a request, from the call of the method to the response, waiting for the connection included.
    /// Default: 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.tuning.settings.request_timeout = timeout;
        self
    }

    /// Sets the limit of a dial that has none of its own. Default: 120 s, or longer if the devices of the dial ring
    /// longer; see [`Dial::limit`](crate::Dial::limit).
    pub fn dial_timeout(mut self, span: Duration) -> Self {
        self.tuning.settings.dial_timeout = Some(span);
        self
    }

    /// Sets the time that live calls have to end after a signal has ended [`Client::run`]. Default: 30 s.
    pub fn drain_limit(mut self, span: Duration) -> Self {
        self.tuning.settings.drain_limit = span;
        self
    }

    /// Changes times and bounds that few programs set: the closure receives the present [`Tuning`] and returns the
    /// changed one.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::Client;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().tuning(|tuning| tuning.claim_timeout(Duration::from_secs(10))).connect()?;
    /// # Ok(()) }
    /// ```
    pub fn tuning(mut self, set: impl FnOnce(Tuning) -> Tuning) -> Self {
        self.tuning = set(self.tuning);
        self
    }
}

/// # Failures and state
impl Builder {
    /// Sets the treatment of a call whose handler, listener or callback returned an error or panicked. Default:
    /// [`HandlerFailure::EndCall`].
    ///
    /// ```no_run
    /// # use signalwire_relay::Client;
    /// # use signalwire_relay::connection::HandlerFailure;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().on_handler_failure(HandlerFailure::Leave).connect()?;
    /// # Ok(()) }
    /// ```
    pub fn on_handler_failure(mut self, what: HandlerFailure) -> Self {
        self.tuning.settings.on_handler_failure = what;
        self
    }

    /// Registers a callback for every state of the connection, the failed attempts of the first connect included.
    ///
    /// The callback runs on a worker thread, one state at a time, and may block. It runs beside handlers and waits: a
    /// request may be sent on a new connection before the callback has received `Online`. [`Client::states`] returns the
    /// same as an iterator once the client is connected.
    ///
    /// ```no_run
    /// use signalwire_relay::{Client, LinkState};
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder()
    ///     .retry_first_connect(true)
    ///     .on_state(|state| {
    ///         if let LinkState::Reconnecting { attempt, cause, .. } = state {
    ///             eprintln!("attempt {attempt}: {cause}");
    ///         }
    ///     })
    ///     .connect()?;
    /// # Ok(()) }
    /// ```
    #[doc(alias = "on_reconnect")]
    #[doc(alias = "on_disconnect")]
    pub fn on_state<R: CallbackResult>(mut self, watch: impl Fn(&LinkState) -> R + Send + Sync + 'static) -> Self {
        self.tuning.settings.on_state = Some(StateWatcher::new(move |state| watch(state).into_result()));
        self
    }
}

/// # Host, certificates and TLS
///
/// ```no_run
/// use signalwire_relay::Client;
/// use signalwire_relay::connection::TlsBackend;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .host("relay.example.com:8443")
///     .path("/relay")
///     .tls_backend(TlsBackend::NativeTls)
///     .ca_file("/etc/ssl/example-ca.pem")
///     .ca_dir("/etc/ssl/partners")
///     .ca_only(true)
///     .client_certificate("client.pem", "client.key")
///     .connect()?;
/// // Another machine without TLS, in a test network:
/// let client = Client::builder().host("10.0.0.7:5000").tls(false).allow_plaintext().connect()?;
/// # Ok(()) }
/// ```
impl Builder {
    /// Sets the host: a name, `host:port`, or an IP address, IPv6 in brackets. Default: `relay.signalwire.com`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(Host(host.into()));
        self
    }

    /// Sets the path of the WebSocket. Default: `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(UrlPath(path.into()));
        self
    }

    /// Sets whether the connection uses TLS. Default: yes. Without TLS only addresses of this machine are connected to,
    /// unless [`allow_plaintext`](Self::allow_plaintext) is set.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the library that encrypts the connection. Default: [`TlsBackend::NativeTls`] if the crate's feature
    /// `native-tls` is on, [`TlsBackend::Rustls`] if only `rustls` is.
    ///
    /// [`connect`](Self::connect) returns a `Config` error if the feature of that library is off.
    pub fn tls_backend(mut self, backend: TlsBackend) -> Self {
        self.tls_settings.backend = Some(backend);
        self
    }

    /// Adds a PEM file of root certificates to trust, besides the system's. May be called several times; a file may
    /// hold several certificates.
    ///
    /// The system's roots are those of the platform. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others where the TLS
    /// library reads these variables: rustls does on every platform, OpenSSL on Linux.
    ///
    /// The file is read by each `connect`. The TLS setup with the system's roots is shared by the clients of a process
    /// that trust the same certificates. It is read again by the first client that connects 10 min later, or after a
    /// file that these settings or variables name has changed. Connected clients keep theirs.
    ///
    /// [`connect`](Self::connect) returns a `Config` error that names the file if it cannot be read or holds no
    /// certificate.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        self.trust("Builder::ca_file", path.into(), false)
    }

    /// Adds a directory of PEM files with root certificates to trust. Files in it that hold no certificate are ignored,
    /// and so are its subdirectories.
    ///
    /// [`connect`](Self::connect) returns a `Config` error if no file of the directory holds a certificate.
    pub fn ca_dir(self, path: impl Into<PathBuf>) -> Self {
        self.trust("Builder::ca_dir", path.into(), true)
    }

    /// Sets whether only the certificates of [`ca_file`](Self::ca_file), [`ca_dir`](Self::ca_dir) and
    /// `SIGNALWIRE_RELAY_CA_FILE` are trusted, and not those of the system. Default: `false`.
    ///
    /// [`connect`](Self::connect) returns a `Config` error if none of these is set.
    pub fn ca_only(mut self, only: bool) -> Self {
        self.tls_settings.only = only;
        self
    }

    /// Sets the client's certificate: a PEM file with the certificate and its issuers, in this order and without the
    /// root, and a PEM file with the key in PKCS#8 form, not encrypted. The key is never printed, and kept in memory as
    /// long as a client uses it.
    ///
    /// [`connect`](Self::connect) returns a `Config` error if one of the files cannot be used, or if the key does not
    /// belong to the certificate.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls_settings.client = Some(ClientFiles { chain: chain.into(), key: key.into() });
        self
    }

    /// Permits connections without TLS to other machines. The token can then be read on the way. Default: not
    /// permitted.
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }
}

/// # Proxy
///
/// ```no_run
/// use signalwire_relay::Client;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder().proxy("http://user:password@proxy.example:3128").connect()?;
/// // Whatever the environment has:
/// let client = Client::builder().no_proxy().connect()?;
/// # Ok(()) }
/// ```
impl Builder {
    /// Sets the proxy to connect through: `http://` (HTTP CONNECT) or `socks5://`, as in
    /// `http://user:password@proxy.example:3128`. Default port: 1080, as in curl. Characters such as `@` and `/` in the
    /// user or password are written as `%40` and `%2F`. The proxy looks up the name of the service's host.
    ///
    /// Without this setting the environment decides, by the rules of curl: the proxy of `https_proxy`, `HTTPS_PROXY`,
    /// `all_proxy` or `ALL_PROXY`, whichever is set first in this order, unless `no_proxy` or `NO_PROXY` names the host.
    /// With it, these variables are not read. The credentials are never printed.
    ///
    /// [`connect`](Self::connect) returns a `Config` error if the URL is invalid, or if the connection has no TLS and
    /// [`allow_plaintext`](Self::allow_plaintext) is not set.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Via::Proxy(Secret::new(url.into()));
        self
    }

    /// Disables the proxy, also one of the environment.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Via::Nothing;
        self
    }
}

/// # Logs and traces
///
/// ```no_run
/// use signalwire_relay::Client;
/// use signalwire_relay::connection::Trace;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let client = Client::builder()
///     .agent("my-ivr/1.0")
///     .log_numbers(true)
///     .log_content(false)
///     .trace(Trace::to_file("/var/log/my-ivr/relay.jsonl"))
///     .connect()?;
/// # Ok(()) }
/// ```
impl Builder {
    /// Sets whether the log shows phone numbers whole. Default: `false`, and numbers that begin with `+` are cut to their
    /// last four digits (`+...2222`), except in the frames that are logged at trace.
    pub fn log_numbers(mut self, shown: bool) -> Self {
        self.tuning.settings.log_numbers = shown;
        self
    }

    /// Sets whether the frames in the log, which are logged at trace, show digits, speech and texts of the parties.
    /// Default: `false`.
    ///
    /// Masked are, as `<content>`: digits that were pressed or are sent (`digits`, `terminator` and `send_digits`, and
    /// the digit that a detector reports), bodies of text messages (`body`), and texts that were said or are to be said
    /// (`text`, `message_text`, `utterance`, `content`, `response`, and the summaries of conversations). `Debug` of
    /// events, messages, replies and parameters masks them with either setting: their fields and methods return the
    /// values. Secrets always stay masked.
    pub fn log_content(mut self, shown: bool) -> Self {
        self.tuning.settings.log_content = shown;
        self
    }

    /// Writes a trace: every frame, and events that no frame shows, as lines of JSON. See [`Trace`] for the content of
    /// a trace, the masking, and a full disk. Default: the file that `SIGNALWIRE_RELAY_TRACE` names; without that
    /// variable no trace.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Sets the agent string that the client sends to the service, for example `my-ivr/1.0`. Default: the crate's name
    /// and version.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.tuning.settings.agent = agent.into();
        self
    }
}

/// # Testing
impl Builder {
    /// Connects the client to a simulator: sets host, credentials, certificate and clock, and disables the proxy.
    #[cfg(feature = "simulator")]
    pub fn simulator(mut self, simulator: &crate::simulator::Simulator) -> Self {
        self.clock = simulator.clock().clone();
        self.proxy = Via::Nothing;
        self.tls_settings.roots.clear();
        if let Some(file) = simulator.ca_file() {
            self = self.ca_file(file);
        }
        self.host(simulator.host()).tls(simulator.is_tls()).project(simulator.project()).token(simulator.token())
    }
}

impl Builder {
    fn trust(mut self, setting: &'static str, path: PathBuf, is_directory: bool) -> Self {
        self.tls_settings.roots.push(Roots { setting, path, is_directory });
        self
    }

    /// Creates the parts of a client. `watch` receives the connector before the session does.
    pub(super) fn assemble(self, watch: impl FnOnce(&mut Connector)) -> Result<(Arc<Session>, Arc<Router>)> {
        check_contexts("signalwire.connect", &self.contexts)?;
        let credentials = self.credentials()?;
        let endpoint = self.endpoint()?;
        let mut settings = self.tuning.settings.clone();
        let calls = match self.max_active_calls {
            Some(calls) => Some(calls),
            None => number("RELAY_MAX_ACTIVE_CALLS")?,
        };
        if let Some(calls) = calls {
            settings.max_active_calls = calls.max(1);
        }
        settings.offline_queue = self.fitting_offline_queue(settings.max_active_calls);
        settings.max_unclaimed = self.fitting_offer_queue(settings.max_active_calls);
        settings.worker_stack = match self.tuning.worker_stack {
            None if env::var_os("RUST_MIN_STACK").is_some() => None,
            set => Some(set.unwrap_or(WORKER_STACK)),
        };
        let slot = ProcessSlot::take()?;
        let mut connector = self.connector(endpoint)?;
        watch(&mut connector);
        let clock = self.clock;
        let trace = match self.trace {
            Some(trace) => Some(trace),
            None => trace_of_environment()?,
        };
        let router = Router::new(settings.remembered_ids);
        let (sink, contexts) = (Arc::clone(&router), unique(self.contexts));
        let session = Session::new(clock, settings, credentials, contexts, connector, sink, trace.as_ref());
        session.hold_until_closed(slot);
        Ok((session, router))
    }

    pub(super) fn connector(&self, endpoint: Endpoint) -> Result<Connector> {
        let proxy = match &self.proxy {
            Via::Environment => Proxy::of_environment(&endpoint, variable)?,
            Via::Proxy(url) => Some(Proxy::parse("Builder::proxy", url.expose())?),
            Via::Nothing => None,
        };
        Connector::new(endpoint, &self.trusted(), proxy, self.tuning.settings.max_frame, self.clock.clone())
    }

    /// Returns the TLS settings with the certificates of the environment.
    pub(super) fn trusted(&self) -> TlsSettings {
        let mut tls = self.tls_settings.clone();
        if tls.roots.is_empty() {
            // A path may be no Unicode.
            let file = env::var_os(CA_FILE).filter(|path| !path.is_empty());
            tls.roots.extend(file.map(|path| Roots { setting: CA_FILE, path: path.into(), is_directory: false }));
        }
        tls
    }

    /// Default limit of requests that wait for the connection: each call may have one, and one dial or message more.
    fn fitting_offline_queue(&self, calls: usize) -> usize {
        let fitting = calls.saturating_mul(2);
        let Some(set) = self.tuning.offline_queue else { return fitting.max(OFFLINE_QUEUE) };
        if set < fitting {
            log::warn!(
                "Tuning::offline_queue is {set}, which is less than twice Builder::max_active_calls ({calls}): while the \
                 connection is down, requests of live calls wait for room and may fail; set it to {fitting} or more"
            );
        }
        set
    }

    /// Default limit of calls that wait to be claimed by [`Client::next_call`](crate::Client::next_call): all calls may
    /// arrive at once.
    fn fitting_offer_queue(&self, calls: usize) -> usize {
        let Some(set) = self.tuning.max_unclaimed else { return calls };
        if set < calls {
            log::warn!(
                "Tuning::max_unclaimed is {set}, which is less than Builder::max_active_calls ({calls}): calls that come \
                 faster than the program takes them are passed back although there is room for them; set it to {calls}"
            );
        }
        set
    }

    pub(super) fn credentials(&self) -> Result<Credentials> {
        let set = |secret: &Option<Secret>, setter: &str| {
            trimmed(secret.as_ref()?.expose(), setter).map(|text| Secret::new(text.as_str()))
        };
        let (project, token) = (set(&self.project, "Builder::project"), set(&self.token, "Builder::token"));
        let jwt = set(&self.jwt, "Builder::jwt");
        let given = |set: Option<Secret>, name| match set {
            Some(secret) => Ok(Some(secret)),
            None => Ok(variable(name)?.map(Secret::new)),
        };
        if let Some(Source(source)) = &self.jwt_source {
            let project = given(project, "SIGNALWIRE_PROJECT_ID")?;
            return Ok(Credentials::Asked { source: Arc::clone(source), project });
        }
        // Credentials of the program take precedence over a JWT of the environment.
        if jwt.is_some() || project.is_none() || token.is_none() {
            if let Some(jwt) = given(jwt, "SIGNALWIRE_JWT_TOKEN")? {
                return Ok(Credentials::Jwt { jwt, project: given(project, "SIGNALWIRE_PROJECT_ID")? });
            }
        }
        let required = |what: &str, setter: &str, set: Option<Secret>, name: &'static str| {
            given(set, name)?.ok_or_else(|| {
                error::config(format!(
                    "{what} is required: set {name} or use Builder::{setter} (or authenticate with a JWT: \
                     SIGNALWIRE_JWT_TOKEN, Builder::jwt)"
                ))
            })
        };
        Ok(Credentials::Project {
            project: required("project", "project", project, "SIGNALWIRE_PROJECT_ID")?,
            token: required("token", "token", token, "SIGNALWIRE_API_TOKEN")?,
        })
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let set = self.host.as_ref().and_then(|host| trimmed(&host.0, "Builder::host"));
        let mut host = set.map(|host| ("host", host));
        for name in ["SIGNALWIRE_RELAY_HOST", "SIGNALWIRE_SPACE"] {
            if host.is_none() {
                host = variable(name)?.map(|host| (name, host));
            }
        }
        let (what, host) = host.as_ref().map_or(("host", DEFAULT_HOST), |(what, host)| (what, host));
        let scheme = match self.tls {
            Some(true) => Scheme::Wss,
            Some(false) => Scheme::Ws,
            None => match variable("SIGNALWIRE_RELAY_SCHEME")?.as_deref() {
                None | Some("wss") => Scheme::Wss,
                Some("ws") => Scheme::Ws,
                Some(_) => return Err(error::config("SIGNALWIRE_RELAY_SCHEME must be wss or ws")),
            },
        };
        let path = self.path.as_ref().map(|path| &*path.0).filter(|path| !path.is_empty()).unwrap_or("/");
        Endpoint::parse((what, host), scheme, path, self.allow_plaintext)
    }
}

/// A host as it was given. A host that is a URL by mistake may contain a password.
#[derive(Clone)]
struct Host(String);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(['@', '/', '?']) { f.write_str("<not a host>") } else { self.0.fmt(f) }
    }
}

/// The proxy setting of a connection.
#[derive(Clone, Debug, Default)]
enum Via {
    #[default]
    Environment,
    Proxy(Secret),
    Nothing,
}

/// The path of the upgrade. The part after `?` may be a token.
#[derive(Clone)]
struct UrlPath(String);

impl fmt::Debug for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((path, _)) => write!(f, "\"{}?{MASK}\"", path.escape_debug()),
            None => self.0.fmt(f),
        }
    }
}

/// Returns the trace that the environment turns on.
fn trace_of_environment() -> Result<Option<Trace>> {
    // A path may be no Unicode.
    let Some(path) = env::var_os(TRACE_FILE).filter(|path| !path.is_empty()) else { return Ok(None) };
    let mut trace = Trace::to_file(path);
    for word in variable(TRACE_SHOW)?.unwrap_or_default().split(',').map(str::trim) {
        trace = match word {
            "" => trace,
            "content" => trace.content(true),
            "numbers" => trace.numbers(true),
            _ => {
                return Err(error::config(format!(
                    "{TRACE_SHOW} has `{word}`: it is a list of `content` and `numbers`, such as `content,numbers`"
                )));
            }
        };
    }
    Ok(Some(trace))
}

/// Returns an environment variable. An empty one counts as unset.
fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(trimmed(&value, name)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(error::config(format!("{name} is not Unicode: correct it or unset it"))),
    }
}

/// Returns a number from the environment.
fn number(name: &str) -> Result<Option<usize>> {
    let Some(text) = variable(name)? else { return Ok(None) };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => {
            Err(error::config(format!("{name} is not a whole number: give digits alone, such as 1000, or unset it")))
        }
    }
}

/// Removes white space around a value, which a file or a command often leaves at its end. Returns `None` if nothing is
/// left. `name` is the source of the value.
fn trimmed(value: &str, name: &str) -> Option<String> {
    let trimmed = value.trim();
    if trimmed.len() < value.len() {
        log::warn!("{name} has white space around it, which is removed");
    }
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn unique(contexts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(contexts.len());
    for context in contexts {
        if !kept.contains(&context) {
            kept.push(context);
        }
    }
    kept
}

/// Number of clients in this process.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// One client of the process, as counted by `RELAY_MAX_CONNECTIONS`. The slot is returned with the client, or when
/// connecting fails.
pub(super) struct ProcessSlot;

impl ProcessSlot {
    fn take() -> Result<Option<Self>> {
        let Some(limit) = number("RELAY_MAX_CONNECTIONS")? else {
            return Ok(None);
        };
        let limit = limit.max(1);
        let taken =
            CLIENTS.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < limit).then_some(count + 1));
        match taken {
            Ok(_) => Ok(Some(Self)),
            Err(_) => Err(error::config(format!(
                "RELAY_MAX_CONNECTIONS allows {limit} connected clients in this process, and there are as many: \
                 disconnect one, raise it or unset it"
            ))),
        }
    }
}

impl Drop for ProcessSlot {
    fn drop(&mut self) {
        CLIENTS.fetch_sub(1, Ordering::AcqRel);
    }
}
