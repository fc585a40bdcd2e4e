//! The list of planted defects matches the source: each row is found, and names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LIST: &str = "tests/defects/list.txt";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[derive(Default)]
struct Row {
    name: String,
    keys: BTreeMap<String, String>,
    /// Lines of the source that stand behind each other.
    wanted: Vec<Vec<String>>,
    planted: String,
}

fn rows(list: &str) -> Vec<Row> {
    let (mut rows, mut last): (Vec<Row>, char) = (Vec::new(), ' ');
    for line in list.lines() {
        let first = line.chars().next().unwrap_or('#');
        match (first, rows.last_mut()) {
            ('#', _) => {}
            ('[', _) => rows.push(Row { name: line.trim_matches(['[', ']']).to_owned(), ..Row::default() }),
            ('-', Some(row)) => {
                if last != '-' {
                    row.wanted.push(Vec::new());
                }
                row.wanted.last_mut().unwrap().push(line[1..].trim().to_owned());
            }
            ('+', Some(row)) => row.planted.push_str(line),
            (_, Some(row)) => {
                let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", row.name));
                row.keys.insert(key.to_owned(), value.to_owned());
            }
            (_, None) => panic!("before the first row: {line}"),
        }
        last = first;
    }
    rows
}

/// Number of places where these lines stand in a file, whatever their indentation.
fn times(text: &str, wanted: &[String]) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(wanted.len()).filter(|window| *window == wanted).count()
}

fn mistakes(list: &str) -> Vec<String> {
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for row in rows(list) {
        let name = &row.name;
        if !names.insert(name.clone()) {
            found.push(format!("{name}: there are two of this name"));
        }
        let Some(file) = row.keys.get("file").filter(|_| row.keys.contains_key("what")) else {
            found.push(format!("{name}: it has no file, or does not say what goes wrong"));
            continue;
        };
        let text = files.entry(file.clone()).or_insert_with(|| read(file));
        for wanted in &row.wanted {
            let count = times(text, wanted);
            if count != 1 {
                found.push(format!("{name}: this stands {count} times in {file}, not once: {}", wanted.join("\n  ")));
            }
        }
        if row.wanted.is_empty() || !row.planted.contains("PLANTED") {
            found.push(format!("{name}: nothing is planted"));
        }
        for test in row.keys.get("tests").into_iter().flat_map(|tests| tests.split(' ')) {
            if !exists(test) {
                found.push(format!("{name}: there is no test {test}"));
            }
        }
    }
    found
}

/// Whether a filter of tests finds one: its module is a file, and its function, or the beginning of its name, is there.
fn exists(filter: &str) -> bool {
    let (binary, path) = filter.split_once('/').unwrap_or_default();
    let mut parts: Vec<&str> = path.split("::").collect();
    let function = parts.pop().unwrap_or_default();
    // The module of the tests of a file stands in the file, or beside it.
    let top = match binary {
        "unit" => "src".to_owned(),
        "it" | "conformance" => format!("tests/{binary}"),
        _ => return false,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let module = |parts: &[&str]| {
        let path = format!("{top}/{}", parts.join("/"));
        [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| root.join(file).exists())
    };
    if parts.is_empty() {
        return path.is_empty();
    }
    let Some(file) = module(&parts).or_else(|| module(&parts[..parts.len() - 1])) else { return false };
    let whole = [parts.as_slice(), &[function]].concat();
    read(&file).contains(&format!("fn {function}")) || module(&whole).is_some()
}

#[test]
fn every_planted_defect_still_fits_the_source() {
    let found = mistakes(&read(LIST));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_row_that_does_not_fit_the_source_is_found() {
    let row = |lines: &str| format!("[a]\nfile: src/steps.rs\nwhat: nothing\ntests: it/defects::\n{lines}");
    let line = "- pub(crate) fn step() {\n+ pub(crate) fn step() { PLANTED;\n";
    assert_eq!(mistakes(&row(line)), Vec::<String>::new());
    assert_eq!(mistakes(&row(&line.replace("step", "stop"))).len(), 1, "it does not stand there");
    assert_eq!(mistakes(&row("- #[cfg(test)]\n+ PLANTED\n")).len(), 1, "it stands there more than once");
    assert_eq!(mistakes(&row(&line.replace("PLANTED", ""))).len(), 1, "it has no switch");
    assert_eq!(mistakes(&row(line).replace("defects::", "defects::nothing_of_that_name")).len(), 1, "no such test");
    assert_eq!(mistakes(&(row(line) + &row(line))).len(), 1, "two of a name");
}
