//! Tests of connections: handshakes, TLS, proxies, frames.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::{Message, WebSocket};

pub(crate) use super::writer::tests::beside;
use super::*;
use crate::clock::{Clock, Deadline};
use crate::error::Phase;
use crate::secret::Secrets;
use crate::{Error, ErrorKind};

/// A limit that no step here reaches, so that a test that hangs fails.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
pub(super) const MAX_FRAME: usize = 10 << 20;

pub(super) fn within(span: Duration) -> Deadline {
    Clock::real().after(span)
}

/// Serves one connection.
fn serve<T: Send + 'static>(peer: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    serve_on(TcpListener::bind("127.0.0.1:0").expect("a port"), peer)
}

fn serve_on<T: Send + 'static>(
    listener: TcpListener,
    peer: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let address = listener.local_addr().expect("an address");
    (address, thread::spawn(move || peer(listener.accept().expect("a connection").0)))
}

fn connector(host: &str, scheme: Scheme) -> Connector {
    let endpoint = Endpoint::parse(("host", host), scheme, "/", false).expect("a host");
    Connector::new(endpoint, &TlsSettings::default(), None, MAX_FRAME, Clock::real()).expect("a connector")
}

fn attempt(connector: &Connector, span: Duration) -> crate::Result<Connection> {
    connector.connect(within(span), &Cutoff::new(Clock::real()), &Secrets::default())
}

fn refused(result: crate::Result<Connection>) -> Error {
    match result {
        Ok(_) => panic!("it connected"),
        Err(refused) => refused,
    }
}

/// A connection, and the peer's end of it.
pub(crate) fn pair() -> (Connection, WebSocket<TcpStream>) {
    let (address, peer) = serve(|socket| tungstenite::accept(socket).expect("an upgrade"));
    let connection = attempt(&connector(&address.to_string(), Scheme::Ws), LONG).expect("a connection");
    (connection, peer.join().expect("the peer"))
}

pub(crate) fn next(reader: &mut ReadHalf) -> Result<Frame<'_>, LinkEnd> {
    reader.set_deadline(within(LONG));
    reader.next(&mut || ())
}

fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if socket.read(&mut byte).unwrap_or(0) == 0 {
            break;
        }
        request.push(byte[0]);
    }
    String::from_utf8(request).expect("a request in ASCII")
}

