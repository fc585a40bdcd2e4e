//! The parts that a client shares with its process: signals, thread-local values, and forks.

use std::cell::RefCell;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Call, Client, ErrorKind, phone, silence, sms};

use crate::support::{
    CHILD, Capture, LONG, Task, answered, builder, child, child_role, client, fence, offered, report, reports_of_child,
    simulator_at, until, watched,
};

fn send_self(signal: &str) {
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Returns when `run` has installed what it installs: a thread for signals beside the two of the client.
fn wait_for_run() {
    until("a client to run", || Task::of_the_crate().len() == 3);
}

/// Runs a client until it is disconnected.
fn run_and_disconnect(sim: &Simulator) {
    let client = client(sim);
    let running = client.clone();
    let run = thread::spawn(move || running.run());
    wait_for_run();
    client.disconnect();
    run.join().unwrap().unwrap();
}

#[test]
fn after_run_a_signal_does_what_it_did_before() {
    const NAME: &str = "process::after_run_a_signal_does_what_it_did_before";
    for (name, signal) in [("-TERM", SIGTERM), ("-INT", SIGINT), ("-HUP", SIGHUP)] {
        // A suite that was started with `nohup` or in the background of a script leaves it ignored in its children.
        if is_ignored(signal) {
            continue;
        }
        let ended = child(NAME, &[("SIGNAL_OF_THE_TEST", name)], || {
            let name = std::env::var("SIGNAL_OF_THE_TEST").unwrap();
            let sim = simulator_at(50.0);
            // The second run is no different from the first.
            run_and_disconnect(&sim);
            run_and_disconnect(&sim);
            send_self(&name);
            // The signal ends the process here.
            loop {
                thread::park();
            }
        });
        let Some((status, output)) = ended else { return };
        assert_eq!(status.signal(), Some(signal), "{name}: {status}\n{output}");
    }
}

#[test]
fn after_run_the_handlers_of_the_program_are_alone_again() {
    const NAME: &str = "process::after_run_the_handlers_of_the_program_are_alone_again";
    watched(|| {
        if child_role().is_none() {
            assert_eq!(reports_of_child(NAME, "child", &[]), ["4 signals"]);
            return;
        }
        let mut own = signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).unwrap();
        let (count, counts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&counts);
        thread::spawn(move || {
            for _ in own.forever() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        run_and_disconnect(&simulator_at(50.0));
        for name in ["-TERM", "-TERM", "-INT", "-INT"] {
            send_self(name);
            let heard = count.fetch_add(1, Ordering::SeqCst) + 1;
            until("the program to hear its signal", || counts.load(Ordering::SeqCst) == heard);
        }
        report(format!("{} signals", counts.load(Ordering::SeqCst)));
    });
}

/// Whether this process ignores a signal.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    const NAME: &str = "process::signals_that_were_ignored_stay_ignored";
    watched(|| {
        if child_role().is_some() {
            assert!(is_ignored(SIGINT) && is_ignored(SIGHUP) && !is_ignored(SIGTERM));
            let sim = simulator_at(50.0);
            let client = client(&sim);
            let running = client.clone();
            let run = thread::spawn(move || running.run());
            wait_for_run();
            send_self("-INT");
            send_self("-HUP");
            let ignored = is_ignored(SIGINT) && is_ignored(SIGHUP);
            client.execute("signalwire.ping", serde_json::json!({})).unwrap();
            send_self("-TERM");
            run.join().unwrap().unwrap();
            return report(format!("ignored: {ignored}, closed: {}", client.state().is_closed()));
        }
        // `nohup` and the shell's `&` leave signals ignored like this.
        let script = r#"trap "" INT HUP; exec "$0" --exact "$1" --nocapture --test-threads=1"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(NAME);
        let mut running = command.env(CHILD, "child").stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        running.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(running.wait().unwrap().success() && said.contains("ignored: true, closed: true"), "{said}");
    });
}

#[test]
fn sighup_ends_run_cleanly() {
    const NAME: &str = "process::sighup_ends_run_cleanly";
    watched(|| {
        if child_role().is_none() {
            // With `nohup` the children of the suite ignore it, too.
            if !is_ignored(SIGHUP) {
                assert_eq!(reports_of_child(NAME, "child", &[]), ["closed: true, hung up: 1"]);
            }
            return;
        }
        let sim = simulator_at(50.0);
        let client = builder(&sim).drain_limit(Duration::from_secs(1)).connect().unwrap();
        let (_caller, _call) = answered(&sim, &client);
        let running = client.clone();
        let run = thread::spawn(move || running.run());
        wait_for_run();
        send_self("-HUP");
        run.join().unwrap().unwrap();
        let hung_up = sim.journal().requests("calling.end").len();
        report(format!("closed: {}, hung up: {hung_up}", client.state().is_closed()));
    });
}

#[test]
fn a_signal_says_in_a_warning_what_is_drained_and_for_how_long() {
    const NAME: &str = "process::a_signal_says_in_a_warning_what_is_drained_and_for_how_long";
    watched(|| {
        if child_role().is_none() {
            assert_eq!(reports_of_child(NAME, "child", &[]), ["said"]);
            return;
        }
        let capture = Capture::install();
        let sim = simulator_at(50.0);
        let client = builder(&sim).drain_limit(Duration::from_secs(1)).connect().unwrap();
        let (_first, call) = answered(&sim, &client);
        let (_second, other) = answered(&sim, &client);
        let running = client.clone();
        let run = thread::spawn(move || running.run());
        wait_for_run();
        send_self("-TERM");
        run.join().unwrap().unwrap();
        let lines = capture.take();
        let begin = "received a signal: shutting down within 1s, waiting for 2 calls (";
        let said = lines.iter().find(|(_, line)| line.starts_with(begin));
        let (_, said) = said.unwrap_or_else(|| panic!("no line {begin:?}: {lines:#?}"));
        assert!(said.contains(call.id()) && said.contains(other.id()), "{said}");
        assert!(said.contains("; another signal ends the process at once"), "{said}");
        report("said");
    });
}

#[test]
fn a_program_keeps_its_own_sighup() {
    const NAME: &str = "process::a_program_keeps_its_own_sighup";
    watched(|| {
        if child_role().is_none() {
            assert_eq!(reports_of_child(NAME, "child", &[]), ["read anew, online"]);
            return;
        }
        let (told, hears) = mpsc::channel();
        let mut own = signal_hook::iterator::Signals::new([SIGHUP]).unwrap();
        thread::spawn(move || own.forever().for_each(|_| told.send(()).unwrap()));
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let running = client.clone();
        let run = thread::spawn(move || running.run());
        wait_for_run();
        send_self("-HUP");
        hears.recv_timeout(LONG).unwrap();
        // A second one would end the process if the client had taken the first for its own.
        send_self("-HUP");
        hears.recv_timeout(LONG).unwrap();
        client.execute("signalwire.ping", serde_json::json!({})).unwrap();
        send_self("-TERM");
        run.join().unwrap().unwrap();
        report("read anew, online");
    });
}

// Thread-local values.

/// Uses the client when its thread ends.
struct Guard {
    client: Client,
    call: Option<Call>,
    said: Sender<String>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let call = self.call.take().unwrap();
        let play = call.play(silence(LONG));
        let stopped = play.as_ref().map(|play| (play.stop(), play.wait(LONG).map(drop)).1);
        let dialled = self.client.dial(phone("+15553330000").from("+15559990000"));
        let hung_up = dialled.map(|other| other.hangup());
        let sent = self.client.send_message(sms("+15553330000").from("+15559990000").body("a"));
        let sent = sent.map(|message| message.wait(LONG).map(drop));
        let ended = (call.hangup(), call.wait_for_ended(LONG).map(drop));
        let all = [
            format!("{:?}", stopped.map(|stopped| stopped.is_ok()).ok()),
            format!("{:?}", hung_up.map(|hung_up| hung_up.is_ok()).ok()),
            format!("{:?}", sent.map(|sent| sent.is_ok()).ok()),
            format!("{:?}", (ended.0.is_ok(), ended.1.is_ok())),
        ];
        self.said.send(all.join(" ")).unwrap();
    }
}

