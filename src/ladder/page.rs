//! A ladder as an HTML page.

use std::fmt::Write;

use serde_json::{Value, json};

use super::story::Story;

/// Draws rows into an element of a page.
pub(super) const SCRIPT: &str = include_str!("page.js");
pub(super) const STYLE: &str = include_str!("page.css");

pub(super) fn draw(story: &Story, problems: &[String]) -> String {
    let mut titles = serde_json::Map::new();
    let mut rows: Vec<Value> = Vec::with_capacity(story.rows.len());
    for (number, section) in story.sections.iter().enumerate() {
        titles.insert(number.to_string(), json!({ "title": section.title, "end": section.end }));
    }
    rows.extend(story.rows.iter().map(super::Row::to_json));
    let data = json!({ "rows": rows, "titles": titles, "problems": problems });
    let mut page = String::new();
    // Text in the data must not end the script element.
    let data = data.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let _infallible = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Ladder</title>\n\
         <style>\n{STYLE}</style>\n<body class=\"ladder-page\">\n<main id=\"ladder\"></main>\n\
         <script>\n{SCRIPT}</script>\n\
         <script>\nconst data = {data};\nconst page = ladderPage(document.getElementById('ladder'));\n\
         page.name(data.titles);\npage.report(data.problems);\npage.append(data.rows);\n</script>\n</body>\n</html>\n"
    );
    page
}
