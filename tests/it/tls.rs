//! The certificate is checked before the first secret byte is sent, and the error names its fault. Each test runs with
//! both TLS libraries, against a peer made with native-tls.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use native_tls::{Identity, Protocol, TlsAcceptor, TlsStream};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use serde_json::{Value, json};
use signalwire_relay::connection::TlsBackend;
use signalwire_relay::errors::Phase;
use signalwire_relay::{Builder, Client, Error, ErrorKind, LinkState};
use tungstenite::{Message, WebSocket};

use crate::support::{LONG, millis, next_state, online, watched};

pub const PROJECT: &str = "project-canary-4711";
pub const TOKEN: &str = "PT-canary-0815";

/// The libraries that are compiled in: both, unless a build says otherwise.
pub fn backends() -> Vec<TlsBackend> {
    let native = cfg!(feature = "native-tls").then_some(TlsBackend::NativeTls);
    [TlsBackend::Rustls].into_iter().chain(native).collect()
}

pub fn each_backend(test: fn(TlsBackend)) {
    for backend in backends() {
        watched(move || test(backend));
    }
}

/// Whether the words of the library are known: those of OpenSSL and rustls are, SChannel's depend on the system.
fn has_advice(backend: TlsBackend) -> bool {
    backend == TlsBackend::Rustls || cfg!(target_os = "linux")
}

/// A certificate authority.
pub struct Authority {
    pub certificate: Certificate,
    pub key: KeyPair,
}

/// The certificates of a server in PEM form, the leaf first, and the leaf's key.
pub struct Shown {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        Self::made(|params, key| params.self_signed(key).unwrap())
    }

    /// One that is itself signed by this one.
    pub fn sub(&self, is_ca: bool) -> Self {
        Self::made(|mut params, key| {
            if !is_ca {
                params.is_ca = IsCa::NoCa;
            }
            params.signed_by(key, &self.certificate, &self.key).unwrap()
        })
    }

    fn made(sign: impl FnOnce(CertificateParams, &KeyPair) -> Certificate) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name would be taken for each other.
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        Self { certificate: sign(params, &key), key }
    }

    pub fn issues(&self, params: CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Shown { chain: leaf.pem(), key: key.serialize_pem() }
    }
}

impl Shown {
    pub fn followed_by(mut self, authority: &Authority) -> Self {
        self.chain.push_str(&authority.certificate.pem());
        self
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::new(self.identity()).unwrap()
    }

    fn identity(&self) -> Identity {
        Identity::from_pkcs8(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

/// A certificate for this machine, valid now.
pub fn good() -> CertificateParams {
    named(&["127.0.0.1", "localhost"])
}

pub fn named(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn valid(from: i32, to: i32) -> CertificateParams {
    let mut params = good();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

/// A file that goes with the test.
pub struct Pem(pub PathBuf);

impl Pem {
    pub fn of(authority: &Authority) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("relay-tls-{}-{number}.pem", std::process::id()));
        std::fs::write(&path, authority.certificate.pem()).unwrap();
        Self(path)
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A socket that notes every byte that comes out of it, as it was on the wire.
#[derive(Debug)]
pub struct Tapped(TcpStream, Arc<Mutex<Vec<u8>>>);

impl Read for Tapped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.lock().unwrap().extend_from_slice(&into[..count]);
        Ok(count)
    }
}

impl Write for Tapped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The bytes that the client sent to a server that it should not trust.
pub struct Heard {
    /// The bytes on the wire.
    pub raw: Vec<u8>,
    /// Decrypted.
    pub plain: Vec<u8>,
}

impl Heard {
    /// A handshake and nothing else: not a byte of the credentials, or of the request that leads to them.
    pub fn is_nothing(&self, what: &str) {
        assert!(self.plain.is_empty(), "{what}: it heard {:?}", String::from_utf8_lossy(&self.plain));
        for secret in [PROJECT, TOKEN, "GET ", "Upgrade", "signalwire.connect"] {
            let found = self.raw.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{what}: {secret:?} is on the wire");
        }
        assert_eq!(self.raw.first(), Some(&0x16), "{what}: it does not begin with a handshake");
    }
}

pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub fn next(&self) -> Tapped {
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Tapped(socket, Arc::default())
    }

    /// Accepts one client, rejects its upgrade if it gets that far, and reads until its end; `say` is sent to it in
    /// plain text, instead of TLS.
    pub fn hears(self, acceptor: Option<TlsAcceptor>, say: &'static [u8]) -> JoinHandle<Heard> {
        thread::spawn(move || {
            let mut socket = self.next();
            let raw = Arc::clone(&socket.1);
            let mut plain = Vec::new();
            match acceptor {
                Some(acceptor) => {
                    if let Ok(mut stream) = acceptor.accept(socket) {
                        let mut piece = [0; 1024];
                        while !plain.ends_with(b"\r\n\r\n") {
                            let Ok(count @ 1..) = stream.read(&mut piece) else { break };
                            plain.extend_from_slice(&piece[..count]);
                        }
                        let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
                        let _its_end = stream.read_to_end(&mut plain);
                    }
                }
                None => {
                    let mut hello = [0; 16];
                    let _ = socket.read(&mut hello);
                    let _ = socket.write_all(say);
                    let _its_end = socket.read_to_end(&mut Vec::new());
                }
            }
            let raw = raw.lock().unwrap().clone();
            Heard { raw, plain }
        })
    }

    /// A client that gets as far as authentication: what is left is to welcome it.
    fn welcomes(&self, acceptor: &TlsAcceptor) -> (WebSocket<TlsStream<Tapped>>, Value) {
        let mut service = tungstenite::accept(acceptor.accept(self.next()).unwrap()).unwrap();
        let connect: Value = match service.read().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        };
        let answer = json!({"jsonrpc": "2.0", "id": connect["id"], "result": {"protocol": "p1"}});
        service.send(Message::text(answer.to_string())).unwrap();
        (service, connect)
    }
}

pub fn client(backend: TlsBackend, host: &str, port: u16) -> Builder {
    Client::builder()
        .tls_backend(backend)
        .host(format!("{host}:{port}"))
        .project(PROJECT)
        .token(TOKEN)
        .tls(true)
        .connect_timeout(LONG)
        .tuning(|t| t.reconnect_delay(millis(5), millis(20)))
}

fn refused(builder: Builder, what: &str) -> Error {
    let error = builder.connect().map(|_| ()).expect_err(what);
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tls)), "{what}: {error}");
    assert!(!error.is_timeout(), "{what}: {error}");
    let told = format!("{error} {error:?}");
    assert!(!told.contains(TOKEN) && !told.contains(PROJECT), "{what}: {told}");
    error
}

