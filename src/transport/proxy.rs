//! Proxies between the client and the service: HTTP CONNECT and SOCKS5, chosen by the rules of curl.
//!
//! The proxy looks up the host's name. No error contains credentials, and messages of a proxy are searched for them
//! before they are shown.

use std::fmt;
use std::io;
use std::net::IpAddr;

use super::address::{Endpoint, Scheme, split};
use super::wire::Wire;
use crate::error::{self, Error, Result};
use crate::secret::{Secret, Secrets};

/// Port of a proxy whose URL has none, as in curl.
const DEFAULT_PORT: u16 = 1080;

/// Size limit of the head of a response to CONNECT, in bytes.
const HEAD: usize = 16 << 10;

/// Number of characters of a proxy's message that are shown.
const SHOWN: usize = 80;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyKind {
    Http,
    Socks5,
}

/// A proxy, as its URL describes it. `Display` is `host:port`.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Name of the setting or variable with the URL.
    setting: &'static str,
    kind: ProxyKind,
    /// The host without brackets, also for IPv6.
    host: Box<str>,
    port: u16,
    login: Option<Login>,
}

/// User name and password for a proxy.
#[derive(Clone, Debug)]
struct Login {
    user: Secret,
    password: Secret,
}

/// Reason why a proxy did not open the connection.
pub(super) enum Fault {
    Io(io::Error),
    /// The message or failure of the proxy, without secrets.
    Refused(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting: _, kind: _, host, port, login: _ } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Proxy {
    /// Parses `[scheme://][user[:password]@]host[:port][/]`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the name of the setting. The error does not contain the
    /// input.
    pub(crate) fn parse(setting: &'static str, url: &str) -> Result<Self> {
        let bad = |why: &str| error::config(format!("{setting}: {why}"));
        let (kind, rest) = match url.split_once("://") {
            None => (ProxyKind::Http, url),
            Some((scheme, rest)) => match &*scheme.to_ascii_lowercase() {
                "http" => (ProxyKind::Http, rest),
                "socks5" | "socks5h" => (ProxyKind::Socks5, rest),
                other => {
                    let named = if matches!(other, "https" | "socks4" | "socks4a") { other } else { "its scheme" };
                    return Err(bad(&format!(
                        "{named} is not supported for a proxy; use http://, socks5:// or socks5h://"
                    )));
                }
            },
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, address) = match authority.rsplit_once('@') {
            None => (None, authority),
            Some((login, address)) => (Some(Login::parse(login, kind).map_err(bad)?), address),
        };
        if address.is_empty() {
            return Err(bad("the host of the proxy is missing; give a URL such as http://proxy.example:3128"));
        }
        let (host, port) = split(address).map_err(|why| bad(&format!("the host of the proxy: {why}")))?;
        Ok(Self { setting, kind, host, port: port.unwrap_or(DEFAULT_PORT), login })
    }

    /// The proxy that the environment names for this endpoint, by the rules of curl.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the name of the variable.
    pub(crate) fn of_environment(
        endpoint: &Endpoint,
        variable: impl Fn(&str) -> Result<Option<String>>,
    ) -> Result<Option<Self>> {
        let names: &[&'static str] = match endpoint.scheme() {
            Scheme::Wss => &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            // The upper-case variable is not used, because the header of a request to a CGI program could set it.
            Scheme::Ws if !endpoint.is_local_only() => {
                &["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]
            }
            // Bytes that must not leave this machine go through no proxy.
            Scheme::Ws => return Ok(None),
        };
        let excluded = match variable("no_proxy")? {
            None => variable("NO_PROXY")?,
            list => list,
        };
        if excluded.is_some_and(|list| is_excluded(endpoint.host(), &list)) {
            return Ok(None);
        }
        for name in names {
            if let Some(url) = variable(name)? {
                return Self::parse(name, &url).map(Some);
            }
        }
        Ok(None)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the error for a proxy that would send the credentials beyond this machine in plain text.
    pub(super) fn plaintext_refused(&self) -> Error {
        error::config(format!(
            "{}: ws:// sends credentials in plain text through the proxy {self}; use wss, or ask for it with \
             allow_plaintext()",
            self.setting
        ))
    }

    /// Makes the proxy connect to the endpoint. Reads nothing beyond the proxy's response.
    pub(super) fn open(&self, endpoint: &Endpoint, wire: &mut Wire) -> std::result::Result<(), Fault> {
        match self.kind {
            ProxyKind::Http => self.open_http(endpoint, wire),
            ProxyKind::Socks5 => self.open_socks5(endpoint, wire),
        }
    }

    fn open_http(&self, endpoint: &Endpoint, wire: &mut Wire) -> std::result::Result<(), Fault> {
        let (host, port) = (endpoint.host(), endpoint.port());
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(Login { user, password }) = &self.login {
            let login = base64(format!("{}:{}", user.expose(), password.expose()).as_bytes());
            request.push_str(&format!("Proxy-Authorization: Basic {login}\r\n"));
        }
        request.push_str("\r\n");
        wire.send_all(request.as_bytes())?;
        loop {
            let head = read_head(wire)?;
            let head = String::from_utf8_lossy(&head);
            let status_line = head.lines().next().unwrap_or_default();
            let status = status_line.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
            return match status {
                // An informational response comes before the final one.
                Some(100..=199) => continue,
                Some(200..=299) if is_page(&head) => Err(refused(
                    "the proxy responded with an HTML page instead of connecting; it may require a login in a browser",
                )),
                Some(200..=299) => Ok(()),
                Some(407) if self.login.is_none() => Err(refused(
                    "the proxy asks for credentials (HTTP 407); add them to its URL, as in http://user:password@host:port",
                )),
                // tinyproxy responds with 401 instead of 407.
                Some(code @ (401 | 407)) if self.login.is_some() => Err(Fault::Refused(format!(
                    "the proxy does not accept the user and password of {} (HTTP {code})",
                    self.setting
                ))),
                Some(_) => {
                    let words = status_line.split_once(' ').map(|(_, words)| words).unwrap_or_default();
                    Err(Fault::Refused(format!("the proxy refused the connection: HTTP {}", self.shown(words))))
                }
                None => Err(refused("the answer of the proxy has no status; check its host and port")),
            };
        }
    }

    fn open_socks5(&self, endpoint: &Endpoint, wire: &mut Wire) -> std::result::Result<(), Fault> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        wire.send_all(if self.login.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] })?;
        match (read::<2>(wire)?, &self.login) {
            ([5, NONE], _) => {}
            ([5, PASSWORD], Some(Login { user, password })) => {
                let mut login = vec![1];
                for part in [user, password] {
                    // The length was checked when the URL was parsed.
                    login.push(u8::try_from(part.expose().len()).unwrap_or(u8::MAX));
                    login.extend_from_slice(part.expose().as_bytes());
                }
                wire.send_all(&login)?;
                if read::<2>(wire)?[1] != 0 {
                    return Err(Fault::Refused(format!(
                        "the proxy does not accept the user and password of {}",
                        self.setting
                    )));
                }
            }
            ([5, _], None) => {
                return Err(refused(
                    "the proxy asks for credentials; add them to its URL, as in socks5://user:password@host:port",
                ));
            }
            ([5, _], Some(_)) => return Err(refused("the proxy takes neither no login nor one by user and password")),
            ([b'H', _], _) => {
                return Err(refused("the proxy answers in HTTP and not in SOCKS5; give its URL with http://"));
            }
            _ => return Err(refused("the proxy does not speak SOCKS5; check its host and port")),
        }
        let mut request = vec![5, 1, 0];
        match endpoint.literal() {
            Some(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            None => {
                // A host has at most 253 characters.
                request.extend_from_slice(&[3, u8::try_from(endpoint.host().len()).unwrap_or(u8::MAX)]);
                request.extend_from_slice(endpoint.host().as_bytes());
            }
        }
        request.extend_from_slice(&endpoint.port().to_be_bytes());
        wire.send_all(&request)?;
        let [version, reply, _, form] = read::<4>(wire)?;
        let why = match reply {
            _ if version != 5 => "it does not speak SOCKS5; check its host and port".to_owned(),
            0 => {
                // The response contains the address that the proxy connected from, which is not needed.
                match form {
                    1 => drop(read::<6>(wire)?),
                    4 => drop(read::<18>(wire)?),
                    _ => {
                        let [length] = read::<1>(wire)?;
                        for _ in 0..usize::from(length) + 2 {
                            read::<1>(wire)?;
                        }
                    }
                }
                return Ok(());
            }
            1 => "it failed".to_owned(),
            2 => "its rules do not allow the connection".to_owned(),
            3 => "the network cannot be reached from it".to_owned(),
            4 => "the host cannot be reached from it, or has no address there".to_owned(),
            5 => "the host refused the connection".to_owned(),
            6 => "the host did not answer it in time".to_owned(),
            7 => "it does not support connections".to_owned(),
            8 => "it does not support this kind of address".to_owned(),
            other => format!("it answered with code {other}"),
        };
        Err(Fault::Refused(format!("the proxy did not connect: {why}")))
    }

    /// Returns a message of the proxy as one line of printable text.
    fn shown(&self, words: &str) -> String {
        let secrets = Secrets::default();
        let login = self.login.iter().flat_map(|login| [login.user.clone(), login.password.clone()]);
        secrets.set_own(login.collect());
        let words: String = secrets.clean(words).chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        words.trim().to_owned()
    }
}

impl Login {
    fn parse(text: &str, kind: ProxyKind) -> std::result::Result<Self, &'static str> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let [user, password] = [user, password].map(decoded);
        let broken = "a % in the user or password is not followed by two digits; write a % itself as %25";
        let (user, password) = (user.ok_or(broken)?, password.ok_or(broken)?);
        if user.is_empty() {
            return Err("the user before the @ is empty; leave the @ out if the proxy wants no credentials");
        }
        if [&user, &password].iter().any(|part| part.chars().any(char::is_control)) {
            return Err("the user or password has control characters in it; remove them");
        }
        if kind == ProxyKind::Http && user.contains(':') {
            return Err("the user has a colon in it, which HTTP cannot send");
        }
        if kind == ProxyKind::Socks5 && [&user, &password].iter().any(|part| part.len() > 255) {
            return Err("the user or password is longer than 255 bytes, which SOCKS5 cannot send");
        }
        Ok(Self { user: Secret::new(user), password: Secret::new(password) })
    }
}

