//! TLS over a pipe in memory, by either of two libraries, so that no lock is ever held across a system call.
//!
//! Encrypting and decrypting only move bytes between buffers; the caller moves them to and from the socket. That also
//! means that TLS can never be half way through a write: there is always room in the pipe.

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

/// Which library is used, which authorities are trusted and how the client identifies itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) backend: Option<TlsBackend>,
    pub(crate) roots: Vec<Roots>,
    /// Whether the platform's roots are not trusted.
    pub(crate) only: bool,
    pub(crate) client: Option<ClientFiles>,
}

impl TlsSettings {
    /// The name of the library that is used.
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

/// What a [`Trust`] is set up from: the files were read, and the library takes what is in them.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) enum Setup {
    #[cfg(feature = "native-tls")]
    NativeTls(by_native_tls::Setup),
    #[cfg(feature = "rustls")]
    Rustls(by_rustls::Setup),
}

/// A [`Trust`] that the clients of this process share, and that is set up when it is needed first.
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) use shared::Shared;

/// An established TLS session; reader and writer share it.
pub(super) enum Tls {
    #[cfg(feature = "native-tls")]
    NativeTls(by_native_tls::Tls),
    #[cfg(feature = "rustls")]
    Rustls(Box<by_rustls::Tls>),
}

#[cfg(any(feature = "native-tls", feature = "rustls"))]
impl Shared {
    /// Reads the files. They are judged here, but for the system's roots, which are read when the connector is needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the library is not compiled in, or when a file cannot be
    /// used. The error names the setting or variable.
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
            // Whether key and certificate belong together shows only now.
            shared.trust()?;
        }
        Ok(shared)
    }
}

/// The library that was asked for, if it is there.
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

/// The error for a library that is asked for and not compiled in.
#[cfg(not(all(feature = "native-tls", feature = "rustls")))]
#[cfg(any(feature = "native-tls", feature = "rustls"))]
fn missing(asked: &str, feature: &str, there: &str) -> crate::Error {
    crate::error::config(format!(
        "Builder::tls_backend: TlsBackend::{asked} needs the feature `{feature}` of signalwire-relay, which this build \
         does not have; turn it on, or use TlsBackend::{there}"
    ))
}

/// Where there is no TLS, there is none of these.
#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
pub(super) enum Shared {}

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
impl Shared {
    pub(super) fn of(_settings: &TlsSettings) -> Result<Arc<Self>> {
        Err(crate::error::config(
            "wss: this build of signalwire-relay has no TLS; turn its feature `native-tls` (the default) or `rustls` on",
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
    /// Takes in `cipher` and decrypts what it can into `plain`: how many bytes, and whether nothing more can come
    /// without another `recv`. `WouldBlock` when more ciphertext is needed for anything, `UnexpectedEof` when the peer
    /// said that nothing more comes.
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

    /// Encrypts `plain` (which may be empty) onto the end of `cipher`, after what the library had to say itself.
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

    /// The goodbye of TLS, as ciphertext.
    pub(super) fn farewell(&self) -> Vec<u8> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.farewell(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.farewell(),
        }
    }

    /// The version of TLS, if the library tells it.
    pub(super) fn version(&self) -> Option<String> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(_) => None,
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.version(),
        }
    }

    /// The peer's certificates in DER form, its own first, as far as the library tells them.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.chain(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.chain(),
        }
    }

    /// Whether ciphertext waits that the library wrote of its own accord.
    pub(super) fn talks(&self) -> bool {
        match *self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(ref tls) => tls.talks(),
            #[cfg(feature = "rustls")]
            Self::Rustls(ref tls) => tls.talks(),
        }
    }
}

/// What was wrong with a handshake that failed, as far as the library tells.
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
            Self::Date => {
                "check this machine's clock; if it is right, the certificate of the service has to be renewed"
            }
            Self::Name => "the certificate was made for another host; check the host's spelling",
            Self::Issuer => {
                "the issuer of the certificate is not trusted here; install the system's roots (ca-certificates), or \
                 name the issuer with Builder::ca_file"
            }
            Self::Purpose => "the certificate is not one for servers; the service has to be given another",
            #[cfg(feature = "rustls")]
            Self::Authority => {
                "the certificate is that of an authority (CA:TRUE), which rustls takes from no server; issue one for \
                 the server"
            }
            Self::NoTls => "the peer does not speak TLS; check host and port",
            Self::OldTls => "the peer speaks no TLS of version 1.2 or later",
            Self::ClientCertificate => {
                "the peer wants a certificate of this client; give one that it accepts with Builder::client_certificate"
            }
        }
    }
}

/// What to do about a handshake that failed, as far as the library's error tells what was wrong.
pub(super) fn advice(error: &io::Error) -> Option<&'static str> {
    #[cfg(any(feature = "native-tls", feature = "rustls"))]
    return Flaw::of(error).map(Flaw::advice);
    #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
    {
        let _no_handshake = error;
        None
    }
}