fn accept_by_hand(socket: &mut TcpStream, tail: &[u8]) {
    let request = read_request(socket);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = derive_accept_key(key.trim().as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(tail);
    socket.write_all(&answer).expect("the answer is written");
}

#[test]
fn text_goes_there_and_back() {
    let (mut link, mut peer) = pair();
    link.writer.write_now([Out::Text("ping pong".into())], within(LONG)).expect("written");
    let heard = peer.read().expect("a frame");
    assert_eq!(heard, Message::text("ping pong"));
    peer.send(heard).expect("sent");
    let before = link.reader.pulse().last();
    assert!(matches!(next(&mut link.reader), Ok(Frame::Text(text)) if text == "ping pong"));
    assert!(link.reader.pulse().last() > before);
}

#[test]
fn frames_right_behind_the_upgrade_are_not_lost() {
    let (address, peer) = serve(|mut socket| {
        accept_by_hand(&mut socket, b"\x81\x02hi\x89\x01!\x82\x03abc\x8a\x00\x88\x05\x03\xe9bye");
        socket
    });
    let mut link = attempt(&connector(&address.to_string(), Scheme::Ws), LONG).expect("a connection");
    assert!(matches!(next(&mut link.reader), Ok(Frame::Text(text)) if text == "hi"));
    assert!(matches!(next(&mut link.reader), Ok(Frame::Ping(bytes)) if bytes == b"!"));
    assert!(matches!(next(&mut link.reader), Ok(Frame::Binary(3))));
    assert!(matches!(next(&mut link.reader), Ok(Frame::Pong)));
    assert!(matches!(next(&mut link.reader), Ok(Frame::Close(Some((1001, reason)))) if reason == "bye"));
    let mut socket = peer.join().expect("the peer");
    link.socket.shutdown();
    let mut answered = Vec::new();
    socket.read_to_end(&mut answered).expect("the end");
    assert_eq!(answered, b"", "the read half answers nothing by itself");
    assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let huge = [b"\x81\x7f".as_slice(), &(MAX_FRAME as u64 + 1).to_be_bytes()].concat();
    let endless = [b"\x81\x7f".as_slice(), &(1u64 << 63).to_be_bytes()].concat();
    type Expected = fn(&LinkEnd) -> bool;
    let cases: [(&[u8], Expected); 6] = [
        (b"\x81\x02\xff\xfe", |end| matches!(end, LinkEnd::Protocol(_))),
        (b"\xf1\x00", |end| matches!(end, LinkEnd::Protocol(_))),
        (b"\x81\x81\x01\x02\x03\x04a", |end| matches!(end, LinkEnd::Protocol(_))),
        (&huge, |end| *end == LinkEnd::TooLarge),
        (&endless, |end| *end == LinkEnd::TooLarge),
        (b"", |end| *end == LinkEnd::Closed),
    ];
    for (bytes, expected) in cases {
        let bytes = bytes.to_vec();
        let (address, peer) = serve(move |mut socket| accept_by_hand(&mut socket, &bytes));
        let mut link = attempt(&connector(&address.to_string(), Scheme::Ws), LONG).expect("a connection");
        peer.join().expect("the peer");
        let end = next(&mut link.reader).expect_err("the end of the link");
        assert!(expected(&end), "{end:?}");
    }
}

#[test]
fn a_read_that_timed_out_loses_nothing() {
    let (mut link, mut peer) = pair();
    peer.get_mut().write_all(b"\x81\x05he").expect("sent");
    link.reader.set_deadline(within(Duration::from_millis(50)));
    let mut asked = 0;
    assert_eq!(link.reader.next(&mut || asked += 1).err(), Some(LinkEnd::TimedOut));
    assert!(asked > 0);
    peer.get_mut().write_all(b"llo").expect("sent");
    link.reader.set_deadline(None);
    assert!(matches!(link.reader.next(&mut || ()), Ok(Frame::Text(text)) if text == "hello"));
}

#[test]
fn each_bad_response_to_the_upgrade_is_reported() {
    let body = format!("<b>no\tentry</b>\u{1b}[31m{}", "x".repeat(1000));
    let forbidden = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let endless = format!("HTTP/1.1 101 Switching Protocols\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let wrong_key = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: AAAA\r\n\r\n";
    for (answer, told) in [
        (forbidden.as_str(), "HTTP 403: <b>no entry</b> [31mxxx"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP 503"),
        ("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\n\r\n", "HTTP 301 to /elsewhere"),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "WebSocket upgrade failed"),
        (wrong_key, "Key mismatch"),
        (endless.as_str(), "too large"),
        ("", "closed"),
    ] {
        let answer = answer.to_owned();
        let (address, peer) = serve(move |mut socket| {
            read_request(&mut socket);
            // The client may close the connection before it has read everything.
            let _ = socket.write_all(answer.as_bytes());
        });
        let error = refused(attempt(&connector(&address.to_string(), Scheme::Ws), LONG));
        peer.join().expect("the peer");
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(error.to_string().len() < 400 && !error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[test]
fn a_silent_or_dripping_peer_costs_no_more_than_the_deadline() {
    let began = Clock::real().now();
    let (address, peer) = serve(|mut socket| {
        read_request(&mut socket);
        socket
    });
    let error = refused(attempt(&connector(&address.to_string(), Scheme::Ws), SHORT));
    assert_eq!((error.phase(), error.is_timeout()), (Some(Phase::Upgrade), true), "{error}");
    drop(peer.join());

    let (address, peer) = serve(|mut socket| {
        read_request(&mut socket);
        let (_hold, tick) = Clock::real().bounded::<()>(0);
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if socket.write_all(&[*byte]).is_err() {
                break;
            }
            let _ = Clock::real().recv(&tick, within(Duration::from_millis(20)));
        }
    });
    let error = refused(attempt(&connector(&address.to_string(), Scheme::Ws), SHORT));
    assert_eq!((error.phase(), error.is_timeout()), (Some(Phase::Upgrade), true), "{error}");
    peer.join().expect("the peer");
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn a_closed_port_is_reported_with_its_phase() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = refused(attempt(&connector(&address.to_string(), Scheme::Ws), LONG));
    assert_eq!((error.kind(), error.phase(), error.is_timeout()), (ErrorKind::Connect, Some(Phase::Tcp), false));
}

#[test]
fn plain_text_leaves_this_machine_only_when_allowed() {
    let error = refused(attempt(&connector("192.0.2.1:80", Scheme::Ws), LONG));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("allow_plaintext()"), "{error}");
    let mut elsewhere = connector("inside.example", Scheme::Ws);
    elsewhere.find_with(|_, port| Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]));
    assert_eq!(refused(attempt(&elsewhere, LONG)).kind(), ErrorKind::Config);
}

#[test]
fn the_next_address_is_tried_and_names_are_looked_up_each_time() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (first, one) = serve(|socket| tungstenite::accept(socket).is_ok());
    let (second, two) = serve(|socket| tungstenite::accept(socket).is_ok());
    let good = parking_lot::Mutex::new(vec![second, first]);
    let mut moving = connector("moving.example", Scheme::Ws);
    moving.find_with(move |_, _| Ok(vec![closed, good.lock().pop().expect("two lookups")]));
    assert!(attempt(&moving, LONG).is_ok());
    assert!(attempt(&moving, LONG).is_ok());
    assert!(one.join().expect("the first") && two.join().expect("the second"));

    let mut nowhere = connector("nowhere.example", Scheme::Ws);
    nowhere.find_with(|_, _| Err(std::io::Error::other("no such name")));
    let error = refused(attempt(&nowhere, LONG));
    assert_eq!(error.phase(), Some(Phase::Lookup));
    assert!(error.to_string().contains("no such name"));
}

