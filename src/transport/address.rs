//! The address of the service: a valid host, a port and a path.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{self, Result};

/// Whether the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Wss,
    Ws,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Wss => 443,
            Self::Ws => 80,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wss => "wss",
            Self::Ws => "ws",
        }
    }
}

/// The checked address of the service. `Display` is `host`, or `host:port` if the port is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The host without brackets, also for IPv6: with brackets neither the lookup nor the certificate check works.
    host: Box<str>,
    port: u16,
    scheme: Scheme,
    path: Box<str>,
    allow_plaintext: bool,
}

impl Endpoint {
    /// Parses `name`, `name:port`, `10.0.0.1:443`, `[::1]:8080` or `::1`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for anything else. The message never contains the input, because
    /// the usual mistake is a whole URL, which may contain credentials.
    ///
    /// `what` names the host in the message.
    pub(crate) fn parse((what, host): (&str, &str), scheme: Scheme, path: &str, allow_plaintext: bool) -> Result<Self> {
        let (host, port) = split(host).map_err(|why| error::config(format!("{what}: {why}")))?;
        let path = check_path(path).map_err(|why| error::config(format!("path: {why}")))?;
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { host, port, scheme, path, allow_plaintext })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The address itself, if the host is an address and needs no lookup.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Returns `true` if bytes may be sent to `address` over this connection.
    pub(super) fn may_use(&self, address: IpAddr) -> bool {
        self.scheme == Scheme::Wss || self.allow_plaintext || address.to_canonical().is_loopback()
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.scheme == Scheme::Ws
    }

    /// Returns `true` if bytes must not leave this machine, because there is no TLS.
    pub(super) fn is_local_only(&self) -> bool {
        self.scheme == Scheme::Ws && !self.allow_plaintext
    }

    /// The URL of the upgrade without its path.
    pub(super) fn url(&self) -> String {
        format!("{}://{self}/", self.scheme.name())
    }

    /// The path of the upgrade, which may contain a secret.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, scheme, path: _, allow_plaintext: _ } = self;
        if host.contains(':') {
            write!(f, "[{host}]")?;
        } else {
            f.write_str(host)?;
        }
        if *port == scheme.default_port() { Ok(()) } else { write!(f, ":{port}") }
    }
}

/// Splits `host`, `host:port` and IPv6 in brackets.
pub(super) fn split(given: &str) -> Result<(Box<str>, Option<u16>), String> {
    if given.is_empty() {
        return Err("it is empty; give a name such as `example.signalwire.com`".into());
    }
    if given.contains("://") {
        return Err("give the host alone, without wss:// in front".into());
    }
    if given.contains('@') {
        return Err("give the host alone, without a user or password in front of an @".into());
    }
    if let Some(bad) = given.chars().find(|c| matches!(c, '/' | '?' | '#' | '\\')) {
        return Err(format!("give the host alone, without {bad:?} and the part after it; `path` sets the path"));
    }
    if let Some(bad) = given.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("it contains {bad:?}; remove it"));
    }
    if !given.is_ascii() {
        return Err("it contains characters outside ASCII; give the name in its encoded form (xn--...)".into());
    }
    if let Some(rest) = given.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or("the closing ] of the IPv6 address is missing")?;
        let host = inside.parse::<Ipv6Addr>().map_err(|_| "what is between [ and ] is not an IPv6 address")?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(check_port(port)?),
            None if after.is_empty() => None,
            None => return Err("only a port may follow the ] of an IPv6 address, as in [::1]:8080".into()),
        };
        return Ok((host.to_string().into(), port));
    }
    match given.split_once(':') {
        None => Ok((check_name(given)?.into(), None)),
        Some((name, port)) if !port.contains(':') => {
            let port = check_port(port)?;
            Ok((check_name(name)?.into(), Some(port)))
        }
        Some(_) => match given.parse::<Ipv6Addr>() {
            Ok(host) => Ok((host.to_string().into(), None)),
            Err(_) => Err("it has several colons and is not an IPv6 address; give name:port or [IPv6]:port".into()),
        },
    }
}

fn check_port(port: &str) -> Result<u16, String> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err("what follows the colon is not a port; give a number from 1 to 65535".into()),
    }
}

fn check_name(name: &str) -> Result<&str, String> {
    // An absolute name is the same host, but certificates never contain its final dot.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(name);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if let Some(bad) = name.bytes().find(|&b| !allowed(b)) {
        return Err(format!(
            "{:?} cannot be part of a name; give a name such as `example.signalwire.com`",
            bad as char
        ));
    }
    let label_is_right =
        |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    if name.len() > 253 || !name.split('.').all(label_is_right) {
        return Err("a part of the name is empty, too long, or begins or ends with a hyphen; check the spelling".into());
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("it looks like an IPv4 address and is none; check the numbers".into());
    }
    Ok(name)
}