fn refused(why: &str) -> Fault {
    Fault::Refused(why.to_owned())
}

/// Decodes text with `%XX`. Returns `None` if a `%` is followed by anything else, or if the bytes are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | group.get(at).copied().map_or(0, usize::from));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            text.push(if at > group.len() { '=' } else { digit });
        }
    }
    text
}

/// Reads `COUNT` bytes.
fn read<const COUNT: usize>(wire: &mut Wire) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    let mut done = 0;
    while done < COUNT {
        match wire.recv(&mut bytes[done..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => done += count,
        }
    }
    Ok(bytes)
}

/// Reads the head of a response byte by byte, because the bytes after it do not belong to the proxy.
fn read_head(wire: &mut Wire) -> std::result::Result<Vec<u8>, Fault> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let mut head = Vec::new();
    while !(head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n")) {
        head.extend_from_slice(&read::<1>(wire)?);
        let begun = head.len().min(BEGINNING.len());
        if head[..begun] != BEGINNING[..begun] {
            return Err(refused(match head[0] {
                b'<' => "the proxy answers with a page of HTML and not in HTTP; check its host and port",
                5 => "the proxy answers in SOCKS5 and not in HTTP; give its URL with socks5://",
                0x15 => "the proxy answers in TLS, which is not supported for a proxy; give it a port without TLS",
                _ => "the proxy does not answer in HTTP; check its host and port",
            }));
        }
        if head.len() > HEAD {
            return Err(refused("the answer of the proxy is too large"));
        }
    }
    Ok(head)
}

