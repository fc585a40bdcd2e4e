//! TLS with a certificate authority of its own, over a pipe in memory.
//!
//! The implementation is rustls on every platform and for every TLS library of the client: the platforms' libraries
//! read keys from files in different formats, or only from a key store.
//!
//! Encrypting and decrypting take a short lock; waiting for the network does not, so both directions stay independent.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::clock::Sender;
use crate::error::{self, Error};
use crate::simulator::line::link::Link;
use crate::simulator::line::out::Out;

/// Number of bytes that are read from a socket at once.
const SCRATCH: usize = 32 << 10;

/// The TLS settings of the server.
pub(crate) struct Acceptor(Arc<ServerConfig>);

/// The certificate of the authority, in a file that is removed with this value.
#[derive(Debug)]
pub(crate) struct CaFile(PathBuf);

impl CaFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // The file may have been removed already.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn refused(what: &str, source: impl std::fmt::Display) -> Error {
    error::config(format!("the simulator cannot offer TLS: {what}: {source}"))
}

/// Creates an authority, a certificate for the loopback addresses and the listening address, and the acceptor for
/// them.
pub(crate) fn prepare(address: IpAddr) -> Result<(Acceptor, CaFile), Error> {
    let (authority, leaf, key) = certificates(address).map_err(|error| refused("no certificate", error))?;
    let chain = vec![leaf.der().clone(), authority.der().clone()];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| refused("the certificate is not taken", error))?;
    let path = std::env::temp_dir().join(format!("signalwire-simulator-{}.pem", uuid::Uuid::new_v4()));
    write_private(&path, &authority.pem()).map_err(|error| refused("the file of its authority", error))?;
    Ok((Acceptor(Arc::new(config)), CaFile(path)))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn certificates(address: IpAddr) -> Result<(Certificate, Certificate, KeyPair), rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "signalwire-relay simulator authority");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = params.self_signed(&authority_key)?;

    let key = KeyPair::generate()?;
    let mut names = vec!["127.0.0.1".to_owned(), "::1".to_owned(), "localhost".to_owned()];
    if !(address.is_loopback() || address.is_unspecified()) {
        names.push(address.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = params.signed_by(&key, &authority, &authority_key)?;
    Ok((authority, leaf, key))
}

/// A session, and the received bytes that it has not processed yet.
struct Session {
    tls: ServerConnection,
    incoming: Vec<u8>,
}

impl Session {
    /// Processes the received bytes, as far as there is room for the plain text.
    fn process(&mut self) -> io::Result<()> {
        while !self.incoming.is_empty() && self.tls.wants_read() {
            let taken = self.tls.read_tls(&mut self.incoming.as_slice())?;
            self.incoming.drain(..taken);
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn outgoing(&mut self) -> io::Result<Vec<u8>> {
        let mut ready = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut ready)?;
        }
        Ok(ready)
    }

    /// Reads plain text; `WouldBlock` if bytes must be received first.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.incoming.is_empty() => {
                    self.process()?;
                }
                other => return other,
            }
        }
    }
}

/// One direction of a TLS connection.
pub(crate) struct Half {
    socket: Arc<Link>,
    session: Arc<Mutex<Session>>,
    scratch: Vec<u8>,
    out: Sender<Out>,
}

impl Acceptor {
    /// Performs the handshake; returns `None` if the other side fails it.
    pub(crate) fn accept(&self, socket: &Arc<Link>, out: &Sender<Out>) -> Option<(Half, Half)> {
        let mut scratch = vec![0; SCRATCH];
        let mut tls = ServerConnection::new(Arc::clone(&self.0)).ok()?;
        // The writing thread waits until the socket has accepted the bytes.
        tls.set_buffer_limit(None);
        let mut session = Session { tls, incoming: Vec::new() };
        while session.tls.is_handshaking() {
            if session.incoming.is_empty() {
                let count = socket.read(&mut scratch).ok()?;
                if count == 0 {
                    return None;
                }
                session.incoming.extend_from_slice(&scratch[..count]);
            }
            let waiting = session.incoming.len();
            let processed = session.process();
            // An alert is sent as well, so that the client learns the reason.
            let ready = session.outgoing().ok()?;
            socket.write_all(&ready).ok()?;
            processed.ok()?;
            if session.incoming.len() == waiting {
                return None;
            }
        }
        let session = Arc::new(Mutex::new(session));
        let half =
            |scratch| Half { socket: Arc::clone(socket), session: Arc::clone(&session), scratch, out: out.clone() };
        Some((half(scratch), half(Vec::new())))
    }
}

impl Half {
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.lock();
        loop {
            let read = session.read(into);
            let deferred = session.tls.wants_write();
            drop(session);
            if deferred {
                // Only the writer sends, because otherwise records would overtake each other.
                let _ = self.out.send(Out::Flush);
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let count = self.socket.read(&mut self.scratch)?;
            if count == 0 {
                return Ok(0);
            }
            session = self.session.lock();
            session.incoming.extend_from_slice(&self.scratch[..count]);
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ready = {
            let mut session = self.session.lock();
            session.tls.writer().write_all(bytes)?;
            session.outgoing()?
        };
        self.socket.write_all(&ready)?;
        Ok(bytes.len())
    }

    pub(crate) fn flush_deferred(&mut self) -> io::Result<()> {
        let ready = self.session.lock().outgoing()?;
        self.socket.write_all(&ready)
    }
}
