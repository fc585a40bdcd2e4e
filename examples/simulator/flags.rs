//! What stands on the command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// The flags of one run.
#[derive(Debug)]
pub struct Flags {
    pub listen: SocketAddr,
    pub tls: bool,
    pub ca_out: Option<PathBuf>,
    pub script: Option<PathBuf>,
    pub speed: f64,
    pub seed: Option<u64>,
    pub max_life: Option<Duration>,
    pub journal: Option<PathBuf>,
    pub watch: bool,
    pub project: Option<String>,
    pub token: Option<String>,
    pub strict: bool,
    pub allow_unknown_fields: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    Help,
    Run(Flags),
}

const NAMES: &str = "--listen ADDR, --tls, --ca-out FILE, --script FILE, --speed N, --seed N, --max-life SECONDS, \
    --journal FILE, --watch, --project ID, --token TOKEN, --strict, --allow-unknown-fields, --help";

pub fn parse(words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut flags = Flags {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: false,
        ca_out: None,
        script: None,
        speed: 1.0,
        seed: None,
        max_life: None,
        journal: None,
        watch: false,
        project: None,
        token: None,
        strict: false,
        allow_unknown_fields: false,
    };
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let (name, given) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if let Some(switch) = switch(&mut flags, &name) {
            if let Some(value) = given {
                return Err(format!("{name} takes no value, but was given {value:?}"));
            }
            *switch = true;
            continue;
        }
        if name == "--help" || name == "-h" {
            return Ok(Asked::Help);
        }
        let expected = expected(&name).ok_or_else(|| format!("{name:?} is not a flag; expected are {NAMES}"))?;
        // A flag that follows a flag is no value, but a negative number is one, for the error that it deserves.
        let value = given.or_else(|| words.next_if(|next| !next.starts_with("--")));
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| format!("{name} has no value; expected {expected}"))?;
        let wrong = || format!("{name} {value:?}: expected {expected}");
        match name.as_str() {
            "--listen" => flags.listen = address(&value).ok_or_else(wrong)?,
            "--ca-out" => flags.ca_out = Some(value.into()),
            "--script" => flags.script = Some(value.into()),
            "--speed" => flags.speed = positive(&value).ok_or_else(wrong)?,
            "--seed" => flags.seed = Some(value.parse().map_err(|_| wrong())?),
            "--max-life" => {
                let span = positive(&value).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                flags.max_life = Some(span.ok_or_else(wrong)?);
            }
            "--journal" => flags.journal = Some(value.into()),
            "--project" => flags.project = Some(value),
            _ => flags.token = Some(value),
        }
    }
    if flags.ca_out.is_some() && !flags.tls {
        return Err("--ca-out without --tls: there is a certificate only with --tls".into());
    }
    Ok(Asked::Run(flags))
}

fn switch<'a>(flags: &'a mut Flags, name: &str) -> Option<&'a mut bool> {
    match name {
        "--tls" => Some(&mut flags.tls),
        "--watch" => Some(&mut flags.watch),
        "--strict" => Some(&mut flags.strict),
        "--allow-unknown-fields" => Some(&mut flags.allow_unknown_fields),
        _ => None,
    }
}

/// What a flag with a value takes; nothing for what is no such flag.
fn expected(name: &str) -> Option<&'static str> {
    Some(match name {
        "--listen" => "an address and a port of this machine, such as 127.0.0.1:8443 (port 0: any free one)",
        "--ca-out" => "a file to write the certificate of the authority to, in PEM",
        "--script" => "a file with a script in JSON",
        "--speed" => "a number above zero, such as 1, 0.5 or 20",
        "--seed" => "a whole number from 0 to 18446744073709551615",
        "--max-life" => "a number of seconds above zero, such as 60",
        "--journal" => "a file to write each frame to, as a line of JSON",
        "--project" => "the id of the only project that is let in",
        "--token" => "the only token that is let in",
        _ => return None,
    })
}

fn positive(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

fn address(value: &str) -> Option<SocketAddr> {
    let mut all: Vec<SocketAddr> = value.to_socket_addrs().ok()?.collect();
    // `localhost` may mean two; most clients try this one.
    all.sort_by_key(|address| !address.is_ipv4());
    all.into_iter().next()
}