/// An unresponsive address: its queue for new connections is full.
#[cfg(target_os = "linux")]
fn dead() -> (SocketAddr, impl Sized) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut queue = Vec::new();
    while let Ok(socket) = TcpStream::connect_timeout(&address, SHORT) {
        queue.push(socket);
        assert!(queue.len() < 10_000, "the system queues without end");
    }
    (address, (listener, queue))
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_costs_no_more_than_its_head_start() {
    /// Far more than the head starts take, and less than one address's share of the connect timeout.
    const LIMIT: Duration = Duration::from_secs(60);
    let (nobody, _queue) = dead();
    for (before, after) in [(1, 0), (1, 3), (5, 0)] {
        let (address, peer) = serve(|socket| tungstenite::accept(socket).is_ok());
        let mut found = vec![nobody; before];
        found.push(address);
        found.extend(vec![nobody; after]);
        let mut name = connector("several.example", Scheme::Ws);
        name.find_with(move |_, _| Ok(found.clone()));
        let began = Clock::real().now();
        assert!(attempt(&name, LIMIT * 20).is_ok());
        assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
        assert!(peer.join().expect("the peer"));
    }
    // With only such addresses, the deadline ends the attempt.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    for found in [vec![nobody], vec![nobody, nobody], vec![nobody, closed], vec![closed, nobody]] {
        let mut name = connector("nowhere.example", Scheme::Ws);
        name.find_with(move |_, _| Ok(found.clone()));
        let error = refused(attempt(&name, SHORT * 2));
        assert_eq!((error.phase(), error.is_timeout()), (Some(Phase::Tcp), true), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_cut_ends_a_race_of_addresses() {
    let (nobody, _queue) = dead();
    let cutoff = Arc::new(Cutoff::new(Clock::real()));
    let cutoff2 = Arc::clone(&cutoff);
    let (found, waits) = crossbeam_channel::bounded(1);
    let mut name = connector("nowhere.example", Scheme::Ws);
    name.find_with(move |_, _| {
        found.send(()).expect("the test listens");
        Ok(vec![nobody, nobody])
    });
    let waiting = thread::spawn(move || name.connect(within(LONG), &cutoff2, &Secrets::default()).err());
    waits.recv().expect("a lookup");
    cutoff.cut();
    assert_eq!(waiting.join().expect("it returns").map(|e| e.kind()), Some(ErrorKind::Closed));
}

#[test]
fn a_refused_upgrade_says_how_long_to_wait() {
    for (header, told) in [("Retry-After: 17", Some(17)), ("Retry-After: soon", None), ("X: 1", None)] {
        let (address, peer) = serve(move |mut socket| {
            read_request(&mut socket);
            let _ = write!(socket, "HTTP/1.1 429 Too Many Requests\r\n{header}\r\n\r\n");
        });
        let error = refused(attempt(&connector(&address.to_string(), Scheme::Ws), LONG));
        peer.join().expect("the peer");
        assert_eq!(error.retry_after(), told.map(Duration::from_secs), "{error}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Connect, Some(429)));
    }
}

#[test]
fn a_stuck_lookup_is_given_up_joined_and_used_when_it_ends() {
    let (address, peer) = serve(|socket| tungstenite::accept(socket).is_ok());
    let (release, stuck) = crossbeam_channel::bounded::<()>(0);
    let (started, start) = crossbeam_channel::unbounded();
    let mut slow = connector("slow.example", Scheme::Ws);
    slow.find_with(move |_, _| {
        started.send(()).expect("the test listens");
        let _ = stuck.recv();
        Ok(vec![address])
    });
    let slow = Arc::new(slow);
    for _ in 0..3 {
        let error = refused(attempt(&slow, Duration::from_millis(50)));
        assert_eq!((error.phase(), error.is_timeout()), (Some(Phase::Lookup), true));
    }
    let cutoff = Arc::new(Cutoff::new(Clock::real()));
    let (slow2, cutoff2) = (Arc::clone(&slow), Arc::clone(&cutoff));
    let waiting = thread::spawn(move || slow2.connect(within(LONG), &cutoff2, &Secrets::default()).err());
    while !slow.is_anyone_waiting_beyond(3) {
        thread::yield_now();
    }
    cutoff.cut();
    assert_eq!(waiting.join().expect("it returns").map(|e| e.kind()), Some(ErrorKind::Closed));

    let slow2 = Arc::clone(&slow);
    let waiting = thread::spawn(move || attempt(&slow2, LONG).is_ok());
    while !slow.is_anyone_waiting_beyond(4) {
        thread::yield_now();
    }
    drop(release);
    assert!(waiting.join().expect("it returns"));
    assert_eq!(start.len(), 1, "one lookup served them all");
    assert!(peer.join().expect("the peer"));
}

#[test]
fn a_cut_ends_an_attempt_and_an_authentication_but_not_a_connection() {
    let (address, peer) = serve(|mut socket| {
        let request = read_request(&mut socket);
        (socket, request)
    });
    let cutoff = Arc::new(Cutoff::new(Clock::real()));
    let cutoff2 = Arc::clone(&cutoff);
    let waiting = thread::spawn(move || {
        connector(&address.to_string(), Scheme::Ws).connect(within(LONG), &cutoff2, &Secrets::default()).err()
    });
    let (_socket, request) = peer.join().expect("the peer");
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    let began = Clock::real().now();
    cutoff.cut();
    assert_eq!(waiting.join().expect("it returns").map(|e| e.kind()), Some(ErrorKind::Closed));
    assert!(began.elapsed() < LONG / 4 && cutoff.is_cut());

    for let_go in [false, true] {
        let (address, peer) = serve(|socket| tungstenite::accept(socket).expect("an upgrade"));
        let cutoff = Cutoff::new(Clock::real());
        let mut link = connector(&address.to_string(), Scheme::Ws)
            .connect(within(LONG), &cutoff, &Secrets::default())
            .expect("a connection");
        if let_go {
            cutoff.let_go();
        }
        cutoff.cut();
        let _ = peer.join().expect("the peer").send(Message::text("still here"));
        assert_eq!(next(&mut link.reader).is_ok(), let_go);
    }
}

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
#[test]
fn wss_without_tls_says_which_feature_is_missing() {
    let endpoint = Endpoint::parse(("host", "localhost"), Scheme::Wss, "/", false).expect("a host");
    let connector = Connector::new(endpoint, &TlsSettings::default(), None, MAX_FRAME, Clock::real());
    let error = connector.err().expect("no TLS here");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`native-tls`") && error.to_string().contains("`rustls`"), "{error}");
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
#[test]
fn a_library_that_is_not_compiled_in_is_refused_by_the_name_of_its_feature() {
    for (backend, feature, is_there) in [
        (TlsBackend::NativeTls, "`native-tls`", cfg!(feature = "native-tls")),
        (TlsBackend::Rustls, "`rustls`", cfg!(feature = "rustls")),
    ] {
        let endpoint = Endpoint::parse(("host", "localhost"), Scheme::Wss, "/", false).expect("a host");
        let settings = TlsSettings { backend: Some(backend), ..TlsSettings::default() };
        let connector = Connector::new(endpoint, &settings, None, MAX_FRAME, Clock::real());
        assert_eq!(connector.is_ok(), is_there, "{backend:?}");
        if let Err(error) = connector {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(feature), "{error}");
        }
    }
}

#[cfg(all(feature = "simulator", feature = "native-tls", feature = "rustls"))]
mod tls {
    use std::path::{Path, PathBuf};

    use native_tls::{Identity, TlsAcceptor};

    use super::*;

    const BACKENDS: [TlsBackend; 2] = [TlsBackend::NativeTls, TlsBackend::Rustls];

    /// A certificate authority, as a file that is removed with the test.
    struct Authority {
        certificate: rcgen::Certificate,
        key: rcgen::KeyPair,
        file: PathBuf,
    }

    impl Authority {
        fn new() -> Self {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            // Two authorities with the same name would be mistaken for each other.
            params.distinguished_name.push(rcgen::DnType::CommonName, uuid::Uuid::new_v4().to_string());
            let certificate = params.self_signed(&key).expect("a certificate");
            let file = scratch_file();
            std::fs::write(&file, certificate.pem()).expect("a file");
            Self { certificate, key, file }
        }

        fn acceptor(&self, name: &str) -> TlsAcceptor {
            let key = rcgen::KeyPair::generate().expect("a key");
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            let certificate = params.signed_by(&key, &self.certificate, &self.key).expect("a certificate");
            let identity =
                Identity::from_pkcs8(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("both");
            TlsAcceptor::new(identity).expect("an acceptor")
        }
    }

    impl Drop for Authority {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.file);
        }
    }

    fn scratch_file() -> PathBuf {
        std::env::temp_dir().join(format!("signalwire-relay-{}.pem", uuid::Uuid::new_v4()))
    }

    fn secure(backend: TlsBackend, host: &str, ca: Option<&Path>) -> crate::Result<Connector> {
        let endpoint = Endpoint::parse(("host", host), Scheme::Wss, "/", false).expect("a host");
        let roots =
            |path: &Path| Roots { setting: "SIGNALWIRE_RELAY_CA_FILE", path: path.to_owned(), is_directory: false };
        let roots = ca.into_iter().map(roots).collect();
        let settings = TlsSettings { backend: Some(backend), roots, ..TlsSettings::default() };
        Connector::new(endpoint, &settings, None, MAX_FRAME, Clock::real())
    }

    #[test]
    fn text_goes_there_and_back_encrypted() {
        let authority = Authority::new();
        for (backend, large) in BACKENDS.into_iter().flat_map(|backend| [(backend, 10), (backend, 300_000)]) {
            let acceptor = authority.acceptor("127.0.0.1");
            let (address, peer) = serve(move |socket| {
                let stream = acceptor.accept(socket).expect("TLS");
                let mut peer = tungstenite::accept(stream).expect("an upgrade");
                let mut count = 0;
                while let Ok(message) = peer.read() {
                    if message.is_text() {
                        peer.send(message).expect("sent");
                        count += 1;
                    }
                }
                count
            });
            let connector = secure(backend, &address.to_string(), Some(&authority.file)).expect("a connector");
            let mut link = attempt(&connector, LONG).expect("a connection");
            for index in 0..20 {
                let text = format!("{index}{}", "x".repeat(large));
                link.writer.write_now([Out::Text(text.clone())], within(LONG)).expect("written");
                assert!(matches!(next(&mut link.reader), Ok(Frame::Text(back)) if *back == text));
            }
            link.writer.write_now([Out::Close(1000)], within(LONG)).expect("written");
            assert!(matches!(next(&mut link.reader), Ok(Frame::Close(Some((1000, _))))));
            assert_eq!(peer.join().expect("the peer"), 20);
        }
    }

    #[test]
    fn large_frames_cross_and_the_goodbye_is_clean() {
        BACKENDS.into_iter().for_each(large_frames_cross);
    }

    fn large_frames_cross(backend: TlsBackend) {
        let authority = Authority::new();
        let acceptor = authority.acceptor("127.0.0.1");
        let (address, peer) = serve(move |socket| {
            let stream = acceptor.accept(socket).expect("TLS");
            let mut peer = tungstenite::accept(stream).expect("an upgrade");
            loop {
                match peer.read() {
                    Ok(message) => peer.send(message).expect("sent"),
                    Err(end) => return end,
                }
            }
        });
        let connector = secure(backend, &address.to_string(), Some(&authority.file)).expect("a connector");
        let mut link = attempt(&connector, LONG).expect("a connection");
        let writer = Writer::new(Clock::real(), WriterSettings::default());
        writer.prepare(1);
        writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
        beside(&writer, None, |_| {
            thread::scope(|scope| {
                for thread in 0..4 {
                    let writer = &writer;
                    scope.spawn(move || {
                        for index in 0..25 {
                            let text = "x".repeat(400_000);
                            writer.send(1, thread * 100 + index, text, 1, within(LONG)).expect("sent");
                        }
                    });
                }
                for _ in 0..100 {
                    link.reader.set_deadline(within(LONG));
                    let frame = link.reader.next(&mut || writer.pause(1));
                    assert!(matches!(frame, Ok(Frame::Text(text)) if text.len() == 400_000));
                }
            });
            assert!(writer.flush(1, within(LONG)));
            assert_eq!(writer.close(1).cause, None);
        });
        // The peer sees the close alert of TLS and no socket error.
        let end = peer.join().expect("the peer");
        let clean = tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        assert!(matches!(&end, tungstenite::Error::Protocol(why) if *why == clean), "{end}");
    }

    #[test]
    fn an_ipv6_address_is_checked_without_its_brackets() {
        BACKENDS.into_iter().for_each(an_ipv6_address_is_checked);
    }

    fn an_ipv6_address_is_checked(backend: TlsBackend) {
        // Some machines have no IPv6.
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let authority = Authority::new();
        let acceptor = authority.acceptor("::1");
        let (address, peer) = serve_on(listener, move |socket| {
            let mut stream = acceptor.accept(socket).expect("TLS");
            let mut start = vec![0; 16 << 10];
            let count = stream.read(&mut start).expect("a request");
            String::from_utf8_lossy(&start[..count]).into_owned()
        });
        let connector = secure(backend, &address.to_string(), Some(&authority.file)).expect("a connector");
        assert_eq!(refused(attempt(&connector, LONG)).phase(), Some(Phase::Upgrade));
        let request = peer.join().expect("the peer");
        assert!(request.contains(&format!("Host: [::1]:{}\r\n", address.port())), "{request}");
    }

    #[test]
    fn an_unknown_issuer_and_a_wrong_host_are_refused_before_the_upgrade() {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let both = scratch_file();
        let stacked = format!(
            "# first\r\n{}\r\nsecond\r\n{}",
            theirs.certificate.pem().replace('\n', "\r\n"),
            ours.certificate.pem()
        );
        std::fs::write(&both, stacked).expect("a file");
        let cases = [
            ("127.0.0.1", &theirs, Some(ours.file.as_path()), "not trusted here"),
            ("127.0.0.1", &ours, None, "not trusted here"),
            ("elsewhere.example", &ours, Some(&ours.file), "another host"),
            ("127.0.0.2", &ours, Some(&ours.file), "another host"),
            ("127.0.0.1", &ours, Some(&both), ""),
        ];
        for (backend, (name, issuer, ca, told)) in BACKENDS.into_iter().flat_map(|one| cases.map(|case| (one, case))) {
            let acceptor = issuer.acceptor(name);
            let (address, peer) = serve(move |socket| {
                let Ok(mut stream) = acceptor.accept(socket) else { return 0 };
                let mut first = [0; 16];
                stream.read(&mut first).unwrap_or(0)
            });
            let connector = secure(backend, &address.to_string(), ca).expect("a connector");
            let error = refused(attempt(&connector, LONG));
            let heard = peer.join().expect("the peer");
            if told.is_empty() {
                assert!(heard > 0, "the second of two roots is used too: {error}");
            } else {
                assert_eq!((error.phase(), heard), (Some(Phase::Tls), 0), "{error}");
                assert!(error.to_string().contains(told), "{error}");
            }
        }
        let _ = std::fs::remove_file(both);
    }

    #[test]
    fn a_ca_file_without_certificates_is_named() {
        let authority = Authority::new();
        let file = scratch_file();
        let cut_short = authority.certificate.pem().replace("-----END CERTIFICATE-----", "");
        let damaged = authority.certificate.pem().replacen('M', "!", 3);
        for content in [None, Some(""), Some("garbage"), Some(&cut_short), Some(&damaged)] {
            if let Some(content) = content {
                std::fs::write(&file, content).expect("a file");
            }
            for backend in BACKENDS {
                let error = secure(backend, "localhost", Some(&file)).err().expect("an error");
                assert_eq!(error.kind(), ErrorKind::Config, "{content:?}");
                let told = error.to_string();
                assert!(told.contains("SIGNALWIRE_RELAY_CA_FILE") && told.contains(&*file.to_string_lossy()), "{told}");
            }
        }
        let _ = std::fs::remove_file(file);
    }

    #[test]
    fn plain_text_garbage_drips_and_silence_on_the_tls_port_end_in_that_phase() {
        BACKENDS.into_iter().for_each(what_is_no_tls_ends_in_that_phase);
    }

    fn what_is_no_tls_ends_in_that_phase(backend: TlsBackend) {
        for (answer, timed_out) in [(Some("HTTP/1.1 400 Bad Request\r\n\r\n"), false), (Some(""), false), (None, true)]
        {
            let (address, peer) = serve(move |mut socket| match answer {
                Some(answer) => {
                    let mut hello = [0; 64];
                    let _ = socket.read(&mut hello);
                    let _ = socket.write_all(answer.as_bytes());
                    None
                }
                None => Some(socket),
            });
            let connector = secure(backend, &address.to_string(), None).expect("a connector");
            let error = refused(attempt(&connector, if timed_out { SHORT } else { LONG }));
            assert_eq!((error.phase(), error.is_timeout()), (Some(Phase::Tls), timed_out), "{error}");
            drop(peer.join());
        }
        let (address, peer) = serve(|mut socket| {
            let (_hold, tick) = Clock::real().bounded::<()>(0);
            // This is the beginning of a large TLS record.
            let drip = b"\x16\x03\x03\x40\x00".iter().chain(std::iter::repeat(&2));
            for byte in drip.take(200) {
                if socket.write_all(&[*byte]).is_err() {
                    break;
                }
                let _ = Clock::real().recv(&tick, within(Duration::from_millis(20)));
            }
        });
        let connector = secure(backend, &address.to_string(), None).expect("a connector");
        let began = Clock::real().now();
        let error = refused(attempt(&connector, SHORT));
        assert_eq!(error.phase(), Some(Phase::Tls), "{error}");
        assert!(began.elapsed() < LONG / 4);
        drop(peer.join());
    }
}