/// Returns `true` if a head announces a web page, which a response to CONNECT never contains.
fn is_page(head: &str) -> bool {
    let value = |name: &str| {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values =
            fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        values.next().map(str::to_ascii_lowercase)
    };
    let is_html = value("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let is_long = value("content-length").is_some_and(|length| length != "0") || value("transfer-encoding").is_some();
    is_html && is_long
}

/// Returns `true` if a list such as `example.com, 10.0.0.0/8` contains the host.
fn is_excluded(host: &str, list: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let address = host.parse::<IpAddr>().ok();
    list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).any(|entry| match address {
        Some(address) => covers(entry, address),
        None => {
            let entry = entry.strip_suffix('.').unwrap_or(entry);
            let entry = entry.strip_prefix('.').unwrap_or(entry);
            let Some(cut) = host.len().checked_sub(entry.len()).filter(|_| !entry.is_empty()) else { return false };
            let is_tail = host.get(cut..).is_some_and(|tail| tail.eq_ignore_ascii_case(entry));
            is_tail && (cut == 0 || host.as_bytes()[cut - 1] == b'.')
        }
    })
}

/// Returns `true` if an entry, an address or a network such as `10.0.0.0/8`, contains the address.
fn covers(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        None => (entry, None),
        Some((network, bits)) => match bits.parse::<u32>() {
            Ok(bits) => (network, Some(bits)),
            Err(_) => return false,
        },
    };
    let network = network.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(network);
    let (network, address, width) = match (network.parse::<IpAddr>(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let bits = bits.unwrap_or(width);
    // A shift by the full width is not allowed.
    bits <= width && (network ^ address).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ErrorKind;

    fn parse(url: &str) -> Result<Proxy> {
        Proxy::parse("Builder::proxy", url)
    }

    #[test]
    fn urls_are_taken_apart() {
        for (url, kind, shown, login) in [
            ("http://proxy.example:3128", ProxyKind::Http, "proxy.example:3128", None),
            ("HTTP://proxy.example:3128/", ProxyKind::Http, "proxy.example:3128", None),
            ("proxy.example:3128", ProxyKind::Http, "proxy.example:3128", None),
            ("proxy.example", ProxyKind::Http, "proxy.example:1080", None),
            ("http://[::1]:3128", ProxyKind::Http, "[::1]:3128", None),
            ("socks5://10.0.0.1", ProxyKind::Socks5, "10.0.0.1:1080", None),
            ("socks5h://ann:pw@10.0.0.1:9050", ProxyKind::Socks5, "10.0.0.1:9050", Some(("ann", "pw"))),
            ("http://ann:p%40s%3as%25@proxy.example:1", ProxyKind::Http, "proxy.example:1", Some(("ann", "p@s:s%"))),
            ("ann:p@ss@proxy.example:1", ProxyKind::Http, "proxy.example:1", Some(("ann", "p@ss"))),
            ("http://ann@proxy.example:1", ProxyKind::Http, "proxy.example:1", Some(("ann", ""))),
            ("http://ann:a:b@proxy.example:1", ProxyKind::Http, "proxy.example:1", Some(("ann", "a:b"))),
        ] {
            let proxy = parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
            assert_eq!((proxy.kind, &*proxy.to_string()), (kind, shown), "{url}");
            let found = proxy.login.as_ref().map(|login| (login.user.expose(), login.password.expose()));
            assert_eq!(found, login, "{url}");
        }
    }

    #[test]
    fn what_is_not_a_proxy_is_refused_by_its_setting_and_not_repeated() {
        for url in [
            "",
            "http://",
            "http://canary-user:canary-pass@",
            "https://canary-user:canary-pass@proxy.example:443",
            "socks4://proxy.example",
            "ftp://proxy.example",
            "canary-scheme://proxy.example",
            "http://canary-user:canary-pass@proxy.example:0",
            "http://canary-user:canary-pass@proxy.example:port",
            "http://canary-user:canary-pass@pro xy.example",
            "http://canary-user:canary%2@proxy.example",
            "http://canary-user:canary%zz@proxy.example",
            "http://canary-user:canary%ff@proxy.example",
            "http://canary-user:canary%0d%0aX:%20y@proxy.example",
            "http://:canary-pass@proxy.example",
            "http://canary%3auser:pass@proxy.example",
            &format!("socks5://canary:{}@proxy.example", "x".repeat(256)),
            "http://[::1:3128",
        ] {
            let error = parse(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let told = format!("{error} {error:?}");
            assert!(told.contains("Builder::proxy") && !told.contains("canary"), "{url}: {told}");
        }
        let told = parse("https://proxy.example").expect_err("no TLS to proxies").to_string();
        assert!(told.contains("https is not supported") && told.contains("socks5://"), "{told}");
        let proxy = parse("http://canary-user:canary-pass@proxy.example").expect("a proxy");
        assert!(!format!("{proxy:?} {proxy}").contains("canary"));
        assert_eq!(proxy.shown("canary-user may not\r\n\u{1b}[31m"), "<secret> may not\\r\\n\\u001b[31m");
    }

    #[test]
    fn the_environment_names_a_proxy_by_the_rules_of_curl() {
        let wss = Endpoint::parse(("host", "relay.signalwire.com"), Scheme::Wss, "/", false).expect("a host");
        let ws = Endpoint::parse(("host", "relay.signalwire.com"), Scheme::Ws, "/", true).expect("a host");
        let local = Endpoint::parse(("host", "localhost"), Scheme::Ws, "/", false).expect("a host");
        type Rows<'a> = &'a [(&'a Endpoint, &'a [(&'a str, &'a str)], Option<&'a str>)];
        let rows: Rows<'_> = &[
            (&wss, &[], None),
            (&wss, &[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1"), ("all_proxy", "c:1")], Some("https_proxy a:1")),
            (&wss, &[("HTTPS_PROXY", "b:1"), ("all_proxy", "c:1"), ("ALL_PROXY", "d:1")], Some("HTTPS_PROXY b:1")),
            (&wss, &[("all_proxy", "c:1"), ("ALL_PROXY", "d:1")], Some("all_proxy c:1")),
            (&wss, &[("ALL_PROXY", "d:1")], Some("ALL_PROXY d:1")),
            (&wss, &[("wss_proxy", "w:1"), ("https_proxy", "a:1")], Some("wss_proxy w:1")),
            (&wss, &[("http_proxy", "a:1"), ("HTTP_PROXY", "a:1")], None),
            (&ws, &[("https_proxy", "a:1"), ("HTTP_PROXY", "b:1")], None),
            (&ws, &[("http_proxy", "a:1"), ("all_proxy", "b:1")], Some("http_proxy a:1")),
            (&ws, &[("ALL_PROXY", "d:1")], Some("ALL_PROXY d:1")),
            (&local, &[("http_proxy", "a:1"), ("all_proxy", "b:1")], None),
            (&wss, &[("https_proxy", "a:1"), ("no_proxy", "signalwire.com")], None),
            (&wss, &[("https_proxy", "a:1"), ("NO_PROXY", "*")], None),
            (&wss, &[("https_proxy", "a:1"), ("no_proxy", "other"), ("NO_PROXY", "*")], Some("https_proxy a:1")),
        ];
        for (endpoint, environment, expected) in rows {
            let environment: HashMap<_, _> = environment.iter().copied().collect();
            let found =
                Proxy::of_environment(endpoint, |name| Ok(environment.get(name).map(|value| (*value).to_owned())));
            let found = found.expect("good values").map(|proxy| format!("{} {proxy}", proxy.setting));
            assert_eq!(found.as_deref(), *expected, "{environment:?}");
        }
        let broken =
            Proxy::of_environment(&wss, |name| Ok((name == "HTTPS_PROXY").then(|| "ftp://canary@a".to_owned())));
        let told = broken.expect_err("a scheme that there is not").to_string();
        assert!(told.contains("HTTPS_PROXY") && !told.contains("canary"), "{told}");
    }

    #[test]
    fn hosts_are_excluded_by_the_rules_of_curl() {
        for (host, list, excluded) in [
            ("relay.signalwire.com", "", false),
            ("relay.signalwire.com", " * ", true),
            ("relay.signalwire.com", "a,*", false),
            ("relay.signalwire.com", "signalwire.com", true),
            ("relay.signalwire.com", ".signalwire.com", true),
            ("relay.signalwire.com", "SignalWire.COM.", true),
            ("relay.signalwire.com", "relay.signalwire.com", true),
            ("relay.signalwire.com", "wire.com", false),
            ("relay.signalwire.com", "x.relay.signalwire.com", false),
            ("relay.signalwire.com", "a b,com", true),
            ("relay.signalwire.com", "a, ,\tsignalwire.com", true),
            ("relay.signalwire.com", ".", false),
            ("signalwire.com", ".signalwire.com", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.0/31", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.0.0.0/33", false),
            ("10.1.2.3", "10.0.0.0/x", false),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "::/0", false),
            ("fe80::1", "fe80::/10", true),
            ("fe80::1", "[fe80::1]", true),
            ("fe80::1", "::/0", true),
            ("fe80::1", "fe80::2", false),
        ] {
            assert_eq!(is_excluded(host, list), excluded, "{host} {list:?}");
        }
    }

    #[test]
    fn credentials_are_written_in_base64() {
        for (text, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("ann:p\u{e4}", "YW5uOnDDpA==")]
        {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }
}
