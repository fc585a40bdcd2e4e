//! Connections through proxies, and the errors for proxies that refuse. The proxy is a small one of the test;
//! `tests/proxy/run` does the same with tinyproxy, squid and dante.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;
use signalwire_relay::errors::Phase;
use signalwire_relay::{Builder, Client, Error, ErrorKind};

use crate::support::{LONG, Peer, child_role, drain, millis, next_state, online, report, reports_of_child, watched};
use crate::tls::{Authority, Pem, Server, each_backend, named};

const USER: &str = "canary-user";
const PASSWORD: &str = "canary p@ss/word";
/// The login as it stands in a URL.
const LOGIN: &str = "canary-user:canary%20p%40ss%2Fword";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Http,
    Socks5,
}

/// A proxy that resolves every name to this machine, and records its requests.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn new(kind: Kind, wants_login: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&asked);
        // Ends with the process: a thread that only accepts.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let notes = Arc::clone(&notes);
                thread::spawn(move || {
                    let opened = match kind {
                        Kind::Http => http(&client, wants_login, &notes),
                        Kind::Socks5 => socks5(&client, wants_login, &notes),
                    };
                    if let Some(service) = opened {
                        relay(&client, &service);
                    }
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self, kind: Kind, login: &str) -> String {
        let scheme = if kind == Kind::Http { "http" } else { "socks5" };
        let at = if login.is_empty() { "" } else { "@" };
        format!("{scheme}://{login}{at}127.0.0.1:{}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn http(mut client: &TcpStream, wants_login: bool, notes: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    assert!(head.contains(&format!("\r\nHost: {target}\r\n")), "{head}");
    // The user and password of above.
    let login = "\r\nProxy-Authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5IHBAc3Mvd29yZA==\r\n";
    if wants_login != head.contains("Proxy-Authorization") || wants_login && !head.contains(login) {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n").unwrap();
        return None;
    }
    let port = target.rsplit(':').next().unwrap().parse().unwrap();
    notes.lock().unwrap().push(target);
    match TcpStream::connect(("127.0.0.1", port)) {
        Ok(service) => {
            client
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: here\r\n\r\n")
                .unwrap();
            Some(service)
        }
        Err(_) => {
            client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").unwrap();
            None
        }
    }
}

fn socks5(mut client: &TcpStream, wants_login: bool, notes: &Mutex<Vec<String>>) -> Option<TcpStream> {
    fn read(mut client: &TcpStream, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
    let head = read(client, 2)?;
    assert_eq!(head[0], 5);
    let methods = read(client, head[1].into())?;
    let method = if wants_login { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(&[5, 0xff]).unwrap();
        return None;
    }
    client.write_all(&[5, method]).unwrap();
    if wants_login {
        let mut parts = Vec::new();
        assert_eq!(read(client, 1)?, [1]);
        for _ in 0..2 {
            let length = read(client, 1)?[0];
            parts.push(String::from_utf8(read(client, length.into())?).unwrap());
        }
        let right = parts == [USER, PASSWORD];
        client.write_all(&[1, u8::from(!right)]).unwrap();
        if !right {
            return None;
        }
    }
    let request = read(client, 4)?;
    assert_eq!(request[..3], [5, 1, 0]);
    let host = match request[3] {
        1 => read(client, 4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let length = read(client, 1)?[0];
            String::from_utf8(read(client, length.into())?).unwrap()
        }
        other => panic!("an address of kind {other}"),
    };
    let port = read(client, 2)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    notes.lock().unwrap().push(format!("{host}:{port}"));
    match TcpStream::connect(("127.0.0.1", port)) {
        Ok(service) => {
            // By its name: each form of an address is skipped.
            client.write_all(b"\x05\x00\x00\x03\x04here\x12\x34").unwrap();
            Some(service)
        }
        Err(_) => {
            client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            None
        }
    }
}

/// Carries bytes both ways until both sides are done.
fn relay(client: &TcpStream, service: &TcpStream) {
    fn carry(mut from: &TcpStream, mut to: &TcpStream) {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if to.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
    thread::scope(|scope| {
        scope.spawn(|| carry(client, service));
        carry(service, client);
    });
}

/// A client of a host that only the proxy can look up.
fn far(port: u16) -> Builder {
    Client::builder()
        .host(format!("service.invalid:{port}"))
        .project("canary-project")
        .token("canary-token")
        .connect_timeout(LONG)
        .tuning(|t| t.reconnect_delay(millis(5), millis(20)))
}

fn plain(peer: &Peer) -> Builder {
    let port = peer.host().rsplit(':').next().unwrap().parse().unwrap();
    far(port).tls(false).allow_plaintext()
}

/// Fails if a printed text contains a part of a login.
fn hides(text: &str) {
    let shown = ["canary", "Y2FuYXJ5", "p@ss", "p%40ss"].into_iter().find(|part| text.contains(part));
    assert_eq!(shown, None, "{text}");
}

fn refused(builder: Builder) -> Error {
    hides(&format!("{builder:?}"));
    let error = builder.connect().map(|_| ()).unwrap_err();
    hides(&format!("{error} {error:?}"));
    error
}

#[test]
fn a_client_works_through_a_proxy_and_reconnects_through_it() {
    for (kind, login) in [(Kind::Http, ""), (Kind::Http, LOGIN), (Kind::Socks5, ""), (Kind::Socks5, LOGIN)] {
        watched(move || {
            let (peer, proxy) = (Peer::new(), Proxy::new(kind, !login.is_empty()));
            let builder = plain(&peer).proxy(proxy.url(kind, login));
            hides(&format!("{builder:?}").replace("canary-project", ""));
            let connecting = thread::spawn(move || builder.connect().unwrap());
            let (first, _) = peer.welcome("p1");
            let client = connecting.join().unwrap();
            let mut states = client.states();
            online(&mut states);
            drop(first);
            next_state(&mut states, "Reconnecting", |state| !state.is_online());
            let (mut second, connect) = peer.welcome("p1");
            assert_eq!(connect["protocol"], "p1");
            online(&mut states);
            let asking = client.clone();
            let asking = thread::spawn(move || asking.execute("test.echo", json!({})).map(|_| ()));
            let request = second.request("test.echo");
            second.reply(&request, json!({"code": "200", "message": "OK"}));
            asking.join().unwrap().unwrap();
            let port = peer.host().rsplit(':').next().unwrap().to_owned();
            assert_eq!(proxy.asked(), vec![format!("service.invalid:{port}"); 2]);
            client.disconnect();
        });
    }
}

#[test]
fn tls_goes_through_a_proxy_to_the_certificate_of_the_service() {
    each_backend(|backend| {
        let authority = Authority::new();
        let ca = Pem::of(&authority);
        for (kind, name, phase) in [
            (Kind::Http, "service.invalid", Phase::Upgrade),
            (Kind::Socks5, "service.invalid", Phase::Upgrade),
            (Kind::Http, "127.0.0.1", Phase::Tls),
        ] {
            let (server, proxy) = (Server::new(), Proxy::new(kind, false));
            let builder = far(server.port()).tls_backend(backend).ca_file(&ca.0).proxy(proxy.url(kind, ""));
            let heard = server.hears(Some(authority.issues(named(&[name])).acceptor()), b"");
            let error = refused(builder);
            let heard = heard.join().unwrap();
            assert_eq!(error.phase(), Some(phase), "{error}");
            match phase {
                Phase::Tls => heard.is_nothing("the certificate of another host"),
                _ => assert!(heard.plain.starts_with(b"GET / HTTP/1.1\r\nHost: service.invalid:"), "{error}"),
            }
        }
    });
}

#[test]
fn credentials_that_a_proxy_misses_or_does_not_accept_are_distinguished() {
    watched(|| {
        for kind in [Kind::Http, Kind::Socks5] {
            let proxy = Proxy::new(kind, true);
            for (login, told) in [("", "asks for credentials"), ("canary-user:canary-wrong", "does not accept")] {
                let error = refused(far(1).proxy(proxy.url(kind, login)));
                assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Proxy)), "{error}");
                assert!(error.to_string().contains(told), "{error}");
                let at = format!("through the proxy 127.0.0.1:{}", proxy.port);
                assert!(error.to_string().contains(&at) && !error.is_timeout(), "{error}");
            }
            assert!(proxy.asked().is_empty());
            let error = refused(far(1).proxy(proxy.url(kind, LOGIN)));
            let told = if kind == Kind::Http { "HTTP 502 Bad Gateway" } else { "the host refused the connection" };
            assert!(error.to_string().contains(told), "{error}");
        }
    });
}

/// Accepts one client, reads its first bytes, sends `say` and, if set, closes; returns all bytes of the client.
fn says(answer: &'static [u8], hangs_up: bool) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        let mut said = vec![0; 3];
        client.read_exact(&mut said).unwrap();
        let _ = client.write_all(answer);
        if hangs_up {
            let _ = client.shutdown(Shutdown::Write);
        }
        said.extend(drain(client));
        said
    });
    (port, said)
}

