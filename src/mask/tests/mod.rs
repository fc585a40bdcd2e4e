//! Tests of the search for secrets.

mod forms;

use self::forms::forms;
use super::*;

fn mask(secrets: &[&str]) -> Mask {
    Mask::new(secrets.iter().map(|secret| (*secret, false)))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(3), b'!');
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = "PT \"7/\u{e9}+\\x\u{1f600}%'";
    for written in [
        secret.to_owned(),
        serde_json::to_string(secret).expect("JSON").trim_matches('"').to_owned(),
        r#"PT \"7\/\u00e9+\\x\uD83D\uDE00%'"#.to_owned(),
        r#"\u0050\u0054\u0020\u00227\/\u00E9\u002b\u005cx\ud83d\ude00\u0025\u0027"#.to_owned(),
        r#"PT \"7/\u{e9}+\\x\u{1f600}%\'"#.to_owned(),
        r#"\x50T \"7/\xe9+\\x\u{1f600}%'"#.to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        "PT%20%227/%C3%A9%2B%5Cx%F0%9F%98%80%25'".to_owned(),
        "PT+%227%2f%c3%a9%2b%5cx%f0%9f%98%80%25%27".to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ] {
        let shown = mask(&["other", secret]).clean(&format!("a {written} b {written}"));
        assert_eq!(shown, "a <secret> b <secret>", "{written}");
    }
}

#[test]
fn a_secret_in_the_middle_of_base64_is_found() {
    // These are "project:PT-canary", "aproject:PT-canary" and "abproject:PT-canary", then one with the digits 62 and
    // 63.
    let both = mask(&["project", "PT-canary"]);
    for basic in ["cHJvamVjdDpQVC1jYW5hcnk=", "YXByb2plY3Q6UFQtY2FuYXJ5", "YWJwcm9qZWN0OlBULWNhbmFyeQ=="] {
        let shown = both.clean(basic);
        assert!(shown.matches(MASK).count() == 2 && shown.len() < MASK.len() * 2 + 12, "{shown}");
    }
    let odd = mask(&["??>>??>>"]);
    assert_eq!(odd.clean("Pz8+Pj8/Pj4="), "<secret>4=");
    assert_eq!(odd.clean("Pz8-Pj8_Pj4"), "<secret>4");
}

#[test]
fn what_overlaps_is_masked_whole() {
    assert_eq!(mask(&["canary", "canary-and-more"]).clean("say canary-and-more"), "say <secret>");
    assert_eq!(mask(&["xxcanary", "canary-and-more"]).clean("say xxcanary-and-more"), "say <secret>");
    assert_eq!(mask(&["abab"]).clean("ababab."), "<secret>.");
}

#[test]
fn what_is_too_short_is_not_looked_for() {
    let shown = mask(&["call", "1", ""]).clean("calling 1");
    assert_eq!(shown, "<secret>ing 1");
}

#[test]
fn the_beginning_of_a_secret_where_a_text_was_cut_is_masked() {
    let mask = mask(&["canary-and-more", "q/canary"]);
    assert_eq!(mask.clean_part("say canary-a"), "say <secret>");
    assert_eq!(mask.clean_part("say q%2Fcan"), "say <secret>");
    assert_eq!(mask.clean_part("say canary%2"), "say <secret>");
    assert_eq!(mask.clean_part("say canary\\u00"), "say <secret>");
    assert_eq!(mask.clean_part("say 63616e6"), "say <secret>");
    assert_eq!(mask.clean_part("canary-and-more, can"), "<secret>, can");
    assert_eq!(mask.clean_part("nothing of that"), "nothing of that");
    assert_eq!(mask.clean_part(""), "");
    // The position within the two bytes of h\u{e9} is no boundary.
    assert_eq!(mask.clean_part("h\u{e9}"), "h\u{e9}");
}

