//! TLS with a certificate authority of its own, run over a pipe in memory.
//!
//! Encrypting and decrypting take a short lock; waiting for the network does not, so both directions are free.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use native_tls::{HandshakeError, Identity, TlsAcceptor, TlsStream};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::line::Link;
use super::world::Out;
use crate::clock::Sender;
use crate::error::{self, Error};

/// How much is read from a socket at once.
const SCRATCH: usize = 32 << 10;

pub(super) struct Acceptor(TlsAcceptor);

/// The certificate of the authority, in a file that goes with this value.
#[derive(Debug)]
pub(super) struct CaFile(PathBuf);

impl CaFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn refused(what: &str, source: impl std::fmt::Display) -> Error {
    error::config(format!("the simulator cannot offer TLS: {what}: {source}"))
}

/// Makes an authority, a certificate for the loopback addresses and the one that is listened on, and what accepts connections with it.
pub(super) fn prepare(address: IpAddr) -> Result<(Acceptor, CaFile), Error> {
    let (authority, leaf, key) = certificates(address).map_err(|error| refused("no certificate", error))?;
    let identity = Identity::from_pkcs8(format!("{leaf}{authority}").as_bytes(), key.as_bytes())
        .map_err(|error| refused("the certificate is not taken", error))?;
    let acceptor = TlsAcceptor::new(identity).map_err(|error| refused("no acceptor", error))?;
    let path = std::env::temp_dir().join(format!("signalwire-simulator-{}.pem", uuid::Uuid::new_v4()));
    write_private(&path, &authority).map_err(|error| refused("the file of its authority", error))?;
    Ok((Acceptor(acceptor), CaFile(path)))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn certificates(address: IpAddr) -> Result<(String, String, String), rcgen::Error> {
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
    Ok((authority.pem(), leaf.pem(), key.serialize_pem()))
}

/// What the TLS library takes for a socket.
#[derive(Debug, Default)]
struct Pipe {
    incoming: Vec<u8>,
    taken: usize,
    ended: bool,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = self.incoming.get(self.taken..).unwrap_or_default();
        if waiting.is_empty() {
            return if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let count = waiting.len().min(into.len());
        into[..count].copy_from_slice(&waiting[..count]);
        self.taken += count;
        if self.taken == self.incoming.len() {
            self.incoming.clear();
            self.taken = 0;
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn feed(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.incoming.extend_from_slice(bytes);
    }
}

/// One direction of a TLS connection.
pub(super) struct Half {
    socket: Arc<Link>,
    tls: Arc<Mutex<TlsStream<Pipe>>>,
    scratch: Vec<u8>,
    out: Sender<Out>,
}

impl Acceptor {
    /// Shakes hands; nothing when the other side is not up to it.
    pub(super) fn accept(&self, socket: &Arc<Link>, out: &Sender<Out>) -> Option<(Half, Half)> {
        let mut scratch = vec![0; SCRATCH];
        let mut attempt = self.0.accept(Pipe::default());
        let mut stream = loop {
            match attempt {
                Ok(stream) => break stream,
                Err(HandshakeError::Failure(_)) => return None,
                Err(HandshakeError::WouldBlock(mut waiting)) => {
                    let ready = std::mem::take(&mut waiting.get_mut().outgoing);
                    socket.write_all(&ready).ok()?;
                    let count = socket.read(&mut scratch).ok()?;
                    if count == 0 {
                        return None;
                    }
                    waiting.get_mut().feed(&scratch[..count]);
                    attempt = waiting.handshake();
                }
            }
        };
        let ready = std::mem::take(&mut stream.get_mut().outgoing);
        socket.write_all(&ready).ok()?;
        let tls = Arc::new(Mutex::new(stream));
        let half = |scratch| Half { socket: Arc::clone(socket), tls: Arc::clone(&tls), scratch, out: out.clone() };
        Some((half(scratch), half(Vec::new())))
    }
}

impl Half {
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut tls = self.tls.lock();
        loop {
            let read = tls.read(into);
            let deferred = !tls.get_ref().outgoing.is_empty();
            drop(tls);
            if deferred {
                // The writer alone sends, or records would overtake each other.
                let _ = self.out.send(Out::Flush);
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let count = self.socket.read(&mut self.scratch)?;
            tls = self.tls.lock();
            tls.get_mut().feed(&self.scratch[..count]);
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ready = {
            let mut tls = self.tls.lock();
            tls.write_all(bytes)?;
            std::mem::take(&mut tls.get_mut().outgoing)
        };
        self.socket.write_all(&ready)?;
        Ok(bytes.len())
    }

    pub(super) fn flush_deferred(&mut self) -> io::Result<()> {
        let ready = std::mem::take(&mut self.tls.lock().get_mut().outgoing);
        self.socket.write_all(&ready)
    }
}
