//! The rules of the repository, checked by reading it.

mod rooms;
mod types;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that each module may import. A module that is not listed may not import any module of the crate.
///
/// From the ground up: values and time; waiting and running; what is said and how it is carried, which know nothing
/// of each other; a session over both; the handles on top. The simulator stands beside all of that: it shares no
/// name of the wire with the client.
const IMPORTS: &[(&str, &[&str])] = &[
    ("mask", &[]),
    ("secret", &["mask"]),
    ("error", &["secret"]),
    ("steps", &[]),
    ("clock", &[]),
    ("latch", &["clock"]),
    ("workers", &["clock", "secret"]),
    ("mailbox", &["clock", "workers"]),
    // The macros only expand to names of the protocol, which is where they are used from all over.
    ("macros", &["protocol"]),
    ("protocol", &["error", "secret"]),
    ("transport", &["error", "clock", "latch", "secret"]),
    ("trace", &["clock", "latch", "secret", "workers", "protocol"]),
    (
        "session",
        &["error", "clock", "latch", "secret", "mailbox", "steps", "workers", "protocol", "transport", "trace"],
    ),
    ("stream", &["clock", "session"]),
    ("call", &["error", "clock", "latch", "mailbox", "protocol", "secret", "session", "steps", "stream", "workers"]),
    ("message", &["error", "clock", "latch", "mailbox", "protocol", "secret", "session", "stream", "workers", "call"]),
    (
        "client",
        &[
            "error", "clock", "latch", "secret", "mailbox", "workers", "protocol", "session", "steps", "stream",
            "call", "message", "trace",
        ],
    ),
    // Draws the lines that it is given, and imports nothing else.
    ("ladder", &[]),
    ("simulator", &["error", "clock", "secret", "ladder"]),
    ("fuzz", &["protocol", "secret"]),
    // Only names: the public modules that the root is grouped into.
    ("actions", &["call"]),
    ("choices", &["protocol"]),
    ("connection", &["client", "protocol", "session", "trace", "transport"]),
    ("devices", &["call", "protocol"]),
    ("diagnosis", &["client"]),
    ("errors", &["error"]),
    ("events", &["call", "protocol", "stream"]),
    ("media", &["protocol"]),
    ("params", &["call", "message"]),
    ("states", &["call", "protocol"]),
    // Only documentation.
    ("docs", &[]),
];

/// The public modules that the root is grouped into.
const GROUPS: &[&str] =
    &["actions", "choices", "connection", "devices", "diagnosis", "errors", "events", "media", "params", "states"];

/// The builder puts the client together: it is where host and certificate become a connector, and where a simulator
/// may be named. A diagnosis makes a connection without a client.
const BUILDERS: &[(&str, &[&str])] =
    &[("client/builder.rs", &["transport", "simulator"]), ("client/diagnosis.rs", &["transport"])];

struct Source {
    /// Beneath `src`.
    path: String,
    text: String,
}

impl Source {
    /// The lines that the library is made of, with their numbers: neither comments nor tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        let library = numbered.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
        library.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files(beneath: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(beneath) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if name == "target" || name == ".git" || name == "Cargo.lock" {
            continue;
        }
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

fn rust(beneath: &str) -> Vec<Source> {
    let top = root().join(beneath);
    let mut all = Vec::new();
    files(&top, &mut all);
    all.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    all.sort();
    let source = |path: PathBuf| Source {
        path: path.strip_prefix(&top).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
    };
    all.into_iter().map(source).collect()
}

fn library() -> Vec<Source> {
    let mut all = rust("src");
    // A program is a crate of its own, over what is public.
    all.retain(|source| !source.path.starts_with("bin/"));
    assert!(all.len() > 30, "the source is somewhere else");
    all
}

/// Fails with all that was found, a line each.
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn imports_go_down_only() {
    let (library, mut found) = (library(), Vec::new());
    for source in &library {
        // The crate page and its re-exports name everything; the tests of the simulator drive it from outside.
        if source.path == "lib.rs" || source.is_test() {
            continue;
        }
        let module = source.module();
        let (_, allowed) = IMPORTS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{module} is new: say in {} what it may import", file!());
        });
        for (n, line) in source.code() {
            for rest in line.split("crate::").skip(1) {
                let to: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let is_type = to.starts_with(|c: char| c.is_uppercase());
                let by_builder = BUILDERS.iter().any(|(path, may)| source.path == *path && may.contains(&&*to));
                // A public module that only names things names those of the root, too.
                let is_group = to.is_empty() && GROUPS.contains(&module);
                if !(is_type || is_group || to == module || allowed.contains(&&*to) || by_builder) {
                    found.push(format!("src/{}:{n}: {module} may not import {to:?}", source.path));
                }
            }
            // The same import by another way: out of the module, and into a neighbour of it.
            for rest in line.split("super::super::").skip(1) {
                let to: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let is_neighbour = IMPORTS.iter().any(|(name, _)| *name == to);
                let is_own = library.iter().any(|own| own.path == format!("{module}/{to}.rs"));
                if is_neighbour && !is_own {
                    found.push(format!("src/{}:{n}: say from where: crate::{to}", source.path));
                }
            }
        }
    }
    none(found);
}

