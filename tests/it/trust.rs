//! Trusted certificate authorities, and client certificates, with both TLS libraries.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use serde_json::json;
use signalwire_relay::connection::TlsBackend;
use signalwire_relay::errors::Phase;
use signalwire_relay::{Builder, Client, ErrorKind};
use tungstenite::Message;

use crate::support::{LONG, child_role, report, reports_of_child};
use crate::tls::{Authority, PROJECT, Pem, Server, Shown, TOKEN, backends, client, each_backend, good};

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("relay-trust-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn with(self, name: &str, text: &str) -> Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a client takes this certificate: it sends its upgrade then, and nothing otherwise.
fn trusts(shown: &Shown, backend: TlsBackend, change: impl FnOnce(Builder) -> Builder) -> bool {
    let server = Server::new();
    let builder = change(client(backend, "127.0.0.1", server.port()));
    let heard = server.hears(Some(shown.acceptor()), b"");
    let error = builder.connect().map(|_| ()).unwrap_err();
    let heard = heard.join().unwrap();
    match error.phase() {
        Some(Phase::Upgrade) => assert!(heard.plain.starts_with(b"GET / HTTP/1.1\r\n")),
        Some(Phase::Tls) => heard.is_nothing("not trusted"),
        _ => panic!("{error}"),
    }
    error.phase() == Some(Phase::Upgrade)
}

#[test]
fn roots_come_from_several_files_and_from_a_directory() {
    each_backend(|backend| {
        let (one, two, other) = (Authority::new(), Authority::new(), Authority::new());
        let (one_file, two_file) = (Pem::of(&one), Pem::of(&two));
        let directory = Directory::new()
            .with("README", "The certificates of the company.")
            .with("1.pem", &one.certificate.pem())
            .with("2.crt", &format!("a comment\n{}", two.certificate.pem()))
            .with("again.0", &one.certificate.pem())
            .with("empty", "");
        fs::create_dir(directory.file("old")).unwrap();
        fs::write(directory.file("old/other.pem"), other.certificate.pem()).unwrap();
        let shown = [&one, &two, &other].map(|authority| authority.issues(good()));
        let taken = |change: &dyn Fn(Builder) -> Builder| shown.each_ref().map(|shown| trusts(shown, backend, change));
        assert_eq!(taken(&|builder| builder.ca_file(&one_file.0).ca_file(&two_file.0)), [true, true, false]);
        assert_eq!(taken(&|builder| builder.ca_dir(&directory.0)), [true, true, false]);
        let both = |builder: Builder| builder.ca_dir(&directory.0).ca_file(directory.file("old/other.pem"));
        assert_eq!(taken(&both), [true, true, true]);
        assert_eq!(taken(&|builder| builder.ca_file(&two_file.0).ca_only(true)), [false, true, false]);
    });
}

#[test]
fn roots_that_cannot_be_used_are_refused_by_the_name_of_their_setting() {
    each_backend(|backend| {
        let authority = Authority::new();
        let cut = authority.certificate.pem().replace("-----END CERTIFICATE-----", "");
        let nothing = Directory::new();
        let no_certificate = Directory::new().with("key.pem", &authority.key.serialize_pem()).with("notes", "none");
        let half = Directory::new().with("a.pem", &authority.certificate.pem()).with("b.pem", &cut);
        let broken = Directory::new().with("a.pem", &authority.certificate.pem().replacen('M', "!", 3));
        let missing = nothing.file("none");
        type Change<'a> = &'a dyn Fn(Builder) -> Builder;
        let cases: [(Change<'_>, &str, &Path); 8] = [
            (&|builder| builder.ca_dir(&nothing.0), "Builder::ca_dir", &nothing.0),
            (&|builder| builder.ca_dir(&no_certificate.0), "Builder::ca_dir", &no_certificate.0),
            (&|builder| builder.ca_dir(&half.0), "Builder::ca_dir", &half.file("b.pem")),
            (&|builder| builder.ca_dir(&broken.0), "Builder::ca_dir", &broken.file("a.pem")),
            (&|builder| builder.ca_dir(&missing), "Builder::ca_dir", &missing),
            (&|builder| builder.ca_file(&missing), "Builder::ca_file", &missing),
            (&|builder| builder.ca_file(no_certificate.file("key.pem")), "Builder::ca_file", &no_certificate.0),
            (&|builder| builder.ca_only(true), "Builder::ca_only", Path::new("Builder::ca_file")),
        ];
        for (change, setting, path) in cases {
            let error = change(client(backend, "127.0.0.1", 1)).connect().map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let told = error.to_string();
            assert!(told.contains(setting) && told.contains(&*path.to_string_lossy()), "{told}");
            assert!(!told.contains("PRIVATE KEY"), "{told}");
        }
    });
}

#[test]
fn a_file_of_roots_that_has_changed_is_read_by_the_next_client() {
    each_backend(|backend| {
        let (one, two) = (Authority::new(), Authority::new());
        let shown = [&one, &two].map(|authority| authority.issues(good()));
        let directory = Directory::new();
        let file = directory.file("roots.pem");
        let in_file = |builder: Builder| builder.ca_file(&file).ca_only(true);
        let in_directory = |builder: Builder| builder.ca_dir(&directory.0).ca_only(true);
        for (pem, taken) in [
            (one.certificate.pem(), [true, false]),
            (two.certificate.pem(), [false, true]),
            (one.certificate.pem() + &two.certificate.pem(), [true, true]),
            (one.certificate.pem(), [true, false]),
        ] {
            fs::write(&file, pem).unwrap();
            assert_eq!(shown.each_ref().map(|shown| trusts(shown, backend, in_file)), taken);
            assert_eq!(shown.each_ref().map(|shown| trusts(shown, backend, in_directory)), taken);
        }
        // Files that were valid before are checked again.
        fs::write(&file, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----").unwrap();
        let error = in_file(client(backend, "127.0.0.1", 1)).connect().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("Builder::ca_file"), "{error}");
    });
}

/// The variables of the platform name the system's roots, where its library reads them.
#[cfg(target_os = "linux")]
#[test]
fn ssl_cert_file_and_ssl_cert_dir_name_the_systems_roots() {
    const TEST: &str = "trust::ssl_cert_file_and_ssl_cert_dir_name_the_systems_roots";
    if let Some(role) = child_role() {
        let [system, ours] = ["system", "ours"].map(|name| {
            let read = |what| fs::read_to_string(Path::new(&role).join(format!("{name}.{what}"))).unwrap();
            Shown { chain: read("chain"), key: read("key") }
        });
        let ca = Path::new(&role).join("ours.pem");
        for backend in backends() {
            report(format!(
                "{} {} {} {} {}",
                trusts(&system, backend, |builder| builder),
                trusts(&ours, backend, |builder| builder),
                trusts(&system, backend, |builder| builder.ca_file(&ca)),
                trusts(&ours, backend, |builder| builder.ca_file(&ca)),
                trusts(&system, backend, |builder| builder.ca_file(&ca).ca_only(true)),
            ));
        }
        return;
    }
    let (system, ours) = (Authority::new(), Authority::new());
    let (system_leaf, ours_leaf) = (system.issues(good()), ours.issues(good()));
    let directory = Directory::new()
        .with("system.pem", &system.certificate.pem())
        .with("ours.pem", &ours.certificate.pem())
        .with("system.chain", &system_leaf.chain)
        .with("system.key", &system_leaf.key)
        .with("ours.chain", &ours_leaf.chain)
        .with("ours.key", &ours_leaf.key);
    let role = directory.0.to_str().unwrap();
    let file = directory.file("system.pem");
    let seen = reports_of_child(TEST, role, &[("SSL_CERT_FILE", file.to_str().unwrap())]);
    assert_eq!(seen, vec!["true false true true false"; backends().len()]);
    let empty = Directory::new();
    let seen =
        reports_of_child(TEST, role, &[("SSL_CERT_DIR", empty.0.to_str().unwrap()), ("SSL_CERT_FILE", "/dev/null")]);
    assert_eq!(seen, vec!["false false false true false"; backends().len()]);
}

/// Accepts one client, requests its certificate, and welcomes it; returns the certificate, if it was sent and valid.
fn asks_for_a_certificate(authority: &Authority) -> (u16, JoinHandle<Option<Vec<u8>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let shown = authority.issues(good());
    let (chain, key) = (der_chain(&shown.chain), der_key(&shown.key));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let session = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, socket);
        // Until the handshake is complete. A client without the right certificate receives an alert and gets no
        // further.
        if stream.flush().is_err() {
            let _its_end = stream.sock.read_to_end(&mut Vec::new());
            return None;
        }
        let mut service = tungstenite::accept(stream).unwrap();
        let Message::Text(text) = service.read().unwrap() else { panic!("no connect") };
        let connect: serde_json::Value = serde_json::from_str(&text).unwrap();
        let answer = json!({"jsonrpc": "2.0", "id": connect["id"], "result": {"protocol": "p1"}});
        service.send(Message::text(answer.to_string())).unwrap();
        let seen = service.get_ref().conn.peer_certificates().map(|chain| chain[0].to_vec());
        // Until the client has closed.
        while service.read().is_ok() {}
        seen
    });
    (port, served)
}

