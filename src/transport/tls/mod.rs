//! TLS over a pipe in memory, by one of two libraries, so that no lock is ever held across a system call.
//!
//! Encryption and decryption only move bytes between buffers; the caller moves these to and from the socket. So TLS can
//! never block in the middle of a write: the pipe always has room.

#[cfg(feature = "native-tls")]
mod by_native_tls;
#[cfg(feature = "rustls")]
mod by_rustls;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod files;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod pipe;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod shared;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::wire::Wire;
use crate::error::Result;

/// The library that encrypts the connection. Set by [`Builder::tls_backend`](crate::Builder::tls_backend).
///
/// Both libraries refuse the same certificates, before any byte of the credentials is sent, with one exception: OpenSSL
/// takes the common name of a certificate that has no DNS name, and rustls does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsBackend {
    /// The platform's library: OpenSSL on Linux, SChannel on Windows, Secure Transport on macOS. Needs the crate's
    /// feature `native-tls`, which is on by default.
    NativeTls,
    /// rustls, with ring for the cryptography and the platform's root certificates. Needs the crate's feature `rustls`.
    /// The first connection of a process takes less processor time than with OpenSSL.
    Rustls,
}

/// Certificates that a setting or a variable names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roots {
    /// The name of the setting or variable, for errors.
    pub(crate) setting: &'static str,
    pub(crate) path: PathBuf,
    /// Whether `path` is a directory with files of certificates.
    pub(crate) is_directory: bool,
}

/// The files of a client certificate: its chain and its key, both in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// The library, the trusted authorities and the client certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) backend: Option<TlsBackend>,
    pub(crate) roots: Vec<Roots>,
    /// Whether the platform's roots are excluded.
    pub(crate) only: bool,
    pub(crate) client: Option<ClientFiles>,
}

impl TlsSettings {
    /// The name of the selected library.
    pub(crate) fn library(&self) -> &'static str {
        match self.backend {
            Some(TlsBackend::Rustls) => "rustls",
            None if cfg!(all(feature = "rustls", not(feature = "native-tls"))) => "rustls",
            _ => "native-tls",
        }
    }
}

/// Decides which certificates are trusted.
pub(super) enum Trust {
    #[cfg(feature = "native-tls")]
    NativeTls(by_native_tls::Trust),
    #[cfg(feature = "rustls")]
    Rustls(by_rustls::Trust),
}

/// The input of a [`Trust`]: the contents of the files, in the form of the library.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) enum Setup {
    #[cfg(feature = "native-tls")]
    NativeTls(by_native_tls::Setup),
    #[cfg(feature = "rustls")]
    Rustls(by_rustls::Setup),
}

/// A [`Trust`] that the clients of this process share, and that is set up at its first use.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) use shared::Shared;

/// An established TLS session, shared by reader and writer.
pub(super) enum Tls {
    #[cfg(feature = "native-tls")]
    NativeTls(by_native_tls::Tls),
    #[cfg(feature = "rustls")]
    Rustls(Box<by_rustls::Tls>),
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
impl Shared {
    /// Reads and checks the files, except for the system's roots, which are read when the connector is needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the library is not compiled in, or if a file cannot be used.
    /// The error names the setting or variable.
    pub(super) fn of(settings: &TlsSettings) -> Result<Arc<Self>> {
        let backend = backend_of(settings)?;
        let files = files::load(settings, backend)?;
        let shows_certificate = files.client.is_some();
        let shared = shared::of_process(files, |files| match backend {
            #[cfg(feature = "native-tls")]
            TlsBackend::NativeTls => by_native_tls::Setup::read(files).map(Setup::NativeTls),
            #[cfg(feature = "rustls")]
            TlsBackend::Rustls => by_rustls::Setup::read(files).map(Setup::Rustls),
            #[cfg(not(all(feature = "native-tls", feature = "rustls")))]
            _ => unreachable!("a library that is not there was refused above"),
        })?;
        if shows_certificate {
            // A key that does not belong to the certificate is detected only here.
            shared.trust()?;
        }
        Ok(shared)
    }
}

/// Returns the requested library, if it is compiled in.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
fn backend_of(settings: &TlsSettings) -> Result<TlsBackend> {
    match settings.backend {
        #[cfg(feature = "native-tls")]
        None | Some(TlsBackend::NativeTls) => Ok(TlsBackend::NativeTls),
        #[cfg(not(feature = "native-tls"))]
        Some(TlsBackend::NativeTls) => Err(missing("NativeTls", "native-tls", "Rustls")),
        #[cfg(all(feature = "rustls", not(feature = "native-tls")))]
        None => Ok(TlsBackend::Rustls),
        #[cfg(feature = "rustls")]
        Some(TlsBackend::Rustls) => Ok(TlsBackend::Rustls),
        #[cfg(not(feature = "rustls"))]
        Some(TlsBackend::Rustls) => Err(missing("Rustls", "rustls", "NativeTls")),
    }
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
impl Setup {
    fn build(self) -> Result<Trust> {
        match self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(setup) => setup.build().map(Trust::NativeTls),
            #[cfg(feature = "rustls")]
            Self::Rustls(setup) => setup.build().map(Trust::Rustls),
        }
    }
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
impl Trust {
    /// Does the handshake with the peer called `name`, which is a host without brackets.
    pub(super) fn shake(&self, name: &str, wire: &mut Wire) -> io::Result<Tls> {
        match self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(trust) => trust.shake(name, wire).map(Tls::NativeTls),
            #[cfg(feature = "rustls")]
            Self::Rustls(trust) => trust.shake(name, wire).map(Box::new).map(Tls::Rustls),
        }
    }
}

/// The error for a requested library that is not compiled in.
#[cfg(not(all(feature = "native-tls", feature = "rustls")))]
#[cfg(any(feature = "native-tls", feature = "rustls"))]
fn missing(asked: &str, feature: &str, there: &str) -> crate::Error {
    crate::error::config(format!(
        "Builder::tls_backend: TlsBackend::{asked} needs the feature `{feature}` of signalwire-relay, which this build \
         does not have; turn it on, or use TlsBackend::{there}"
    ))
}

/// Without TLS there are no shared connectors.
#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
pub(super) enum Shared {}

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
impl Shared {
    pub(super) fn of(_settings: &TlsSettings) -> Result<Arc<Self>> {
        Err(crate::error::config(
            "wss: this build of signalwire-relay has no TLS; enable its feature `native-tls` (the default) or `rustls`",
        ))
    }

