//! Boxes, arrows and labels as SVG that takes its colours from the page around it.

use std::fmt::Write;

/// Stands out from a white page and from a black one.
pub const ACCENT: &str = "#4a86c8";

/// Colour of losses.
pub const ALARM: &str = "#d0604c";

const LINE: i32 = 17;

/// The part of a picture to which an arrow or a text gives its look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plain,
    Accent,
    /// Drawn with a dashed line.
    Dashed,
    Alarm,
}

impl Look {
    fn colour(self) -> &'static str {
        match self {
            Self::Plain | Self::Dashed => "currentColor",
            Self::Accent => ACCENT,
            Self::Alarm => ALARM,
        }
    }
}

pub struct Drawing {
    width: i32,
    height: i32,
    title: &'static str,
    body: String,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Drawing {
    pub fn new(title: &'static str, width: i32, height: i32) -> Self {
        Self { width, height, title, body: String::new() }
    }

    /// A text, its middle at `x`.
    pub fn text(&mut self, x: i32, y: i32, text: &str, look: Look) -> &mut Self {
        self.write(x, y, text, "middle", look)
    }

    /// A text that begins at `x`.
    pub fn text_from(&mut self, x: i32, y: i32, text: &str, look: Look) -> &mut Self {
        self.write(x, y, text, "start", look)
    }

    fn write(&mut self, x: i32, y: i32, text: &str, anchor: &str, look: Look) -> &mut Self {
        let (fill, text) = (look.colour(), escaped(text));
        write!(self.body, "<text x='{x}' y='{y}' text-anchor='{anchor}' fill='{fill}'>{text}</text>").unwrap();
        self
    }

    /// A box with lines of text in its middle; the first is bold.
    pub fn boxed(&mut self, (x, y, w, h): (i32, i32, i32, i32), lines: &[&str], look: Look) -> &mut Self {
        let (colour, dashes) = (look.colour(), if look == Look::Dashed { " stroke-dasharray='5 4'" } else { "" });
        let filled = if look == Look::Dashed { "0" } else { "0.07" };
        write!(
            self.body,
            "<rect x='{x}' y='{y}' width='{w}' height='{h}' rx='6' fill='{colour}' fill-opacity='{filled}' \
             stroke='{colour}'{dashes}/>"
        )
        .unwrap();
        let count = i32::try_from(lines.len()).unwrap();
        for (n, line) in (0..).zip(lines) {
            let at = y + h / 2 - (count - 1) * LINE / 2 + n * LINE + 5;
            let weight = if n == 0 { " font-weight='600'" } else { "" };
            let (middle, line) = (x + w / 2, escaped(line));
            write!(self.body, "<text x='{middle}' y='{at}' text-anchor='middle'{weight}>{line}</text>").unwrap();
        }
        self
    }

    /// A line that ends in an arrowhead.
    pub fn arrow(&mut self, (x1, y1): (i32, i32), (x2, y2): (i32, i32), look: Look) -> &mut Self {
        self.path(&format!("M{x1} {y1}L{x2} {y2}"), look, true)
    }

    /// A path; its last stretch may end in an arrowhead.
    pub fn path(&mut self, path: &str, look: Look, head: bool) -> &mut Self {
        let (colour, dashes) = (look.colour(), if look == Look::Dashed { " stroke-dasharray='5 4'" } else { "" });
        let head = if head { self.head(path, colour) } else { String::new() };
        write!(self.body, "<path d='{path}' fill='none' stroke='{colour}'{dashes}/>{head}").unwrap();
        self
    }

    /// The arrowhead where a path of `M`, `L` and absolute numbers ends. It is drawn and not referred to by an id: ids of
    /// several pictures on a page would be the same.
    fn head(&self, path: &str, colour: &str) -> String {
        let points: Vec<f64> = path
            .split(|c: char| !(c.is_ascii_digit() || c == '-' || c == '.'))
            .filter_map(|n| n.parse().ok())
            .collect();
        let [.., x1, y1, x2, y2] = points[..] else { panic!("{path}") };
        let length = (x2 - x1).hypot(y2 - y1);
        let (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
        let (bx, by) = (x2 - dx * 9.0, y2 - dy * 9.0);
        let (ax, ay, cx, cy) = (bx - dy * 4.5, by + dx * 4.5, bx + dy * 4.5, by - dx * 4.5);
        format!("<path d='M{x2:.1} {y2:.1}L{ax:.1} {ay:.1}L{cx:.1} {cy:.1}Z' fill='{colour}'/>")
    }

    /// The whole, in one line: a blank one would end it within Markdown.
    pub fn done(&self) -> String {
        let Self { width, height, title, body } = self;
        format!(
            "<div style=\"max-width:{width}px;margin:1em 0\"><svg viewBox='0 0 {width} {height}' role=\"img\" \
             style=\"width:100%;height:auto;font:13px 'Fira Sans',sans-serif\" fill='currentColor'>\
             <title>{}</title>{body}</svg></div>\n",
            escaped(title)
        )
    }
}

/// One step of a scene between columns.
#[derive(Clone, Copy)]
pub enum Step {
    /// A message from a column to another.
    To(usize, usize, &'static str),
    /// An arrow in the colour of the program's own frames.
    Main(usize, usize, &'static str),
    /// A message that is lost on its way.
    Lost(usize, usize, &'static str),
    /// An event in a column.
    At(usize, &'static str),
    /// An event in a column, drawn as a loss.
    Bad(usize, &'static str),
    /// A line across, with a title for what follows.
    Then(&'static str),
}

/// Columns from left to right, time from top to bottom.
pub fn scene(title: &'static str, columns: &[&str], steps: &[Step]) -> String {
    const APART: i32 = 215;
    const STEP: i32 = 32;
    const TOP: i32 = 64;
    let count = i32::try_from(columns.len()).unwrap();
    let x = |column: usize| 90 + i32::try_from(column).unwrap() * APART;
    let (width, height) = (180 + (count - 1) * APART, TOP + i32::try_from(steps.len()).unwrap() * STEP);
    let mut drawing = Drawing::new(title, width, height + 6);
    for (n, name) in columns.iter().enumerate() {
        drawing.boxed((x(n) - 80, 6, 160, 30), &[name], Look::Plain);
        // The line of a column stops where a title goes across.
        let mut from = 36;
        for (y, _) in (0..).map(|n| TOP + n * STEP).zip(steps).filter(|(_, step)| matches!(step, Step::Then(_))) {
            drawing.path(&format!("M{} {from}L{} {}", x(n), x(n), y - 10), Look::Dashed, false);
            from = y + 12;
        }
        drawing.path(&format!("M{} {from}L{} {height}", x(n), x(n)), Look::Dashed, false);
    }
    for (y, step) in (0..).map(|n| TOP + n * STEP).zip(steps) {
        match *step {
            Step::To(from, to, text) | Step::Main(from, to, text) | Step::Lost(from, to, text) => {
                let look = match step {
                    Step::Main(..) => Look::Accent,
                    Step::Lost(..) => Look::Alarm,
                    _ => Look::Plain,
                };
                let side = if from < to { 6 } else { -6 };
                let half = if from < to { APART / 2 + 70 } else { -APART / 2 - 70 };
                let end = if look == Look::Alarm { x(from) + half } else { x(to) - side };
                // Beside the sender, where no line goes through it.
                let beside = if from < to { x(from) + APART / 2 } else { x(from) - APART / 2 };
                drawing.text(beside, y - 4, text, look);
                drawing.arrow((x(from) + side, y + 2), (end, y + 2), look);
                if look == Look::Alarm {
                    let (a, b) = (end + side + 5, end + side - 5);
                    drawing.path(&format!("M{b} {}L{a} {}M{b} {}L{a} {}", y - 3, y + 7, y + 7, y - 3), look, false);
                }
            }
            Step::At(column, text) => {
                drawing.text_from(x(column) + 10, y + 2, text, Look::Plain);
            }
            Step::Bad(column, text) => {
                drawing.text_from(x(column) + 10, y + 2, text, Look::Alarm);
            }
            Step::Then(text) => {
                drawing.path(&format!("M8 {}L{} {}", y - 10, width - 8, y - 10), Look::Dashed, false);
                drawing.text_from(12, y + 6, text, Look::Accent);
            }
        }
    }
    drawing.done()
}
