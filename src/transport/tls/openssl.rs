//! OpenSSL, with the names of the `native-tls` crate, which stands in its place where the platform has another library.
//!
//! That crate reads the system's bundle of roots twice for every connector: once with OpenSSL's defaults, and once from
//! the place that `openssl-probe` finds, which is mostly the same file. A bundle takes 20 ms. Everything else is set up
//! as it does it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{self, ErrorCode, MidHandshakeSslStream, SslConnector, SslMethod, SslStream, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509VerifyResult};

/// What OpenSSL has against something.
#[derive(Debug)]
pub(super) enum Error {
    Setup(ErrorStack),
    Handshake(ssl::Error, X509VerifyResult),
    NoCertificate,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(why) => why.fmt(f),
            Self::Handshake(why, X509VerifyResult::OK) => why.fmt(f),
            Self::Handshake(why, verdict) => write!(f, "{why} ({verdict})"),
            Self::NoCertificate => f.write_str("there is no certificate"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Setup(why) => why.source(),
            Self::Handshake(why, _) => why.source(),
            Self::NoCertificate => None,
        }
    }
}

impl From<ErrorStack> for Error {
    fn from(why: ErrorStack) -> Self {
        Self::Setup(why)
    }
}

#[derive(Clone)]
pub(super) struct Certificate(X509);

impl Certificate {
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        Ok(Self(X509::from_pem(pem)?))
    }
}

/// The certificate that the client shows, those between it and its authority, and its key.
#[derive(Clone)]
pub(super) struct Identity {
    certificate: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Identity {
    pub(super) fn from_pkcs8(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let key = PKey::private_key_from_pem(key)?;
        let mut chain = X509::stack_from_pem(chain)?.into_iter();
        let certificate = chain.next().ok_or(Error::NoCertificate)?;
        Ok(Self { certificate, chain: chain.collect(), key })
    }
}

pub(super) enum Protocol {
    Tlsv12,
}

#[derive(Default)]
pub(super) struct TlsConnectorBuilder {
    oldest: Option<SslVersion>,
    without_system: bool,
    roots: Vec<Certificate>,
    identity: Option<Identity>,
}

impl TlsConnectorBuilder {
    pub(super) fn min_protocol_version(&mut self, protocol: Option<Protocol>) -> &mut Self {
        self.oldest = protocol.map(|Protocol::Tlsv12| SslVersion::TLS1_2);
        self
    }

    pub(super) fn disable_built_in_roots(&mut self, disable: bool) -> &mut Self {
        self.without_system = disable;
        self
    }

    pub(super) fn add_root_certificate(&mut self, root: Certificate) -> &mut Self {
        self.roots.push(root);
        self
    }

    pub(super) fn identity(&mut self, identity: Identity) -> &mut Self {
        self.identity = Some(identity);
        self
    }

    pub(super) fn build(&self) -> Result<TlsConnector, Error> {
        // This loads OpenSSL's own default file, and looks into its directories when a root is wanted.
        let mut connector = SslConnector::builder(SslMethod::tls())?;
        if let Some(identity) = &self.identity {
            connector.set_certificate(&identity.certificate)?;
            connector.set_private_key(&identity.key)?;
            for issuer in &identity.chain {
                connector.add_extra_chain_cert(issuer.clone())?;
            }
        }
        connector.set_min_proto_version(self.oldest)?;
        if self.without_system {
            connector.set_cert_store(X509StoreBuilder::new()?.build());
        } else {
            let probed = openssl_probe::probe();
            let file = probed.cert_file.filter(|file| !is_same(file, &default_file()));
            let directories = probed.cert_dir.iter().map(|directory| (None, Some(&**directory)));
            for (file, directory) in file.iter().map(|file| (Some(&**file), None)).chain(directories) {
                if let Err(why) = connector.load_verify_locations(file, directory) {
                    log::debug!("loading the system's root certificates: {why}");
                }
            }
        }
        for root in &self.roots {
            if let Err(why) = connector.cert_store_mut().add_cert(root.0.clone()) {
                log::debug!("adding a root certificate: {why}");
            }
        }
        Ok(TlsConnector(connector.build()))
    }
}

/// The file that OpenSSL loads by itself.
fn default_file() -> PathBuf {
    if let Some(file) = std::env::var_os("SSL_CERT_FILE") {
        return file.into();
    }
    // As in `OPENSSLDIR: "/usr/lib/ssl"`.
    let directory = openssl::version::dir().split('"').nth(1).unwrap_or_default();
    Path::new(OsStr::new(directory)).join("cert.pem")
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

pub(super) struct TlsConnector(SslConnector);

impl TlsConnector {
    pub(super) fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder::default()
    }

    /// Begins the handshake with the peer called `name`, which the certificate has to be made for.
    pub(super) fn connect<S: io::Read + io::Write>(
        &self,
        name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, HandshakeError<S>> {
        Ok(TlsStream(self.0.connect(name, stream)?))
    }
}

pub(super) enum HandshakeError<S> {
    Failure(Error),
    WouldBlock(MidHandshakeTlsStream<S>),
}

impl<S> From<ssl::HandshakeError<S>> for HandshakeError<S> {
    fn from(error: ssl::HandshakeError<S>) -> Self {
        match error {
            ssl::HandshakeError::SetupFailure(why) => Self::Failure(why.into()),
            ssl::HandshakeError::Failure(middle) => {
                let verdict = middle.ssl().verify_result();
                Self::Failure(Error::Handshake(middle.into_error(), verdict))
            }
            ssl::HandshakeError::WouldBlock(middle) => Self::WouldBlock(MidHandshakeTlsStream(middle)),
        }
    }
}

pub(super) struct MidHandshakeTlsStream<S>(MidHandshakeSslStream<S>);

impl<S: io::Read + io::Write> MidHandshakeTlsStream<S> {
    pub(super) fn get_mut(&mut self) -> &mut S {
        self.0.get_mut()
    }

    pub(super) fn handshake(self) -> Result<TlsStream<S>, HandshakeError<S>> {
        Ok(TlsStream(self.0.handshake()?))
    }
}

pub(super) struct TlsStream<S>(SslStream<S>);

impl<S: io::Read + io::Write> TlsStream<S> {
    pub(super) fn get_ref(&self) -> &S {
        self.0.get_ref()
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        self.0.get_mut()
    }

    pub(super) fn buffered_read_size(&self) -> io::Result<usize> {
        Ok(self.0.ssl().pending())
    }

    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        match self.0.shutdown() {
            Ok(_) => Ok(()),
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => Ok(()),
            Err(e) => Err(e.into_io_error().unwrap_or_else(io::Error::other)),
        }
    }
}

impl<S: io::Read + io::Write> io::Read for TlsStream<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<S: io::Read + io::Write> io::Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
