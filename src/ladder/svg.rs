//! A ladder as an SVG image.

use std::fmt::Write;

use super::row::{Row, cut};
use super::story::{Chapter, Story};

/// Distances, in the units of the image.
const TIME: usize = 90;
/// Distance between the program and the service.
const WIDE: usize = 380;
/// Distance between the service and the first phone.
const FIRST_LEG: usize = 260;
/// Distance between two phones.
const LEG: usize = 130;
const ROW: usize = 26;
const HEAD: usize = 74;
/// Average width of a character at the size of the text.
const CHARACTER: usize = 8;

const STYLE: &str = "
text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2430; }
.title { font-weight: 600; font-size: 13px; }
.head rect { fill: #eef1f6; stroke: #c9d1de; }
.time { fill: #7a8499; font-size: 11px; }
.life { stroke: #c9d1de; stroke-width: 1; }
.arrow { stroke-width: 1.4; fill: none; }
.request { stroke: #1668b8; } text.request { fill: #1668b8; stroke: none; }
.response, .note { stroke: #7a8499; } text.response, text.note { fill: #5c667a; stroke: none; }
.event { stroke: #1c7c4a; } text.event { fill: #1c7c4a; stroke: none; }
.speech { stroke: #96600c; } text.speech { fill: #96600c; stroke: none; }
.digits { stroke: #8a3ab0; } text.digits { fill: #8a3ab0; stroke: none; }
.refusal, .gap, .lost { stroke: #c0362c; } text.refusal, text.gap, text.lost { fill: #c0362c; stroke: none; }
.lost, .gap { stroke-dasharray: 4 4; }
.paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #14171e; } text { fill: #e3e7ef; } .head rect { fill: #222733; stroke: #3a4252; } .life { stroke: #3a4252; }
  .time, text.response, text.note { fill: #98a2b6; }
  .request { stroke: #6cb4ff; } text.request { fill: #6cb4ff; }
  .event { stroke: #5fd196; } text.event { fill: #5fd196; }
  .speech { stroke: #f0b95b; } text.speech { fill: #f0b95b; }
  .digits { stroke: #d39af0; } text.digits { fill: #d39af0; }
  .refusal, .gap, .lost { stroke: #ff8078; } text.refusal, text.gap, text.lost { fill: #ff8078; }
}
";

pub(super) fn draw(story: &Story) -> String {
    let chapters = story.chapters();
    let columns = chapters.iter().map(|chapter| chapter.columns.len()).max().unwrap_or(2);
    let width = places(columns.max(3)).last().copied().unwrap_or(0) + 90;
    let height: usize = chapters.iter().map(tall).sum::<usize>() + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto-start-reverse\"><path d=\"M0,0.8 L8,4 L0,7.2 z\" fill=\"context-stroke\" stroke=\"none\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    let mut top = 10;
    for chapter in &chapters {
        draw_chapter(chapter, (top, width), &mut svg);
        top += tall(chapter);
    }
    svg.push_str("</svg>\n");
    svg
}

fn tall(chapter: &Chapter<'_>) -> usize {
    HEAD + ROW * chapter.rows.len() + 24
}

fn draw_chapter(chapter: &Chapter<'_>, (top, image): (usize, usize), svg: &mut String) {
    let places = places(chapter.columns.len());
    let bottom = top + HEAD + ROW * chapter.rows.len();
    // Writing to a `String` does not fail.
    let mut add = |line: std::fmt::Arguments<'_>| {
        let _infallible = svg.write_fmt(line);
        svg.push('\n');
    };
    add(format_args!("<text class=\"title\" x=\"12\" y=\"{}\">{}</text>", top + 16, escaped(&chapter.title)));
    for (column, x) in chapter.columns.iter().zip(&places) {
        let name = column.to_string();
        let width = (name.chars().count() * CHARACTER + 20).max(72);
        add(format_args!("<line class=\"life\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>", top + 52));
        add(format_args!(
            "<g class=\"head\"><rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"24\" rx=\"5\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            x.saturating_sub(width / 2),
            top + 28,
            top + 44,
            escaped(&name)
        ));
    }
    for (number, row) in chapter.rows.iter().enumerate() {
        let y = top + HEAD + ROW * number + 10;
        add(format_args!("<text class=\"time\" x=\"12\" y=\"{}\">{:.3}</text>", y + 4, row.at().as_secs_f64()));
        let (from, to) = chapter.ends(row);
        draw_row(row, (places[from], places[to]), (&places, image), y, &mut add);
    }
}

fn draw_row(
    row: &Row,
    (from, to): (usize, usize),
    (places, image): (&[usize], usize),
    y: usize,
    add: &mut impl FnMut(std::fmt::Arguments<'_>),
) {
    let class = row.kind().word();
    if row.is_gap() || from == to {
        let last = places.last().copied().unwrap_or(from);
        if row.is_gap() {
            add(format_args!("<line class=\"arrow {class}\" x1=\"{TIME}\" y1=\"{y}\" x2=\"{last}\" y2=\"{y}\"/>"));
        } else {
            add(format_args!("<circle class=\"arrow {class}\" cx=\"{from}\" cy=\"{y}\" r=\"3.5\"/>"));
        }
        let text = escaped(&row.label());
        add(format_args!("<text class=\"{class}\" x=\"{}\" y=\"{}\">{text}</text>", from + 10, y.saturating_sub(4)));
        return;
    }
    let label = row.label();
    let (left, right) = (from.min(to), from.max(to));
    let long = label.chars().count() * CHARACTER;
    // The texts that a phone hears may extend beyond its column.
    let (anchor, x, room) = match places.first() {
        Some(first) if left > *first && long > right - left => ("start", left + 12, image - left - 20),
        _ => ("middle", usize::midpoint(from, to), right - left - 16),
    };
    let shown = if long <= room { label.clone() } else { cut(&label, room / CHARACTER) };
    add(format_args!(
        "<g><title>{}</title><line class=\"arrow {class}\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" marker-end=\"url(#end)\"/>\
         <text class=\"{class}\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text></g>",
        escaped(&label),
        y.saturating_sub(4),
        escaped(&shown)
    ));
}

/// The positions of the columns.
fn places(columns: usize) -> Vec<usize> {
    let first = TIME + 50;
    let mut places = vec![first, first + WIDE];
    places.extend((0..columns.saturating_sub(2)).map(|leg| first + WIDE + FIRST_LEG + leg * LEG));
    places
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML does not allow control characters.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
