//! The pictures of the chapters, drawn from the lists in this directory, and their places.
//!
//! `WRITE=1 cargo test --test pictures` draws them again. Without `WRITE` the tests name each picture that is out of
//! date.

mod drawing;
mod scenes;

use std::fs;
use std::path::{Path, PathBuf};

/// The pages of the book.
fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs")
}

/// Compares a file with what it should be, or writes it.
fn settle(path: &Path, wanted: &str, out_of_date: &mut Vec<String>) {
    let there = fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    if there == wanted {
        return;
    }
    if std::env::var_os("WRITE").is_some() {
        fs::write(path, wanted).unwrap();
    } else {
        out_of_date.push(path.display().to_string());
    }
}

#[test]
fn the_pictures_are_those_of_the_scenes_and_each_stands_on_a_page() {
    let (mut out_of_date, mut shown) = (Vec::new(), Vec::new());
    for (name, svg) in scenes::all() {
        settle(&book().join(format!("pictures/{name}.svg")), &svg, &mut out_of_date);
    }
    for entry in fs::read_dir(book()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        let mut page = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            page.push_str(line);
            page.push('\n');
            let Some(name) = line.strip_prefix("<!-- picture: ").and_then(|rest| rest.strip_suffix(" -->")) else {
                continue;
            };
            let all = scenes::all();
            let (_, svg) = all.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no picture {name}"));
            page.push_str(svg);
            shown.push(name.to_owned());
            // The old picture ends with an empty line.
            for old in lines.by_ref() {
                if old.is_empty() {
                    page.push('\n');
                    break;
                }
            }
        }
        settle(&path, &page, &mut out_of_date);
    }
    assert!(out_of_date.is_empty(), "WRITE=1 cargo test --test pictures draws these anew: {out_of_date:#?}");
    let front = include_str!("../../src/lib.rs");
    for (name, _) in scenes::all() {
        let is_shown = shown.iter().any(|on_page| on_page == name) || front.contains(&format!("pictures/{name}.svg"));
        assert!(is_shown, "the picture {name} stands on no page");
    }
}

#[test]
fn a_picture_is_readable_on_light_and_dark_pages_and_has_a_text_for_people_who_do_not_see_it() {
    for (name, svg) in scenes::all() {
        assert!(svg.starts_with("<div") && svg.ends_with("</div>\n") && svg.lines().count() == 1, "{name}");
        assert!(svg.contains("<title>") && svg.contains("role=\"img\""), "{name}");
        // The colour of the page's text, and one that stands out from white and from black.
        let allowed = ["currentColor", "none", drawing::ACCENT, drawing::ALARM];
        for part in svg.split(['"', '\'']).filter(|part| part.starts_with('#')) {
            assert!(allowed.contains(&part), "{name}: {part}");
        }
    }
}
