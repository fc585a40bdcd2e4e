//! The view of the screen, and its layout for a terminal of some size.

use crate::say::{BAD, BOLD, FAINT, GOOD, ODD, styled, tame};

use super::KEYS;

/// The state of the simulator at one moment.
pub struct View {
    pub url: String,
    /// The address of the page of `--web`.
    pub page: Option<String>,
    /// The shell command that leads a program to this simulator, while no client is connected.
    pub export: Option<String>,
    pub clients: usize,
    pub violations: usize,
    pub rows: Vec<Row>,
    pub happened: Vec<String>,
    /// The typed text, and the kind of input.
    pub typed: Option<(&'static str, String)>,
}

/// One call.
pub struct Row {
    pub is_chosen: bool,
    pub person: String,
    pub program: String,
    pub inbound: bool,
    pub state: &'static str,
    pub seconds: u64,
    /// The far end of the call, and its place.
    pub place: String,
    /// The last text that the person heard.
    pub heard: Option<String>,
}

/// Number of lines that are kept for the transcript, however many calls there are.
const LEAST: usize = 5;

impl View {
    /// Returns `height` lines that fit into `width` columns.
    pub fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut lines = Vec::new();
        let violations = count(self.violations, "violation");
        let head =
            format!("relay sim  {}  {}, {}", self.url, count(self.clients, "client"), count(self.rows.len(), "call"));
        let tail = if self.violations == 0 { String::new() } else { cut(&format!("  {violations}"), width / 2) };
        let head = cut(&head, width - tail.chars().count());
        lines.push(format!("{}{}", styled(BOLD, head), styled(BAD, tail)));
        if let Some(export) = &self.export {
            lines.push(styled(FAINT, cut("No client is connected. In another terminal:", width)));
            lines.extend(broken(export, width));
        }
        if let Some(page) = &self.page {
            lines.extend(broken(&format!("In a browser: {page}"), width));
        }
        let room = height.saturating_sub(lines.len() + LEAST + 2);
        let mut shown = 0;
        for row in &self.rows {
            let of_call = row.lines(width);
            if shown + of_call.len() > room {
                lines.push(styled(FAINT, cut("  …", width)));
                break;
            }
            shown += of_call.len();
            lines.extend(of_call);
        }
        lines.push(styled(FAINT, "─".repeat(width)));
        let left = height.saturating_sub(lines.len() + 1);
        let from = self.happened.len().saturating_sub(left);
        for line in &self.happened[from..] {
            let is_bad = line.contains("VIOLATION") || line.contains("not done: ");
            let text = cut(&tame(line), width);
            lines.push(if is_bad { styled(ODD, text) } else { text });
        }
        lines.truncate(height.saturating_sub(1));
        while lines.len() + 1 < height {
            lines.push(String::new());
        }
        lines.push(match &self.typed {
            Some((label, text)) => cut_front(&format!("{label}: {}_", tame(text)), width),
            None => keys(width),
        });
        lines
    }
}

impl Row {
    fn lines(&self, width: usize) -> Vec<String> {
        let Self { is_chosen, person, program, inbound, state, seconds, place, heard } = self;
        let (from, to) = if *inbound { (person, program) } else { (program, person) };
        let mark = if *is_chosen { "▸" } else { " " };
        let place = if place.is_empty() { String::new() } else { format!("  {place}") };
        let line = format!("{mark} {from} → {to}  {state} {}:{:02}{place}", seconds / 60, seconds % 60);
        let line = cut(&tame(&line), width);
        let style = if *state == "answered" { GOOD } else { ODD };
        let mut lines = vec![styled(style, line)];
        if let Some(heard) = heard {
            lines.push(cut(&tame(&format!("    hears: {heard}")), width));
        }
        lines
    }
}

/// The line of keys, with as many as fit.
fn keys(width: usize) -> String {
    let (mut line, mut columns) = (String::new(), 0);
    for (key, what) in KEYS {
        let more = key.chars().count() + what.chars().count() + 3;
        if columns + more > width {
            break;
        }
        columns += more;
        line.push_str(&format!("{} {}  ", styled(BOLD, key), styled(FAINT, what)));
    }
    line
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Returns the end of a text, where something is typed.
fn cut_front(text: &str, width: usize) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(width)).collect()
}

/// Wraps a long text.
fn broken(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(width.max(1)).map(|line| line.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(person: &str) -> Row {
        Row {
            is_chosen: true,
            person: person.into(),
            program: "+15559990000".into(),
            inbound: true,
            state: "ringing",
            seconds: 65,
            place: "in queue hold".into(),
            heard: Some("Please hold the line.\u{1b}[2J".into()),
        }
    }

    fn view(calls: usize) -> View {
        View {
            url: "ws://127.0.0.1:4711".into(),
            page: (calls == 30).then(|| "http://127.0.0.1:4712/?token=x".to_owned()),
            export: (calls == 0).then(|| "export A=b ".repeat(20)),
            clients: 1,
            violations: 2,
            rows: (0..calls).map(|n| row(&format!("+1555123{n:04}"))).collect(),
            happened: (0..100).map(|n| format!("line {n}")).collect(),
            typed: None,
        }
    }

    /// Returns a line without its colours.
    fn plain(line: &str) -> String {
        let mut text = String::new();
        let mut parts = line.split('\u{1b}');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
        }
        text
    }

    #[test]
    fn whatever_the_size_of_the_terminal_the_lines_fit_and_the_keys_are_the_last() {
        for (calls, width, height) in [(0, 80, 24), (1, 80, 24), (30, 80, 24), (30, 20, 8), (3, 200, 60), (2, 5, 3)] {
            let lines: Vec<String> = view(calls).lines(width, height).iter().map(|line| plain(line)).collect();
            assert_eq!(lines.len(), height, "{calls} calls, {width}x{height}");
            let wide = lines.iter().find(|line| line.chars().count() > width);
            assert_eq!(wide, None, "{calls} calls, {width}x{height}");
            assert!(width < 80 || lines[height - 1].contains("press"), "{lines:?}");
        }
    }

    #[test]
    fn a_call_is_shown_with_what_is_heard_and_without_control_characters() {
        let mut one = view(1);
        let lines: Vec<String> = one.lines(80, 24).iter().map(|line| plain(line)).collect();
        assert!(lines[0].contains("1 client, 1 call") && lines[0].contains("2 violations"), "{lines:?}");
        assert_eq!(lines[1], "▸ +15551230000 → +15559990000  ringing 1:05  in queue hold");
        assert_eq!(lines[2], "    hears: Please hold the line.\u{fffd}[2J");
        assert_eq!(lines[22], "line 99");
        one.typed = Some(("say", "x".repeat(200)));
        assert!(one.lines(80, 24)[23].ends_with("xx_"));
    }
}
