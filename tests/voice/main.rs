//! The wording of the documentation, as far as a program can check it: sentences, groups of methods, chapters and examples.
//! examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings that first sentences may not have: without a subject, or with a pronoun for one.
const BEGINNINGS: &[&str] = &[
    "It ",
    "Its ",
    "They ",
    "Who ",
    "Whoever ",
    "Somebody",
    "Nobody",
    "Anybody",
    "What ",
    "How ",
    "Has ",
    "Whether it ",
    "Why it ",
    "When it ",
    "Where it ",
    "Names ",
    "The same",
    "Everything that it",
];

/// Words that no first sentence has.
const WORDS: &[&str] = &["somebody", "nobody", "whoever", "anybody"];

/// Files of the library and its program in which the rule for first sentences also holds for private items and modules.
const PRIVATE_TOO: &[&str] = &[
    "src/bin/",
    "src/call/",
    "src/client/",
    "src/clock/",
    "src/ladder/",
    "src/mask/",
    "src/message/",
    "src/protocol/",
    "src/session/",
    "src/simulator/",
    "src/trace/",
    "src/transport/",
    "src/actions.rs",
    "src/choices.rs",
    "src/connection.rs",
    "src/devices.rs",
    "src/diagnosis.rs",
    "src/error.rs",
    "src/errors.rs",
    "src/events.rs",
    "src/fuzz.rs",
    "src/latch.rs",
    "src/lib.rs",
    "src/macros.rs",
    "src/mailbox.rs",
    "src/media.rs",
    "src/params.rs",
    "src/secret.rs",
    "src/states.rs",
    "src/steps.rs",
    "src/stream.rs",
    "src/workers.rs",
];

/// The types whose methods stand in groups with titles.
const GROUPED: &[&str] = &[
    "Client",
    "Call",
    "Action",
    "Message",
    "Builder",
    "Error",
    "Tuning",
    "Simulator",
    "Persona",
    "Caller",
    "Callee",
    "PersonOnCall",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace("\r\n", "\n")
}

fn beneath(directory: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            beneath(&path, extension, into);
        } else if path.extension().is_some_and(|there| there == extension) {
            into.push(path);
        }
    }
}

/// The files of the library, without its tests and its programs, with their texts up to the tests in them.
fn library() -> Vec<(String, String)> {
    let mut files = sources();
    files.retain(|(name, _)| !name.starts_with("src/bin/"));
    files
}

/// The files of the library and its program, without tests, with their texts up to the tests in them.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    beneath(&root().join("src"), "rs", &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    let named = paths.iter().map(|path| (name(path), path));
    let ours = named.filter(|(name, _)| !name.contains("/tests"));
    ours.map(|(name, path)| {
        let text = read(path);
        let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
        (name, text[..end].to_owned())
    })
    .collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The line that a line stands in: of a type, a trait, an `impl`.
fn outer<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    let inner = indent(lines[at]);
    let above = lines[..at].iter().rev();
    above.copied().find(|line| {
        let words = line.trim_start();
        !words.is_empty() && !words.starts_with("//") && !words.starts_with('#') && indent(line) < inner
    })
}

/// Whether `item`, whose documentation begins in a line, is one that users see: as far as its file tells.
fn is_public(lines: &[&str], at: usize, item: &str) -> bool {
    let kinds = ["fn ", "const fn ", "struct ", "enum ", "trait ", "const ", "type ", "mod ", "static "];
    if let Some(rest) = item.strip_prefix("pub ") {
        if kinds.iter().any(|kind| rest.starts_with(kind)) {
            return true;
        }
        return outer(lines, at).is_some_and(|outer| outer.trim_start().starts_with("pub struct "));
    }
    let Some(outer) = outer(lines, at).map(str::trim_start) else { return false };
    if item.starts_with("fn ") || item.starts_with("const ") || item.starts_with("type ") {
        return outer.starts_with("pub trait ");
    }
    // A variant; or a setter in the table of a set of parameters; or a number in the table of the statistics.
    let is_variant = outer.starts_with("pub enum ") && item.starts_with(char::is_uppercase);
    let in_table = outer.starts_with("pub struct ") && item.contains(": ") && item.starts_with(char::is_lowercase);
    let is_setter = in_table && (outer.contains("(\"") || outer.contains(" new [") || outer.ends_with("{}"));
    is_variant || is_setter || outer.starts_with("counters {") || outer.starts_with("gauges {")
}

