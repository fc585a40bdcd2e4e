//! Checks of a connection, step by step, with the code that connects.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::Client;
use super::builder::Builder;
use super::cancel::CancelToken;
use crate::clock::{Clock, Receiver, Sender, Whose};
use crate::error::{self, Error, ErrorKind, Phase, Result};
use crate::latch::Latch;
use crate::protocol::constants::METHOD_SIGNALWIRE_PING;
use crate::secret::Secrets;
use crate::session::Credentials;
use crate::transport::{Connector, Cutoff, Fact, Out};

/// Number of pings.
const PINGS: usize = 5;

/// Clock difference in seconds above which the check warns: certificates and tokens have times.
const SKEW: i64 = 30;

/// Subject of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// The settings of the builder and the environment.
    Settings,
    /// The lookup of the host's name, or of the proxy's.
    Lookup,
    /// The TCP connection.
    Tcp,
    /// The way through the proxy.
    Proxy,
    /// The TLS handshake, with the check of the certificate.
    Tls,
    /// The upgrade to a WebSocket.
    Upgrade,
    /// Authentication: `signalwire.connect`.
    Auth,
    /// The subscription to the contexts: `signalwire.receive`.
    Contexts,
    /// The time that five requests take: `signalwire.ping`.
    Pings,
    /// The clock of this machine, compared with that of the service.
    Clock,
}

/// The checks, in order.
const CHECKS: [Check; 10] = [
    Check::Settings,
    Check::Lookup,
    Check::Tcp,
    Check::Proxy,
    Check::Tls,
    Check::Upgrade,
    Check::Auth,
    Check::Contexts,
    Check::Pings,
    Check::Clock,
];

impl Check {
    /// A word for programs, such as `"lookup"` or `"authentication"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Lookup => "lookup",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Auth => "authentication",
            Self::Contexts => "contexts",
            Self::Pings => "pings",
            Self::Clock => "clock",
        }
    }

    fn of(phase: Phase) -> Self {
        match phase {
            Phase::Lookup => Self::Lookup,
            Phase::Tcp => Self::Tcp,
            Phase::Proxy => Self::Proxy,
            Phase::Tls => Self::Tls,
            Phase::Upgrade => Self::Upgrade,
            Phase::Auth => Self::Auth,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Lookup => "name lookup",
            Self::Tcp => "TCP connection",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Upgrade => "WebSocket upgrade",
            Self::Auth => "authentication",
            Self::Contexts => "contexts",
            Self::Pings => "pings",
            Self::Clock => "clock",
        })
    }
}

/// Result of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// All is well.
    Passed,
    /// The check succeeded, with a warning.
    Warning(String),
    /// The check failed.
    Failed(Error),
    /// The check was skipped, for this reason.
    Skipped(String),
}

/// One step of a [`Diagnosis`]. `Display` is one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// Subject of the step.
    pub check: Check,
    /// Duration of the step. `None` for a step that takes no time of its own.
    pub took: Option<Duration>,
    /// Result of the step.
    pub verdict: Verdict,
    /// Findings, as a JSON object. Its keys, by check:
    ///
    /// * `settings`: `host`, `scheme`, `proxy`, `credentials` (their kind), `contexts`, `roots` (what is trusted)
    /// * `lookup`: `name`, `addresses` · `tcp`: `address` · `proxy`: `proxy`
    /// * `tls`: `library`, `version` (`null` if the library does not tell it), `certificates` (PEM, the peer's own first; all
    ///   of the chain with rustls, the first with native-tls)
    /// * `contexts`: `contexts` · `pings`: `seconds` (of each), `p50`, `worst`
    /// * `clock`: `skew`: how many seconds this machine is ahead of the service, give or take one
    pub details: Value,
}

