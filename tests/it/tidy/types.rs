//! Every type has a line of documentation, private ones too.

use super::{Source, none, rust};

/// The types of a file that have no documentation, each with its line. The types of its tests are left out, and so is a
/// `type` in a trait or an `impl`, and an enum of subcommands, whose documentation would become the help of the command.
fn types_without_documentation(source: &Source) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.text.lines().map(str::trim_end).collect();
    let is_type = |line: &str| {
        let words = line.trim_start();
        let rest = match words.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or("", |(_, rest)| rest),
            Some(rest) => rest.trim_start(),
            None => words,
        };
        let kind = ["struct ", "enum ", "trait "].iter().find_map(|kind| rest.strip_prefix(kind));
        let name = kind.or_else(|| rest.strip_prefix("type ").filter(|_| words.len() == line.len()));
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let is_bare = |line: usize| {
        let mut above = lines[..line - 1].iter().rev().map(|line| line.trim_start());
        let attributes: Vec<&str> = above.by_ref().take_while(|line| line.starts_with("#[")).collect();
        let is_documented = lines[..line - 1 - attributes.len()].last().is_some_and(|line| {
            // The last line of an attribute with several lines, or the documentation of a type in a macro.
            let is_other = line.ends_with(")]") || line.ends_with("])*");
            is_other || line.trim_start().starts_with("///")
        });
        !is_documented && !attributes.iter().any(|attribute| attribute.contains("Subcommand"))
    };
    let types = source.code().filter(|(_, line)| is_type(line));
    types.filter(|(n, _)| is_bare(*n)).map(|(n, line)| (n, line.trim().to_owned())).collect()
}

#[test]
fn every_type_has_a_line_of_documentation() {
    let mut found = Vec::new();
    for source in rust("src").iter().filter(|source| !source.is_test()) {
        let bare = types_without_documentation(source);
        found.extend(bare.into_iter().map(|(n, line)| format!("src/{}:{n}: {line}", source.path)));
    }
    none(found);
    // The rule can fail.
    let text = "/// A.\n#[derive(Debug)]\nstruct A;\n\n#[derive(Debug)]\npub(crate) enum B {}\n\ntype C = u8;\n\nimpl D for A {\n    \
                type E = u8;\n}\n\n#[cfg(test)]\nmod tests {\n    struct F;\n}\n";
    let bare = types_without_documentation(&Source { path: "x.rs".to_owned(), text: text.to_owned() });
    assert_eq!(bare, [(6, "pub(crate) enum B {}".to_owned()), (8, "type C = u8;".to_owned())]);
}
