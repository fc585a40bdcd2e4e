//! The contents of a trace, the masked parts, and its independence of calls.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use signalwire_relay::connection::Trace;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Call, Client, ErrorKind, phone, silence, sms, tts};

use crate::support::{
    Directory, LONG, Memory, SECOND, builder, canonical, parsed, read, text, virtual_sim, wait_written,
};

const PROGRAM: &str = "+15551111111";

fn answered(sim: &Simulator, client: &Client, number: &str) -> Call {
    sim.callee(number).answers();
    client.dial(phone(number).from(PROGRAM)).expect("a call")
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| text(line, "kind") == kind).collect()
}

/// The different values that a member has in lines of one kind.
fn values<'a>(lines: &'a [Value], kind: &str, name: &str) -> BTreeSet<&'a str> {
    of_kind(lines, kind).into_iter().map(|line| text(line, name)).collect()
}

#[test]
fn a_trace_has_every_frame_and_what_no_frame_shows() {
    let sim = virtual_sim();
    let memory = Memory::default();
    let trace = Trace::to_writer(memory.clone()).content(true).numbers(true);
    let client = builder(&sim, trace)
        .request_timeout(5 * SECOND)
        .tuning(|tuning| tuning.max_listener_backlog_bytes(2000))
        .connect()
        .unwrap();
    client.on_call(|call| match &*call.from_number() {
        "+15550000001" => {
            call.answer()?;
            call.play(tts("Welcome!"))?.wait(None)?;
            call.hangup()?;
            Ok(())
        }
        "+15550000002" => Err("no luck".into()),
        _ => panic!("on purpose"),
    });
    for number in ["+15550000001", "+15550000002", "+15550000003"] {
        let person = sim.caller(number).calls(PROGRAM).gives_up_after(60 * SECOND).dials();
        person.wait_ended(LONG).unwrap();
    }

    let call = answered(&sim, &client, "+15552222222");
    let unread = call.events();
    for _ in 0..5 {
        let params = json!({"call_id": call.id(), "control_id": "none", "filler": "x".repeat(1000)});
        sim.push_event("calling.call.play", params);
    }
    sim.advance(SECOND);
    assert!(client.stats().listener_events_dropped > 0);
    assert_eq!(call.wait_for_ended(SECOND).unwrap_err().kind(), ErrorKind::Timeout);

    let mut states = client.states();
    sim.stop_listening();
    sim.drop_link();
    assert!(states.by_ref().any(|state| !state.is_online()));
    let error = call.play(silence(SECOND)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offline);
    sim.listen_again().unwrap();
    assert!(states.any(|state| state.is_online()));
    call.hangup().unwrap();
    call.wait_for_ended(LONG).unwrap();
    drop(unread);
    client.disconnect();

    let lines = memory.lines();
    assert_eq!(lines[0]["trace"], 1);
    assert!(text(&lines[0], "by").starts_with("signalwire-relay "));
    let kinds: BTreeSet<&str> = lines[1..].iter().map(|line| text(line, "kind")).collect();
    for kind in ["request", "reply", "event", "ack", "phase", "state", "handler", "wait", "dropped"] {
        assert!(kinds.contains(kind), "{kind} is missing: {kinds:?}");
    }
    let times: Vec<f64> = lines.iter().map(|line| line["at"].as_f64().expect("a time")).collect();
    assert!(times.is_sorted() && times[0] == 0.0, "{times:?}");
    assert!(lines[1..].iter().all(|line| line["wall"].as_f64() > Some(1.7e9) && line["client"] == 1));

    let phases: BTreeSet<&str> = ["lookup", "tcp", "upgrade", "authentication"].into();
    assert_eq!(values(&lines, "phase", "phase"), phases);
    assert!(of_kind(&lines, "phase").iter().any(|line| text(line, "phase") == "tcp" && line.get("error").is_some()));
    let states: Vec<&str> = of_kind(&lines, "state").into_iter().map(|line| text(line, "state")).collect();
    assert_eq!((states[0], states[1], states[2]), ("connecting", "online", "reconnecting"));
    assert_eq!(states[states.len() - 2..], ["online", "closed"]);
    assert_eq!(values(&lines, "handler", "state"), ["ended", "failed", "panicked", "started"].into());
    let failed = of_kind(&lines, "handler").into_iter().find(|line| text(line, "state") == "failed").unwrap();
    assert!(text(failed, "error") == "no luck" && failed["took"].is_number() && failed["call_id"].is_string());
    let waits = of_kind(&lines, "wait");
    let played = waits.iter().find(|line| text(line, "what") == "calling.play" && text(line, "state") == "ended");
    let played = played.expect("the wait for the playback");
    assert!(text(played, "outcome") == "done" && played["took"].as_f64() > Some(0.1), "{played}");
    assert!(waits.iter().any(|line| text(line, "outcome") == "Timeout" && line["took"] == 1.0), "{waits:#?}");
    assert_eq!(values(&lines, "dropped", "what"), ["notice", "request"].into());

    // The journal of the simulator has the same frames. A request that was not sent is in neither.
    let journal = sim.journal();
    let sent: Vec<&str> = of_kind(&lines, "request").into_iter().map(|line| text(line, "method")).collect();
    assert_eq!(sent, journal.methods());
    let answered = journal.entries().iter().filter(|entry| entry.to_json()["kind"] == "reply");
    let answered: Vec<String> = answered.map(|entry| entry.method().to_owned()).collect();
    assert_eq!(of_kind(&lines, "reply").into_iter().map(|line| text(line, "method")).collect::<Vec<_>>(), answered);
    let connections: BTreeSet<u64> =
        of_kind(&lines, "request").into_iter().filter_map(|line| line["connection"].as_u64()).collect();
    assert!(connections.len() == 2 && connections.contains(&1), "{connections:?}");
}

