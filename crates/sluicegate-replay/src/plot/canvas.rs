//! The paper that plots are drawn on.

use std::fmt::Write as _;

use super::axis::Axis;

/// A plot that is being drawn. Places go from 0 to 1, to the right and upwards.
pub(super) struct Canvas {
    svg: String,
}

impl Canvas {
    /// A plot with its title and the names of its axes.
    pub(super) fn new(title: &str, upwards: &str, rightwards: &str) -> Self {
        let (title, upwards, rightwards) = (escaped(title), escaped(upwards), escaped(rightwards));
        let middle = LEFT + WIDTH / 2.0;
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' role='img' aria-label='{title}'>\n\
             <style>{STYLE}</style>\n\
             <rect class='paper' width='100%' height='100%'/>\n\
             <text class='title' x='{LEFT}' y='22'>{title}</text>\n\
             <text class='name' x='{LEFT}' y='42'>{upwards}</text>\n\
             <text class='name' x='{middle}' y='{}' text-anchor='middle'>{rightwards}</text>\n",
            LEFT + WIDTH + RIGHT,
            TOP + HEIGHT + BOTTOM,
            TOP + HEIGHT + BOTTOM - 8.0,
        );
        Self { svg }
    }

    /// Draws the lines and numbers of both axes.
    pub(super) fn grid(&mut self, upwards: &Axis, rightwards: &Axis) {
        for (mark, text) in &upwards.marks {
            let y = above(mark / upwards.end);
            self.add(format_args!("<path class='grid' d='M{LEFT} {y:.1}h{WIDTH}'/>"));
            self.add(format_args!(
                "<text class='mark' x='{}' y='{:.1}' text-anchor='end'>{text}</text>",
                LEFT - 6.0,
                y + 4.0
            ));
        }
        for (mark, text) in &rightwards.marks {
            let x = beside(mark / rightwards.end);
            let y = TOP + HEIGHT + 16.0;
            self.add(format_args!(
                "<text class='mark' x='{x:.1}' y='{y}' text-anchor='middle'>{text}</text>"
            ));
        }
    }

    /// Draws a bar.
    pub(super) fn bar(&mut self, class: &str, left: f64, width: f64, bottom: f64, top: f64) {
        if top > bottom {
            let (x, y, width, height) = (beside(left), above(top), width * WIDTH, (top - bottom) * HEIGHT);
            self.add(format_args!(
                "<rect class='{class}' x='{x:.2}' y='{y:.2}' width='{width:.2}' height='{height:.2}'/>"
            ));
        }
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (place, (right, up)) in points.iter().enumerate() {
            let to = if place == 0 { 'M' } else { 'L' };
            // Writing to a text never fails.
            let _ = write!(path, "{to}{:.1} {:.1}", beside(*right), above(*up));
        }
        self.add(format_args!("<path class='line {class}' d='{path}'/>"));
    }

    /// Names the colours.
    pub(super) fn legend(&mut self, classes: &[&str]) {
        for (place, class) in (0_u8..).zip(classes) {
            let x = LEFT + WIDTH - 90.0 * f64::from(u8::try_from(classes.len()).unwrap_or(0) - place);
            self.add(format_args!("<rect class='{class}' x='{x}' y='33' width='10' height='10'/>"));
            self.add(format_args!("<text class='name' x='{}' y='42'>{class}</text>", x + 15.0));
        }
    }

    /// Returns the document.
    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a text never fails.
        let _ = writeln!(self.svg, "{element}");
    }
}

fn beside(right: f64) -> f64 {
    LEFT + right * WIDTH
}

fn above(up: f64) -> f64 {
    TOP + HEIGHT - up * HEIGHT
}

/// A text inside of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 46.0;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,Segoe UI,sans-serif;fill:#1f2328}\
.title{font-size:15px;font-weight:600}.name,.mark{font-size:12px;fill:#59636e}\
.paper{fill:#fff}.grid{stroke:#d1d9e0}.admitted{fill:#0969da}.denied{fill:#bc4c00}\
.line{fill:none;stroke-width:2}.line.denied{stroke:#bc4c00}.line.wanted{stroke:#59636e;stroke-dasharray:4 4}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.name,.mark{fill:#9198a1}\
.paper{fill:#0d1117}.grid{stroke:#3d444d}.admitted{fill:#4493f8}.denied{fill:#f0883e}\
.line{fill:none}.line.denied{stroke:#f0883e}.line.wanted{stroke:#9198a1}}";
