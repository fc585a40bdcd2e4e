//! The service that the commands connect to.

use std::time::Duration;

use clap::{Args, ValueEnum};
use signalwire_relay::connection::TlsBackend;
use signalwire_relay::{Builder, Client};

use crate::say::{FAINT, line, styled};
use crate::signals;

/// The flags of all commands that connect.
#[derive(Args, Debug)]
pub struct Target {
    /// Host of the service, such as example.signalwire.com; default: SIGNALWIRE_RELAY_HOST, then SIGNALWIRE_SPACE
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,

    /// Library that encrypts the connection; default: what a program with default features uses
    #[arg(long, value_name = "LIBRARY")]
    pub tls_backend: Option<Backend>,
}

/// The TLS library of a connection.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Backend {
    /// The platform's library: OpenSSL on Linux
    NativeTls,
    /// rustls with the platform's root certificates
    Rustls,
}

impl Target {
    /// Connects, and shuts down the client at the first signal: live calls are hung up, dials cancelled.
    pub fn connect(&self, builder: Builder) -> Result<Client, String> {
        let client = builder.connect().map_err(|error| format!("{error}\n(`relay doctor` checks each step)"))?;
        let host = client.host();
        line(styled(FAINT, format_args!("connected to {host}")));
        let ends = client.clone();
        signals::watch(move || ends.shutdown(Duration::ZERO))?;
        Ok(client)
    }

    pub fn builder(&self) -> Builder {
        let mut builder = Client::builder().agent(concat!("relay-command/", env!("CARGO_PKG_VERSION")));
        if let Some(host) = &self.host {
            builder = builder.host(host);
        }
        match self.tls_backend {
            None => builder,
            Some(Backend::NativeTls) => builder.tls_backend(TlsBackend::NativeTls),
            Some(Backend::Rustls) => builder.tls_backend(TlsBackend::Rustls),
        }
    }
}
