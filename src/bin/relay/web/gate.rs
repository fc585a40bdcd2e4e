//! The access check of the page's server: programs of this machine that know its token, and no page of another origin.

use std::net::{IpAddr, SocketAddr};

/// The parts of a request that decide whether it is served.
#[derive(Debug, Default)]
pub struct Knock<'a> {
    pub from: Option<IpAddr>,
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`, which browsers send and pages cannot forge.
    pub site: Option<&'a str>,
    pub path: &'a str,
}

/// Decides which requests are served.
pub struct Gate {
    /// The names under which a browser of this machine reaches the server.
    hosts: Vec<String>,
    token: String,
}

impl Gate {
    pub fn new(address: SocketAddr, token: String) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
        if port == 80 {
            // Browsers omit this port.
            hosts.extend(hosts.clone().iter().filter_map(|host| host.strip_suffix(":80").map(str::to_owned)));
        }
        Self { hosts, token }
    }

    /// Returns the path after the token, or the reason of the rejection. The reason never contains the token.
    pub fn admit<'a>(&self, knock: &Knock<'a>) -> Result<&'a str, &'static str> {
        if !knock.from.is_some_and(|from| from.to_canonical().is_loopback()) {
            return Err("only programs on this machine are served");
        }
        // A name that an attacker's DNS server resolves to this machine is not accepted either.
        if !knock.host.is_some_and(|host| self.is_ours(host)) {
            return Err("the Host header does not name this server");
        }
        if let Some(origin) = knock.origin {
            if !origin.strip_prefix("http://").is_some_and(|host| self.is_ours(host)) {
                return Err("pages of another origin are not served");
            }
        }
        if !knock.site.is_none_or(|site| matches!(site, "same-origin" | "none")) {
            return Err("pages of another origin are not served");
        }
        let path = knock.path.split(['?', '#']).next().unwrap_or_default();
        let (token, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        if same(token.as_bytes(), self.token.as_bytes()) {
            Ok(rest)
        } else {
            Err("the address lacks the token; open the address that `relay sim --web` has printed")
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }
}

/// Compares in a time that does not depend on the position of the difference.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn gate() -> Gate {
        Gate::new("127.0.0.1:4000".parse().unwrap(), TOKEN.into())
    }

    fn local() -> Knock<'static> {
        Knock {
            from: Some(IpAddr::from([127, 0, 0, 1])),
            host: Some("127.0.0.1:4000"),
            path: "/0123456789abcdef/events?after=1",
            ..Knock::default()
        }
    }

    #[test]
    fn a_browser_of_this_machine_with_the_token_is_served() {
        assert_eq!(gate().admit(&local()), Ok("events"));
        let same = Knock { origin: Some("http://127.0.0.1:4000"), site: Some("same-origin"), ..local() };
        assert_eq!(gate().admit(&same), Ok("events"));
        let by_name = Knock { host: Some("LOCALHOST:4000"), origin: Some("http://localhost:4000"), ..local() };
        assert_eq!(gate().admit(&by_name), Ok("events"));
        assert_eq!(gate().admit(&Knock { path: "/0123456789abcdef/", site: Some("none"), ..local() }), Ok(""));
        assert_eq!(gate().admit(&Knock { path: "/0123456789abcdef", ..local() }), Ok(""));
        let mapped = "::ffff:127.0.0.1".parse().ok();
        assert_eq!(gate().admit(&Knock { from: mapped, ..local() }), Ok("events"));
        let usual_port = Gate::new("127.0.0.1:80".parse().unwrap(), TOKEN.into());
        assert_eq!(usual_port.admit(&Knock { host: Some("127.0.0.1"), ..local() }), Ok("events"));
    }

    #[test]
    fn a_client_of_another_machine_is_refused() {
        for from in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "0.0.0.0", "::ffff:192.0.2.1"] {
            let far = Knock { from: from.parse().ok(), ..local() };
            assert_eq!(gate().admit(&far), Err("only programs on this machine are served"), "{from}");
        }
        assert!(gate().admit(&Knock { from: None, ..local() }).is_err());
    }

    #[test]
    fn a_host_that_is_not_ours_is_refused() {
        let others =
            ["evil.example", "evil.example:4000", "127.0.0.1:4001", "127.0.0.1", "127.0.0.1:4000.evil.example", ""];
        for host in others {
            assert!(gate().admit(&Knock { host: Some(host), ..local() }).is_err(), "{host}");
        }
        assert!(gate().admit(&Knock { host: None, ..local() }).is_err());
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let others = [
            "https://evil.example",
            "http://evil.example:4000",
            "null",
            "",
            "http://127.0.0.1:4001",
            "https://127.0.0.1:4000",
            "http://127.0.0.1:4000.evil.example",
            "http://evil@127.0.0.1:4000",
        ];
        for origin in others {
            assert!(gate().admit(&Knock { origin: Some(origin), ..local() }).is_err(), "{origin}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert!(gate().admit(&Knock { site: Some(site), ..local() }).is_err(), "{site}");
        }
    }

    #[test]
    fn a_token_that_is_wrong_or_missing_is_refused() {
        for path in ["/", "", "/events", "/0123456789abcdee/events", "/0123456789abcdef0/", "//", "/?0123456789abcdef/"]
        {
            let refused = gate().admit(&Knock { path, ..local() });
            assert!(refused.is_err_and(|why| !why.contains(TOKEN)), "{path}");
        }
    }
}
