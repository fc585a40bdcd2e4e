//! The files with the trusted authorities and the client certificate.
//!
//! The files are read and parsed here, so that both libraries reject the same ones with the same message. No error
//! contains any part of a key.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ClientFiles, Roots, TlsBackend, TlsSettings};
use crate::error::{self, Error, Result};
use crate::secret::Secret;

const CLIENT_SETTING: &str = "Builder::client_certificate";
const DASHES: &str = "-----";

/// One root certificate.
pub(super) struct Root {
    pub(super) pem: String,
    setting: &'static str,
    path: PathBuf,
    number: usize,
}

impl Root {
    pub(super) fn cannot_be_read(&self, why: &dyn Display) -> Error {
        let Self { pem: _, setting, path, number } = self;
        bad(setting, path, &format!("certificate {number} cannot be read: {why}"))
    }
}

/// The certificate of the client with its chain and its key.
pub(super) struct Client {
    pub(super) chain_pem: String,
    pub(super) key_pem: Secret,
    files: ClientFiles,
}

impl Client {
    pub(super) fn does_not_fit(&self) -> Error {
        let ClientFiles { chain, key } = &self.files;
        error::config(format!(
            "{CLIENT_SETTING}: the key in {} does not belong to the first certificate in {}; give the certificate that \
             was issued for this key, followed by its issuers",
            key.display(),
            chain.display()
        ))
    }

    pub(super) fn cannot_be_used(&self, why: &dyn Display) -> Error {
        let ClientFiles { chain, key } = &self.files;
        error::config(format!(
            "{CLIENT_SETTING}: {} and {} cannot be used as certificate and key: {why}",
            chain.display(),
            key.display()
        ))
    }
}

/// The content of all files, and the library that it is for.
pub(super) struct Files {
    pub(super) backend: TlsBackend,
    pub(super) roots: Vec<Root>,
    pub(super) only: bool,
    pub(super) client: Option<Client>,
}

/// Reads the files that the settings name.
///
/// # Errors
///
/// [`ErrorKind::Config`](crate::ErrorKind::Config) for a file or directory that cannot be read or has the wrong
/// content, with the name of its setting.
pub(super) fn load(settings: &TlsSettings, backend: TlsBackend) -> Result<Files> {
    let TlsSettings { backend: _, roots, only, client } = settings;
    if *only && roots.is_empty() {
        return Err(error::config(
            "Builder::ca_only: no certificate is trusted; name those to trust with Builder::ca_file, Builder::ca_dir or \
             SIGNALWIRE_RELAY_CA_FILE",
        ));
    }
    let client = client.as_ref().map(load_client).transpose()?;
    let mut files = Files { backend, roots: Vec::new(), only: *only, client };
    for source in roots {
        let before = files.roots.len();
        let Roots { setting, path, is_directory } = source;
        if *is_directory {
            for file in files_of(path).map_err(|e| bad(setting, path, &format!("cannot be read: {e}")))? {
                add(setting, &file, true, &mut files.roots)?;
            }
        } else {
            add(setting, path, false, &mut files.roots)?;
        }
        if files.roots.len() == before {
            let what = if *is_directory { "no file in it holds a certificate" } else { "it holds no certificate" };
            return Err(bad(setting, path, &format!("{what} in PEM form (-----BEGIN CERTIFICATE-----)")));
        }
    }
    Ok(files)
}

fn bad(setting: &str, path: &Path, why: &str) -> Error {
    error::config(format!("{setting}: {}: {why}", path.display()))
}

/// Returns the files of a directory, including the targets of symbolic links, ordered by name.
fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Adds the certificates of a file. A directory may also have files without certificates.
fn add(setting: &'static str, path: &Path, in_directory: bool, roots: &mut Vec<Root>) -> Result<()> {
    let bytes = fs::read(path).map_err(|e| bad(setting, path, &format!("cannot be read: {e}")))?;
    if bytes.is_empty() && !in_directory {
        return Err(bad(setting, path, "the file is empty; it must hold certificates in PEM form"));
    }
    let pem = String::from_utf8_lossy(&bytes);
    let found = certificates(&pem)
        .ok_or_else(|| bad(setting, path, "a certificate in it is cut off (it has a BEGIN and no END)"))?;
    for (pem, number) in found.into_iter().zip(1..) {
        roots.push(Root { pem: pem.to_owned(), setting, path: path.to_owned(), number });
    }
    Ok(())
}

fn load_client(files: &ClientFiles) -> Result<Client> {
    let ClientFiles { chain, key } = files;
    let read = |path: &Path| fs::read(path).map_err(|e| bad(CLIENT_SETTING, path, &format!("cannot be read: {e}")));
    let text = read(chain)?;
    let text = String::from_utf8_lossy(&text);
    let found = certificates(&text)
        .ok_or_else(|| bad(CLIENT_SETTING, chain, "a certificate in it is cut off (it has a BEGIN and no END)"))?;
    if found.is_empty() {
        return Err(bad(CLIENT_SETTING, chain, "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"));
    }
    let key_text = read(key)?;
    let key_text = String::from_utf8_lossy(&key_text);
    let key_pem = private_key(&key_text).map_err(|why| bad(CLIENT_SETTING, key, why))?;
    Ok(Client { chain_pem: found.join("\n"), key_pem: Secret::new(key_pem), files: files.clone() })
}

/// Returns the key of a PEM file, as the text from its BEGIN to its END.
fn private_key(pem: &str) -> std::result::Result<&str, &'static str> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    if let Some(start) = pem.find(BEGIN) {
        let length = pem[start..].find(END).ok_or("the key in it is cut off (it has a BEGIN and no END)")?;
        return Ok(&pem[start..start + length + END.len()]);
    }
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        Err("the key in it is encrypted; decrypt it with `openssl pkcs8 -topk8 -nocrypt`")
    } else if pem.contains(" PRIVATE KEY-----") {
        Err("the key in it is not in PKCS#8 form (-----BEGIN PRIVATE KEY-----); convert it with `openssl pkcs8 -topk8 \
             -nocrypt`")
    } else {
        Err("it holds no key in PEM form (-----BEGIN PRIVATE KEY-----)")
    }
}

/// Returns the certificates of a PEM file, each as the text from its BEGIN to its END. Returns `None` if one of them is
/// cut off, as in a half-copied file. The libraries' own parsers treat a file of garbage as one without certificates.
fn certificates(pem: &str) -> Option<Vec<&str>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some(start) = rest.find(BEGIN) {
        let end = start + rest[start..].find(END)? + END.len();
        found.push(&rest[start..end]);
        rest = &rest[end..];
    }
    // The file may be cut off within the BEGIN itself.
    let last = rest.trim_end().lines().next_back().unwrap_or_default();
    let is_cut = last.starts_with(DASHES) && last.len() < BEGIN.len() && BEGIN.starts_with(last);
    (!is_cut).then_some(found)
}
