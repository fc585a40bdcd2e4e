//! The variables that control how a program connects. No secret value leaves this module.

use std::env::{self, VarError};

/// Variables whose value is secret, or a part of the credentials.
const SECRET: &[&str] = &["SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN", "SIGNALWIRE_JWT_TOKEN"];

/// Variables whose value is a host. A whole URL, set by mistake, may contain credentials.
const HOSTS: &[&str] = &["SIGNALWIRE_RELAY_HOST", "SIGNALWIRE_SPACE"];

/// Variables whose value is a URL that may contain credentials.
const PROXIES: &[&str] = &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

const OTHERS: &[&str] = &[
    "no_proxy",
    "NO_PROXY",
    "SIGNALWIRE_RELAY_SCHEME",
    "SIGNALWIRE_RELAY_CA_FILE",
    "SIGNALWIRE_RELAY_TRACE",
    "SIGNALWIRE_RELAY_TRACE_SHOW",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RELAY_MAX_ACTIVE_CALLS",
    "RELAY_MAX_CONNECTIONS",
];

/// Returns the variables that are set, each in printable form. Credentials are also listed if they are not set.
pub fn read() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for name in SECRET {
        found.push((*name, shown(name, |_| "set".to_owned()).unwrap_or_else(|| "not set".to_owned())));
    }
    let rest = [(HOSTS, host as fn(&str) -> String), (PROXIES, proxy), (OTHERS, str::to_owned)];
    for (names, show) in rest {
        found.extend(names.iter().filter_map(|name| Some((*name, shown(name, show)?))));
    }
    found
}

fn shown(name: &str, show: impl Fn(&str) -> String) -> Option<String> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Some("empty, which counts as not set".to_owned()),
        Ok(value) if value.trim() != value => {
            Some(format!("{} (without the white space around it)", show(value.trim())))
        }
        Ok(value) => Some(show(&value)),
        Err(VarError::NotUnicode(_)) => Some("set, and not Unicode".to_owned()),
        Err(VarError::NotPresent) => None,
    }
}

fn host(value: &str) -> String {
    if value.contains(['@', '/', '?', '#']) { "set, and not a host (not shown)".to_owned() } else { value.to_owned() }
}

/// Returns the URL without its credentials, and without the part after the port.
fn proxy(value: &str) -> String {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, address)) => format!("{scheme}://<credentials>@{address}"),
        None => format!("{scheme}://{authority}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_are_not_shown() {
        for (url, shown) in [
            ("http://ann:canary@proxy.example:3128/", "http://<credentials>@proxy.example:3128"),
            ("ann:can/ary@proxy.example", "http://ann:can"),
            ("socks5://proxy.example:1080?canary", "socks5://proxy.example:1080"),
            ("proxy.example:3128", "http://proxy.example:3128"),
        ] {
            assert_eq!(proxy(url), shown);
        }
        assert_eq!(host("relay.signalwire.com:443"), "relay.signalwire.com:443");
        for url in ["wss://canary@relay.signalwire.com", "a@b", "a/b", "a?b"] {
            assert!(host(url).contains("not shown"), "{url}");
        }
    }
}
