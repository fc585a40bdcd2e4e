//! Connecting: from an address to a WebSocket, within one deadline.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use parking_lot::Mutex;
use tungstenite::Error as WsError;
use tungstenite::client::client;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderMap;

use super::address::{Endpoint, Scheme};
use super::proxy::{Fault, Proxy, base64};
use super::reader::{Inlet, ReadHalf};
use super::retry_after;
use super::tls::{Shared, Tls, TlsSettings, Trust, advice};
use super::wire::Wire;
use super::writer::WriteHalf;
use crate::clock::{Clock, Deadline, Receiver, Sender, Tcp, Whose};
use crate::error::{self, BoxError, Error, Phase, Result};
use crate::latch::Latch;
use crate::secret::Secrets;

/// Time for which an address is tried alone before the next is tried in parallel (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// Largest number of addresses of a name that are tried: each unresponsive address holds a thread until the deadline.
const ADDRESSES: usize = 16;

/// Longest time for connecting to one address without a deadline.
const ADDRESS_MAX: Duration = Duration::from_secs(10);

/// Number of bytes of a rejection's body that are shown.
const BODY_SHOWN: usize = 256;

/// An established WebSocket.
pub(crate) struct Connection {
    pub(crate) reader: ReadHalf,
    pub(crate) writer: WriteHalf,
    pub(crate) socket: Socket,
}

/// A handle on the socket that can only cut it.
#[derive(Clone)]
pub(crate) struct Socket(Arc<Tcp>);

impl Socket {
    /// Returns `true` if the system has received bytes that the reader has not read yet, so that the peer is alive
    /// although the reader has not noticed. Checked only before a cut: the check may take a moment.
    pub(crate) fn has_arrived(&self) -> bool {
        self.0.has_arrived()
    }

    /// Shuts down both directions: threads that block in the socket return, and the peer sees the end.
    pub(crate) fn shutdown(&self) {
        // This fails only if the connection has ended already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Cancels an attempt to connect from another thread, because the client closes.
pub(crate) struct Cutoff {
    clock: Clock,
    cut: Latch<()>,
    attempt: Mutex<Attempt>,
}

/// The object that the running attempt waits on.
enum Attempt {
    Idle,
    Waiting(Sender<Step>),
    Talking(Weak<Tcp>),
}

impl Cutoff {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, cut: Latch::new(), attempt: Mutex::new(Attempt::Idle) }
    }

    /// Cancels the running attempt and all later ones. The socket of the last attempt is shut down even if the attempt
    /// succeeded, unless [`let_go`](Self::let_go) came first, so that authentication is cancelled too.
    pub(crate) fn cut(&self) {
        self.cut.set(&self.clock, ());
        let attempt = std::mem::replace(&mut *self.attempt.lock(), Attempt::Idle);
        match attempt {
            Attempt::Idle => {}
            Attempt::Waiting(steps) => {
                // A full channel contains a step, and the attempt checks the latch after each step.
                let _ = steps.send(Step::Cut);
            }
            Attempt::Talking(socket) => {
                if let Some(socket) = socket.upgrade() {
                    Socket(socket).shutdown();
                }
            }
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_set()
    }

    /// Releases the socket: the connection is up, and is closed in the regular way from now on.
    pub(crate) fn let_go(&self) {
        *self.attempt.lock() = Attempt::Idle;
    }

    /// Stores the object that the attempt waits on. Returns an error if the attempt is cancelled already.
    fn watch(&self, attempt: Attempt) -> Result<()> {
        *self.attempt.lock() = attempt;
        // The check comes afterwards, so that a cut in between is seen here or finds the attempt.
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.is_cut() { Err(error::closed("connecting")) } else { Ok(()) }
    }
}

/// Messages to an attempt from the threads that make its uninterruptible calls.
enum Step {
    Found(Result<Vec<SocketAddr>, Arc<io::Error>>),
    Connected(TcpStream),
    Unreachable(io::Error),
    Cut,
}

/// A function that looks up the addresses of a name.
type Find = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The name lookups of one client. A lookup of the system cannot be interrupted, so it may outlive its attempt; later
/// attempts then wait for it instead of starting another.
struct Lookups {
    find: Box<Find>,
    state: Mutex<LookupState>,
}

/// The lookup that runs, and the attempts that wait for it.
#[derive(Default)]
struct LookupState {
    running: bool,
    waiting: Vec<Sender<Step>>,
}

/// Receives the duration and the error of each phase of connecting. It must not block.
type Phases = Box<dyn Fn(Phase, Duration, Option<&Error>) + Send + Sync>;

/// A detail that an attempt has found. Reported before the end of the phase that it belongs to.
pub(crate) enum Fact {
    /// The addresses of the name that was looked up, in the order in which they are tried.
    Addresses(Vec<SocketAddr>),
    /// The address that the socket is connected to.
    Peer(SocketAddr),
    Tls {
        /// Version of TLS. `None` if the library does not report it.
        version: Option<String>,
        /// The peer's certificates as PEM, its own first, as far as the library reports them.
        chain: Vec<String>,
    },
    /// The header `Date` of the response to the upgrade, in seconds since 1970.
    Date(i64),
}

/// Receives each fact. It must not block.
type Facts = Box<dyn Fn(Fact) + Send + Sync>;

/// Makes connections to one endpoint. One connector is built for each client.
pub(crate) struct Connector {
    endpoint: Endpoint,
    trust: Option<Arc<Shared>>,
    proxy: Option<Proxy>,
    max_frame: usize,
    clock: Clock,
    lookups: Arc<Lookups>,
    phases: Vec<Phases>,
    facts: Option<Facts>,
}

impl Connector {
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a file of certificates cannot be read or used, or if the
    /// build has no TLS for `wss`, or not the requested library.
    pub(crate) fn new(
        endpoint: Endpoint,
        tls: &TlsSettings,
        proxy: Option<Proxy>,
        max_frame: usize,
        clock: Clock,
    ) -> Result<Self> {
        if let Some(proxy) = proxy.as_ref().filter(|_| endpoint.is_local_only()) {
            return Err(proxy.plaintext_refused());
        }
        let trust = match endpoint.scheme() {
            Scheme::Wss => Some(Shared::of(tls)?),
            Scheme::Ws => None,
        };
        let find = Box::new(|host: &str, port| (host, port).to_socket_addrs().map(Iterator::collect));
        let lookups = Arc::new(Lookups { find, state: Mutex::default() });
        Ok(Self { endpoint, trust, proxy, max_frame, clock, lookups, phases: Vec::new(), facts: None })
    }

