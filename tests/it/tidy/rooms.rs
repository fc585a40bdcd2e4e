//! Rooms and floors: the allowed imports between files, and no imports in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, library, none, read, root};

/// The rooms of the simulator from the ground up, and what each may import.
///
/// Values first, which know nothing of each other; lines and verbs and faults over them, which know nothing of the
/// service; its state behind one lock; what changes it: calls, then sessions and requests; what a test holds on top.
const ROOMS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("record", &[]),
    ("people", &[]),
    ("line", &[]),
    ("faults", &["record", "line"]),
    ("verdict", &["record"]),
    ("verbs", &["wire", "record", "people"]),
    ("replay", &[]),
    ("world", &["wire", "record", "people", "line", "faults", "verdict", "verbs", "replay"]),
    ("switchboard", &["wire", "record", "people", "line", "faults", "verbs", "world"]),
    ("service", &["wire", "record", "people", "line", "faults", "verbs", "world", "switchboard"]),
    (
        "handles",
        &[
            "wire",
            "record",
            "people",
            "line",
            "faults",
            "verdict",
            "verbs",
            "world",
            "switchboard",
            "service",
            "replay",
        ],
    ),
];

/// The rooms that may change the state of the service.
const CHANGE_THE_WORLD: &[&str] = &["world", "switchboard", "service"];

/// Arrows that still go up.
const UPWARDS: &[(&str, &str)] = &[];

/// The files of the library by their module, and who imports whom.
struct Imports {
    files: Vec<Source>,
    /// The number of the file that a module is in.
    modules: BTreeMap<Vec<String>, usize>,
    arrows: BTreeSet<(usize, usize)>,
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The paths that begin at `crate::`, `self::` or `super::`, with groups expanded, each with `true` if it is
/// re-exported.
fn paths(code: &str) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    for statement in code.split_inclusive(';') {
        let begin = statement.trim_start();
        let is_use = begin.starts_with("use ") || begin.starts_with("pub use ") || begin.starts_with("pub(crate) use ");
        let told_on = is_use && begin.starts_with("pub");
        for start in ["crate::", "self::", "super::"] {
            for (at, _) in statement.match_indices(start) {
                let inside = statement[..at].chars().next_back();
                if inside.is_none_or(|before| !(before.is_alphanumeric() || before == '_' || before == ':')) {
                    walk(&statement[at..], &mut Vec::new(), &mut |path| found.push((path, told_on)));
                }
            }
        }
    }
    found
}

/// Follows one path, into each of its groups; gives what is behind it.
fn walk<'a>(text: &'a str, before: &mut Vec<String>, each: &mut impl FnMut(Vec<String>)) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = walk(rest, before, each).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                return behind;
            }
            if rest.is_empty() || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{') {
                return rest;
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    before.push(name.to_owned());
    let behind = match rest.strip_prefix("::") {
        Some(further) if further.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{') => {
            walk(further, before, each)
        }
        _ => {
            each(before.clone());
            rest
        }
    };
    before.pop();
    behind
}

fn code_of(source: &Source) -> String {
    source.code().map(|(_, line)| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

impl Imports {
    fn read() -> Self {
        let files: Vec<Source> = library().into_iter().filter(|source| !source.is_test()).collect();
        let modules = files.iter().enumerate().map(|(at, file)| (module_of(&file.path), at)).collect();
        let mut imports = Self { files, modules, arrows: BTreeSet::new() };
        let said: Vec<Vec<(Vec<String>, bool)>> = imports.files.iter().map(|file| paths(&code_of(file))).collect();
        // The names that a module re-exports, with their origins.
        let mut told_on: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
        for (at, paths) in said.iter().enumerate() {
            for (path, _) in paths.iter().filter(|(_, told_on)| *told_on) {
                if let Some(name) = path.last() {
                    told_on.insert((at, name.clone()), imports.absolute(at, path));
                }
            }
        }
        let mut arrows = BTreeSet::new();
        for (at, paths) in said.iter().enumerate() {
            let is_crate = imports.files[at].path == "lib.rs";
            for (path, _) in paths.iter().filter(|(_, told_on)| !*told_on && !is_crate) {
                let to = imports.file(&imports.absolute(at, path), &told_on, 0);
                arrows.extend(to.filter(|to| *to != at && imports.files[*to].path != "lib.rs").map(|to| (at, to)));
            }
        }
        imports.arrows = arrows;
        imports
    }

    /// A path from the root of the crate.
    fn absolute(&self, at: usize, path: &[String]) -> Vec<String> {
        let mut module = module_of(&self.files[at].path);
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                module.clear();
                rest = &path[1..];
            }
            Some("self") => rest = &path[1..],
            _ => {
                while rest.first().is_some_and(|first| first == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
        }
        module.extend(rest.iter().filter(|name| *name != "self").cloned());
        module
    }

    /// The file in which what a path names is at home.
    fn file(&self, path: &[String], told_on: &BTreeMap<(usize, String), Vec<String>>, depth: usize) -> Option<usize> {
        let known = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let file = self.modules[&path[..known]];
        match path.get(known).and_then(|name| told_on.get(&(file, name.clone()))).filter(|_| depth < 8) {
            Some(from) => self.file(from, told_on, depth + 1),
            None => Some(file),
        }
    }

    /// Groups of files that import each other, the largest first.
    fn circles(&self) -> Vec<Vec<&str>> {
        let reaches: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|from| self.reach(from)).collect();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        let mut seen = BTreeSet::new();
        for from in 0..self.files.len() {
            let there: Vec<usize> = reaches[from].iter().copied().filter(|to| reaches[*to].contains(&from)).collect();
            if there.len() > 1 && seen.insert(there.clone()) {
                circles.push(there.into_iter().map(|file| self.files[file].path.as_str()).collect());
            }
        }
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            for (_, to) in self.arrows.range((file, 0)..=(file, usize::MAX)) {
                if reached.insert(*to) {
                    next.push(*to);
                }
            }
        }
        reached
    }

    /// The arrows between files of the simulator that go up from a room, or past a floor.
    fn upwards(&self) -> Vec<(&str, &str)> {
        let room =
            |file: usize| self.files[file].path.strip_prefix("simulator/")?.split_once('/').map(|(room, _)| room);
        let mut found = Vec::new();
        for (from, to) in &self.arrows {
            let Some(above) = room(*from) else { continue };
            let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == above) else {
                panic!("simulator/{above} is new: say in {} what it may import", file!());
            };
            let below = room(*to);
            let is_face = below.is_none() && self.files[*to].path.starts_with("simulator");
            if is_face || below.is_some_and(|below| below != above && !allowed.contains(&below)) {
                found.push((self.files[*from].path.as_str(), self.files[*to].path.as_str()));
            }
        }
        found
    }
}