#[test]
fn every_other_response_of_a_proxy_is_distinguished() {
    const PAGE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 20\r\n\r\n<html>log in</html>";
    let cases: [(Kind, &'static [u8], &str); 20] = [
        (Kind::Http, b"HTTP/1.0 401 Unauthorized\r\n\r\n", "does not accept"),
        (Kind::Http, b"HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403 Forbidden"),
        (Kind::Http, b"HTTP/1.1 503 canary-user:\x1b[31m is\tcut off\r\n\r\n", "HTTP 503 <secret>:\\u001b[31m is"),
        (Kind::Http, b"HTTP/1.0 302 Found\r\nLocation: http://login.example/\r\n\r\n", "HTTP 302 Found"),
        (Kind::Http, PAGE, "an HTML page instead of connecting"),
        (Kind::Http, b"<html><body>canary", "a page of HTML and not in HTTP"),
        (Kind::Http, b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer in HTTP"),
        (Kind::Http, b"\x05\xff", "in SOCKS5"),
        (Kind::Http, b"\x15\x03\x01\x00\x02\x02\x16", "in TLS"),
        (Kind::Http, b"HTTP/1.1 fine\r\n\r\n", "no status"),
        (Kind::Http, b"HTTP/1.1 200 OK\r\nX: ", "closed the connection"),
        (Kind::Http, b"", "closed the connection"),
        (Kind::Socks5, b"\x05\xff", "neither no login nor"),
        (Kind::Socks5, b"\x05\x02\x01\x01", "does not accept"),
        (Kind::Socks5, b"\x05\x00\x05\x02\x00\x01", "rules do not allow"),
        (Kind::Socks5, b"\x05\x00\x05\x04\x00\x01", "cannot be reached"),
        (Kind::Socks5, b"\x05\x00\x05\x63\x00\x01", "code 99"),
        (Kind::Socks5, b"HTTP/1.1 400 Bad Request\r\n\r\n", "in HTTP and not in SOCKS5"),
        (Kind::Socks5, b"\x04\x5b\x00\x00\x00\x00\x00\x00", "does not speak SOCKS5"),
        (Kind::Socks5, b"\x05", "closed the connection"),
    ];
    watched(move || {
        for (kind, answer, told) in cases {
            let (port, said) = says(answer, true);
            let scheme = if kind == Kind::Http { "http" } else { "socks5" };
            let error = refused(far(443).proxy(format!("{scheme}://{LOGIN}@127.0.0.1:{port}")));
            let what = String::from_utf8_lossy(answer);
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Proxy)), "{what}: {error}");
            assert!(!error.is_timeout() && error.is_retryable(), "{what}: {error}");
            assert!(error.to_string().contains(told), "{what}: {error}");
            let said = said.join().unwrap();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("canary-token") && !said.contains("GET "), "{what}: {said}");
        }
    });
}

