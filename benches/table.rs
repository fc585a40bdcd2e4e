//! The target speeds of the crate in one table of ratios: the crate, the floor, and the target.
//!
//! The floors have the same frames: `mt` is a reader thread and blocking callers on a bare socket, `lean` is one
//! thread that borrows the data that it parses and acknowledges in batches. The contenders take turns, so that a busy
//! machine slows both, and a ratio is the median of the ratios of all rounds.

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/floor.rs"]
mod floor;
mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use native_tls::TlsConnector;
use serde::Deserialize;
use serde_json::json;
use signalwire_relay::connection::TlsBackend;
use signalwire_relay::tts;

use self::crowd::{Caller, Crowd};
use self::floor::{Floor, Frame, connector};
use self::support::{
    Bench, Figures, Row, Sample, Scheme, builder_for, cpu_seconds, cpu_seconds_of_children, median, quiet, ratio, timed,
};

const METHOD: &str = "signalwire.receive";
const PARAMS: &str = r#"{"contexts":["bench"]}"#;
const AT_ONCE: usize = 200;
/// Many short rounds, so that the contenders of one round find the same machine.
const ROUNDS: usize = 21;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn main() {
    let given: Vec<String> = env::args().collect();
    if let Some(at) = given.iter().position(|argument| argument == "--connect") {
        return connect_once(&given[at + 1], &given[at + 2], given.get(at + 3).map(Path::new));
    }
    let bench = support::start("table");
    println!("\n{:<58} {:>10} {:>10} {:>7} {:>7}", "work", "ours", "floor", "ratio", "aim");
    for scheme in bench.schemes() {
        requests(&bench, scheme);
    }
    for scheme in bench.schemes() {
        flood(&bench, scheme);
        calls(&bench, scheme);
    }
    for scheme in bench.schemes() {
        connecting(&bench, scheme);
        starting(&bench, scheme);
    }
    println!("\nmemory, allocations and system calls: cargo bench --bench allocations");
}

/// The direction that is better.
#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table, where `ours / floor` is compared with the aim; without a floor, `ours` itself.
fn line(what: &str, unit: &str, ours: Option<f64>, floor: Option<f64>, aim: Aim) {
    let ratio = ours.zip(floor).map(|(ours, floor)| ours / floor);
    line_with(what, unit, [ours, floor, ratio], aim);
}

/// One line of the table for figures that were measured in rounds.
fn paired(what: &str, unit: &str, [us, floor]: [&Row; 2], of: fn(&Figures) -> &Vec<f64>, aim: Aim) {
    let (ours, floors) = (of(&us.all), of(&floor.all));
    line_with(what, unit, [median(ours), median(floors), ratio(ours, floors)], aim);
}

fn line_with(what: &str, unit: &str, [ours, floor, ratio]: [Option<f64>; 3], aim: Aim) {
    let cell = |value: Option<f64>, width: usize| match value.filter(|value| value.is_finite()) {
        Some(value) if value >= 1000.0 => format!("{value:>width$.0}"),
        Some(value) => format!("{value:>width$.2}"),
        None => format!("{:>width$}", "-"),
    };
    let judged = if floor.is_some() { ratio } else { ours };
    let (text, good) = match aim {
        Aim::AtLeast(aim) => (format!(">={aim}"), judged.map(|judged| judged >= aim)),
        Aim::AtMost(aim) => (format!("<={aim}"), judged.map(|judged| judged <= aim)),
    };
    let verdict = match good {
        Some(true) => "ok",
        Some(false) => "behind",
        None => "n/a",
    };
    let what = format!("{what}, {unit}");
    println!("{what:<58} {} {} {} {text:>7} {verdict}", cell(ours, 10), cell(floor, 10), cell(ratio, 7));
    let _unseen = std::io::stdout().flush();
}

fn requests(bench: &Bench, scheme: Scheme) {
    let client = bench.builder(scheme).connect().expect("a client");
    let crowd = Crowd::connect(bench, scheme);
    let caller = crowd.caller();
    let ours = || drop(client.execute(METHOD, json!({"contexts": ["bench"]})).expect("a reply"));
    let of = |work: &str| format!("{work}, {}", scheme.name());
    let (rounds, count) = (bench.amount(3, ROUNDS), bench.amount(1000, 2000));
    let [mt, us] = two(bench.rounds(
        rounds,
        &mut [
            ("floor-mt", Box::new(|| timed(count, || caller.ask(METHOD, PARAMS)))),
            ("client", Box::new(|| timed(count, ours))),
        ],
    ));
    let work = of("one caller, one request after another");
    paired(&work, "per s", [&us, &mt], |all| &all.rates, Aim::AtLeast(1.0));
    line(&work, "CPU s per 100k", us.cpu, mt.cpu, Aim::AtMost(1.0));
    let count = 50;
    let [mt, us] = two(bench.rounds(
        rounds,
        &mut [
            ("floor-mt", Box::new(|| quiet(count, || caller.ask(METHOD, PARAMS)))),
            ("client", Box::new(|| quiet(count, ours))),
        ],
    ));
    paired(&of("request on a quiet link"), "p50 us", [&us, &mt], |all| &all.p50, Aim::AtMost(1.1));
    paired(&of("request on a quiet link"), "p10 us", [&us, &mt], |all| &all.p10, Aim::AtMost(1.1));
}

