//! `relay doctor`: checks a connection to the service step by step.

mod certificate;
mod environment;

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use signalwire_relay::diagnosis::{Check, Step, Verdict};

use self::certificate::Certificate;
use crate::Outcome;
use crate::say::{BAD, BOLD, FAINT, GOOD, ODD, line, styled, tame};
use crate::target::Target;

const EXIT: &str = "Exit status: 0 if every check passed or was skipped; 1 if the output could not be written; otherwise \
    that of the check that failed: 10 settings, 11 name lookup, 12 TCP connection, 13 proxy, 14 TLS, 15 WebSocket upgrade, \
    16 authentication, 17 contexts, 18 pings.\n\n\
    Credentials come from the environment and are never printed. Without them everything up to the upgrade is checked.";

/// Checks the connection to the service: name lookup, TCP, proxy, TLS, authentication, pings
///
/// Every check reports its time, its result, and what to do if it failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXIT)]
pub struct Flags {
    #[command(flatten)]
    target: Target,

    /// Context to subscribe to as well; may be given several times
    ///
    /// During the checks, calls of that context may be offered to the doctor. It passes them back to routing at once. A
    /// text message that arrives meanwhile is lost.
    #[arg(long, value_name = "CONTEXT")]
    context: Vec<String>,

    /// Limit of connecting, and of each request, in seconds, such as 10 or 0.5
    #[arg(long, value_name = "SECONDS", value_parser = crate::sim::life, allow_negative_numbers = true, default_value = "10")]
    timeout: Duration,

    /// Prints one JSON object at the end, with `environment`, `steps` and `ok`
    #[arg(long)]
    json: bool,
}

/// Exit status of a failed check.
fn status(check: Check) -> u8 {
    match check {
        Check::Settings => 10,
        Check::Lookup => 11,
        Check::Tcp => 12,
        Check::Proxy => 13,
        Check::Tls => 14,
        Check::Upgrade => 15,
        Check::Auth => 16,
        Check::Contexts => 17,
        _ => 18,
    }
}

pub fn run(flags: &Flags) -> Outcome {
    let builder = flags.target.builder().contexts(&flags.context);
    let steps = builder.connect_timeout(flags.timeout).request_timeout(flags.timeout).diagnose();
    let environment = environment::read();
    let (mut code, mut all) = (0, Vec::new());
    let mut is_heard = true;
    if !flags.json {
        is_heard &= line(styled(BOLD, "environment"));
        for (name, value) in &environment {
            is_heard &= line(format_args!("    {name}: {}", tame(value)));
        }
    }
    for step in steps {
        if matches!(step.verdict, Verdict::Failed(_)) && code == 0 {
            code = status(step.check);
        }
        let chain = chain(&step);
        if flags.json {
            let mut step = step.to_json();
            if !chain.is_empty() {
                step["details"]["chain"] = chain.iter().map(Certificate::to_json).collect();
            }
            all.push(step);
        } else {
            is_heard &= show(&step, &chain);
        }
    }
    if flags.json {
        let environment: serde_json::Map<String, Value> =
            environment.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        is_heard &= line(json!({"environment": environment, "steps": all, "ok": code == 0}));
    }
    if is_heard { Ok(code) } else { Err("stdout is closed".into()) }
}

fn chain(step: &Step) -> Vec<Certificate> {
    let certificates = step.details["certificates"].as_array().map(Vec::as_slice).unwrap_or_default();
    certificates.iter().filter_map(|pem| Certificate::read(pem.as_str()?)).collect()
}

/// Prints a step. Returns `false` if stdout is closed.
fn show(step: &Step, chain: &[Certificate]) -> bool {
    let (mark, style, why) = match &step.verdict {
        Verdict::Passed => ("✓", GOOD, None),
        Verdict::Warning(why) => ("!", ODD, Some(why.clone())),
        Verdict::Failed(error) => ("✗", BAD, Some(error.to_string())),
        Verdict::Skipped(_) => ("-", FAINT, None),
        _ => ("?", ODD, None),
    };
    let took = step.took.map(span).unwrap_or_default();
    let found = match &step.verdict {
        Verdict::Skipped(why) => format!("skipped: {why}"),
        _ => found(step),
    };
    // Equal parts of the lines are aligned, and no line has trailing white space.
    let head = format!("{:<19}{took:>8}  {}", step.check.to_string(), tame(&found));
    let mut is_heard = line(format_args!("{} {}", styled(style, mark), head.trim_end()));
    let mut below = |text: String| is_heard &= line(format_args!("    {text}"));
    if let Some(why) = why {
        below(styled(style, tame(&why)));
    }
    if let Some(advice) = step.advice() {
        below(styled(BOLD, format_args!("→ {advice}")));
    }
    chain.iter().for_each(|certificate| below(tame(&certificate.to_string())));
    is_heard
}

fn span(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1e3;
    if millis < 100.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// The result of a step in words.
fn found(step: &Step) -> String {
    let details = &step.details;
    let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| {
        let items = details[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let millis = |key: &str| details[key].as_f64().map(|seconds| span(Duration::from_secs_f64(seconds)));
    match step.check {
        Check::Settings if details["host"].is_string() => {
            let through = details["proxy"].as_str().map(|proxy| format!(" through {proxy}")).unwrap_or_default();
            let who = details["credentials"].as_str().unwrap_or("no credentials");
            let trusts = if text("scheme") == "wss" { format!("; trusts {}", list("roots")) } else { String::new() };
            format!("{}://{}{through}, {who}{trusts}", text("scheme"), text("host"))
        }
        Check::Lookup if details["name"].is_string() => format!("{}: {}", text("name"), list("addresses")),
        Check::Tcp => text("address"),
        Check::Tls if details["library"].is_string() => match details["version"].as_str() {
            Some(version) => format!("version {version}, by {}", text("library")),
            None => format!("by {}, which does not report the version (--tls-backend rustls does)", text("library")),
        },
        Check::Contexts => list("contexts"),
        Check::Pings => match (millis("p50"), millis("worst")) {
            (Some(p50), Some(worst)) => {
                format!("{} pings: p50 {p50}, worst {worst}", details["seconds"].as_array().map_or(0, Vec::len))
            }
            _ => String::new(),
        },
        Check::Clock => match details["skew"].as_i64() {
            Some(skew) => format!("{skew:+} s from the service's"),
            None => String::new(),
        },
        _ => String::new(),
    }
}