#[test]
fn a_certificate_that_is_not_right_is_refused_before_a_byte_of_the_upgrade() {
    each_backend(|backend| {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let ca = Pem::of(&ours);
        let (middle, no_authority) = (ours.sub(true), ours.sub(false));
        let self_signed = {
            let key = KeyPair::generate().unwrap();
            Shown { chain: good().self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
        };
        let mut address_as_a_name = named(&[]);
        address_as_a_name.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().unwrap())];
        let mut other_address = named(&[]);
        other_address.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))];
        let mut for_clients = good();
        for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let name = "another host";
        let trust = "ca_file";
        // The last column is what the error has to say besides the phase; what the system says is its own affair.
        for (what, host, shown, advice) in [
            ("expired", "127.0.0.1", ours.issues(valid(2001, 2002)), "clock"),
            ("not yet valid", "127.0.0.1", ours.issues(valid(2100, 2101)), "clock"),
            ("a wrong name", "localhost", ours.issues(named(&["elsewhere.example"])), name),
            ("a name beneath", "localhost", ours.issues(named(&["a.localhost"])), name),
            ("a wrong address", "127.0.0.1", ours.issues(other_address), name),
            ("an address for a name", "127.0.0.1", ours.issues(named(&["localhost"])), name),
            ("an address that is written as a name", "127.0.0.1", ours.issues(address_as_a_name), name),
            ("self-signed", "127.0.0.1", self_signed, trust),
            ("an unknown issuer", "127.0.0.1", theirs.issues(good()), trust),
            ("an unknown issuer that comes along", "127.0.0.1", theirs.issues(good()).followed_by(&theirs), trust),
            ("a chain with a gap", "127.0.0.1", middle.issues(good()), trust),
            ("an issuer that is none", "127.0.0.1", no_authority.issues(good()).followed_by(&no_authority), ""),
            ("a certificate for clients", "127.0.0.1", ours.issues(for_clients), "for servers"),
        ] {
            let server = Server::new();
            let builder = client(backend, host, server.port()).ca_file(&ca.0);
            let heard = server.hears(Some(shown.acceptor()), b"");
            let error = refused(builder, what);
            if has_advice(backend) {
                assert!(error.to_string().contains(advice), "{what}: {error}");
                assert!(error.to_string().contains("certificate"), "{what}: {error}");
            }
            heard.join().unwrap().is_nothing(what);
        }
        // The same search finds the upgrade when the certificate is valid.
        for shown in [ours.issues(good()), middle.issues(good()).followed_by(&middle)] {
            let server = Server::new();
            let builder = client(backend, "127.0.0.1", server.port()).ca_file(&ca.0);
            let heard = server.hears(Some(shown.acceptor()), b"");
            let error = builder.connect().map(|_| ()).unwrap_err();
            assert_eq!(error.phase(), Some(Phase::Upgrade), "{error}");
            assert!(heard.join().unwrap().plain.starts_with(b"GET / HTTP/1.1\r\n"));
        }
    });
}