fn two(rows: Vec<Row>) -> [Row; 2] {
    rows.try_into().unwrap_or_else(|_| panic!("two contenders"))
}

/// The fields of an event that a listener reads.
#[derive(Deserialize)]
struct Event<'a> {
    event_type: &'a str,
    #[serde(borrow)]
    params: Payload<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    call_id: &'a str,
    call_state: Option<&'a str>,
    state: Option<&'a str>,
}

fn parse(params: &str) -> Event<'_> {
    serde_json::from_str(params).expect("an event")
}

fn flood(bench: &Bench, scheme: Scheme) {
    let client = bench.builder(scheme).connect().expect("a client");
    client.execute("bench.calls", json!({"count": 1})).expect("a call");
    let call = client.next_call(None).expect("a call");
    let seen = Arc::new(AtomicUsize::new(0));
    let its_seen = Arc::clone(&seen);
    call.on("calling.call.play", move |_| {
        its_seen.fetch_add(1, Ordering::Relaxed);
    });
    let mut lean = Floor::connect(bench, scheme);
    let heard = Arc::new(AtomicUsize::new(0));
    let its_heard = Arc::clone(&heard);
    let listener = move |params: &str| {
        let event = parse(params);
        assert!(event.event_type == "calling.call.play" && event.params.state == Some("playing"), "the flood");
        its_heard.fetch_add(1, Ordering::Relaxed);
    };
    let tls = (scheme == Scheme::Wss).then(|| connector(bench));
    let crowd = Crowd::connect_with(bench, scheme, tls.as_ref(), Box::new(listener));
    let caller = crowd.caller();
    let (rounds, count) = (bench.amount(3, ROUNDS), bench.amount(20_000, 50_000));
    let dropped = || usize::try_from(client.stats().listener_events_dropped).unwrap_or(usize::MAX);
    let (mut all, mut all_mt) = (0, 0);
    let rows = bench.rounds(
        rounds,
        &mut [
            ("floor-lean", Box::new(|| lean_flood(&mut lean, count))),
            (
                "floor-mt",
                Box::new(|| {
                    caller.ask("bench.flood", &json!({"count": count, "call_id": "bare"}).to_string());
                    all_mt += count;
                    assert_eq!(heard.load(Ordering::Relaxed), all_mt);
                    Sample { count, latencies: Vec::new() }
                }),
            ),
            (
                "client",
                Box::new(|| {
                    client.execute("bench.flood", json!({"count": count, "call_id": call.id()})).expect("a flood");
                    all += count;
                    while seen.load(Ordering::Relaxed) + dropped() < all {
                        thread::yield_now();
                    }
                    Sample { count, latencies: Vec::new() }
                }),
            ),
        ],
    );
    let [lean, mt, us]: [Row; 3] = rows.try_into().unwrap_or_else(|_| panic!("three contenders"));
    let work = format!("flood of events to one listener, {}", scheme.name());
    paired(&format!("{work}, by mt"), "per s", [&us, &mt], |all| &all.rates, Aim::AtLeast(1.0));
    paired(&format!("{work}, by lean"), "per s", [&us, &lean], |all| &all.rates, Aim::AtLeast(0.6));
    line(&format!("{work}, by mt"), "CPU s per 100k", us.cpu, mt.cpu, Aim::AtMost(1.25));
    line(&work, "CPU s per 100k", us.cpu, None, Aim::AtMost(0.2));
}

fn lean_flood(floor: &mut Floor, count: usize) -> Sample {
    const FLUSH: usize = 64;
    let asked = floor.request("bench.flood", &json!({"count": count, "call_id": "bare"}).to_string());
    floor.flush();
    let mut taken = 0;
    loop {
        let text = floor.read();
        let frame = Frame::parse(&text);
        let (Some("signalwire.event"), Some(params)) = (frame.method, frame.params) else {
            assert!(frame.id == asked && frame.result.is_some(), "the reply, after all events");
            return Sample { count, latencies: Vec::new() };
        };
        let event = parse(params.get());
        assert!(event.params.call_id == "bare" && event.params.state == Some("playing"), "an event of the flood");
        floor.write(format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#, frame.id));
        taken += 1;
        if taken % FLUSH == 0 || taken == count {
            floor.flush();
        }
    }
}

/// The events that the callers of the floor wait for on their calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    Played,
    Ended,
}