fn check_path(path: &str) -> Result<Box<str>, String> {
    // Characters that a URL must encode, and a fragment, which is never sent.
    let is_bad = |c: &char| !c.is_ascii_graphic() || r##"#"<>\^`{|}"##.contains(*c);
    if let Some(bad) = path.chars().find(is_bad) {
        return Err(format!("'{}' is not allowed; encode it as %XX", bad.escape_default()));
    }
    Ok(if path.starts_with('/') { path.into() } else { format!("/{path}").into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn wss(host: &str) -> Result<Endpoint> {
        Endpoint::parse(("host", host), Scheme::Wss, "/", false)
    }

    #[test]
    fn hosts_are_taken_apart() {
        for (given, host, port, shown) in [
            ("relay.signalwire.com", "relay.signalwire.com", 443, "relay.signalwire.com"),
            ("relay.signalwire.com.", "relay.signalwire.com", 443, "relay.signalwire.com"),
            ("relay.signalwire.com:443", "relay.signalwire.com", 443, "relay.signalwire.com"),
            ("localhost:8080", "localhost", 8080, "localhost:8080"),
            ("my_host-2", "my_host-2", 443, "my_host-2"),
            ("10.0.0.1:443", "10.0.0.1", 443, "10.0.0.1"),
            ("10.0.0.1:8443", "10.0.0.1", 8443, "10.0.0.1:8443"),
            ("[::1]:8080", "::1", 8080, "[::1]:8080"),
            ("[2001:DB8::1]", "2001:db8::1", 443, "[2001:db8::1]"),
            ("::1", "::1", 443, "[::1]"),
        ] {
            let endpoint = wss(given).unwrap_or_else(|e| panic!("{given}: {e}"));
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{given}");
            assert_eq!(endpoint.to_string(), shown, "{given}");
        }
        let plain = Endpoint::parse(("host", "127.0.0.1:80"), Scheme::Ws, "api/relay", false).expect("a good host");
        assert_eq!((plain.url().as_str(), plain.path()), ("ws://127.0.0.1/", "/api/relay"));
    }

    #[test]
    fn what_is_not_a_host_is_refused_without_being_repeated() {
        for given in [
            "",
            " ",
            "a b",
            "relay.signalwire.com ",
            "a\r\nHost: b",
            "a\u{7}b",
            "wss://relay.signalwire.com",
            "https://relay.signalwire.com/x",
            "user:PTcanary@relay.signalwire.com",
            "relay.signalwire.com/PTcanary",
            "relay.signalwire.com?PTcanary",
            "relay.signalwire.com#PTcanary",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:port",
            ":443",
            "a:1:2",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[a]",
            "[fe80::1%eth0]",
            "256.1.1.1",
            "1.2.3",
            ".",
            "a..b",
            ".a",
            "-a.b",
            "a-.b",
            "a*b",
            "b\u{fc}cher.example",
            &"a".repeat(64),
            &"abc.".repeat(70),
        ] {
            let refused = match wss(given) {
                Ok(endpoint) => panic!("{given:?} was taken as {endpoint:?}"),
                Err(refused) => refused,
            };
            assert_eq!(refused.kind(), ErrorKind::Config, "{given:?}");
            assert!(!refused.to_string().contains("PTcanary"), "{refused}");
        }
        assert!(wss("wss://a").is_err_and(|e| e.to_string().contains("without wss://")));
    }

    #[test]
    fn a_path_that_is_none_is_refused_and_named_by_its_character_alone() {
        for bad in " \r\n\t\u{7f}\u{e9}\u{202e}#\"<>\\^`{|}".chars() {
            let path = format!("/PTcanary?a={bad}");
            let Err(refused) = Endpoint::parse(("host", "a"), Scheme::Wss, &path, false) else {
                panic!("{path:?} was taken")
            };
            assert_eq!(refused.kind(), ErrorKind::Config, "{path:?}");
            let told = refused.to_string();
            assert!(told.contains("path") && told.contains("%XX") && !told.contains("PTcanary"), "{told}");
            assert!(!told.contains(|c: char| c.is_control() || !c.is_ascii()), "{told:?}");
        }
        for good in ["", "/", "/api/relay?token=a%20b&c=d;e", "/~a/(b)/!$&'*+,;=:@-._[]"] {
            assert!(Endpoint::parse(("host", "a"), Scheme::Wss, good, false).is_ok(), "{good}");
        }
    }

    #[test]
    fn plain_text_stays_on_this_machine() {
        let addresses = [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("0.0.0.0", false),
        ];
        let plain = Endpoint::parse(("host", "a"), Scheme::Ws, "", false).expect("a good host");
        let allowed = Endpoint::parse(("host", "a"), Scheme::Ws, "", true).expect("a good host");
        for (address, local) in addresses {
            let address = address.parse().expect("an address");
            assert_eq!(plain.may_use(address), local, "{address}");
            assert!(allowed.may_use(address));
            assert!(wss("a").is_ok_and(|e| e.may_use(address)));
        }
    }
}
