//! TLS over a pipe in memory, so that no lock is ever held across a system call.
//!
//! Encrypting and decrypting only move bytes between buffers; the socket is the business of whoever calls. That also
//! means that TLS can never be half way through a write: there is always room in the pipe.

#[cfg(feature = "native-tls")]
pub(super) use native::{Tls, Trust, advice};
#[cfg(not(feature = "native-tls"))]
pub(super) use without::{Tls, Trust, advice};

use std::path::Path;

/// Extra roots: the name of the setting that they came by, and the file.
pub(super) type Ca<'a> = (&'a str, &'a Path);

#[cfg(feature = "native-tls")]
mod native {
    use std::io::{self, ErrorKind, Read, Write};
    use std::sync::atomic::{AtomicBool, Ordering};

    use native_tls::{Certificate, HandshakeError, Protocol, TlsConnector, TlsStream};
    use parking_lot::Mutex;

    use super::super::reader::Wire;
    use super::Ca;
    use crate::error::{self, Result};

    /// The two directions of ciphertext, as the TLS library sees them.
    #[derive(Debug, Default)]
    struct Pipe {
        incoming: Vec<u8>,
        read: usize,
        outgoing: Vec<u8>,
    }

    impl Pipe {
        fn feed(&mut self, bytes: &[u8]) {
            if self.read == self.incoming.len() {
                self.incoming.clear();
                self.read = 0;
            }
            self.incoming.extend_from_slice(bytes);
        }

        fn is_drained(&self) -> bool {
            self.read == self.incoming.len()
        }
    }

    impl Read for Pipe {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let rest = &self.incoming[self.read..];
            if rest.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            self.read += count;
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

    /// What says whom to trust. Loading the system's roots takes tens of milliseconds, so it is made once per client.
    pub(in super::super) struct Trust(TlsConnector);

    impl Trust {
        pub(in super::super) fn new(ca: Option<Ca<'_>>) -> Result<Self> {
            let mut builder = TlsConnector::builder();
            builder.min_protocol_version(Some(Protocol::Tlsv12));
            if let Some((setting, path)) = ca {
                let bad = |why: String| error::config(format!("{setting}: {}: {why}", path.display()));
                let pem = std::fs::read(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
                if pem.is_empty() {
                    return Err(bad("the file is empty; it must hold certificates in PEM form".into()));
                }
                let pem = String::from_utf8_lossy(&pem);
                let found = certificates(&pem)
                    .ok_or_else(|| bad("a certificate in it is cut off (it has a BEGIN and no END)".into()))?;
                if found.is_empty() {
                    return Err(bad("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".into()));
                }
                for (index, text) in found.iter().enumerate() {
                    let certificate = Certificate::from_pem(text.as_bytes())
                        .map_err(|e| bad(format!("certificate {} cannot be read: {e}", index + 1)))?;
                    builder.add_root_certificate(certificate);
                }
            }
            builder.build().map(Self).map_err(|e| error::config(format!("TLS cannot be set up on this system: {e}")))
        }

        /// Does the handshake with the peer called `name`, which is a host without brackets.
        pub(in super::super) fn shake(&self, name: &str, wire: &mut Wire) -> io::Result<Tls> {
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

    /// The certificates of a PEM file, each as the text from its BEGIN to its END; none when one of them is cut off, as
    /// half a copied file leaves it. The library's own way to read several takes a file of garbage for one without
    /// certificates.
    fn certificates(pem: &str) -> Option<Vec<&str>> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        const DASHES: &str = "-----";
        let mut found = Vec::new();
        let mut rest = pem;
        while let Some(start) = rest.find(BEGIN) {
            let end = start + rest[start..].find(END)? + END.len();
            found.push(&rest[start..end]);
            rest = &rest[end..];
        }
        // The cut may have gone through the BEGIN itself.
        let last = rest.trim_end().lines().next_back().unwrap_or_default();
        let is_cut = last.starts_with(DASHES) && last.len() < BEGIN.len() && BEGIN.starts_with(last);
        (!is_cut).then_some(found)
    }

    /// What to do about a handshake that failed, as far as the library's words tell what was wrong.
    pub(in super::super) fn advice(why: &str) -> Option<&'static str> {
        let why = why.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
        if says(&["expired", "not yet valid"]) {
            Some("check this machine's clock; if it is right, the certificate of the service has to be renewed")
        } else if says(&["mismatch"]) {
            Some("the certificate was made for another host; check the host's spelling")
        } else if says(&["self-signed", "self signed", "issuer", "unable to verify", "not trusted"]) {
            Some("who issued the certificate is not trusted here; Builder::ca_file names more authorities")
        } else if says(&["wrong version number", "packet length too long", "record layer failure", "http request"]) {
            Some("the peer does not speak TLS; check host and port")
        } else if says(&["unsupported protocol", "protocol version"]) {
            Some("the peer speaks no TLS of version 1.2 or later")
        } else {
            None
        }
    }