    /// Registers `phases`, which receives each phase of connecting.
    pub(crate) fn report_phases(&mut self, phases: impl Fn(Phase, Duration, Option<&Error>) + Send + Sync + 'static) {
        self.phases.push(Box::new(phases));
    }

    /// Registers `facts`, which receives the details that attempts find.
    pub(crate) fn report_facts(&mut self, facts: impl Fn(Fact) + Send + Sync + 'static) {
        self.facts = Some(Box::new(facts));
    }

    fn phase<T>(&self, phase: Phase, run: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.phases.is_empty() {
            return run();
        }
        let began = self.clock.now();
        let result = run();
        let took = self.clock.now().saturating_duration_since(began);
        self.phases.iter().for_each(|phases| phases(phase, took, result.as_ref().err()));
        result
    }

    fn fact(&self, fact: impl FnOnce() -> Option<Fact>) {
        if let Some(facts) = &self.facts {
            if let Some(fact) = fact() {
                facts(fact);
            }
        }
    }

    /// The proxy in printable form.
    pub(crate) fn proxy(&self) -> Option<String> {
        self.proxy.as_ref().map(ToString::to_string)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sets up TLS, unless that was done. The slow part can be done while another thread looks up the name and
    /// connects. An attempt returns the same error.
    pub(crate) fn warm_up(&self) {
        if let Some(trust) = &self.trust {
            let _the_attempt_says_why = trust.trust();
        }
    }

    /// Makes one attempt: a fresh lookup, each address in turn, TLS and the upgrade, all until `until`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) with the phase; `Config` if plain text would have to leave
    /// this machine; `Closed` if the attempt was cut. The error contains none of `secrets`.
    pub(crate) fn connect(&self, until: Deadline, cutoff: &Cutoff, secrets: &Secrets) -> Result<Connection> {
        let result = self.attempt(until, cutoff, secrets);
        if result.is_err() {
            cutoff.let_go();
            // If the attempt was cut, the cut is the reason of every failure.
            cutoff.check()?;
        }
        result
    }

    fn attempt(&self, until: Deadline, cutoff: &Cutoff, secrets: &Secrets) -> Result<Connection> {
        let addresses = self.phase(Phase::Lookup, || self.look_up(until, cutoff))?;
        let socket = Arc::new(self.phase(Phase::Tcp, || self.dial(addresses, until, cutoff))?);
        cutoff.watch(Attempt::Talking(Arc::downgrade(&socket)))?;
        let mut wire = Wire::new(Arc::clone(&socket), self.clock.clone(), until);
        if let Some(proxy) = &self.proxy {
            let open = || proxy.open(&self.endpoint, &mut wire).map_err(|fault| self.not_let_through(fault));
            self.phase(Phase::Proxy, open)?;
        }
        let tls = match &self.trust {
            None => None,
            Some(trust) => Some(Arc::new(self.phase(Phase::Tls, || self.secure(trust.trust()?, &mut wire))?)),
        };
        let reader = self.phase(Phase::Upgrade, || self.upgrade(wire, tls.clone(), secrets))?;
        let writer = WriteHalf::new(Arc::clone(&socket), tls, self.clock.clone());
        Ok(Connection { reader, writer, socket: Socket(socket) })
    }

    /// Replaces the lookup of names by `find`.
    #[cfg(test)]
    pub(super) fn find_with(
        &mut self,
        find: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) {
        self.lookups = Arc::new(Lookups { find: Box::new(find), state: Mutex::default() });
    }

    /// Returns `true` if more than `count` attempts wait for the running lookup.
    #[cfg(test)]
    pub(super) fn is_anyone_waiting_beyond(&self, count: usize) -> bool {
        self.lookups.state.lock().waiting.len() > count
    }

    fn look_up(&self, until: Deadline, cutoff: &Cutoff) -> Result<Vec<SocketAddr>> {
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (self.endpoint.host(), self.endpoint.port()),
        };
        // A host that is an address needs no lookup.
        if let Ok(address) = host.parse() {
            let addresses = vec![SocketAddr::new(address, port)];
            self.fact(|| Some(Fact::Addresses(addresses.clone())));
            return Ok(addresses);
        }
        let (steps, outcome) = self.clock.bounded(2);
        cutoff.watch(Attempt::Waiting(steps.clone()))?;
        self.lookups
            .join(host, port, steps, &self.clock)
            .map_err(|e| self.failed(Phase::Lookup, "no thread for it", Some(Box::new(e))))?;
        match self.next_step(&outcome, Phase::Lookup, until, cutoff)? {
            Step::Found(Ok(found)) if found.is_empty() => {
                Err(self.failed(Phase::Lookup, "the name has no address", None))
            }
            Step::Found(Ok(found)) => {
                let addresses = alternate(found);
                self.fact(|| Some(Fact::Addresses(addresses.clone())));
                Ok(addresses)
            }
            Step::Found(Err(e)) => Err(self.failed(Phase::Lookup, &e.to_string(), Some(Box::new(e)))),
            _ => Err(self.failed(Phase::Lookup, "it was given up", None)),
        }
    }

