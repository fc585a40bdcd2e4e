//! TLS by the platform's library.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use native_tls::{Certificate, HandshakeError, Identity, Protocol, TlsConnector, TlsStream};
use parking_lot::Mutex;

use super::super::wire::Wire;
use super::Flaw;
use super::files::{Client, Files};
use super::pipe::Pipe;
use crate::error::{self, Error, Result};

/// The files in the form that the library reads, so that the setup does not fail because of a file.
pub(in super::super) struct Setup {
    only: bool,
    roots: Vec<Certificate>,
    identity: Option<(Identity, Client)>,
}

impl Setup {
    pub(super) fn read(files: Files) -> Result<Self> {
        let root =
            |root: &super::files::Root| Certificate::from_pem(root.pem.as_bytes()).map_err(|e| root.cannot_be_read(&e));
        let roots = files.roots.iter().map(root).collect::<Result<_>>()?;
        let identity = |client: Client| {
            let identity = Identity::from_pkcs8(client.chain_pem.as_bytes(), client.key_pem.expose().as_bytes());
            Ok::<_, Error>((identity.map_err(|e| client.cannot_be_used(&e))?, client))
        };
        Ok(Self { only: files.only, roots, identity: files.client.map(identity).transpose()? })
    }

    pub(super) fn build(self) -> Result<Trust> {
        let Self { only, roots, identity } = self;
        let mut builder = TlsConnector::builder();
        builder.min_protocol_version(Some(Protocol::Tlsv12)).disable_built_in_roots(only);
        for root in roots {
            builder.add_root_certificate(root);
        }
        let client = identity.map(|(identity, client)| {
            builder.identity(identity);
            client
        });
        builder.build().map(Trust).map_err(|e| match client {
            Some(client) if e.to_string().contains("key values mismatch") => client.does_not_fit(),
            Some(client) => client.cannot_be_used(&e),
            None => error::config(format!("TLS cannot be set up on this system: {e}")),
        })
    }
}

/// The settings of TLS connections: roots, client certificate, versions.
pub(in super::super) struct Trust(TlsConnector);

impl Trust {
    pub(super) fn shake(&self, name: &str, wire: &mut Wire) -> io::Result<Tls> {
        let mut scratch = vec![0; 16 << 10];
        let mut step = self.0.connect(name, Pipe::default());
        loop {
            match step {
                Ok(mut stream) => {
                    let last = std::mem::take(&mut stream.get_mut().outgoing);
                    wire.send_all(&last)?;
                    return Ok(Tls { stream: Mutex::new(stream), talks: AtomicBool::new(false) });
                }
                Err(HandshakeError::WouldBlock(mut middle)) => {
                    let ours = std::mem::take(&mut middle.get_mut().outgoing);
                    wire.send_all(&ours)?;
                    match wire.recv(&mut scratch)? {
                        0 => return Err(ErrorKind::UnexpectedEof.into()),
                        count => middle.get_mut().feed(&scratch[..count]),
                    }
                    step = middle.handshake();
                }
                Err(HandshakeError::Failure(e)) => return Err(io::Error::other(e)),
            }
        }
    }
}

/// Finds the flaw in the text of an error, which differs by platform and version: the library has no codes.
pub(super) fn flaw(error: &io::Error) -> Option<Flaw> {
    let why = error.to_string().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    // Alerts come from the peer, so an alert about a certificate is about the client's.
    if says(&[" alert "]) && says(&["certificate", "unknown ca", "access denied"]) {
        Some(Flaw::ClientCertificate)
    } else if says(&["expired", "not yet valid"]) {
        Some(Flaw::Date)
    } else if says(&["mismatch"]) {
        Some(Flaw::Name)
    } else if says(&["self-signed", "self signed", "issuer", "unable to verify", "not trusted"]) {
        Some(Flaw::Issuer)
    } else if says(&["certificate purpose"]) {
        Some(Flaw::Purpose)
    } else if says(&["wrong version number", "packet length too long", "record layer failure", "http request"]) {
        Some(Flaw::NoTls)
    } else if says(&["unsupported protocol", "protocol version"]) {
        Some(Flaw::OldTls)
    } else {
        None
    }
}

/// An established TLS connection.
pub(in super::super) struct Tls {
    stream: Mutex<TlsStream<Pipe>>,
    /// Whether ciphertext is pending that the library wrote on its own, such as the response to a key update.
    talks: AtomicBool,
}

impl Tls {
    pub(super) fn open(&self, cipher: &[u8], plain: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut stream = self.stream.lock();
        if !cipher.is_empty() {
            stream.get_mut().feed(cipher);
        }
        let count = stream.read(plain);
        if !stream.get_ref().outgoing.is_empty() {
            self.talks.store(true, Ordering::Relaxed);
        }
        match count? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                // Libraries other than OpenSSL keep whole records to themselves, and do not count them.
                let counts = cfg!(not(any(windows, target_vendor = "apple")));
                let empty = counts && stream.get_ref().is_drained();
                Ok((count, empty && stream.buffered_read_size().is_ok_and(|left| left == 0)))
            }
        }
    }

    pub(super) fn seal(&self, plain: &[u8], cipher: &mut Vec<u8>) -> io::Result<()> {
        let mut stream = self.stream.lock();
        if !plain.is_empty() {
            stream.write_all(plain)?;
        }
        self.talks.store(false, Ordering::Relaxed);
        let ours = &mut stream.get_mut().outgoing;
        if cipher.is_empty() {
            std::mem::swap(ours, cipher);
        } else {
            cipher.append(ours);
        }
        Ok(())
    }

    pub(super) fn farewell(&self) -> Vec<u8> {
        let mut stream = self.stream.lock();
        // The result is ignored: it reports a missing close alert of the peer, which is never read.
        let _ = stream.shutdown();
        std::mem::take(&mut stream.get_mut().outgoing)
    }

    /// The certificate of the peer. The library returns no others.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        let certificate = self.stream.lock().peer_certificate();
        certificate.ok().flatten().and_then(|certificate| certificate.to_der().ok()).into_iter().collect()
    }

    pub(super) fn talks(&self) -> bool {
        self.talks.load(Ordering::Relaxed)
    }
}