#[test]
fn a_proxy_that_says_nothing_or_drips_costs_no_more_than_the_deadline() {
    watched(|| {
        let silent = [
            (Kind::Http, &b""[..]),
            (Kind::Http, b"HTTP/1.1 200 OK\r\n"),
            (Kind::Http, b"HTTP/1.1 100 Continue\r\n\r\n"),
            (Kind::Socks5, b""),
            (Kind::Socks5, b"\x05\x00\x05\x00\x00\x03\xff"),
        ];
        let waits_for = |(kind, answer): (Kind, &'static [u8])| {
            let (port, said) = says(answer, false);
            let scheme = if kind == Kind::Http { "http" } else { "socks5" };
            let error =
                refused(far(443).proxy(format!("{scheme}://127.0.0.1:{port}")).connect_timeout(Duration::from_secs(2)));
            assert_eq!(error.phase(), Some(Phase::Proxy), "{error}");
            assert!(error.is_timeout(), "{error}");
            said.join().unwrap();
        };
        thread::scope(|scope| {
            for one in silent {
                scope.spawn(move || waits_for(one));
            }
        });
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 20 << 10]].concat();
        let (port, said) = says(endless.leak(), false);
        let error = refused(far(443).proxy(format!("127.0.0.1:{port}")));
        assert!(error.to_string().contains("too large") && error.phase() == Some(Phase::Proxy), "{error}");
        said.join().unwrap();
    });
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_with_the_phase() {
    watched(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = refused(far(443).proxy(format!("http://127.0.0.1:{port}")));
        assert_eq!(error.phase(), Some(Phase::Tcp), "{error}");
        assert!(error.to_string().contains(&format!("through the proxy 127.0.0.1:{port}")), "{error}");
        let error = refused(far(443).proxy("socks5://proxy.invalid:1080").connect_timeout(millis(500)));
        assert_eq!(error.phase(), Some(Phase::Lookup), "{error}");
        assert!(error.to_string().contains("through the proxy proxy.invalid:1080"), "{error}");
    });
}