#[test]
fn no_secret_stands_in_a_trace() {
    const TOKEN: &str = "T0ken-canary-of-the-trace";
    const PASSWORD: &str = "P4ssword-canary";
    let sim = Simulator::builder()
        .virtual_time()
        .project("Pr0ject-canary-of-the-trace")
        .token(TOKEN)
        .echoes_secrets()
        .allow_violations()
        .start()
        .unwrap();
    let memory = Memory::default();
    let client = builder(&sim, Trace::to_writer(memory.clone()).content(true).numbers(true)).connect().unwrap();
    client.on_call(|_| Err(format!("could not use {TOKEN}").into()));
    sim.caller("+15550000001").calls(PROGRAM).dials().wait_ended(LONG).unwrap();
    let call = answered(&sim, &client, "+15552222222");
    // The secrets of a request are masked from then on, however many follow before the line is written.
    for n in 0..200 {
        let url = format!("https://user{n}:{PASSWORD}-{n}@example.com/");
        sim.refuse_next("calling.user_event", 500, &format!("{TOKEN}: cannot reach {url}, {PASSWORD}-{n}"));
        call.execute("calling.user_event", json!({"event": {"url": url}})).unwrap_err();
    }
    sim.push_raw(&format!("not JSON {TOKEN}"));
    sim.push_raw(&json!({"method": format!("odd.{TOKEN}"), "params": {"a": [TOKEN], TOKEN: 1}}).to_string());
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    sim.push_event("calling.call.play", json!({"call_id": call.id(), "hex": hex, "token": "any", "why": TOKEN}));
    sim.advance(SECOND);
    let of_call = call.trace();
    assert!(of_call.contains("calling.user_event") && of_call.contains("calling.call.play"), "{of_call}");
    drop(call);
    client.disconnect();
    for text in [memory.text(), of_call] {
        assert!(text.contains("<secret>"));
        for canary in ["T0ken-canary", "Pr0ject-canary", "P4ssword", &hex[..24]] {
            assert!(!text.contains(canary), "{canary}: {text}");
        }
    }
    assert!(memory.text().contains("bytes that are not JSON"));
}