type Waiting = Arc<Mutex<HashMap<String, Sender<News>>>>;

fn calls(bench: &Bench, scheme: Scheme) {
    let client = bench.builder(scheme).connect().expect("a client");
    let (done, ended) = unbounded();
    client.on_call(move |call| {
        call.answer()?;
        call.play(tts("Welcome!"))?.wait(LONG)?;
        call.hangup()?;
        call.wait_for_ended(LONG)?;
        Ok(done.send(())?)
    });
    let (offer, offers) = unbounded::<String>();
    let no_more = offer.clone();
    let waiting = Waiting::default();
    let of_reader = Arc::clone(&waiting);
    let on_event = move |params: &str| {
        let Event { event_type, params: Payload { call_id, call_state, state } } = parse(params);
        let news = match (event_type, call_state, state) {
            ("calling.call.receive", ..) => return offer.send(call_id.to_owned()).expect("a caller"),
            ("calling.call.play", _, Some("finished")) => News::Played,
            ("calling.call.state", Some("ended"), _) => News::Ended,
            _ => return,
        };
        if let Some(waits) = of_reader.lock().unwrap_or_else(PoisonError::into_inner).get(call_id) {
            waits.send(news).expect("a caller");
        }
    };
    let tls = (scheme == Scheme::Wss).then(|| connector(bench));
    let crowd = Crowd::connect_with(bench, scheme, tls.as_ref(), Box::new(on_event));
    let (over, all_over) = unbounded();
    let (rounds, batches) = (bench.amount(3, ROUNDS), 2);
    let count = batches * AT_ONCE;
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let caller = crowd.caller();
                // The end of the offers is an empty one.
                while let Some(call_id) = offers.recv().ok().filter(|call_id| !call_id.is_empty()) {
                    serve(&caller, &call_id, &waiting);
                    over.send(()).expect("the benchmark");
                }
            });
        }
        let starter = crowd.caller();
        let [mt, us] = two(bench.rounds(
            rounds,
            &mut [
                (
                    "floor-mt",
                    Box::new(|| {
                        for _ in 0..batches {
                            starter.ask("bench.calls", &json!({"count": AT_ONCE}).to_string());
                            all_of(&all_over);
                        }
                        Sample { count, latencies: Vec::new() }
                    }),
                ),
                (
                    "client",
                    Box::new(|| {
                        for _ in 0..batches {
                            client.execute("bench.calls", json!({"count": AT_ONCE})).expect("calls");
                            all_of(&ended);
                        }
                        Sample { count, latencies: Vec::new() }
                    }),
                ),
            ],
        ));
        let work = format!("{AT_ONCE} calls at once, {}", scheme.name());
        paired(&work, "calls per s", [&us, &mt], |all| &all.rates, Aim::AtLeast(1.8));
        line(&work, "CPU s per 100k", us.cpu, mt.cpu, Aim::AtMost(0.6));
        (0..AT_ONCE).for_each(|_| no_more.send(String::new()).expect("a caller"));
    });
}

fn all_of(done: &Receiver<()>) {
    for _ in 0..AT_ONCE {
        done.recv_timeout(LONG).expect("a call that ended well");
    }
}