impl Step {
    /// Returns what to do about a step that failed or has a warning. `None` if the error itself says it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        let error = match &self.verdict {
            Verdict::Failed(error) => error,
            Verdict::Warning(_) if self.check == Check::Clock => {
                return Some("set this machine's clock: certificates and tokens are valid for a time");
            }
            _ => return None,
        };
        let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        let is_refused = source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionRefused);
        match self.check {
            Check::Lookup if error.is_timeout() => {
                Some("the name server does not respond; check this machine's network")
            }
            Check::Lookup => Some("check the spelling of the host, and this machine's network and name server"),
            Check::Tcp if is_refused => Some("nothing listens on that port; check host and port"),
            Check::Tcp if error.is_timeout() => Some(
                "packets may be dropped on the way; let a firewall allow outgoing TCP to that port, or set https_proxy",
            ),
            Check::Tcp => Some("check this machine's network, and its route to that address"),
            Check::Proxy => Some("check https_proxy, all_proxy and no_proxy"),
            Check::Tls if error.is_timeout() => {
                Some("the peer accepts the connection and does not speak TLS; check host and port")
            }
            Check::Upgrade if error.code().is_some() => {
                Some("a web server answers, and it is not RELAY's; check the host, such as example.signalwire.com")
            }
            Check::Upgrade => Some("the peer does not speak WebSocket; check host, port and scheme"),
            Check::Auth if error.kind() == ErrorKind::Connect => Some("the service is in trouble; try again later"),
            _ => None,
        }
    }

    /// Returns the step as a JSON object: `check`, `verdict` (`passed`, `warning`, `failed` or `skipped`), `seconds`,
    /// `why`, `advice` and `details`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (verdict, why) = match &self.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Warning(why) => ("warning", Some(why.clone())),
            Verdict::Failed(error) => ("failed", Some(error.to_string())),
            Verdict::Skipped(why) => ("skipped", Some(why.clone())),
        };
        json!({
            "check": self.check.name(),
            "verdict": verdict,
            "seconds": self.took.map(seconds),
            "why": why,
            "advice": self.advice(),
            "details": self.details,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, took, verdict, details: _ } = self;
        match verdict {
            Verdict::Passed => write!(f, "{check}: passed")?,
            Verdict::Warning(why) => write!(f, "{check}: passed, but {why}")?,
            Verdict::Failed(error) => write!(f, "{check}: {error}")?,
            Verdict::Skipped(why) => return write!(f, "{check}: skipped: {why}"),
        }
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        took.map_or(Ok(()), |took| write!(f, " ({took:.1?})"))
    }
}

fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e6
}

/// The steps of a check of the connection, as they finish: an iterator. Returned by
/// [`Builder::diagnose`](crate::Builder::diagnose).
///
/// It yields one step for each [`Check`], in this order, and then ends.
#[must_use = "the checks end when this is dropped"]
pub struct Diagnosis {
    clock: Clock,
    from: Receiver<Step>,
    stop: Arc<Stop>,
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Diagnosis")
    }
}

impl Iterator for Diagnosis {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        self.clock.recv(&self.from, None).ok()
    }
}

impl Drop for Diagnosis {
    fn drop(&mut self) {
        self.stop.dropped.set(&self.clock, ());
        self.stop.cutoff.cut();
        if self.stop.is_own {
            self.stop.token.cancel();
        }
    }
}

/// Stops the checks.
struct Stop {
    dropped: Latch<()>,
    /// Cutoff of the connection that is made without credentials.
    cutoff: Cutoff,
    token: CancelToken,
    /// Whether the token was made here instead of by the program.
    is_own: bool,
}

impl Diagnosis {
    pub(super) fn start(builder: Builder) -> Self {
        let clock = builder.clock.clone();
        let (to, from) = clock.unbounded();
        let (is_own, token) = (builder.cancel.is_none(), builder.cancel.clone().unwrap_or_default());
        let stop = Arc::new(Stop { dropped: Latch::new(), cutoff: Cutoff::new(clock.clone()), token, is_own });
        let report = Report::new(to, clock.clone());
        let (of_thread, stops) = (Arc::clone(&report), Arc::clone(&stop));
        let spawned = clock.spawn(Whose::Client, "relay-doctor", move || run(builder, &of_thread, &stops));
        if let Err(refused) = spawned {
            let error = error::config(format!("the system refused a thread (relay-doctor): {refused}"));
            report.step(Check::Settings, None, Verdict::Failed(error), json!({}));
            report.finish("because the checks could not begin");
        }
        drop(report);
        Self { clock, from, stop }
    }
}