fn der_chain(pem: &str) -> Vec<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn der_key(pem: &str) -> PrivateKeyDer<'static> {
    use rustls::pki_types::pem::PemObject;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn for_clients() -> rcgen::CertificateParams {
    let mut params = good();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params
}

#[test]
fn a_client_certificate_is_shown_and_its_chain_with_it() {
    each_backend(|backend| {
        let authority = Authority::new();
        let ca = Pem::of(&authority);
        let middle = authority.sub(true);
        for shown in [authority.issues(for_clients()), middle.issues(for_clients()).followed_by(&middle)] {
            let directory = Directory::new()
                .with("chain.pem", &format!("of the client\n{}", shown.chain))
                .with("key.pem", &format!("keep it\n{}", shown.key));
            let (port, served) = asks_for_a_certificate(&authority);
            let builder = client(backend, "127.0.0.1", port)
                .ca_file(&ca.0)
                .client_certificate(directory.file("chain.pem"), directory.file("key.pem"));
            let printed = format!("{builder:?}");
            let client = builder.connect().unwrap();
            client.disconnect();
            assert_eq!(served.join().unwrap().as_deref(), Some(&*der_chain(&shown.chain)[0]));
            let key: String = shown.key.lines().nth(1).unwrap().into();
            assert!(!printed.contains(&key), "{printed}");
        }
    });
}