/// The first sentence of each public item, with its place.
fn first_sentences(name: &str, text: &str) -> Vec<(String, String)> {
    let all = every_first_sentence(name, text);
    all.into_iter().filter(|(.., is_public)| *is_public).map(|(place, sentence, _)| (place, sentence)).collect()
}

/// The first sentence of each item and module, with its place, and whether users see it.
fn every_first_sentence(name: &str, text: &str) -> Vec<(String, String, bool)> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let begin = at;
        let mut paragraph: Vec<&str> = Vec::new();
        let mut is_open = true;
        let of_module = lines[at].starts_with("//!");
        let mark = if of_module { "//!" } else { "///" };
        while let Some(doc) = lines.get(at).and_then(|line| line.trim_start().strip_prefix(mark)) {
            is_open &= !doc.trim().is_empty();
            if is_open {
                paragraph.push(doc.trim());
            }
            at += 1;
        }
        if at == begin {
            at += 1;
            continue;
        }
        let mut item = at;
        while lines.get(item).is_some_and(|line| line.trim_start().starts_with("#[")) {
            while !lines[item].trim_end().ends_with(']') {
                item += 1;
            }
            item += 1;
        }
        let item = lines.get(item).map_or("", |line| line.trim_start());
        let is_public = !of_module && is_public(&lines, begin, item);
        let paragraph = paragraph.join(" ");
        let end = paragraph.find(['.', ':', ';']).map_or(paragraph.len(), |end| end + 1);
        found.push((format!("{name}:{}", begin + 1), paragraph[..end].to_owned(), is_public));
    }
    found
}

/// The fault of a first sentence.
fn fault(sentence: &str) -> Option<String> {
    if let Some(beginning) = BEGINNINGS.iter().find(|beginning| sentence.starts_with(**beginning)) {
        return Some(format!("begins with {:?}", beginning.trim()));
    }
    let mut words = sentence.split(|c: char| !c.is_alphanumeric());
    if words.clone().nth(1) == Some("it") {
        return Some("does something with \"it\"".to_owned());
    }
    let word = words.find(|word| WORDS.contains(&word.to_lowercase().as_str()))?;
    Some(format!("has the word {word:?}"))
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn first_sentences_have_a_subject_that_is_a_thing() {
    let (mut all, mut found) = (0, Vec::new());
    for (name, text) in library() {
        for (place, sentence) in first_sentences(&name, &text) {
            all += 1;
            found.extend(fault(&sentence).map(|fault| format!("{place} {fault}: {sentence}")));
        }
    }
    assert!(all > 1_800, "only {all} public items are found");
    none(&found);
}

#[test]
fn first_sentences_of_private_items_have_a_subject_that_is_a_thing_too() {
    let (mut all, mut found) = (0, Vec::new());
    let is_held = |name: &str| PRIVATE_TOO.iter().any(|place| name.starts_with(place));
    for (name, text) in sources().into_iter().filter(|(name, _)| is_held(name)) {
        for (place, sentence, _) in every_first_sentence(&name, &text) {
            all += 1;
            found.extend(fault(&sentence).map(|fault| format!("{place} {fault}: {sentence}")));
        }
    }
    assert!(all > 2_500, "only {all} items are found");
    none(&found);
}

/// Tests, benchmarks and examples have no public items, so the rule holds for all of their items.
#[test]
fn first_sentences_of_tests_and_examples_have_a_subject_that_is_a_thing_too() {
    let mut paths = Vec::new();
    for place in ["benches", "examples", "src", "tests"] {
        beneath(&root().join(place), "rs", &mut paths);
    }
    let (mut all, mut found) = (0, Vec::new());
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        if name.starts_with("src/") && !name.contains("/tests") {
            continue;
        }
        for (place, sentence, _) in every_first_sentence(&name, &read(&path)) {
            all += 1;
            found.extend(fault(&sentence).map(|fault| format!("{place} {fault}: {sentence}")));
        }
    }
    assert!(all > 1_000, "only {all} items are found");
    none(&found);
}

