//! The forms in which a secret may be written, for the tests of the search.

/// Returns each form of a text, with its name.
pub(super) fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let json = |text: &str| serde_json::to_string(text).expect("JSON").trim_matches('"').to_owned();
    let bytes =
        |write: &dyn Fn(u8) -> String, between: &str| secret.bytes().map(write).collect::<Vec<_>>().join(between);
    let chars = |write: &dyn Fn(char) -> String| secret.chars().map(write).collect::<String>();
    let url = |text: &str, safe: &str| {
        let one = |byte: u8| match byte as char {
            c if c.is_ascii_alphanumeric() || safe.contains(c) => c.to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect::<String>()
    };
    let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let wrapped = |text: String, end: &str| {
        text.as_bytes().chunks(10).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join(end)
    };
    let mail = bytes(&|byte| format!("={byte:02X}"), "");
    let third = secret.char_indices().map(|(at, _)| at).find(|at| at * 3 >= secret.len() * 2).expect("two thirds");
    let entity = |c: char| match c {
        '"' => "&quot;".to_owned(),
        '\'' => "&apos;".to_owned(),
        '/' => "&sol;".to_owned(),
        '+' => "&plus;".to_owned(),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        c => c.to_string(),
    };
    vec![
        ("as it is", secret.to_owned()),
        ("upper case", secret.to_uppercase()),
        ("lower case", secret.to_lowercase()),
        ("JSON", json(secret)),
        ("JSON in JSON", json(&json(secret))),
        ("JSON in JSON in JSON", json(&json(&json(secret)))),
        ("JSON, all escaped", chars(&units)),
        ("JSON, all escaped, upper case", chars(&units).replace("\\u00E", "\\u00e")),
        ("JSON, all escaped, in JSON", json(&chars(&units))),
        ("JSON, slashes escaped", json(secret).replace('/', "\\/")),
        ("Debug", format!("{secret:?}").trim_matches('"').to_owned()),
        ("Debug of Debug", format!("{:?}", format!("{secret:?}").trim_matches('"')).trim_matches('"').to_owned()),
        ("Rust, all escaped", chars(&|c| format!("\\u{{{:x}}}", u32::from(c)))),
        ("JavaScript", chars(&|c| if u32::from(c) < 256 { format!("\\x{:02x}", u32::from(c)) } else { c.to_string() })),
        ("URL", url(secret, "-._~")),
        ("URL, few escaped", url(secret, "-._~/'!+")),
        ("URL, lower case", url(secret, "-._~").to_lowercase()),
        ("URL, all escaped", bytes(&|byte| format!("%{byte:02X}"), "")),
        ("URL, all escaped, lower case", bytes(&|byte| format!("%{byte:02x}"), "")),
        ("URL in URL", url(&url(secret, "-._~"), "-._~")),
        ("URL in URL, all escaped", bytes(&|byte| format!("%25{byte:02X}"), "")),
        ("URL in URL in URL", url(&url(&url(secret, "-._~"), "-._~"), "-._~")),
        ("form", url(secret, "-._ ").replace(' ', "+")),
        ("URL in JSON", json(&url(secret, "\"\\"))),
        ("JSON in URL", url(&json(secret), "-._~")),
        ("HTML", chars(&entity)),
        ("HTML, decimal", chars(&|c| format!("&#{};", u32::from(c)))),
        ("HTML, hexadecimal", chars(&|c| format!("&#x{:x};", u32::from(c)))),
        ("HTML, upper case", chars(&|c| format!("&#X{:X};", u32::from(c)))),
        ("HTML in HTML", chars(&|c| format!("&amp;#{};", u32::from(c)))),
        ("HTML in JSON", json(&chars(&entity))),
        ("quoted-printable", mail.clone()),
        ("quoted-printable, wrapped", mail.replace("=6", "=\r\n=6")),
        ("quoted-printable, in JSON", json(&mail)),
        ("quoted-printable, a line broken", format!("{}=\n{}", &secret[..third], &secret[third..])),
        ("hex", bytes(&|byte| format!("{byte:02x}"), "")),
        ("hex, upper case", bytes(&|byte| format!("{byte:02X}"), "")),
        ("hex, spaces", bytes(&|byte| format!("{byte:02x}"), " ")),
        ("hex, colons", bytes(&|byte| format!("{byte:02X}"), ":")),
        ("hex, hyphens", bytes(&|byte| format!("{byte:02X}"), "-")),
        ("hex, 0x", bytes(&|byte| format!("0x{byte:02x}"), ", ")),
        ("hex, \\x", bytes(&|byte| format!("\\x{byte:02x}"), "")),
        ("hex, lines", wrapped(bytes(&|byte| format!("{byte:02x}"), ""), "\r\n")),
        ("decimal", bytes(&|byte| byte.to_string(), ", ")),
        ("decimal, tight", bytes(&|byte| byte.to_string(), ",")),
        ("without its end", secret[..third].to_owned()),
        ("without its end, in upper case", secret[..third].to_uppercase()),
        ("without its end, in a URL", url(&secret[..third], "-._~")),
        ("without its end, in hex", bytes(&|byte| format!("{byte:02x}"), "")[..third * 2].to_owned()),
    ]
}