#[test]
fn a_peer_that_misses_a_certificate_of_the_client_is_reported() {
    each_backend(|backend| {
        let (authority, other) = (Authority::new(), Authority::new());
        let ca = Pem::of(&authority);
        let wrong = other.issues(for_clients());
        let directory = Directory::new().with("chain.pem", &wrong.chain).with("key.pem", &wrong.key);
        for certificate in [false, true] {
            let (port, served) = asks_for_a_certificate(&authority);
            let mut builder = client(backend, "127.0.0.1", port).ca_file(&ca.0);
            if certificate {
                builder = builder.client_certificate(directory.file("chain.pem"), directory.file("key.pem"));
            }
            let error = builder.connect().map(|_| ()).unwrap_err();
            assert_eq!(served.join().unwrap(), None);
            assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
            assert!(matches!(error.phase(), Some(Phase::Tls | Phase::Upgrade)), "{error}");
            let told = error.to_string();
            assert!(told.contains("client_certificate"), "{told}");
            assert!(!told.contains(TOKEN) && !told.contains(PROJECT), "{told}");
        }
    });
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_refused_without_a_byte_of_its_key() {
    each_backend(|backend| {
        let authority = Authority::new();
        let (shown, other) = (authority.issues(for_clients()), authority.issues(for_clients()));
        let cut = |pem: &str| pem.lines().take(3).collect::<Vec<_>>().join("\n");
        let labelled = |label: &str| shown.key.replace("PRIVATE KEY", label);
        let damaged = shown.key.replacen("\nM", "\n!", 1);
        for (what, chain, key, told) in [
            ("another key", &*shown.chain, &*other.key, "does not belong to"),
            ("no chain", "", &shown.key, "no certificate"),
            ("a key for a chain", &shown.key, &shown.key, "no certificate"),
            ("half a chain", &cut(&shown.chain), &shown.key, "cut off"),
            ("no key", &shown.chain, "", "no key"),
            ("a chain for a key", &shown.chain, &shown.chain, "no key"),
            ("half a key", &shown.chain, &cut(&shown.key), "cut off"),
            ("an encrypted key", &shown.chain, &labelled("ENCRYPTED PRIVATE KEY"), "is encrypted"),
            ("an old key", &shown.chain, &labelled("RSA PRIVATE KEY"), "PKCS#8"),
            ("a damaged key", &shown.chain, &damaged, "cannot be used"),
        ] {
            let directory = Directory::new().with("chain.pem", chain).with("key.pem", key);
            let builder = Client::builder()
                .host("127.0.0.1:1")
                .project(PROJECT)
                .token(TOKEN)
                .tls_backend(backend)
                .client_certificate(directory.file("chain.pem"), directory.file("key.pem"));
            let error = builder.connect().map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{what}: {error}");
            let shown_words = format!("{error} {error:?}");
            assert!(shown_words.contains("Builder::client_certificate"), "{what}: {error}");
            assert!(shown_words.contains(told), "{what}: {error}");
            for line in [&*shown.key, &*other.key].iter().flat_map(|key| key.lines()).filter(|line| line.len() > 20) {
                let is_key = !line.starts_with("-----");
                assert!(!(is_key && shown_words.contains(line)), "{what}: {error}");
            }
        }
        let missing = Directory::new();
        let error = client(backend, "127.0.0.1", 1)
            .client_certificate(missing.file("chain.pem"), missing.file("key.pem"))
            .connect()
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("chain.pem"), "{error}");
    });
}