    /// An established TLS session; reader and writer share it.
    pub(in super::super) struct Tls {
        stream: Mutex<TlsStream<Pipe>>,
        /// Ciphertext waits that the library wrote of its own accord, such as the answer to a key update.
        talks: AtomicBool,
    }

    impl Tls {
        /// Takes in `cipher` and decrypts what it can into `plain`: how many bytes, and whether nothing more can come
        /// without another `recv`. `WouldBlock` when more ciphertext is needed for anything, `UnexpectedEof` when the
        /// peer said that nothing more comes.
        pub(in super::super) fn open(&self, cipher: &[u8], plain: &mut [u8]) -> io::Result<(usize, bool)> {
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
                    // Other libraries than OpenSSL keep whole records to themselves, and do not count them.
                    let counts = cfg!(not(any(windows, target_vendor = "apple")));
                    let empty = counts && stream.get_ref().is_drained();
                    Ok((count, empty && stream.buffered_read_size().is_ok_and(|left| left == 0)))
                }
            }
        }

        /// Encrypts `plain` (which may be empty) onto the end of `cipher`, after what the library had to say itself.
        pub(in super::super) fn seal(&self, plain: &[u8], cipher: &mut Vec<u8>) -> io::Result<()> {
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

        /// The goodbye of TLS, as ciphertext.
        pub(in super::super) fn farewell(&self) -> Vec<u8> {
            let mut stream = self.stream.lock();
            // It waits for the peer's own goodbye, which nobody is going to read.
            let _ = stream.shutdown();
            std::mem::take(&mut stream.get_mut().outgoing)
        }

        /// Whether ciphertext waits that nobody asked for.
        pub(in super::super) fn talks(&self) -> bool {
            self.talks.load(Ordering::Relaxed)
        }
    }
}

#[cfg(not(feature = "native-tls"))]
mod without {
    use std::io;

    use super::super::reader::Wire;
    use super::Ca;
    use crate::error::{self, Result};

    /// Nobody can be trusted without TLS: there is no value of this type.
    pub(in super::super) enum Trust {}

    impl Trust {
        pub(in super::super) fn new(_ca: Option<Ca<'_>>) -> Result<Self> {
            Err(error::config(
                "wss: this build of signalwire-relay has no TLS; turn its feature `native-tls` on (it is by default)",
            ))
        }

        pub(in super::super) fn shake(&self, _name: &str, _wire: &mut Wire) -> io::Result<Tls> {
            match *self {}
        }
    }

    /// There is no handshake that could fail.
    pub(in super::super) fn advice(_why: &str) -> Option<&'static str> {
        None
    }

    /// As [`Trust`]: there is no value of this type.
    pub(in super::super) enum Tls {}

    impl Tls {
        pub(in super::super) fn open(&self, _cipher: &[u8], _plain: &mut [u8]) -> io::Result<(usize, bool)> {
            match *self {}
        }

        pub(in super::super) fn seal(&self, _plain: &[u8], _cipher: &mut Vec<u8>) -> io::Result<()> {
            match *self {}
        }

        pub(in super::super) fn farewell(&self) -> Vec<u8> {
            match *self {}
        }

        pub(in super::super) fn talks(&self) -> bool {
            match *self {}
        }
    }
}