#[test]
fn a_proxy_that_cannot_be_meant_is_refused_by_its_setting() {
    watched(|| {
        for url in ["ftp://canary@proxy.example", "https://proxy.example", "http://canary:pass@:80", "socks5://"] {
            let error = refused(far(443).proxy(url));
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(error.to_string().contains("Builder::proxy"), "{error}");
        }
        // The bytes would leave this machine behind the proxy, wherever that is.
        let (peer, proxy) = (Peer::new(), Proxy::new(Kind::Http, false));
        let error = refused(peer.builder().proxy(proxy.url(Kind::Http, "")));
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("allow_plaintext"), "{error}");
        assert!(proxy.asked().is_empty());
    });
}

#[test]
fn the_environment_s_proxy_is_used_unless_the_program_or_no_proxy_says_otherwise() {
    const TEST: &str = "proxies::the_environment_s_proxy_is_used_unless_the_program_or_no_proxy_says_otherwise";
    if let Some(role) = child_role() {
        let builder = far(1).connect_timeout(Duration::from_secs(5));
        let builder = match &*role {
            "environment" => builder,
            "none" => builder.no_proxy(),
            url => builder.proxy(url),
        };
        return report(refused(builder));
    }
    let [of_environment, of_program] = [(); 2].map(|()| Proxy::new(Kind::Http, false));
    let (url, other) = (of_environment.url(Kind::Http, ""), of_program.url(Kind::Http, ""));
    let asked = |role: &str, environment: &[(&str, &str)]| {
        let before = [of_environment.asked().len(), of_program.asked().len()];
        let told = reports_of_child(TEST, role, environment).concat();
        let now = [of_environment.asked().len(), of_program.asked().len()];
        ([now[0] - before[0], now[1] - before[1]], told)
    };
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        let (counts, told) = asked("environment", &[(name, &url)]);
        assert_eq!(counts, [1, 0], "{name}: {told}");
        assert!(told.contains("HTTP 502"), "{told}");
    }
    for (role, no_proxy, expected) in [
        ("none", "", [0, 0]),
        ("environment", "invalid, example.com", [0, 0]),
        ("environment", "example.com", [1, 0]),
        (&*other, "", [0, 1]),
        (&*other, "*", [0, 1]),
    ] {
        let (counts, told) = asked(role, &[("HTTPS_PROXY", &url), ("NO_PROXY", no_proxy)]);
        assert_eq!(counts, expected, "{role} {no_proxy}: {told}");
    }
    let (counts, told) = asked("environment", &[("HTTPS_PROXY", "ftp://canary@proxy.example")]);
    assert_eq!(counts, [0, 0]);
    assert!(told.contains("HTTPS_PROXY") && !told.contains("canary"), "{told}");
}