/// Receiver of the steps, in order.
struct Report {
    to: Sender<Step>,
    clock: Clock,
    state: Mutex<State>,
}

/// The results of the checks so far.
#[derive(Default)]
struct State {
    /// Number of [`CHECKS`] that were reported.
    done: usize,
    /// Reasons why there is no proxy or no TLS, where that is so.
    absent: Map<String, Value>,
    details: Map<String, Value>,
    skew: Option<i64>,
    /// Whether a phase of connecting has failed.
    failed: bool,
    /// End of the last phase of connecting.
    upgraded: Option<Instant>,
}

impl Report {
    fn new(to: Sender<Step>, clock: Clock) -> Arc<Self> {
        Arc::new(Self { to, clock, state: Mutex::default() })
    }

    /// Reports a step, and the earlier ones that were not needed.
    fn step(&self, check: Check, took: Option<Duration>, verdict: Verdict, details: Value) {
        while let Some(absent) = self.next_before(check) {
            self.send(absent);
        }
        self.state.lock().done += 1;
        self.send(Step { check, took, verdict, details });
    }

    fn next_before(&self, check: Check) -> Option<Step> {
        let mut state = self.state.lock();
        let next = *CHECKS.get(state.done)?;
        if next >= check {
            return None;
        }
        state.done += 1;
        let why = state.absent.get(next.name()).and_then(Value::as_str).unwrap_or("it was not reached").to_owned();
        Some(Step { check: next, took: None, verdict: Verdict::Skipped(why), details: json!({}) })
    }

    /// Reports the clock, and all other remaining checks as skipped, with the reason.
    fn finish(&self, why: &str) {
        loop {
            let (check, skew) = {
                let state = self.state.lock();
                (CHECKS.get(state.done).copied(), state.skew)
            };
            let Some(check) = check else { return };
            let (verdict, details) = match (check, skew) {
                (Check::Clock, Some(skew)) => (judge_skew(skew), json!({"skew": skew})),
                (Check::Clock, None) => (Verdict::Skipped("no response told a date".into()), json!({})),
                _ => (Verdict::Skipped(why.into()), json!({})),
            };
            self.step(check, None, verdict, details);
        }
    }

    /// Sends a step. The receiver may have been dropped.
    fn send(&self, step: Step) {
        let _dropped = self.to.send(step);
    }

    fn phase(&self, phase: Phase, took: Duration, error: Option<&Error>) {
        let check = Check::of(phase);
        let details = {
            let mut state = self.state.lock();
            state.upgraded = Some(self.clock.now());
            state.failed |= error.is_some();
            state.details.remove(check.name()).unwrap_or_else(|| json!({}))
        };
        let verdict = error.map_or(Verdict::Passed, |error| Verdict::Failed(error.clone()));
        self.step(check, Some(took), verdict, details);
    }

    fn fact(&self, fact: Fact, name: &str, library: &str) {
        let mut state = self.state.lock();
        let (check, details) = match fact {
            Fact::Addresses(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                (Check::Lookup, json!({"name": name, "addresses": addresses}))
            }
            Fact::Peer(address) => (Check::Tcp, json!({"address": address.to_string()})),
            Fact::Tls { version, chain } => {
                (Check::Tls, json!({"library": library, "version": version, "certificates": chain}))
            }
            Fact::Date(theirs) => {
                let ours = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                state.skew = Some(i64::try_from(ours).unwrap_or(i64::MAX).saturating_sub(theirs));
                return;
            }
        };
        state.details.insert(check.name().to_owned(), details);
    }
}

