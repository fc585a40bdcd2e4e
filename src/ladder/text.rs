//! A ladder as text.

use super::row::{Row, RowKind, cut};
use super::story::{Chapter, Story};

/// Position of the first column; the time stands before it.
const FIRST: usize = 11;

/// Smallest useful width; a narrower column shows nothing.
const NARROWEST: usize = 60;

/// One line, which grows from the left.
struct Canvas(Vec<char>);

pub(super) fn draw(story: &Story, width: usize, colours: bool) -> String {
    let mut text = String::new();
    for chapter in story.chapters() {
        if !text.is_empty() {
            text.push('\n');
        }
        draw_chapter(&chapter, width.max(NARROWEST), colours, &mut text);
    }
    text
}

fn draw_chapter(chapter: &Chapter<'_>, width: usize, colours: bool, text: &mut String) {
    let places = places(chapter.columns.len(), width);
    let mut add = |line: String, kind: Option<RowKind>| {
        let line: String = line.trim_end().chars().take(width).collect();
        match kind.map(colour).filter(|code| colours && !code.is_empty()) {
            Some(code) => text.push_str(&format!("\x1b[{code}m{line}\x1b[0m\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    };
    add(chapter.title.clone(), None);
    let mut head = Canvas::of(width);
    for (column, place) in chapter.columns.iter().zip(&places) {
        let name = column.to_string();
        let long = name.chars().count();
        let start = place.saturating_sub(long / 2).min(width.saturating_sub(long));
        head.write(start, &name);
    }
    add(head.text(), None);
    for row in &chapter.rows {
        add(draw_row(chapter, row, &places, width), Some(row.kind()));
    }
}

fn draw_row(chapter: &Chapter<'_>, row: &Row, places: &[usize], width: usize) -> String {
    let mut line = Canvas::of(width);
    line.write(0, &format!("{:>9.3}", row.at().as_secs_f64()));
    for place in places {
        line.write(*place, "│");
    }
    let (from, to) = chapter.ends(row);
    let (from, to) = (places[from], places[to]);
    if row.is_gap() {
        let (left, right) = (FIRST, places.last().copied().unwrap_or(FIRST));
        line.fill(left, right, '┄');
        line.write(left + 3, &format!(" {} ", row.text()));
    } else if from == to {
        line.write(from, "●");
        line.write(from + 1, &format!(" {} ", row.label()));
    } else {
        let (left, right) = (from.min(to), from.max(to));
        let rule = if row.kind() == RowKind::Lost { '╌' } else { '─' };
        line.fill(left + 1, right - 1, rule);
        let (start, end) = if from < to { ("├", "▶│") } else { ("│◀", "┤") };
        line.write(left, start);
        line.write(right + 1 - end.chars().count(), end);
        // Both ends of the rule stay visible.
        let room = (right - left).saturating_sub(7);
        let beside = width.saturating_sub(right + 2);
        let label = row.label();
        if label.chars().count() > room && left > places[0] && beside > room {
            // The texts that a phone hears are longer than the space between two columns.
            line.write(right + 1, &format!(" {} ", cut(&label, beside)));
        } else if room > 0 {
            line.write(left + 3, &format!(" {} ", cut(&label, room)));
        }
    }
    line.text()
}

/// The positions of the columns. The first phone is further from the service than from the other phones, because most
/// texts are drawn there.
fn places(columns: usize, width: usize) -> Vec<usize> {
    let all = width.saturating_sub(FIRST + 2);
    let legs = columns.saturating_sub(2);
    let first = if legs == 0 { all.min(80) } else { all / 2 };
    let each = (all.saturating_sub(first) / (legs + 1)).max(2);
    let mut places = vec![FIRST, FIRST + first];
    places.extend((1..=legs).map(|leg| FIRST + first + (leg + 1) * each));
    places
}

/// The colour code of terminals.
fn colour(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Request => "36",
        RowKind::Response | RowKind::Note => "2",
        RowKind::Event => "32",
        RowKind::Speech => "33",
        RowKind::Digits => "35",
        RowKind::Refusal | RowKind::Gap | RowKind::Lost => "31",
    }
}

impl Canvas {
    fn of(width: usize) -> Self {
        Self(vec![' '; width])
    }

    /// Writes over the present text; text beyond the end is cut off.
    fn write(&mut self, at: usize, text: &str) {
        for (place, c) in self.0.iter_mut().skip(at).zip(text.chars()) {
            *place = c;
        }
    }

    fn fill(&mut self, from: usize, to: usize, with: char) {
        for place in self.0.iter_mut().take(to + 1).skip(from) {
            *place = with;
        }
    }

    fn text(self) -> String {
        self.0.into_iter().collect()
    }
}