#[test]
fn each_written_form_is_masked_in_each_place() {
    let plain = "PT9f8e7d6c5b4a39281706f5e4d3c2b1a0zyxw";
    let odd = "PT \"7/\u{e9}+\\x\u{1f600}%' Qm<&Zt-9kLr";
    for secret in [plain, odd] {
        let mask = mask(&["another one", secret]);
        let forms = forms(secret);
        assert!(forms.len() >= 48, "{}", forms.len());
        for (form, written) in &forms {
            for (before, after) in
                [("", ""), ("a ", " b"), ("(", ")"), ("z?token=", "&x=1"), ("z\n", "\n"), ("z\"", "\"")]
            {
                let shown = mask.clean(&format!("{before}{written}{after}"));
                assert_eq!(shown, format!("{before}{MASK}{after}"), "{form}: {written}");
            }
            let twice = mask.clean(&format!("z {written} | {written}"));
            assert_eq!(twice, format!("z {MASK} | {MASK}"), "{form}: {written}");
        }
        // The first and last digits of base64 may also encode bytes beside the secret.
        for before in ["", "a", "ab"] {
            let text = base64(format!("{before}{secret}:").as_bytes());
            let urls = text.replace('+', "-").replace('/', "_");
            let wrap = |end: &str| format!("{}{end}{}{end}{}", &text[..17], &text[17..30], &text[30..]);
            for written in [text.clone(), urls, wrap("\r\n"), wrap("\n "), wrap("\\n"), wrap("%0A")] {
                let shown = mask.clean(&format!("z {written}"));
                assert!(shown.contains(MASK) && shown.len() <= 2 + MASK.len() + 9, "{written}: {shown}");
            }
        }
        // Two thirds are masked without the beginning, too.
        let third = secret.char_indices().map(|(at, _)| at).rfind(|at| at * 3 <= secret.len()).expect("a third");
        assert_eq!(mask.clean(&secret[third..]).matches(MASK).count(), 1);
    }
}

#[test]
fn what_only_looks_like_a_secret_is_left() {
    let mask = mask(&["PT9f8e7d6c5b4a39281706f5e4d3c2b1a0zyxw"]);
    for text in [
        "calling.play on call 3f2a5d30-41a0-4f39-9f0e-5d2f6f6b7a10: rejected (400): unknown voice",
        "PT9f8e7d6c5b4a3928 is half of it",
        "100% of it, \\ and & and = and %zz and \\u{110000} and &#xffffffff; and =\n",
        "\u{e9}\u{1f600}\u{202e}",
        "",
    ] {
        assert_eq!(mask.clean(text), text);
    }
}

/// Returns the steps for this text, and for one of twice its length.
fn steps(mask: &Mask, piece: &str) -> (usize, usize) {
    let of = |length: usize| mask.steps(&piece.repeat(length / piece.len()));
    (of(1 << 15), of(1 << 16))
}

#[test]
fn twice_the_text_takes_twice_the_steps_whatever_text_and_secrets_are() {
    let state = "a".repeat(20 << 10) + "b";
    let zeros = "\0".repeat(15) + "\u{1}";
    let many: Vec<String> = (1..64).map(|length| "a".repeat(length * 3) + "b").collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let sets: [&[&str]; 6] =
        [&["canary-and-more"], &[&state], &["abababababababababababab"], &[&zeros], &many, &["1010101010101011"]];
    for secrets in sets {
        let mask = mask(secrets);
        for piece in [
            "\\u{", "\\u{1", "a", "ab", "%", "%25", "%2525", "\\", "&#", "&amp;", "=", "==", "=3D", "0", "00 ", "A",
            "97,", "a=\n", "\u{e9}",
        ] {
            let (once, twice) = steps(&mask, piece);
            // The few additional steps are for the ends, where an escape may be cut off.
            assert!(twice <= 2 * once + 4000, "{piece:?}: {once}, then {twice} steps");
            assert!(twice <= 48 << 16, "{piece:?}: {twice} steps");
        }
    }
}

#[test]
fn of_a_secret_beyond_the_bound_the_beginning_is_looked_for_and_nothing_is_shown_behind_it() {
    let state = format!("St4te-{}", "0123456789abcdef".repeat(4096));
    let mask = mask(&[&state]);
    let Patterns { texts, hex, base64 } = Patterns::of(&mask.secrets);
    assert!(texts.nodes.len() + hex.nodes.len() + base64.nodes.len() < 12 * PATTERN);
    for written in [state.clone(), state.to_uppercase(), format!("{}...", &state[..2000])] {
        assert_eq!(mask.clean(&format!("not {written} again")), format!("not {MASK}"));
    }
}