#[test]
fn the_rule_for_first_sentences_finds_what_it_is_for() {
    let bad =
        ["Ends it.", "It rings.", "Whether it is on.", "How often it is played;", "Who calls:", "A text to nobody."];
    assert!(bad.iter().all(|sentence| fault(sentence).is_some()), "{:?}", bad.map(fault));
    for good in
        ["Stops the operation.", "`true` if noise reduction is on.", "The call's ID.", "Whether a beep is played."]
    {
        assert_eq!(fault(good), None, "{good}");
    }
    let file = "pub enum State {\n    /// It rings.\n    Ringing,\n}\n\n/// Ends it.\nfn private() {}\n";
    let found = first_sentences("x.rs", file);
    assert_eq!(found, [("x.rs:2".to_owned(), "It rings.".to_owned())]);
    let all = every_first_sentence("x.rs", &format!("//! What ends.\n\n{file}"));
    let all: Vec<&str> = all.iter().map(|(_, sentence, _)| &**sentence).collect();
    assert_eq!(all, ["What ends.", "It rings.", "Ends it."]);
}

#[test]
fn every_group_of_methods_has_a_title() {
    let (mut titles, mut found) = (BTreeSet::new(), Vec::new());
    for (name, text) in library() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("impl") && line.ends_with('{')) {
            // `impl<O: Stoppable> Action<O> {`, `impl crate::error::Error {`, `impl ConnectAction {`
            let words = line.trim_end_matches(" {");
            let Some(of) = words.rsplit([' ', ':']).next().map(|of| of.split('<').next().unwrap_or(of)) else {
                continue;
            };
            let is_handle = GROUPED.contains(&of) || of.ends_with("Action");
            let body = lines[at + 1..].iter().take_while(|line| **line != "}");
            let has_methods = body.clone().any(|line| line.starts_with("    pub fn "));
            if words.contains(" for ") || !is_handle || !has_methods {
                continue;
            }
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///"));
            match above.last().and_then(|first| first.strip_prefix("/// # ")) {
                Some(title) => drop(titles.insert(title.to_owned())),
                None => found.push(format!("{name}:{}: {line} has no title", at + 1)),
            }
        }
    }
    assert!(titles.len() > 40, "{titles:?}");
    none(&found);
}

/// The names of the chapters.
fn chapters() -> Vec<String> {
    let book = read("src/docs/mod.rs");
    let names = book.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(" {}"));
    names.map(str::to_owned).collect()
}

#[test]
fn every_chapter_is_linked_from_the_front_page_and_from_the_book() {
    let (front, book, chapters) = (read("src/lib.rs"), read("src/docs/mod.rs"), chapters());
    assert!(chapters.len() >= 12, "{chapters:?}");
    let mut found = Vec::new();
    for chapter in &chapters {
        for (page, text, link) in [
            ("the front page", &front, format!("(docs/{chapter}/index.html)")),
            ("the book", &book, format!("({chapter}/index.html)")),
        ] {
            if !text.contains(&link) {
                found.push(format!("{chapter} is not linked from {page}"));
            }
        }
    }
    none(&found);
}

/// The links by which chapters lead to each other, which rustdoc does not check.
#[test]
fn every_link_between_chapters_leads_somewhere() {
    let chapters = chapters();
    let anchors = |text: &str| -> Vec<String> {
        let headings =
            text.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
        let slug = |heading: &str| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
        };
        headings.map(slug).collect()
    };
    let (mut links, mut found) = (0, Vec::new());
    for page in &chapters {
        let text = read(format!("src/docs/{page}.md"));
        for rest in text.split("](../").skip(1) {
            let link = rest.split(')').next().unwrap();
            let (to, anchor) = link.split_once("/index.html").unwrap_or((link, ""));
            links += 1;
            if !chapters.iter().any(|chapter| chapter == to) {
                found.push(format!("{page} links to {to}, which is no chapter"));
            } else if let Some(anchor) = anchor.strip_prefix('#') {
                if !anchors(&read(format!("src/docs/{to}.md"))).iter().any(|there| there == anchor) {
                    found.push(format!("{page} links to {link}, and there is no such heading"));
                }
            }
        }
    }
    assert!(links > 5);
    none(&found);
}

#[test]
fn every_example_is_in_a_table_of_the_readme() {
    let readme = read("README.md");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| ")).collect();
    let mut examples = Vec::new();
    for entry in fs::read_dir(root().join("examples")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            examples.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(examples.len() > 10);
    let is_listed = |example: &String| rows.iter().any(|row| row.contains(&format!("`{example}`")));
    none(&examples.iter().filter(|example| !is_listed(example)).cloned().collect::<Vec<_>>());
}