    fn dial(&self, mut addresses: Vec<SocketAddr>, until: Deadline, cutoff: &Cutoff) -> Result<Tcp> {
        addresses.retain(|address| self.endpoint.may_use(address.ip()));
        addresses.truncate(ADDRESSES);
        if addresses.is_empty() {
            return Err(self.plaintext_refused());
        }
        let socket = self.race(&addresses, until, cutoff)?;
        if self.endpoint.is_local_only() {
            // The connected address decides, not the requested one.
            let peer = socket.peer_addr().map_err(|e| self.failed(Phase::Tcp, &e.to_string(), None))?;
            if !self.endpoint.may_use(peer.ip()) {
                return Err(self.plaintext_refused());
            }
        }
        self.fact(|| socket.peer_addr().ok().map(Fact::Peer));
        socket.set_nodelay(true).map_err(|e| self.failed(Phase::Tcp, &e.to_string(), None))?;
        Ok(Tcp::client(socket, &self.clock))
    }

    /// Connects to the address that accepts first. Each address has a head start over the next.
    fn race(&self, addresses: &[SocketAddr], until: Deadline, cutoff: &Cutoff) -> Result<TcpStream> {
        let mut last = None;
        let mut rest = addresses.iter();
        // The first address nearly always accepts within its head start, or refuses: that needs no thread.
        for address in rest.by_ref() {
            cutoff.check()?;
            match TcpStream::connect_timeout(address, self.time_for_one(until)?.min(HEAD_START)) {
                Ok(socket) => return Ok(socket),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                    // This address is tried again, in parallel with the others from now on.
                    return self.race_on(*address, rest, last, until, cutoff);
                }
                Err(e) => last = Some(e),
            }
        }
        Err(self.unreachable(addresses.len(), last, until))
    }