#[test]
fn content_and_numbers_are_shown_only_if_they_are_wanted() {
    for (content, numbers) in [(None, None), (Some(true), Some(false)), (Some(false), Some(true))] {
        let sim = virtual_sim();
        let memory = Memory::default();
        let mut trace = Trace::to_writer(memory.clone());
        if let Some(shown) = content {
            trace = trace.content(shown);
        }
        if let Some(shown) = numbers {
            trace = trace.numbers(shown);
        }
        let client = builder(&sim, trace).connect().unwrap();
        client
            .send_message(sms("+15552222222").from(PROGRAM).body("a text for nobody else"))
            .unwrap()
            .wait(LONG)
            .unwrap();
        client.disconnect();
        let text = memory.text();
        assert_eq!(text.contains("nobody else"), content == Some(true), "{text}");
        assert_eq!(text.contains("<content>"), content != Some(true), "{text}");
        assert_eq!(text.contains("+15552222222"), numbers == Some(true), "{text}");
        assert_eq!(text.contains("+...2222"), numbers != Some(true), "{text}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Works,
    Full,
    Blocks,
}

/// A disk that may be full, or not answer.
#[derive(Clone)]
struct Disk {
    mode: Arc<(Mutex<Mode>, Condvar)>,
    memory: Memory,
    /// Told of every write before it is made.
    told: Sender<Mode>,
}

impl Disk {
    fn new(mode: Mode) -> (Self, Receiver<Mode>) {
        let (told, writes) = channel();
        (Self { mode: Arc::new((Mutex::new(mode), Condvar::new())), memory: Memory::default(), told }, writes)
    }

    fn set(&self, mode: Mode) {
        *self.mode.0.lock().unwrap() = mode;
        self.mode.1.notify_all();
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut mode = self.mode.0.lock().unwrap();
        let _ = self.told.send(*mode);
        while *mode == Mode::Blocks {
            mode = self.mode.1.wait(mode).unwrap();
        }
        if *mode == Mode::Full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // In pieces, as a disk that is nearly full takes them.
        self.memory.write(&bytes[..bytes.len().min(100)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until lines were dropped, however busy the machine is.
fn wait_dropped(client: &Client) {
    let began = std::time::Instant::now();
    while client.stats().trace_dropped == 0 {
        assert!(began.elapsed() < LONG, "nothing was dropped");
        std::thread::yield_now();
    }
}

/// Number of missing lines, as the trace itself reports.
fn reported(lines: &[Value]) -> u64 {
    let dropped = of_kind(lines, "dropped").into_iter().filter(|line| text(line, "what") == "trace lines");
    dropped.filter_map(|line| line["count"].as_u64()).sum()
}

#[test]
fn a_full_disk_stops_no_call_and_what_is_missing_is_counted_and_said() {
    let sim = virtual_sim();
    let (disk, writes) = Disk::new(Mode::Full);
    let client = builder(&sim, Trace::to_writer(disk.clone())).connect().unwrap();
    let call = answered(&sim, &client, "+15552222222");
    call.play(silence(SECOND)).unwrap().wait(LONG).unwrap();
    assert_eq!(writes.recv_timeout(LONG).ok(), Some(Mode::Full));
    assert!(call.trace().contains("calling.play"), "memory is not full");
    disk.set(Mode::Works);
    call.hangup().unwrap();
    call.wait_for_ended(LONG).unwrap();
    client.disconnect();
    let (lines, dropped) = (disk.memory.lines(), client.stats().trace_dropped);
    assert!(dropped > 0 && lines[0]["trace"] == 1, "{dropped} lines dropped");
    assert_eq!(reported(&lines), dropped, "{lines:#?}");
    assert_eq!(text(lines.last().unwrap(), "state"), "closed");
}

#[test]
fn a_disk_that_does_not_answer_holds_nothing_up_and_the_queue_keeps_to_its_bound() {
    const BOUND: usize = 20_000;
    let sim = virtual_sim();
    let (disk, writes) = Disk::new(Mode::Blocks);
    let client = builder(&sim, Trace::to_writer(disk.clone()).queue_bytes(BOUND)).connect().unwrap();
    assert_eq!(writes.recv_timeout(LONG).ok(), Some(Mode::Blocks));
    let call = answered(&sim, &client, "+15552222222");
    for _ in 0..100 {
        call.play(silence(SECOND)).unwrap().wait(LONG).unwrap();
    }
    let stats = client.stats();
    assert!(stats.trace_dropped > 100 && stats.trace_bytes <= 2 * BOUND, "{stats:?}");
    assert!(!call.trace().is_empty());
    // Gives the disk up in the end.
    client.disconnect();
    let stats = client.stats();
    drop((call, client));
    disk.set(Mode::Works);
    // The thread writes its lines and drops the writer; the channel then has no sender.
    let told = disk.told.clone();
    let memory = disk.memory.clone();
    drop((disk, told));
    while writes.recv_timeout(LONG).is_ok() {}
    assert_eq!(reported(&parsed(&memory.now())), stats.trace_dropped, "the rest is said once there is room");
}

#[test]
fn a_writer_that_panics_is_not_called_again() {
    struct Panics(Sender<()>);
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            panic!("on purpose");
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sim = virtual_sim();
    let (told, panics) = channel();
    let client = builder(&sim, Trace::to_writer(Panics(told))).connect().unwrap();
    panics.recv_timeout(LONG).unwrap();
    let call = answered(&sim, &client, "+15552222222");
    call.play(silence(SECOND)).unwrap().wait(LONG).unwrap();
    client.disconnect();
    wait_dropped(&client);
    assert!(panics.try_recv().is_err());
}

#[test]
fn a_file_is_rotated_by_size_and_that_of_an_earlier_run_is_kept() {
    let directory = Directory::new();
    let path = directory.file("trace.jsonl");
    let run = || {
        let sim = virtual_sim();
        let trace = Trace::to_file(&path).rotate_at(6000).keep(2);
        let client = builder(&sim, trace).connect().unwrap();
        let call = answered(&sim, &client, "+15552222222");
        for _ in 0..20 {
            call.play(silence(SECOND)).unwrap().wait(LONG).unwrap();
        }
        client.disconnect();
        wait_written(&path, 1);
    };
    run();
    let names = ["trace.jsonl", "trace.jsonl.1", "trace.jsonl.2"];
    assert_eq!(directory.names(), names);
    let of_first_run = read(&path);
    for name in names {
        let text = read(&directory.file(name));
        let lines = parsed(&text);
        assert!(text.len() <= 6000 && lines.len() > 1 && text.ends_with('\n'), "{name}: {} bytes", text.len());
        assert!(lines[0]["trace"] == 1 && lines[1..].iter().all(|line| line.get("trace").is_none()), "{name}");
        assert!(lines.iter().all(|line| line["at"].as_f64() >= lines[0]["at"].as_f64()), "{name}");
    }
    let client = builder(&virtual_sim(), Trace::to_file(&path)).connect().unwrap();
    client.disconnect();
    wait_written(&path, 1);
    assert_eq!(read(&directory.file("trace.jsonl.1")), of_first_run);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "only the owner may read it: {mode:o}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_stops_no_client_and_two_clients_share_one() {
    let directory = Directory::new();
    let sim = virtual_sim();
    let nowhere = directory.file("missing").join("trace.jsonl");
    let client = builder(&sim, Trace::to_file(nowhere)).connect().unwrap();
    client.disconnect();
    wait_dropped(&client);

    let path = directory.file("shared.jsonl");
    let clients = [(); 2].map(|()| builder(&sim, Trace::to_file(&path)).connect().unwrap());
    clients.iter().for_each(Client::disconnect);
    wait_written(&path, 2);
    let lines = parsed(&read(&path));
    let numbers: BTreeSet<u64> = lines.iter().filter_map(|line| line["client"].as_u64()).collect();
    assert_eq!(numbers, [1, 2].into());
    assert_eq!(lines.iter().filter(|line| line.get("trace").is_some()).count(), 1);
}

#[test]
fn the_trace_of_a_call_holds_only_that_call() {
    let sim = virtual_sim();
    let trace = Trace::to_writer(Memory::default()).content(true);
    let client = builder(&sim, trace).connect().unwrap();
    let (one, other) = (answered(&sim, &client, "+15552222222"), answered(&sim, &client, "+15553333333"));
    for (call, words) in [(&one, "for the first"), (&other, "for the second")] {
        call.play(tts(words)).unwrap().wait(LONG).unwrap();
    }
    for (call, own, others) in [(&one, "for the first", &other), (&other, "for the second", &one)] {
        let of_call = call.trace();
        let lines = parsed(&of_call);
        assert!(lines[0]["trace"] == 1 && of_call.contains(own) && !of_call.contains(others.id()), "{of_call}");
        for kind in ["request", "reply", "event", "wait"] {
            assert!(!of_kind(&lines, kind).is_empty(), "{kind} is missing: {of_call}");
        }
        assert!(lines.len() > 5);
    }
    one.hangup().unwrap();
    one.wait_for_ended(LONG).unwrap();
    assert!(one.trace().contains("calling.end"), "also of a call that has ended");
    client.disconnect();

    let silent = Client::builder().simulator(&sim).connect().unwrap();
    assert_eq!(answered(&sim, &silent, "+15552222222").trace(), "");
}

#[test]
fn the_same_scene_gives_the_same_trace_in_virtual_time() {
    let scene = || {
        let sim = virtual_sim();
        let memory = Memory::default();
        let trace = Trace::to_writer(memory.clone()).content(true).numbers(true);
        let client = builder(&sim, trace).connect().unwrap();
        client.on_call(|call| {
            call.answer()?;
            let digits = call.prompt(tts("Press one"), signalwire_relay::Collect::digits(1))?.wait(None)?;
            call.play(tts(format!("You pressed {digits:?}")))?.wait(None)?;
            call.hangup()?;
            Ok(())
        });
        for number in ["+15550000001", "+15550000002"] {
            let person = sim.caller(number).calls(PROGRAM).when_asked_for_digits().waits(SECOND).presses("1").dials();
            person.wait_ended(LONG).unwrap();
        }
        // The frames of this moment arrive first.
        sim.advance(SECOND);
        sim.drop_link();
        sim.advance(10 * SECOND);
        answered(&sim, &client, "+15552222222").hangup().unwrap();
        client.disconnect();
        memory.text()
    };
    let (first, second) = (canonical(&scene()), canonical(&scene()));
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    let (lost, new) = (only(&first, &second), only(&second, &first));
    assert!(first.len() > 50 && first == second, "{} and {} lines: {lost:#?}\n{new:#?}", first.len(), second.len());
}

const OF_CHILD: &str = "RELAY_TRACE_TEST";

#[test]
fn the_environment_chooses_what_its_trace_shows_and_a_wrong_word_is_refused() {
    if std::env::var(OF_CHILD).is_ok() {
        let sim = virtual_sim();
        let client = match Client::builder().simulator(&sim).connect() {
            Ok(client) => client,
            Err(error) => return assert_eq!(error.to_string(), std::env::var(OF_CHILD).unwrap()),
        };
        let message = sms("+15552222222").from("+15551111111").body("see you soon");
        client.send_message(message).unwrap().wait(LONG).unwrap();
        return client.disconnect();
    }
    let refused = "SIGNALWIRE_RELAY_TRACE_SHOW has `texts`: it is a list of `content` and `numbers`, such as \
                   `content,numbers`";
    for (show, content, number) in [
        ("", false, false),
        ("content", true, false),
        ("numbers", false, true),
        ("content, numbers", true, true),
        ("content,texts", false, false),
    ] {
        let directory = Directory::new();
        let file = directory.file("shown.jsonl");
        let name = "traces::the_environment_chooses_what_its_trace_shows_and_a_wrong_word_is_refused";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env("SIGNALWIRE_RELAY_TRACE", &file)
            .env("SIGNALWIRE_RELAY_TRACE_SHOW", show)
            .env(OF_CHILD, refused)
            .output()
            .unwrap();
        assert!(child.status.success(), "{show}: {}", String::from_utf8_lossy(&child.stdout));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text.is_empty(), show.contains("texts"), "{show}: {text}");
        assert_eq!((text.contains("see you soon"), text.contains("+15552222222")), (content, number), "{show}: {text}");
    }
}

#[test]
fn the_environment_names_the_file_and_the_builder_wins() {
    if let Ok(builders) = std::env::var(OF_CHILD) {
        let sim = virtual_sim();
        let mut builder = Client::builder().simulator(&sim);
        if !builders.is_empty() {
            builder = builder.trace(Trace::to_file(builders));
        }
        return builder.connect().unwrap().disconnect();
    }
    let directory = Directory::new();
    let of_environment = directory.file("environment.jsonl");
    for (builders, written) in [("", "environment.jsonl"), ("builder.jsonl", "builder.jsonl")] {
        let of_builder =
            if builders.is_empty() { String::new() } else { directory.file(builders).display().to_string() };
        let name = "traces::the_environment_names_the_file_and_the_builder_wins";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env("SIGNALWIRE_RELAY_TRACE", &of_environment)
            .env(OF_CHILD, of_builder)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let lines = parsed(&read(&directory.file(written)));
        assert!(lines.iter().any(|line| text(line, "method") == "signalwire.connect"), "{lines:#?}");
        assert_eq!(directory.names(), [written]);
        std::fs::remove_file(directory.file(written)).unwrap();
    }
}