#[test]
fn the_rooms_of_the_simulator_import_downwards_only() {
    let imports = Imports::read();
    let found = imports.upwards().into_iter().filter(|arrow| !UPWARDS.contains(arrow));
    none(found.map(|(from, to)| format!("src/{from} may not import src/{to}")).collect());
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        assert!(
            allowed.iter().all(|below| ROOMS[..at].iter().any(|(name, _)| name == below)),
            "{room} imports upwards"
        );
    }
}

#[test]
fn only_three_rooms_change_the_world() {
    let mut found = Vec::new();
    for source in library().iter().filter(|source| source.path.starts_with("simulator/") && !source.is_test()) {
        let may = CHANGE_THE_WORLD.iter().any(|room| source.path.starts_with(&format!("simulator/{room}/")));
        for (n, _) in source.code().filter(|(_, line)| !may && line.starts_with("impl World")) {
            found.push(format!("src/{}:{n}: impl World", source.path));
        }
    }
    none(found);
}

#[test]
fn imports_go_in_no_circle() {
    let imports = Imports::read();
    none(imports.circles().iter().map(|circle| circle.join(" <-> ")).collect());
}

/// With `--nocapture`, how the house stands.
#[test]
fn the_house_can_be_measured() {
    let imports = Imports::read();
    let circles = imports.circles();
    for (part, prefix) in [("the library", ""), ("the simulator", "simulator/")] {
        let files = imports.files.iter().filter(|file| file.path.starts_with(prefix));
        let sizes: Vec<(usize, &str)> = files.map(|file| (file.text.lines().count(), file.path.as_str())).collect();
        let (lines, largest) = sizes.iter().max().expect("files");
        let arrows = imports.arrows.iter().filter(|(from, _)| imports.files[*from].path.starts_with(prefix)).count();
        let inside = |circle: &&Vec<&str>| circle.iter().all(|file| file.starts_with(prefix));
        println!(
            "{part}: {} files, {} lines, the largest {largest} with {lines}; {arrows} arrows, {} circles, the largest of \
             {} files",
            sizes.len(),
            sizes.iter().map(|(lines, _)| lines).sum::<usize>(),
            circles.iter().filter(inside).count(),
            circles.iter().filter(inside).map(Vec::len).max().unwrap_or(1),
        );
    }
    println!("the simulator: {} arrows upwards", imports.upwards().len());
    assert!(!imports.arrows.is_empty());
}

#[test]
fn paths_are_read_as_they_are_written() {
    let code = "use crate::a::{b::{C, D}, self};\npub use self::e::F;\nfn g() { super::h::i(crate::J) }";
    let said: Vec<(String, bool)> = paths(code).into_iter().map(|(path, on)| (path.join("."), on)).collect();
    let expected = ["crate.a.b.C", "crate.a.b.D", "crate.a.self", "self.e.F", "crate.J", "super.h.i"];
    let mut found: Vec<&str> = said.iter().map(|(path, _)| path.as_str()).collect();
    found.sort_unstable_by_key(|path| expected.iter().position(|known| known == path));
    assert_eq!(found, expected);
    assert!(said.iter().all(|(path, on)| *on == (path == "self.e.F")));
}

#[test]
fn every_path_on_the_pages_for_contributors_exists() {
    let mut missing = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(page);
        let quoted = text.split('`').skip(1).step_by(2).map(|quoted| quoted.split_whitespace().next().unwrap_or(""));
        let paths: Vec<&str> = quoted.filter(|path| path.starts_with("src/") || path.starts_with("tests/")).collect();
        assert!(paths.len() > 5, "{page} names {paths:?}");
        missing.extend(paths.iter().filter(|path| !root().join(path).exists()).map(|path| format!("{page}: {path}")));
    }
    none(missing);
}