    fn race_on<'a>(
        &self,
        first: SocketAddr,
        mut rest: impl ExactSizeIterator<Item = &'a SocketAddr>,
        mut last: Option<io::Error>,
        until: Deadline,
        cutoff: &Cutoff,
    ) -> Result<TcpStream> {
        let (steps, outcome) = self.clock.bounded(rest.len() + 2);
        cutoff.watch(Attempt::Waiting(steps.clone()))?;
        let (mut tried, mut running) = (0, 0);
        // The head start of the first address has passed.
        for address in [Some(&first), rest.next()].into_iter().flatten() {
            self.run(*address, &steps, until)?;
            (tried, running) = (tried + 1, running + 1);
        }
        loop {
            let step_until = match rest.len() {
                0 => until,
                _ => [until, self.clock.after(HEAD_START)].into_iter().flatten().min(),
            };
            let step = self.clock.recv(&outcome, step_until);
            cutoff.check()?;
            match step {
                Ok(Step::Connected(socket)) => return Ok(socket),
                Ok(Step::Unreachable(e)) => {
                    last = Some(e);
                    running -= 1;
                }
                Err(RecvTimeoutError::Timeout) if !self.clock.is_past(until) => {}
                _ => return Err(self.timed_out(Phase::Tcp)),
            }
            match rest.next() {
                Some(address) => {
                    self.run(*address, &steps, until)?;
                    (tried, running) = (tried + 1, running + 1);
                }
                None if running == 0 => return Err(self.unreachable(tried, last, until)),
                None => {}
            }
        }
    }

    /// Tries one address on its own thread, which ends at the deadline even without a response.
    fn run(&self, address: SocketAddr, steps: &Sender<Step>, until: Deadline) -> Result<()> {
        let (steps, span) = (steps.clone(), self.time_for_one(until)?);
        self.clock
            .spawn(Whose::Client, "relay-connect", move || {
                // If the race has ended, the receiver is dropped; the socket is closed by its drop.
                let _ = steps.send(match TcpStream::connect_timeout(&address, span) {
                    Ok(socket) => Step::Connected(socket),
                    Err(e) => Step::Unreachable(e),
                });
            })
            .map(drop)
            .map_err(|e| self.failed(Phase::Tcp, "no thread for it", Some(Box::new(e))))
    }

    fn time_for_one(&self, until: Deadline) -> Result<Duration> {
        match self.clock.left(until) {
            Some(Duration::ZERO) => Err(self.timed_out(Phase::Tcp)),
            left => Ok(left.map_or(ADDRESS_MAX, |left| left.max(Duration::from_millis(1)))),
        }
    }

    fn unreachable(&self, tried: usize, last: Option<io::Error>, until: Deadline) -> Error {
        if self.clock.is_past(until) {
            return self.timed_out(Phase::Tcp);
        }
        let why = match &last {
            Some(last) if tried > 1 => format!("{tried} addresses tried, the last error: {last}"),
            Some(last) => last.to_string(),
            None => "no address was tried".to_owned(),
        };
        self.failed(Phase::Tcp, &why, last.map(|last| Box::new(last) as BoxError))
    }

    fn next_step(&self, outcome: &Receiver<Step>, phase: Phase, until: Deadline, cutoff: &Cutoff) -> Result<Step> {
        let step = self.clock.recv(outcome, until);
        cutoff.check()?;
        step.map_err(|e| match e {
            RecvTimeoutError::Timeout => self.timed_out(phase),
            RecvTimeoutError::Disconnected => self.failed(phase, "its thread ended", None),
        })
    }

    fn secure(&self, trust: &Trust, wire: &mut Wire) -> Result<Tls> {
        let tls = trust.shake(self.endpoint.host(), wire).map_err(|e| self.broken(Phase::Tls, e))?;
        self.fact(|| {
            Some(Fact::Tls { version: tls.version(), chain: tls.chain().iter().map(|der| pem(der)).collect() })
        });
        Ok(tls)
    }

    fn upgrade(&self, wire: Wire, tls: Option<Arc<Tls>>, secrets: &Secrets) -> Result<ReadHalf> {
        let inlet = Inlet::new(wire, tls, self.endpoint.path());
        match client(self.endpoint.url(), inlet) {
            Ok((upgraded, response)) => {
                self.date(response.headers());
                Ok(ReadHalf::new(upgraded.into_inner(), self.max_frame))
            }
            Err(HandshakeError::Failure(WsError::Io(e))) => Err(self.broken(Phase::Upgrade, e)),
            Err(HandshakeError::Failure(WsError::Http(response))) => {
                let status = response.status();
                self.date(response.headers());
                let header = |name| response.headers().get(name).map(|value| sanitised(value.as_bytes(), secrets));
                let mut why = format!("HTTP {}", status.as_u16());
                if let Some(location) = header("location").filter(|_| status.is_redirection()) {
                    why.push_str(" to ");
                    why.push_str(&location);
                }
                let body = response.body().as_deref().map(|body| sanitised(body, secrets)).unwrap_or_default();
                if !body.is_empty() {
                    why.push_str(": ");
                    why.push_str(&body);
                }
                let date = header("date");
                let wait = header("retry-after").and_then(|value| retry_after::wait(&value, date.as_deref()));
                Err(error::connect_status(&self.endpoint.to_string(), status.as_u16(), &why, wait))
            }
            Err(HandshakeError::Failure(WsError::AttackAttempt)) => {
                Err(self.failed(Phase::Upgrade, "the answer is too large, or comes in too many small pieces", None))
            }
            Err(HandshakeError::Failure(e)) => Err(self.failed(Phase::Upgrade, &secrets.clean(&e.to_string()), None)),
            // The stream blocks during the upgrade, so the upgrade is never interrupted.
            Err(HandshakeError::Interrupted(_)) => Err(self.failed(Phase::Upgrade, "it was interrupted", None)),
        }
    }

    fn date(&self, headers: &HeaderMap) {
        self.fact(|| retry_after::unix(headers.get("date")?.to_str().ok()?).map(Fact::Date));
    }

    fn not_let_through(&self, fault: Fault) -> Error {
        match fault {
            Fault::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.failed(Phase::Proxy, "the proxy closed the connection without a whole answer", None)
            }
            Fault::Io(e) => self.broken(Phase::Proxy, e),
            Fault::Refused(why) => self.failed(Phase::Proxy, &why, None),
        }
    }

    /// The target of the connection, for errors.
    fn target(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", self.endpoint),
            None => self.endpoint.to_string(),
        }
    }

    fn failed(&self, phase: Phase, why: &str, source: Option<BoxError>) -> Error {
        error::connect(&self.target(), phase, why, source)
    }

    fn timed_out(&self, phase: Phase) -> Error {
        error::connect_timeout(&self.target(), phase)
    }

    fn broken(&self, phase: Phase, e: io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => self.timed_out(phase),
            io::ErrorKind::UnexpectedEof => self.failed(phase, "the peer closed the connection", None),
            _ => {
                let mut why = e.to_string();
                // TLS 1.3 reports a rejected client certificate during the upgrade.
                if let Some(advice) = advice(&e).filter(|_| matches!(phase, Phase::Tls | Phase::Upgrade)) {
                    why.push_str(": ");
                    why.push_str(advice);
                }
                self.failed(phase, &why, Some(Box::new(e)))
            }
        }
    }

    fn plaintext_refused(&self) -> Error {
        error::config(format!(
            "connecting to {}: ws:// sends credentials in plain text, so it is for this machine only; \
             use wss, or ask for it with allow_plaintext()",
            self.endpoint
        ))
    }
}