#[test]
fn the_table_of_imports_has_no_way_up() {
    for (at, (module, allowed)) in IMPORTS.iter().enumerate() {
        if *module == "macros" {
            continue;
        }
        for below in *allowed {
            let there = IMPORTS.iter().position(|(name, _)| name == below);
            assert!(there.is_some_and(|there| there < at), "{module} imports {below}");
        }
    }
    for (one, other) in
        [("protocol", "transport"), ("transport", "protocol"), ("call", "client"), ("message", "client")]
    {
        let (_, allowed) = IMPORTS.iter().find(|(name, _)| *name == one).unwrap();
        assert!(!allowed.contains(&other), "{one} imports {other}");
    }
}

#[test]
fn sockets_and_tls_are_the_business_of_transport_and_simulator() {
    let mut found = Vec::new();
    for source in library() {
        if ["transport", "simulator"].contains(&source.module()) {
            continue;
        }
        // Bytes on their way hold virtual time up, so the clock sees the sockets, and nothing above them.
        let is_clock = source.module() == "clock";
        for (n, line) in source.code() {
            if is_clock && (line.contains("TcpStream") || line.contains("std::net")) {
                continue;
            }
            for name in ["tungstenite", "native_tls", "openssl::", "rustls::", "TcpStream", "std::net", "rcgen"] {
                if line.contains(name) {
                    found.push(format!("src/{}:{n}: {name}", source.path));
                }
            }
        }
    }
    none(found);
}