fn judge_skew(skew: i64) -> Verdict {
    if skew.abs() <= SKEW {
        return Verdict::Passed;
    }
    let way = if skew > 0 { "ahead of" } else { "behind" };
    Verdict::Warning(format!("this machine's clock is {} s {way} the service's", skew.abs()))
}

/// # Checking a connection
impl Builder {
    /// Checks a connection step by step, as [`connect`](Self::connect) would make it. Each step reports how long it
    /// took, its result, and what to do if it failed. The command `relay doctor` prints the same.
    ///
    /// The checks run on a thread of their own and take at most the [`connect_timeout`](Self::connect_timeout) and six
    /// times the [`request_timeout`](Self::request_timeout). The iterator blocks until the next step has finished. Dropping it ends the checks.
    /// Nothing secret is in the steps.
    ///
    /// Without credentials everything up to the upgrade to a WebSocket is checked; the rest is
    /// [skipped](crate::diagnosis::Verdict::Skipped). Rejected credentials are not tried again.
    ///
    /// **With [`contexts`](Self::contexts) this is one more client that the service offers inbound calls to.** Such a call
    /// is passed back to routing at once; an inbound text message is lost. Without contexts nothing arrives here.
    ///
    /// ```no_run
    /// use signalwire_relay::Client;
    ///
    /// for step in Client::builder().diagnose() {
    ///     println!("{step}");
    /// }
    /// ```
    pub fn diagnose(self) -> Diagnosis {
        Diagnosis::start(self)
    }
}

fn run(mut builder: Builder, report: &Arc<Report>, stop: &Stop) {
    builder.tuning.settings.first_retries = 0;
    builder.tuning.settings.retry_first_connect = false;
    // An inbound call that arrives during the checks belongs to another client.
    builder.tuning.settings.claim_timeout = Duration::ZERO;
    if let Err(error) = check(builder, report, stop) {
        report.step(Check::Settings, None, Verdict::Failed(error), json!({}));
        report.finish("because the settings cannot be used");
    }
}

/// Makes all checks. Returns an error if the settings are invalid; nothing was reported then.
fn check(builder: Builder, report: &Arc<Report>, stop: &Stop) -> Result<()> {
    let mut connector = builder.connector(builder.endpoint()?)?;
    watch(&mut connector, &builder, report);
    let credentials = builder.credentials();
    let details = settings(&builder, &connector, credentials.as_ref().ok());
    {
        let mut state = report.state.lock();
        if connector.proxy().is_none() {
            state.absent.insert(Check::Proxy.name().into(), "there is no proxy".into());
        }
        if connector.endpoint().is_plain() {
            state.absent.insert(Check::Tls.name().into(), "ws:// has no TLS".into());
        }
    }
    if let Err(missing) = credentials {
        let why = missing.to_string();
        report.step(Check::Settings, None, Verdict::Warning(why.clone()), details);
        without_credentials(&connector, &builder, report, stop, &why);
        return Ok(());
    }
    let (watched, contexts) = (builder.clone(), builder.contexts.clone());
    let (session, router) = builder.assemble(|connector| watch(connector, &watched, report))?;
    report.step(Check::Settings, None, Verdict::Passed, details);
    let connected = stop.token.start(&session).map(|()| Client::new(session, router));
    with_credentials(connected, &contexts, report, stop);
    Ok(())
}

/// Reports the settings of the connection.
fn settings(builder: &Builder, connector: &Connector, credentials: Option<&Credentials>) -> Value {
    let (tls, endpoint) = (builder.trusted(), connector.endpoint());
    let of_platform = (!tls.only).then(|| "the system's roots".to_owned());
    let of_files = tls.roots.iter().map(|roots| format!("{}: {}", roots.setting, roots.path.display()));
    json!({
        "host": endpoint.to_string(),
        "scheme": if endpoint.is_plain() { "ws" } else { "wss" },
        "proxy": connector.proxy(),
        "credentials": credentials.map(|credentials| match credentials {
            Credentials::Project { .. } => "project and token",
            Credentials::Jwt { .. } => "JWT",
            Credentials::Asked { .. } => "JWT on demand",
        }),
        "contexts": builder.contexts,
        "roots": of_platform.into_iter().chain(of_files).collect::<Vec<_>>(),
    })
}

