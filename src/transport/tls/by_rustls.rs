//! TLS by rustls, with ring, over the roots that the platform trusts.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InconsistentKeys, ProtocolVersion,
    RootCertStore,
};

use super::super::wire::Wire;
use super::Flaw;
use super::files::{Client, Files};
use super::pipe::Pipe;
use crate::error::{self, Result};

/// The files in the form that the library reads, so that the setup does not fail because of a file.
pub(in super::super) struct Setup {
    only: bool,
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, Client)>,
}

impl Setup {
    pub(super) fn read(files: Files) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in &files.roots {
            let certificate = CertificateDer::from_pem_slice(root.pem.as_bytes());
            let certificate = certificate.map_err(|e| root.cannot_be_read(&e))?;
            roots.add(certificate).map_err(|e| root.cannot_be_read(&e))?;
        }
        let identity = |client| pair(&client).map(|(chain, key)| (chain, key, client));
        Ok(Self { only: files.only, roots, identity: files.client.map(identity).transpose()? })
    }

    pub(super) fn build(self) -> Result<Trust> {
        let Self { only, mut roots, identity } = self;
        if !only {
            let native = rustls_native_certs::load_native_certs();
            for problem in &native.errors {
                log::debug!("loading the system's root certificates: {problem}");
            }
            let (taken, ignored) = roots.add_parsable_certificates(native.certs);
            log::debug!("{taken} root certificates of the system are trusted, {ignored} cannot be parsed");
        }
        let unusable = |e: &dyn std::fmt::Display| error::config(format!("TLS cannot be set up on this system: {e}"));
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&e))?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key, client)) => builder.with_client_auth_cert(chain, key).map_err(|e| match e {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => client.does_not_fit(),
                other => client.cannot_be_used(&other),
            })?,
        };
        Ok(Trust(Arc::new(config)))
    }
}

/// The settings of TLS connections: roots, client certificate, versions.
pub(in super::super) struct Trust(Arc<ClientConfig>);

impl Trust {
    pub(super) fn shake(&self, name: &str, wire: &mut Wire) -> io::Result<Tls> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        // Encrypted bytes wait in a bounded buffer outside of the library.
        connection.set_buffer_limit(None);
        let mut session = Session { connection, pipe: Pipe::default() };
        let mut scratch = vec![0; 16 << 10];
        loop {
            let ours = session.outgoing()?;
            wire.send_all(&ours)?;
            if !session.connection.is_handshaking() {
                return Ok(Tls { session: Mutex::new(session), talks: AtomicBool::new(false) });
            }
            if session.pipe.is_drained() {
                match wire.recv(&mut scratch)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    count => session.pipe.feed(&scratch[..count]),
                }
            }
            match session.process() {
                Ok(true) => {}
                // The peer closed TLS during the handshake.
                Ok(false) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(e) => {
                    // The alert reports the reason to the peer. Its own failure is ignored, because the first error
                    // counts.
                    let _ = session.outgoing().and_then(|alert| wire.send_all(&alert));
                    return Err(e);
                }
            }
        }
    }
}

fn pair(client: &Client) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(client.chain_pem.as_bytes()).collect::<std::result::Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| client.cannot_be_used(&e))?;
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.expose().as_bytes());
    Ok((chain, key.map_err(|e| client.cannot_be_used(&e))?))
}

/// Returns the flaw of a failed handshake, if the error comes from rustls.
pub(super) fn flaw(error: &io::Error) -> Option<Flaw> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Some(Flaw::Date),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(Flaw::Name),
            // The latter two mean that a trusted authority has the issuer's name but another key.
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Some(Flaw::Issuer),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Some(Flaw::Purpose),
            // The library has no variant for this error.
            CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => Some(Flaw::Authority),
            _ => None,
        },
        Error::InvalidMessage(_) => Some(Flaw::NoTls),
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => Some(Flaw::OldTls),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Some(Flaw::ClientCertificate),
        _ => None,
    }
}

/// A TLS connection of the library, with the ciphertext on its way.
struct Session {
    connection: ClientConnection,
    pipe: Pipe,
}

impl Session {
    /// Takes the ciphertext that is to be sent.
    fn outgoing(&mut self) -> io::Result<Vec<u8>> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.pipe)?;
        }
        Ok(std::mem::take(&mut self.pipe.outgoing))
    }

    /// Processes the received bytes until there is text to read or ciphertext to send. Returns `false` if the session
    /// accepts no more bytes.
    fn process(&mut self) -> io::Result<bool> {
        let mut took = false;
        while !self.pipe.is_drained() && self.connection.wants_read() {
            self.connection.read_tls(&mut self.pipe)?;
            self.connection.process_new_packets().map_err(io::Error::other)?;
            took = true;
        }
        Ok(took)
    }

    fn open(&mut self, plain: &mut [u8]) -> io::Result<(usize, bool)> {
        loop {
            match self.connection.reader().read(plain) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    // This processes no new bytes: it only returns the amount of text that is left.
                    let state = self.connection.process_new_packets().map_err(io::Error::other)?;
                    return Ok((count, self.pipe.is_drained() && state.plaintext_bytes_to_read() == 0));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock && !self.pipe.is_drained() && self.process()? => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// An established TLS connection.
pub(in super::super) struct Tls {
    session: Mutex<Session>,
    /// Whether ciphertext is pending that the library wrote on its own, such as the response to a key update.
    talks: AtomicBool,
}

impl Tls {
    pub(super) fn open(&self, cipher: &[u8], plain: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut session = self.session.lock();
        if !cipher.is_empty() {
            session.pipe.feed(cipher);
        }
        let opened = session.open(plain);
        if session.connection.wants_write() {
            self.talks.store(true, Ordering::Relaxed);
        }
        opened
    }

    pub(super) fn seal(&self, plain: &[u8], cipher: &mut Vec<u8>) -> io::Result<()> {
        let mut session = self.session.lock();
        if !plain.is_empty() {
            session.connection.writer().write_all(plain)?;
        }
        self.talks.store(false, Ordering::Relaxed);
        let mut ours = session.outgoing()?;
        if cipher.is_empty() {
            std::mem::swap(&mut ours, cipher);
        } else {
            cipher.append(&mut ours);
        }
        Ok(())
    }

    pub(super) fn farewell(&self) -> Vec<u8> {
        let mut session = self.session.lock();
        session.connection.send_close_notify();
        session.outgoing().unwrap_or_default()
    }

    pub(super) fn version(&self) -> Option<String> {
        let version = self.session.lock().connection.protocol_version()?;
        Some(match version {
            ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
            other => format!("{other:?}"),
        })
    }

    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        let session = self.session.lock();
        session.connection.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect()
    }

    pub(super) fn talks(&self) -> bool {
        self.talks.load(Ordering::Relaxed)
    }
}