    pub(super) fn trust(&self) -> Result<&Trust> {
        match *self {}
    }
}

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
impl Trust {
    pub(super) fn shake(&self, _name: &str, _wire: &mut Wire) -> io::Result<Tls> {
        match *self {}
    }
}

impl Tls {
    /// Takes in `cipher` and decrypts into `plain`. Returns the number of decrypted bytes, and whether another `recv`
    /// is needed for more. Returns `WouldBlock` if more ciphertext is needed, and `UnexpectedEof` if the peer has
    /// closed TLS.
    pub(super) fn open(&self, cipher: &[u8], plain: &mut [u8]) -> io::Result<(usize, bool)> {
        #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
        let _unused = (cipher, plain);
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.open(cipher, plain),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.open(cipher, plain),
        }
    }

    /// Encrypts `plain` (which may be empty) onto the end of `cipher`, after the pending bytes of the library itself.
    pub(super) fn seal(&self, plain: &[u8], cipher: &mut Vec<u8>) -> io::Result<()> {
        #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
        let _unused = (plain, cipher);
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.seal(plain, cipher),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.seal(plain, cipher),
        }
    }

    /// Returns the close alert of TLS as ciphertext.
    pub(super) fn farewell(&self) -> Vec<u8> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.farewell(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.farewell(),
        }
    }

    /// The version of TLS, if the library reports it.
    pub(super) fn version(&self) -> Option<String> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(_) => None,
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.version(),
        }
    }

    /// The peer's certificates in DER form, its own first, as far as the library reports them.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.chain(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.chain(),
        }
    }

    /// Returns `true` if ciphertext is pending that the library wrote on its own.
    pub(super) fn talks(&self) -> bool {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.talks(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.talks(),
        }
    }
}

/// The flaw of a failed handshake, as far as the library reports it.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Date,
    Name,
    Issuer,
    Purpose,
    #[cfg(feature = "rustls")]
    Authority,
    NoTls,
    OldTls,
    ClientCertificate,
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
impl Flaw {
    fn of(error: &io::Error) -> Option<Self> {
        let found: Option<Self> = None;
        #[cfg(feature = "rustls")]
        let found = found.or_else(|| by_rustls::flaw(error));
        #[cfg(feature = "native-tls")]
        let found = found.or_else(|| by_native_tls::flaw(error));
        found
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Date => "check this machine's clock; if it is right, the certificate of the service must be renewed",
            Self::Name => "the certificate was made for another host; check the host's spelling",
            Self::Issuer => {
                "the issuer of the certificate is not trusted here; install the system's roots (ca-certificates), or \
                 name the issuer with Builder::ca_file"
            }
            Self::Purpose => "the certificate is not one for servers; the service needs another one",
            #[cfg(feature = "rustls")]
            Self::Authority => {
                "the certificate is that of an authority (CA:TRUE), which rustls accepts from no server; issue one for \
                 the server"
            }
            Self::NoTls => "the peer does not speak TLS; check host and port",
            Self::OldTls => "the peer speaks no TLS of version 1.2 or later",
            Self::ClientCertificate => {
                "the peer requires a client certificate that it trusts; set one with Builder::client_certificate"
            }
        }
    }
}

/// Returns what to do about a failed handshake, as far as the library's error shows the flaw.
pub(super) fn advice(error: &io::Error) -> Option<&'static str> {
    #[cfg(any(feature = "native-tls", feature = "rustls"))]
    return Flaw::of(error).map(Flaw::advice);
    #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
    {
        let _no_handshake = error;
        None
    }
}