/// A documented difference: OpenSSL takes the common name of a certificate that has no DNS name.
#[test]
fn a_common_name_without_a_dns_name_is_taken_by_openssl_alone() {
    each_backend(|backend| {
        let ours = Authority::new();
        let ca = Pem::of(&ours);
        for (names, takes_it) in [(&[][..], true), (&["elsewhere.example"], false)] {
            let server = Server::new();
            let builder = client(backend, "localhost", server.port()).ca_file(&ca.0);
            // The common name is `localhost`.
            let heard = server.hears(Some(ours.issues(named(names)).acceptor()), b"");
            if takes_it && backend == TlsBackend::NativeTls {
                let error = builder.connect().map(|_| ()).unwrap_err();
                let heard = heard.join().unwrap();
                // The order in the other platforms' libraries is not checked.
                if cfg!(target_os = "linux") {
                    assert_eq!(error.phase(), Some(Phase::Upgrade), "{error}");
                    assert!(heard.plain.starts_with(b"GET / HTTP/1.1\r\n"));
                }
            } else {
                refused(builder, "a common name");
                heard.join().unwrap().is_nothing("a common name");
            }
        }
    });
}

#[test]
fn a_certificate_of_an_unknown_authority_needs_the_authority_to_be_set() {
    each_backend(|backend| {
        let ours = Authority::new();
        let server = Server::new();
        let builder = client(backend, "127.0.0.1", server.port());
        let heard = server.hears(Some(ours.issues(good()).acceptor()), b"");
        let error = refused(builder, "no ca_file");
        if has_advice(backend) {
            assert!(error.to_string().contains("ca_file"), "{error}");
        }
        heard.join().unwrap().is_nothing("no ca_file");
    });
}

#[test]
fn a_server_without_tls_or_with_one_too_old_gets_no_secret() {
    each_backend(|backend| {
        for (what, say) in [
            ("http", &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..]),
            ("an upgrade", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            ("a greeting", b"220 ready\r\n"),
            ("nulls", &[0; 64]),
        ] {
            let server = Server::new();
            let builder = client(backend, "127.0.0.1", server.port());
            let heard = server.hears(None, say);
            let error = refused(builder, what);
            if has_advice(backend) {
                assert!(error.to_string().contains("does not speak TLS"), "{what}: {error}");
            }
            heard.join().unwrap().is_nothing(what);
        }
        let ours = Authority::new();
        let ca = Pem::of(&ours);
        let mut old = TlsAcceptor::builder(ours.issues(good()).identity());
        old.min_protocol_version(None).max_protocol_version(Some(Protocol::Tlsv11));
        // Where the system's library has unlearned it, there is nothing to test.
        if let Ok(old) = old.build() {
            let server = Server::new();
            let builder = client(backend, "127.0.0.1", server.port()).ca_file(&ca.0);
            let heard = server.hears(Some(old), b"");
            refused(builder, "TLS 1.1");
            let heard = heard.join().unwrap();
            // A library that lets such a server be set up and no more (OpenSSL 3.5) gives up before it reads a byte.
            if !(heard.raw.is_empty() && heard.plain.is_empty()) {
                heard.is_nothing("TLS 1.1");
            }
        }
    });
}

#[test]
fn a_certificate_that_is_wrong_at_a_reconnect_gets_no_secret_either() {
    each_backend(|backend| {
        let ours = Authority::new();
        let ca = Pem::of(&ours);
        let server = Server::new();
        let right = ours.issues(good()).acceptor();
        let builder = client(backend, "127.0.0.1", server.port()).ca_file(&ca.0);
        let connecting = thread::spawn(move || builder.connect().unwrap());
        let (service, connect) = server.welcomes(&right);
        assert_eq!(connect["params"]["authentication"]["token"], TOKEN);
        let client = connecting.join().unwrap();
        let mut states = client.states();
        online(&mut states);
        drop(service);
        let expired = ours.issues(valid(2001, 2002)).acceptor();
        for _ in 0..2 {
            let socket = server.next();
            let raw = Arc::clone(&socket.1);
            let mut plain = Vec::new();
            if let Ok(mut stream) = expired.accept(socket) {
                let _its_end = stream.read_to_end(&mut plain);
            }
            let raw = raw.lock().unwrap().clone();
            Heard { raw, plain }.is_nothing("expired since");
        }
        next_state(
            &mut states,
            "of the refusal",
            |state| matches!(state, LinkState::Reconnecting { cause, .. } if cause.phase() == Some(Phase::Tls)),
        );
        // The client keeps trying, and connects when the certificate is valid again. An attempt may still be under
        // way.
        let _service = loop {
            let Ok(stream) = right.accept(server.next()) else { continue };
            let mut service = tungstenite::accept(stream).unwrap();
            let Message::Text(text) = service.read().unwrap() else { panic!("no connect") };
            let connect: Value = serde_json::from_str(&text).unwrap();
            let answer = json!({"jsonrpc": "2.0", "id": connect["id"], "result": {"protocol": "p1"}});
            service.send(Message::text(answer.to_string())).unwrap();
            break service;
        };
        online(&mut states);
        client.disconnect();
    });
}