/// One call of the floor: answered, played to, hung up.
fn serve(caller: &Caller<'_>, call_id: &str, waiting: &Waiting) {
    let (to, news) = bounded(2);
    waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(call_id.to_owned(), to);
    let address = format!(r#""node_id":"node-1","call_id":"{call_id}""#);
    caller.ask("calling.answer", &format!("{{{address}}}"));
    let play = r#""control_id":"control-1","play":[{"type":"tts","params":{"text":"Welcome!"}}]"#;
    caller.ask("calling.play", &format!("{{{address},{play}}}"));
    assert!(news.recv_timeout(LONG) == Ok(News::Played), "the end of the playback");
    caller.ask("calling.end", &format!(r#"{{{address},"reason":"hangup"}}"#));
    assert!(news.recv_timeout(LONG) == Ok(News::Ended), "the end of the call");
    waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(call_id);
}

fn connecting(bench: &Bench, scheme: Scheme) {
    let tls: Option<TlsConnector> = (scheme == Scheme::Wss).then(|| connector(bench));
    let (rounds, count) = (bench.amount(3, ROUNDS), bench.amount(10, 15));
    let connected = |connect: &mut dyn FnMut() -> Instant| {
        let latencies = (0..count)
            .map(|_| {
                let (began, ready) = (Instant::now(), connect());
                u64::try_from((ready - began).as_nanos()).unwrap_or(u64::MAX)
            })
            .collect();
        Sample { count, latencies }
    };
    let (mut ours, mut floors) = (0.0, 0.0);
    let [mt, us] = two(bench.rounds(
        rounds,
        &mut [
            (
                "floor-mt",
                Box::new(|| {
                    let before = cpu_seconds().unwrap_or_default();
                    let sample = connected(&mut || {
                        let crowd = Crowd::connect_with(bench, scheme, tls.as_ref(), Box::new(|_| ()));
                        let ready = Instant::now();
                        drop(crowd);
                        ready
                    });
                    floors += cpu_seconds().unwrap_or_default() - before;
                    sample
                }),
            ),
            (
                "client",
                Box::new(|| {
                    let before = cpu_seconds().unwrap_or_default();
                    let sample = connected(&mut || {
                        let client = bench.builder(scheme).connect().expect("a client");
                        let ready = Instant::now();
                        client.disconnect();
                        ready
                    });
                    ours += cpu_seconds().unwrap_or_default() - before;
                    sample
                }),
            ),
        ],
    ));
    let work = format!("connect, {}", scheme.name());
    paired(&work, "p50 us", [&us, &mt], |all| &all.p50, Aim::AtMost(1.3));
    paired(&work, "p10 us", [&us, &mt], |all| &all.p10, Aim::AtMost(1.3));
    if scheme == Scheme::Wss {
        // The sums over all rounds, as the system counts in ticks of 10 ms.
        let all = (count * (rounds + 1)) as f64;
        let millis = |seconds: f64| (seconds > 0.0).then_some(seconds * 1e3 / all);
        line("connect again, wss", "CPU ms", millis(ours), None, Aim::AtMost(3.0));
        line("connect again, wss, the floor", "CPU ms", millis(floors), None, Aim::AtMost(3.0));
    }
}

/// Starts processes that connect, say so, and end.
fn starting(bench: &Bench, scheme: Scheme) {
    let count = bench.amount(10, 40);
    let start = |who: &str, scheme: Scheme| {
        let mut command = Command::new(env::current_exe().expect("the path of this program"));
        command.args(["--connect", who, &bench.port(scheme).to_string()]).stdout(Stdio::piped());
        if scheme == Scheme::Wss {
            command.arg(bench.ca_file());
        }
        let began = Instant::now();
        let mut child = command.spawn().expect("a process");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
        let took = began.elapsed();
        assert!(said == "ready\n" && child.wait().is_ok_and(|status| status.success()), "{who}");
        took.as_secs_f64() * 1e3
    };
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..count {
        floors.push(start("floor", scheme));
        ours.push(start("client", scheme));
    }
    let (us, floor) = (median(&ours), median(&floors));
    if scheme == Scheme::Ws {
        let least = |times: &[f64]| times.iter().copied().min_by(f64::total_cmp);
        line("process start to ready, ws, the fastest", "ms", least(&ours), least(&floors), Aim::AtMost(1.4));
        line("process start to ready, ws", "ms", us, floor, Aim::AtMost(1.4));
        line("process start to ready, ws", "ms", us, None, Aim::AtMost(2.0));
    } else {
        let cpu = |who: &str, scheme: Scheme| {
            let before = cpu_seconds_of_children()?;
            for _ in 0..count {
                start(who, scheme);
            }
            Some((cpu_seconds_of_children()? - before) * 1e3 / count as f64)
        };
        // The other memory of a process is not TLS.
        let of = |who: &str| cpu(who, Scheme::Wss).zip(cpu(who, Scheme::Ws)).map(|(with, without)| with - without);
        let (first, floor, rustls) = (of("client"), of("floor"), of("client-rustls"));
        line("connect for the first time in a process, wss", "CPU ms", first, None, Aim::AtMost(25.0));
        line("connect for the first time, wss, rustls", "CPU ms", rustls, None, Aim::AtMost(25.0));
        // Both set up a connector of the native-tls crate, which reads the system's roots twice.
        line("connect for the first time, wss, the floor", "CPU ms", floor, None, Aim::AtMost(25.0));
    }
}

/// Connects once in a process of its own.
fn connect_once(who: &str, port: &str, ca_file: Option<&Path>) {
    let port = port.parse().expect("a port");
    let backend = match who {
        "client" => Some(TlsBackend::NativeTls),
        "client-rustls" => Some(TlsBackend::Rustls),
        _ => None,
    };
    if let Some(backend) = backend {
        let client = builder_for(port, ca_file).tls_backend(backend).connect().expect("a client");
        println!("ready");
        client.disconnect();
    } else {
        let floor = Floor::connect_at(port, ca_file);
        println!("ready");
        drop(floor);
    }
}