impl Lookups {
    /// Makes a lookup that ends from now on send its result to `steps`. Starts a lookup if none is running.
    fn join(self: &Arc<Self>, host: &str, port: u16, steps: Sender<Step>, clock: &Clock) -> io::Result<()> {
        let starts = {
            let mut state = self.state.lock();
            state.waiting.push(steps);
            !std::mem::replace(&mut state.running, true)
        };
        if !starts {
            return Ok(());
        }
        let this = Arc::clone(self);
        let host = host.to_owned();
        let spawned = clock.spawn(Whose::Client, "relay-lookup", move || {
            let found = (this.find)(&host, port).map_err(Arc::new);
            for steps in this.finish() {
                // The receiver of a cancelled attempt has been dropped.
                let _ = steps.send(Step::Found(found.clone()));
            }
        });
        spawned.map(|_| ()).inspect_err(|_| drop(self.finish()))
    }

    fn finish(&self) -> Vec<Sender<Step>> {
        let mut state = self.state.lock();
        state.running = false;
        std::mem::take(&mut state.waiting)
    }
}

/// Reorders the addresses so that the two families alternate: an unreachable family then costs one head start only.
fn alternate(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| matches!(address.ip(), IpAddr::V6(_)) == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return mixed,
            (a, b) => mixed.extend(a.into_iter().chain(b)),
        }
    }
}

/// A certificate in PEM form.
fn pem(der: &[u8]) -> String {
    let text = base64(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The beginning of a body as one line of printable text.
fn sanitised(body: &[u8], secrets: &Secrets) -> String {
    // Secrets are masked before the text is cut, because half a secret would not be found.
    let text = secrets.mask().clean_part(String::from_utf8_lossy(body).trim_end_matches(char::REPLACEMENT_CHARACTER));
    let text: String = text.chars().take(BODY_SHOWN).collect();
    let printable: String = text.chars().map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}