/// Sockets have times of their own, which the transport sets from deadlines of the clock.
#[test]
fn only_the_clock_knows_the_time() {
    const TIMED: &[&str] = &[
        "Instant::now",
        "SystemTime::now",
        ".elapsed()",
        "thread::sleep",
        "park_timeout",
        "recv_timeout(",
        "recv_deadline(",
        "send_timeout(",
        "send_deadline(",
        "bell.wait",
        "wait_until(&mut",
        "wait_for(&mut",
        "wait_while",
        "notify_one(",
        "notify_all(",
        "crossbeam_channel::after",
        "crossbeam_channel::tick",
    ];
    let mut found = Vec::new();
    for source in library() {
        if source.module() == "clock" || source.is_test() {
            continue;
        }
        for (n, line) in source.code() {
            // The parts of the crate that measure themselves have their own word for it.
            let ours = line.contains("time.elapsed()");
            for timed in TIMED.iter().filter(|timed| line.contains(**timed) && !ours) {
                found.push(format!("src/{}:{n}: {timed}", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn the_library_does_not_panic_on_purpose() {
    let mut found = Vec::new();
    for source in library().iter().filter(|source| !source.is_test()) {
        // A panic is how the simulator fails the test that it is dropped in, and a word on stderr when it has failed.
        let judges = source.path == "simulator/handles/expect.rs";
        let lines: Vec<&str> = source.text.lines().collect();
        for (n, line) in source.code() {
            // A test whose virtual time stands still would never end.
            let is_standstill = source.path == "clock/virtual_time.rs" && line.contains("panic!(\"{why}\")");
            for word in [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!(", "println!(", "eprintln!("] {
                let verdict = judges && ![".unwrap()", "todo!(", "unimplemented!(", "dbg!("].contains(&word);
                if line.contains(word) && !is_standstill && !verdict {
                    found.push(format!("src/{}:{n}: {word}", source.path));
                }
            }
            // Why it cannot fail stands right above.
            let explained = lines[..n - 1].iter().rev().take(3).any(|line| line.trim_start().starts_with("//"));
            if (line.contains(".expect(") || line.contains("unreachable!()")) && !explained {
                found.push(format!("src/{}:{n}: no reason is given why this cannot fail", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn nothing_unsafe_and_no_warning_is_switched_off_for_a_file() {
    assert!(read("src/lib.rs").contains("#![forbid(unsafe_code)]"));
    let mut found = Vec::new();
    for source in library() {
        for (n, line) in source.code() {
            let off = line.contains("allow(dead_code)") || line.contains("allow(unused");
            if off || line.contains("#![allow(") {
                found.push(format!("src/{}:{n}: {line}", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    let mut found = Vec::new();
    for top in ["src", "tests", "examples", "benches"] {
        for source in rust(top) {
            let first = source.text.lines().next().unwrap_or_default();
            let sentence = first.strip_prefix("//! ").unwrap_or_default();
            let begins = sentence.starts_with(|c: char| c.is_uppercase() || c == '`' || c.is_ascii_digit());
            // A sentence may go on in the next line.
            if sentence.len() < 10 || !begins {
                found.push(format!("{top}/{}: {first:?}", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn tests_wait_for_something_and_do_not_sleep() {
    let sleep = concat!("thread::", "sleep");
    let mut found = Vec::new();
    let outside = rust("tests").into_iter().map(|source| (source, "tests"));
    for (source, top) in outside.chain(rust("src").into_iter().map(|source| (source, "src"))) {
        for (n, line) in source.text.lines().enumerate().filter(|(_, line)| line.contains(sleep)) {
            // The documentation shows programs, which may sleep.
            if !line.contains('"') && !line.trim_start().starts_with("///") {
                found.push(format!("{top}/{}:{}: {line}", source.path, n + 1));
            }
        }
    }
    none(found);
}

/// The setters of limits whose expiry decides what a test sees.
const LIMITS: &[&str] = &[
    "request_timeout",
    "connect_timeout",
    "dial_timeout",
    "limit",
    "ping_after",
    "ping_timeout",
    "probe_after",
    "final_event_grace",
    "claim_timeout",
    "late_answer_window",
    "losing_leg_timeout",
    "unmatched_event_ttl",
    "message_limit",
    "unconfirmed_limit",
    "drain_limit",
    "shutdown",
];

/// `true` for an expression of less than a second, as tests write it: itself, or by a name that `test` gives it.
fn is_below_a_second(argument: &str, test: &str) -> bool {
    let calls = ["Duration::from_millis(", "std::time::Duration::from_millis(", "millis(", "ms("];
    let number = calls.iter().find_map(|call| argument.strip_prefix(call)).unwrap_or_default();
    let digits = number.split(')').next().unwrap_or_default();
    let name = argument.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
    let given = || test.split(&format!("let {name} = ")).nth(1);
    argument.starts_with("SHORT")
        || digits.parse().is_ok_and(|millis: u64| millis < 1000)
        || (!name.is_empty() && given().is_some_and(|value| is_below_a_second(value, "")))
}

/// The tests of one file, each with the functions that follow it, and the line it begins in.
fn tests_of(text: &str) -> Vec<(usize, &str)> {
    let mut begins: Vec<usize> = text.match_indices("\n#[test]").map(|(at, _)| at + 1).collect();
    begins.insert(0, 0);
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(ends).map(|(from, to)| (text[..*from].lines().count() + 1, &text[*from..to])).collect()
}

/// The servers of a client in a test: the simulator, and peers of the test's own.
const ANSWERS: &[&str] =
    &["sim()", "simulator_at(", "Simulator::builder()", "Peer::new()", "Server::new()", "Proxy::new(", "says("];

/// The lines that would fail on a busy machine.
fn verdicts_by_wall_time(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (first, test) in tests_of(text) {
        // Where nothing answers, a limit is reached on every machine; but who answers may be late on a busy one.
        let is_real = ANSWERS.iter().any(|start| test.contains(start));
        let is_virtual = ["virtual_sim()", "virtual_time()", "Time::ByHand"].iter().any(|word| test.contains(word));
        for (n, line) in test.lines().enumerate() {
            let at = first + n;
            for limit in LIMITS {
                let setter = format!(".{limit}(");
                let mut arguments = line.split(setter.as_str()).skip(1);
                if is_real && !is_virtual && arguments.any(|argument| is_below_a_second(argument, test)) {
                    found.push(format!("{path}:{at}: {limit} below a second in real time"));
                }
            }
            let is_clocked = line.contains(".elapsed() <") && !line.contains("sim.elapsed()");
            if is_clocked && !line.contains("LONG") {
                found.push(format!("{path}:{at}: only LONG, which a hang reaches, is a limit in real time"));
            }
        }
    }
    let is_watchdog = path == "support/watch.rs";
    for (n, line) in text.lines().enumerate() {
        if !is_watchdog && ["fn watchdog", "fn watched", "fn until", "fn eventually"].iter().any(|of| line.contains(of))
        {
            // Words that only begin like one of them are none.
            let name = line.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next()).unwrap_or_default();
            if ["watchdog", "watched", "until", "until_in", "eventually"].contains(&name) {
                found.push(format!("{path}:{}: {name} beside the watchdog of all tests", n + 1));
            }
        }
    }
    found
}

#[test]
fn no_test_judges_by_wall_time_and_one_watchdog_watches_all() {
    let sources = rust("tests/it");
    let others = sources.iter().filter(|source| source.path != "tidy.rs");
    none(others.flat_map(|source| verdicts_by_wall_time(&source.path, &source.text)).collect());
    // The rule can fail.
    let bad = "#[test]\nfn a() {\n    let sim = sim();\n    b(&sim).request_timeout(millis(50)).connect();\n\
               assert!(began.elapsed() < SOON);\n}\nfn watchdog() {}\n";
    assert_eq!(verdicts_by_wall_time("x.rs", bad).len(), 3);
    assert!(verdicts_by_wall_time("x.rs", &bad.replace("sim()", "virtual_sim()")).len() == 2);
    let by_name = bad.replace("let sim = sim();", "let peer = Peer::new();\n    let brief = millis(50);");
    assert_eq!(verdicts_by_wall_time("x.rs", &by_name.replace("(millis(50))", "(brief)")).len(), 3);
}

/// The names of one table of the manifest.
fn table(manifest: &str, header: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect()
}

#[test]
fn the_library_depends_on_what_was_agreed_upon() {
    let manifest = read("Cargo.toml");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let agreed = [
        // Only with the command, the feature `cli`.
        "anstream",
        "anstyle",
        "clap",
        "clap_complete",
        "clap_mangen",
        "crossbeam-channel",
        // Only with the command.
        "crossterm",
        "env_logger",
        "httparse",
        "log",
        "native-tls",
        "parking_lot",
        // Only with the simulator.
        "rcgen",
        // Only with the feature of that name, and with the simulator.
        "rustls",
        "rustls-native-certs",
        "serde",
        "serde_json",
        // Only with the command.
        "terminal_size",
        "tungstenite",
        "uuid",
        // Only with the command.
        "x509-cert",
    ];
    assert_eq!(table(&manifest, "[dependencies]"), names(&agreed));
    // Only with the feature `signals`.
    assert_eq!(table(&manifest, "[target.'cfg(unix)'.dependencies]"), names(&["signal-hook"]));
    assert_eq!(table(&manifest, "[target.'cfg(windows)'.dependencies]"), names(&["ctrlc"]));
    // Sockets that can be cut there.
    let polled = "[target.'cfg(any(windows, relay_polled_sockets))'.dependencies]";
    assert_eq!(table(&manifest, polled), names(&["rustix"]));
    let others = ["[build-dependencies]", "[patch", "[replace"];
    assert!(others.iter().all(|header| !manifest.contains(header)));
    let optional = [
        "anstream",
        "anstyle",
        "clap",
        "clap_complete",
        "clap_mangen",
        "crossterm",
        "ctrlc",
        "env_logger",
        "native-tls",
        "rcgen",
        "rustls",
        "rustls-native-certs",
        "signal-hook",
        "httparse",
        "terminal_size",
        "x509-cert",
    ];
    for optional in optional {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{optional} = {{"))).unwrap();
        assert!(line.contains("optional = true"), "{line}");
    }
    let runtimes = ["tokio", "async-std", "smol", "async-executor", "futures-executor"];
    let locked = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    for runtime in runtimes {
        assert!(!locked.contains(&format!("name = \"{runtime}\"")), "{runtime} is in the tree");
    }
}

#[test]
fn the_manifest_keeps_its_promises() {
    let manifest = read("Cargo.toml");
    for line in [
        "name = \"signalwire-relay\"",
        "edition = \"2024\"",
        "rust-version = \"1.85\"",
        "license = \"MIT OR Apache-2.0\"",
        "name = \"signalwire_relay\"",
        "default = [\"native-tls\", \"signals\"]",
        "unsafe_code = \"forbid\"",
    ] {
        assert!(manifest.lines().any(|there| there == line), "{line}");
    }
    let dev = manifest.lines().find(|line| line.starts_with("signalwire-relay = ")).unwrap();
    assert!(dev.contains("path = \".\"") && !dev.contains("version"), "{dev}");
    assert!(manifest.contains("[package.metadata.docs.rs]\nfeatures = [\"rustls\", \"simulator\"]"));
    assert!(read("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(read("LICENSE-APACHE").contains("Apache License"));
    if root().join("README.md").exists() {
        let readme = read("README.md");
        for mentioned in ["LICENSE-MIT", "LICENSE-APACHE", "cargo test", "cargo run --example", "RUST_LOG=trace"] {
            assert!(readme.contains(mentioned), "the README does not mention {mentioned}");
        }
    }
}

#[test]
fn nothing_names_a_place_where_it_was_made() {
    // Put together here, so that this file does not hold them.
    let places = [
        concat!("/wo", "rk/"),
        concat!("/t", "mp/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("index.", "crates"),
        concat!("static.", "crates"),
        concat!("sparse", "+http"),
        concat!("regis", "try ="),
        concat!("replace", "-with"),
    ];
    let mut all = Vec::new();
    files(root(), &mut all);
    let mut found = Vec::new();
    for path in all {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (n, line) in text.lines().enumerate() {
            for place in places.iter().filter(|place| line.contains(**place)) {
                found.push(format!("{}:{}: {place}", path.display(), n + 1));
            }
        }
    }
    none(found);
}

#[test]
fn every_promised_method_is_there_and_documented() {
    let promised: &[(&str, &[&str])] = &[
        (
            "client",
            &[
                "builder",
                "connect",
                "from_env",
                "disconnect",
                "shutdown",
                "run",
                "downgrade",
                "upgrade",
                "project",
                "host",
                "contexts",
                "protocol",
                "state",
                "states",
                "stats",
                "on_call",
                "on_message",
                "calls",
                "next_call",
                "messages",
                "next_message",
                "dial",
                "start_dial",
                "wait",
                "cancel",
                "tag",
                "legs",
                "send_message",
                "receive",
                "unreceive",
                "execute",
                "client",
                "token",
                "jwt",
                "tls",
                "ca_file",
                "ca_dir",
                "ca_only",
                "client_certificate",
                "tls_backend",
                "proxy",
                "no_proxy",
                "path",
                "allow_plaintext",
                "max_active_calls",
                "connect_timeout",
                "request_timeout",
                "retry_first_connect",
                "ping_after",
                "ping_timeout",
                "reconnect_delay",
                "write_queue",
                "max_frame",
                "offline_queue",
                "claim_timeout",
                "max_unclaimed",
                "dial_timeout",
                "final_event_grace",
                "on_handler_failure",
            ],
        ),
        (
            "call",
            &[
                "id",
                "node_id",
                "project_id",
                "context",
                "tag",
                "segment_id",
                "direction",
                "device",
                "state",
                "end",
                "is_confirmed",
                "on",
                "on_any",
                "remove",
                "events",
                "wait_for",
                "wait_for_ringing",
                "wait_for_answered",
                "wait_for_ending",
                "wait_for_ended",
                "execute",
                "answer",
                "answer_with",
                "hangup",
                "hangup_with",
                "pass",
                "play",
                "play_tts",
                "play_audio",
                "play_silence",
                "play_ringtone",
                "record",
                "collect",
                "prompt",
                "play_and_collect",
                "prompt_tts",
                "prompt_audio",
                "detect",
                "detect_answering_machine",
                "detect_fax",
                "detect_digit",
                "connect",
                "disconnect",
                "disconnect_with",
                "send_digits",
                "wait",
                "wait_ready",
                "is_done",
                "result",
                "on_completed",
                "control_id",
                "call",
                "reply",
                "stop",
                "pause",
                "pause_with",
                "resume",
                "volume",
                "start_input_timers",
            ],
        ),
        (
            "message",
            &[
                "id",
                "context",
                "direction",
                "from_number",
                "to_number",
                "body",
                "media",
                "segments",
                "state",
                "reason",
                "tags",
                "on",
                "on_completed",
                "wait",
                "is_done",
                "result",
            ],
        ),
    ];
    let library = library();
    let mut found = Vec::new();
    for (module, methods) in promised {
        for method in *methods {
            let starts = [format!("pub fn {method}("), format!("pub fn {method}<")];
            let mut there = 0;
            for source in library.iter().filter(|source| source.module() == *module) {
                let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
                for at in 0..lines.len() {
                    if !starts.iter().any(|start| lines[at].starts_with(start.as_str())) {
                        continue;
                    }
                    there += 1;
                    let above = lines[..at].iter().rev().find(|line| !line.starts_with("#["));
                    if !above.is_some_and(|line| line.starts_with("///")) {
                        found.push(format!("src/{}:{}: {method} is not documented", source.path, at + 1));
                    }
                }
            }
            if there == 0 {
                found.push(format!("{module} has no method {method}"));
            }
        }
    }
    none(found);
}
