//! The flags of `relay sim`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Runs a RELAY service on this machine, for programs in any language
///
/// Callers and callees press digits, speak, hang up and send text messages, controlled by a script and by commands on
/// stdin. No account and no network are needed.
#[derive(Args, Debug)]
#[command(after_long_help = super::help::TEXT)]
pub struct Flags {
    /// Address and port to listen on; port 0 is any free port
    #[arg(long, value_name = "ADDR", value_parser = address, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Listens for wss:// instead of ws://, with a certificate authority of its own
    #[arg(long)]
    pub tls: bool,

    /// Writes the certificate of that authority to FILE (PEM), for clients to trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca_out: Option<PathBuf>,

    /// Reads callers, callees, outcomes and faults from FILE (JSON; `relay sim --help` describes it)
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// Simulated seconds in one second, such as 0.5 or 20
    ///
    /// The times of people, calls and operations are divided by N. The deadlines of a client (request timeout,
    /// back-off, pings) run in its own process on the real clock and do not scale: at a high speed they stay as long as
    /// before, at a speed below 1 they may pass too early.
    #[arg(long, value_name = "N", value_parser = speed, allow_negative_numbers = true, default_value = "1")]
    pub speed: f64,

    /// Seed of the IDs: the same seed gives the same IDs in every run with the same actions in the same order
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// Ends after this many real seconds in any case
    #[arg(long, value_name = "SECONDS", value_parser = life, allow_negative_numbers = true)]
    pub max_life: Option<Duration>,

    /// Writes every frame to FILE as a line of JSON, without secrets
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,

    /// Shows in words what happens, instead of JSON on stdout
    ///
    /// On a terminal this is a screen with the calls, what is heard on them, and keys to call, press digits, speak,
    /// hang up and cut the connection. Otherwise it is one line per event.
    #[arg(long)]
    pub watch: bool,

    /// Serves a page with phones, the ladder of their calls, and faults to cause
    ///
    /// The page is served on the loopback alone, to programs that have its address. Port 0 is any free port.
    #[arg(long, value_name = "ADDR", value_parser = address, num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub web: Option<SocketAddr>,

    /// The only project that is accepted; without --project and --token any credentials are
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,

    /// The only token that is accepted
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,

    /// Exits with status 3 if a client violated the protocol
    #[arg(long)]
    pub strict: bool,

    /// Accepts fields that the service is not known to accept, instead of counting them as violations
    #[arg(long)]
    pub allow_unknown_fields: bool,
}

pub fn speed(value: &str) -> Result<f64, &'static str> {
    positive(value).ok_or("expected a number above zero, such as 1, 0.5 or 20")
}

fn seed(value: &str) -> Result<u64, &'static str> {
    value.parse().map_err(|_| "expected a whole number from 0 to 18446744073709551615")
}

pub fn life(value: &str) -> Result<Duration, &'static str> {
    let span = positive(value).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.ok_or("expected a number of seconds above zero, such as 60")
}

fn positive(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

fn address(value: &str) -> Result<SocketAddr, &'static str> {
    let found = value.to_socket_addrs().map(Iterator::collect);
    let mut all: Vec<SocketAddr> = found.unwrap_or_default();
    // `localhost` may have an IPv4 and an IPv6 address; most clients try IPv4 first.
    all.sort_by_key(|address| !address.is_ipv4());
    all.into_iter().next().ok_or("expected an address and a port of this machine, such as 127.0.0.1:8443")
}
