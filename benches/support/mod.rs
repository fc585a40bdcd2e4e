//! The common parts of the benchmarks: arguments, a server in a process of its own, rounds and the table of their
//! medians.
//!
//! The server is the same program started again, so that the CPU time of this process is that of the client alone.

// No benchmark uses all of it.
#![allow(dead_code)]

mod server;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use serde::{Deserialize, Serialize};
use signalwire_relay::{Builder, Client};

/// Starts the program as the server.
const SERVE: &str = "--serve";

/// `true` if the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Ws,
    Wss,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// A client for the server at a port, over TLS if there is a file of certificates.
pub fn builder_for(port: u16, ca_file: Option<&Path>) -> Builder {
    let builder = Client::builder()
        .host(format!("127.0.0.1:{port}"))
        .tls(ca_file.is_some())
        .project("bench")
        .token("bench")
        .contexts(["bench"])
        .request_timeout(Duration::from_secs(60));
    match ca_file {
        Some(ca_file) => builder.ca_file(ca_file),
        None => builder,
    }
}

/// The first line of the server.
#[derive(Serialize, Deserialize)]
struct Greeting {
    ws: u16,
    wss: u16,
    certificate: String,
}

/// One run of a benchmark, with its server.
pub struct Bench {
    name: &'static str,
    pub quick: bool,
    /// The client alone, for profilers.
    pub alone: bool,
    only: Option<Scheme>,
    server: Child,
    greeting: Greeting,
    ca_file: PathBuf,
}

/// Reads the arguments and starts the server. In the server itself this does not return.
pub fn start(name: &'static str) -> Bench {
    let given: Vec<String> = env::args().skip(1).collect();
    let has = |wanted: &str| given.iter().any(|argument| argument == wanted);
    if has(SERVE) {
        server::serve();
    }
    let only = match (has("--ws"), has("--wss")) {
        (true, false) => Some(Scheme::Ws),
        (false, true) => Some(Scheme::Wss),
        _ => None,
    };
    let program = env::current_exe().expect("the path of this program");
    // The server's standard input stays open as long as this process lives, and ends the server afterwards.
    let mut command = Command::new(program);
    command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = command.spawn().expect("a process for the server");
    let mut line = String::new();
    let output = server.stdout.take().expect("the output of the server");
    BufReader::new(output).read_line(&mut line).expect("the server is up");
    let greeting: Greeting = serde_json::from_str(&line).expect("the server says where it is");
    let ca_file = env::temp_dir().join(format!("signalwire-relay-bench-{}.pem", process::id()));
    fs::write(&ca_file, &greeting.certificate).expect("a file for the certificate");
    let quick = has("--quick");
    println!("cargo bench --bench {name}{}", if quick { " -- --quick" } else { "" });
    Bench { name, quick, alone: has("--alone"), only, server, greeting, ca_file }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _gone = self.server.wait();
        let _gone = fs::remove_file(&self.ca_file);
    }
}

impl Bench {
    /// The kinds of connection to measure.
    pub fn schemes(&self) -> Vec<Scheme> {
        self.only.map_or_else(|| vec![Scheme::Ws, Scheme::Wss], |scheme| vec![scheme])
    }

    pub fn port(&self, scheme: Scheme) -> u16 {
        match scheme {
            Scheme::Ws => self.greeting.ws,
            Scheme::Wss => self.greeting.wss,
        }
    }

    /// The file with the certificate of the server.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    pub fn certificate(&self) -> &str {
        &self.greeting.certificate
    }

    /// The client, not yet connected.
    pub fn builder(&self, scheme: Scheme) -> Builder {
        builder_for(self.port(scheme), (scheme == Scheme::Wss).then_some(&*self.ca_file))
    }

    /// Work per round, by whether this is a quick run.
    pub fn amount(&self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Lets the contenders take turns, round after round, and prints the medians. The others are compared with the
    /// first contender.
    pub fn contest(&self, scheme: Scheme, work: &str, contenders: &mut [Contender<'_>], aim: &str) {
        let rounds = self.amount(3, 7);
        let rows = self.rounds(rounds, contenders);
        println!("\n{} over {}: {work} (medians of {rounds} rounds)", self.name, scheme.name());
        println!(
            "{:<10} {:>10} {:>10} {:>10} {:>12}   {:>7} {:>7} {:>7}",
            "", "per s", "p50 us", "p99 us", "CPU s/100k", "x rate", "x p50", "x CPU"
        );
        let base = &rows[0];
        for (contender, row) in contenders.iter().zip(&rows) {
            println!(
                "{:<10} {:>10.0} {} {} {}   {} {} {}",
                contender.0,
                row.rate,
                cell(row.p50, 10, 1),
                cell(row.p99, 10, 1),
                cell(row.cpu, 12, 2),
                cell(ratio(&row.all.rates, &base.all.rates), 7, 2),
                cell(ratio(&row.all.p50, &base.all.p50), 7, 2),
                cell(row.cpu.zip(base.cpu).map(|(a, b)| a / b), 7, 2),
            );
        }
        println!("{:<10} {aim}", "aim");
        let _unseen = std::io::stdout().flush();
    }

    /// Lets the contenders take turns, round after round; returns the medians of each.
    pub fn rounds(&self, rounds: usize, contenders: &mut [Contender<'_>]) -> Vec<Row> {
        let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
        // The first round fills caches and makes threads; it does not count.
        for round in 0..=rounds {
            for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
                if self.alone && contender.0 != "client" {
                    continue;
                }
                let (began, cpu) = (Instant::now(), cpu_seconds());
                let sample = (contender.1)();
                let (wall, cpu) = (began.elapsed(), cpu_seconds().zip(cpu).map(|(after, before)| after - before));
                if round > 0 {
                    figures.add(sample, wall, cpu);
                }
            }
        }
        figures.into_iter().map(Figures::row).collect()
    }
}

fn cell(value: Option<f64>, width: usize, digits: usize) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:>width$.digits$}"),
        None => format!("{:>width$}", "n/a"),
    }
}