thread_local! {
    static GUARD: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

#[test]
fn the_destructor_of_a_thread_local_value_may_call_anything() {
    const NAME: &str = "process::the_destructor_of_a_thread_local_value_may_call_anything";
    watched(|| {
        if child_role().is_none() {
            let all = "Some(true) Some(true) Some(true) (true, true)";
            assert_eq!(reports_of_child(NAME, "child", &[]), [all; 6], "plain and encrypted, in every order");
            return;
        }
        for tls in [false, true] {
            let sim = Simulator::builder().speed(50.0).tls(tls).start().unwrap();
            let client = client(&sim);
            // The value that the guard needs may have been used before it, after it, or never on that thread.
            for used in [Some(false), Some(true), None] {
                let (_caller, call) = answered(&sim, &client);
                let (said, hears) = mpsc::channel();
                let its_client = client.clone();
                let ending = thread::spawn(move || {
                    let ping = || its_client.execute("signalwire.ping", serde_json::json!({})).map(drop);
                    if used == Some(true) {
                        ping().unwrap();
                    }
                    GUARD.with(|guard| {
                        let client = its_client.clone();
                        *guard.borrow_mut() = Some(Guard { client, call: Some(call), said });
                    });
                    if used == Some(false) {
                        ping().unwrap();
                    }
                });
                ending.join().unwrap();
                report(hears.recv_timeout(LONG).unwrap());
            }
        }
    });
}

// Forked processes.

/// The results of everything that a forked process may try, including the drop of its handles.
fn use_as_a_fork(client: Client, call: Call) -> Vec<String> {
    let play = call.play(silence(LONG)).map(drop);
    let outcomes = [
        client.execute("signalwire.ping", serde_json::json!({})).map(drop),
        client.notify("signalwire.ping", serde_json::json!({})),
        client.receive(["more"]),
        client.dial(phone("+15553330000").from("+15559990000")).map(drop),
        client.send_message(sms("+15553330000").from("+15559990000").body("a")).map(drop),
        client.next_call(None).map(drop),
        client.next_message(None).map(drop),
        client.run(),
        play,
        call.answer().map(drop),
        call.hangup(),
        call.pass().map(drop),
        call.execute("calling.echo", serde_json::json!({})).map(drop),
        call.wait_for_ended(None).map(drop),
        call.wait_for("calling.call.play", |_| true, None).map(drop),
    ];
    let wrong = outcomes.iter().enumerate().filter_map(|(at, outcome)| match outcome {
        Err(error)
            if error.kind() == ErrorKind::Closed
                && error.to_string().contains("forked")
                && !error.may_have_been_sent() =>
        {
            None
        }
        other => Some(format!("{at}: {other:?}")),
    });
    let wrong = wrong.collect();
    client.shutdown(LONG);
    client.disconnect();
    drop((call, client));
    wrong
}

#[test]
fn a_forked_process_writes_nothing_and_gets_an_error() {
    const NAME: &str = "process::a_forked_process_writes_nothing_and_gets_an_error";
    watched(|| {
        if child_role().is_none() {
            let said = reports_of_child(NAME, "child", &[]);
            assert_eq!(said, ["fork: []", "parent: online", "fork: []", "parent: online"], "plain and encrypted");
            return;
        }
        for tls in [false, true] {
            let sim = Simulator::builder().speed(1.0).tls(tls).start().unwrap();
            let client = client(&sim);
            let (caller, call) = answered(&sim, &client);
            // An offer without an answer: the last handle of the fork may not pass it back.
            let (_other, offer) = offered(&sim, &client);
            // Behind every acknowledgement that is on its way.
            fence(&client);
            let before = sim.journal().entries().len();
            match fork::fork().unwrap() {
                fork::Fork::Child => {
                    let wrong = use_as_a_fork(client, call);
                    drop(offer);
                    report(format!("fork: {wrong:?}"));
                    signal_hook::low_level::exit(0);
                }
                fork::Fork::Parent(pid) => assert_eq!(fork::waitpid(pid).unwrap(), 0),
            }
            let written: Vec<_> = sim.journal().entries()[before..].iter().map(|entry| format!("{entry:?}")).collect();
            assert!(written.is_empty(), "{written:?}");
            client.execute("signalwire.ping", serde_json::json!({})).unwrap();
            offer.answer().unwrap();
            call.hangup().unwrap();
            call.wait_for_ended(LONG).unwrap();
            assert!(caller.was_hung_up_on());
            assert_eq!((sim.connections_ever(), sim.violations()), (1, vec![]));
            report("parent: online");
        }
    });
}
