//! Two ladders side by side.

use super::row::{Column, Row, cut};
use super::story::{Chapter, Story};

/// Smallest useful width; a narrower column shows nothing.
const NARROWEST: usize = 80;

/// The largest table of comparisons. If two calls differ in more rows, the rest is shown without being matched.
const LARGEST: usize = 4_000_000;

/// A row of the left side, of the right side, or of both.
type Pair<'a> = (Option<&'a Row>, Option<&'a Row>);

/// Draws the sections of both in turn; rows of only one side are marked by `<` or `>`.
pub(super) fn draw(left: &Story, right: &Story, heads: (&str, &str), width: usize) -> String {
    let width = width.max(NARROWEST);
    let half = (width - 3) / 2;
    let (mine, theirs) = (left.chapters(), right.chapters());
    let mut text = format!("{:half$}   {}\n", cut(heads.0, half), cut(heads.1, half));
    for number in 0..mine.len().max(theirs.len()) {
        let (a, b) = (mine.get(number), theirs.get(number));
        let title = |chapter: Option<&Chapter<'_>>| chapter.map(|chapter| chapter.title.clone()).unwrap_or_default();
        text.push_str(&format!("\n{:half$}   {}\n", cut(&title(a), half), cut(&title(b), half)));
        for (a, b) in matched(rows(a), rows(b)) {
            let mark = match (a, b) {
                (Some(_), Some(_)) => ' ',
                (Some(_), None) => '<',
                _ => '>',
            };
            let show = |row: Option<&Row>| row.map(|row| cut(&in_brief(row), half)).unwrap_or_default();
            let line = format!("{:half$} {mark} {}", show(a), show(b));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

fn rows<'a, 'b>(chapter: Option<&'b Chapter<'a>>) -> &'b [&'a Row] {
    chapter.map_or(&[], |chapter| &chapter.rows)
}

fn in_brief(row: &Row) -> String {
    let between = match (row.from(), row.to()) {
        (Column::Program, Column::Service) => "→".to_owned(),
        (Column::Service, Column::Program) => "←".to_owned(),
        (from, to) if from == to => format!("{from}:"),
        (Column::Service, to) => format!("→ {to}:"),
        (from, _) => format!("← {from}:"),
    };
    format!("{:>9.3} {between} {}", row.at().as_secs_f64(), row.text())
}

fn alike(a: &Row, b: &Row) -> bool {
    a.kind() == b.kind() && a.text() == b.text() && a.from() == b.from() && a.to() == b.to()
}

/// The rows of both in their order, with as many as possible beside equal ones.
fn matched<'a>(left: &[&'a Row], right: &[&'a Row]) -> Vec<Pair<'a>> {
    let start = left.iter().zip(right).take_while(|(a, b)| alike(a, b)).count();
    let (mine, theirs) = (&left[start..], &right[start..]);
    let end = mine.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| alike(a, b)).count();
    let (mine, theirs) = (&mine[..mine.len() - end], &theirs[..theirs.len() - end]);
    let both = |a: &[&'a Row], b: &[&'a Row]| -> Vec<Pair<'a>> {
        a.iter().zip(b).map(|(a, b)| (Some(*a), Some(*b))).collect()
    };
    let mut pairs = both(&left[..start], &right[..start]);
    pairs.extend(middle(mine, theirs));
    pairs.extend(both(&left[left.len() - end..], &right[right.len() - end..]));
    pairs
}

/// The longest common subsequence of the differing rows, and the rows between.
fn middle<'a>(left: &[&'a Row], right: &[&'a Row]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    if left.len().saturating_mul(right.len()) <= LARGEST {
        let wide = right.len() + 1;
        // Number of rows that the remainders from (i, j) on have in common.
        let mut common = vec![0_u32; (left.len() + 1) * wide];
        for i in (0..left.len()).rev() {
            for j in (0..right.len()).rev() {
                common[i * wide + j] = if alike(left[i], right[j]) {
                    common[(i + 1) * wide + j + 1] + 1
                } else {
                    common[(i + 1) * wide + j].max(common[i * wide + j + 1])
                };
            }
        }
        while i < left.len() && j < right.len() {
            if alike(left[i], right[j]) {
                pairs.push((Some(left[i]), Some(right[j])));
                (i, j) = (i + 1, j + 1);
            } else if common[(i + 1) * wide + j] >= common[i * wide + j + 1] {
                pairs.push((Some(left[i]), None));
                i += 1;
            } else {
                pairs.push((None, Some(right[j])));
                j += 1;
            }
        }
    }
    pairs.extend(left[i..].iter().map(|row| (Some(*row), None)));
    pairs.extend(right[j..].iter().map(|row| (None, Some(*row))));
    pairs
}
