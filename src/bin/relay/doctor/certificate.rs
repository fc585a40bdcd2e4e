//! A certificate in printable form.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use serde_json::{Value, json};
use x509_cert::der::DecodePem;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Number of days before its expiry from which a certificate is reported to expire soon.
const SOON: i64 = 14;

/// The certificate of a server, as the report shows it.
#[derive(Debug)]
pub struct Certificate {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: String,
    not_after: String,
    /// Whole days until the expiry; negative if it has passed.
    days_left: i64,
}

impl Certificate {
    /// Reads a certificate. Returns `None` for anything else.
    pub fn read(pem: &str) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_pem(pem).ok()?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        let names = certificate.get_extension::<SubjectAltName>().ok().flatten();
        let names = names.iter().flat_map(|(_, names)| &names.0).filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(address) => ip(address.as_bytes()),
            _ => None,
        });
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            i64::try_from(since).unwrap_or(i64::MAX)
        };
        let left = seconds(validity.not_after.to_system_time()).saturating_sub(seconds(SystemTime::now()));
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names.collect(),
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
            days_left: left.div_euclid(DAY),
        })
    }

    pub fn to_json(&self) -> Value {
        let Self { subject, issuer, names, not_before, not_after, days_left } = self;
        json!({
            "subject": subject, "issuer": issuer, "names": names, "not_before": not_before, "not_after": not_after,
            "days_left": days_left,
        })
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::from(sixteen).to_string())
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, issuer, names: _, not_before: _, not_after, days_left } = self;
        write!(f, "certificate of {subject}, issued by {issuer}, valid until {not_after}")?;
        match days_left {
            ..0 => write!(f, " (EXPIRED)"),
            1 => write!(f, " (1 DAY LEFT)"),
            ..=SOON => write!(f, " ({days_left} DAYS LEFT)"),
            _ => write!(f, " ({days_left} days left)"),
        }
    }
}