/// A contender's name, and one round of its work.
pub type Contender<'a> = (&'static str, Box<dyn FnMut() -> Sample + 'a>);

/// The measurements of one round.
pub struct Sample {
    pub count: usize,
    /// Latency of every request in nanoseconds; empty if single requests are not measured.
    pub latencies: Vec<u64>,
}

/// Times a number of requests, one after another.
pub fn timed(count: usize, request: impl FnMut()) -> Sample {
    spaced(count, Duration::ZERO, request)
}

/// Runs requests with 2 ms before each, in which the connection is idle.
pub fn quiet(count: usize, request: impl FnMut()) -> Sample {
    spaced(count, Duration::from_millis(2), request)
}

fn spaced(count: usize, pause: Duration, mut request: impl FnMut()) -> Sample {
    let latencies = (0..count)
        .map(|_| {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            let began = Instant::now();
            request();
            nanos(began)
        })
        .collect();
    Sample { count, latencies }
}

pub fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The figures of every round of one contender.
#[derive(Default)]
pub struct Figures {
    pub rates: Vec<f64>,
    /// Latency of the requests without a delay, also on a busy machine.
    pub p10: Vec<f64>,
    pub p50: Vec<f64>,
    p99: Vec<f64>,
    count: usize,
    cpu: Option<f64>,
}

/// The medians of one contender: units of work per second, latencies in µs, and CPU seconds for 100,000 units.
pub struct Row {
    pub rate: f64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub cpu: Option<f64>,
    pub all: Figures,
}

impl Figures {
    fn add(&mut self, sample: Sample, wall: Duration, cpu: Option<f64>) {
        let Sample { count, mut latencies } = sample;
        self.rates.push(count as f64 / wall.as_secs_f64());
        self.count += count;
        // The clock of the system ticks too coarsely for one round: the sum over all is what counts.
        self.cpu = cpu.map(|cpu| self.cpu.unwrap_or_default() + cpu);
        latencies.sort_unstable();
        let note = |into: &mut Vec<f64>, share: f64| {
            let at = (latencies.len() as f64 * share) as usize;
            into.extend(latencies.get(at).map(|nanos| *nanos as f64 / 1e3));
        };
        note(&mut self.p10, 0.1);
        note(&mut self.p50, 0.5);
        note(&mut self.p99, 0.99);
    }

    fn row(self) -> Row {
        Row {
            rate: median(&self.rates).unwrap_or(f64::NAN),
            p50: median(&self.p50),
            p99: median(&self.p99),
            cpu: self.cpu.map(|cpu| cpu * 1e5 / self.count as f64),
            all: self,
        }
    }
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The median of the ratios of each round. The speed of a shared machine changes from one second to the next, so only
/// the figures of the same round are compared.
pub fn ratio(ours: &[f64], floor: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect();
    median(&ratios)
}

/// The CPU time of this process so far, if the system reports it in a file.
pub fn cpu_seconds() -> Option<f64> {
    times_from(11)
}

/// The CPU time of the child processes that have ended.
pub fn cpu_seconds_of_children() -> Option<f64> {
    times_from(13)
}

/// Two fields of the system's file on this process, in user and in system mode, the first being this one.
fn times_from(field: usize) -> Option<f64> {
    /// Ticks per second, as every Linux shows them to programs.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may contain spaces.
    let fields = stat.rsplit_once(')')?.1;
    let mut times = fields.split_ascii_whitespace().skip(field).map(|field| field.parse::<f64>().ok());
    Some((times.next()?? + times.next()??) / TICKS)
}