/// Makes the connector report its phases.
fn watch(connector: &mut Connector, builder: &Builder, report: &Arc<Report>) {
    let phases = Arc::clone(report);
    connector.report_phases(move |phase, took, error| phases.phase(phase, took, error));
    let name = connector.proxy().unwrap_or_else(|| connector.endpoint().host().to_owned());
    let (facts, library) = (Arc::clone(report), builder.trusted().library());
    connector.report_facts(move |fact| facts.fact(fact, &name, library));
}

fn without_credentials(connector: &Connector, builder: &Builder, report: &Report, stop: &Stop, missing: &str) {
    let until = report.clock.after(builder.tuning.settings.connect_timeout);
    match connector.connect(until, &stop.cutoff, &Secrets::default()) {
        Ok(mut connection) => {
            let _the_peer_may_be_gone = connection.writer.write_now([Out::Close(1000)], until);
            connection.socket.shutdown();
            stop.cutoff.let_go();
            report.finish(missing);
        }
        Err(error) => report.finish(&after(&error)),
    }
}

fn with_credentials(connected: Result<Client>, contexts: &[String], report: &Report, stop: &Stop) {
    let (since, failed) = {
        let state = report.state.lock();
        (state.upgraded, state.failed)
    };
    let took = since.map(|since| report.clock.now().saturating_duration_since(since));
    let client = match connected {
        Ok(client) => client,
        Err(error) => {
            let why = after(&error);
            if !failed {
                report.step(Check::Auth, took, Verdict::Failed(error), json!({}));
            }
            return report.finish(&why);
        }
    };
    report.step(Check::Auth, took, Verdict::Passed, json!({}));
    if contexts.is_empty() {
        let none = "no contexts are set";
        report.step(Check::Contexts, None, Verdict::Skipped(none.into()), json!({}));
    } else {
        let (took, outcome) = timed(&report.clock, || client.receive(contexts));
        report.step(Check::Contexts, Some(took), verdict(outcome), json!({"contexts": contexts}));
    }
    ping(&client, report, stop);
    client.disconnect();
    report.finish("the checks were stopped");
}

fn ping(client: &Client, report: &Report, stop: &Stop) {
    let began = report.clock.now();
    let (mut times, mut outcome) = (Vec::new(), Ok(()));
    while times.len() < PINGS && outcome.is_ok() && !stop.dropped.is_set() {
        let (took, response) = timed(&report.clock, || client.execute(METHOD_SIGNALWIRE_PING, json!({})));
        times.push(took);
        outcome = response.map(drop);
    }
    let took = report.clock.now().saturating_duration_since(began);
    let of_each: Vec<f64> = times.iter().copied().map(seconds).collect();
    times.sort_unstable();
    let (p50, worst) = (times.get(times.len() / 2), times.last());
    let details = json!({
        "seconds": of_each,
        "p50": p50.copied().map(seconds),
        "worst": worst.copied().map(seconds),
    });
    report.step(Check::Pings, Some(took), verdict(outcome), details);
}

fn timed<T>(clock: &Clock, run: impl FnOnce() -> T) -> (Duration, T) {
    let began = clock.now();
    let value = run();
    (clock.now().saturating_duration_since(began), value)
}

fn verdict(outcome: Result<()>) -> Verdict {
    outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed)
}

/// Reason why the checks after a failure are skipped.
fn after(error: &Error) -> String {
    match error.phase() {
        Some(phase) => format!("because the {phase} failed"),
        None => "because the connection failed".to_owned(),
    }
}
