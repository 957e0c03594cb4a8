//! A figure of lines over time, panels one above the other, as an SVG that can be read on light and on dark pages.

use std::fmt;

/// A figure.
#[derive(Debug)]
pub struct Figure {
    /// How long it is.
    pub seconds: f64,
    /// What each class of line stands for.
    pub legend: Vec<(&'static str, &'static str)>,
    /// From above.
    pub panels: Vec<Panel>,
}

/// Lines over one axis.
#[derive(Debug)]
pub struct Panel {
    /// What is drawn, with its unit.
    pub label: &'static str,
    /// The value at its upper edge; 0 is at the lower.
    pub top: f64,
    /// Marks of its axis.
    pub ticks: Vec<Tick>,
    /// What is drawn.
    pub lines: Vec<Line>,
}

/// A mark.
#[derive(Debug)]
pub struct Tick {
    /// Its value.
    pub at: f64,
    /// What stands beside it.
    pub label: String,
}

/// A line.
#[derive(Debug)]
pub struct Line {
    /// `off`, `capped`, `allowed` or `limit`: the colours of [`STYLE`].
    pub class: &'static str,
    /// Seconds and values, in the order of time.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 16.0;
const HEAD: f64 = 34.0;
const PANEL: f64 = 96.0;
const GAP: f64 = 34.0;
const FOOT: f64 = 40.0;
const SECONDS_A_TICK: usize = 30;

/// Colours that differ in lightness too, for eyes that do not tell red from blue.
const STYLE: &str = "\
text { font: 12px sans-serif; fill: #333 } .grid { stroke: #8886; stroke-width: 1 }\
.off, .capped, .allowed, .limit { fill: none; stroke-width: 2; stroke-linejoin: round }\
.off { stroke: #c2410c } .capped { stroke: #1d4ed8 } .allowed { stroke: #1d4ed8; stroke-width: 1; stroke-dasharray: 4 3 }\
.limit { stroke: #666; stroke-width: 1; stroke-dasharray: 6 4 }\
@media (prefers-color-scheme: dark) { text { fill: #ddd } .off { stroke: #fb923c } .capped, .allowed { stroke: #7dabff }\
 .limit { stroke: #aaa } }";

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "a handful of panels")]
        let height = HEAD + self.panels.len() as f64 * (PANEL + GAP) + FOOT - GAP / 2.0;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
             <style>{STYLE}</style>"
        )?;
        self.legend(f)?;
        let mut upper = HEAD + GAP / 2.0;
        for panel in &self.panels {
            self.panel(f, panel, upper)?;
            upper += PANEL + GAP;
        }
        self.seconds(f, upper - GAP)?;
        writeln!(f, "</svg>")
    }
}

impl Figure {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds.max(1.0)
    }

    fn legend(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut x = LEFT;
        for (class, label) in &self.legend {
            let (end, text) = (x + 24.0, x + 30.0);
            writeln!(
                f,
                "<path class=\"{class}\" d=\"M{x} 16H{end}\"/><text x=\"{text}\" y=\"20\">{label}</text>"
            )?;
            x += 200.0;
        }
        Ok(())
    }

    fn panel(&self, f: &mut fmt::Formatter<'_>, panel: &Panel, upper: f64) -> fmt::Result {
        let y = |value: f64| upper + PANEL * (1.0 - value / panel.top);
        writeln!(f, "<text x=\"{LEFT}\" y=\"{:.0}\">{}</text>", upper - 6.0, panel.label)?;
        let (left, right) = (LEFT, WIDTH - RIGHT);
        for Tick { at, label } in &panel.ticks {
            let at = y(*at);
            let (mark, base) = (LEFT - 6.0, at + 4.0);
            writeln!(f, "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>")?;
            writeln!(f, "<text x=\"{mark}\" y=\"{base:.1}\" text-anchor=\"end\">{label}</text>")?;
        }
        for Line { class, points } in &panel.lines {
            let point = |(second, value): &(f64, f64)| format!("{:.1},{:.1}", self.x(*second), y(*value));
            let points: Vec<String> = points.iter().map(point).collect();
            writeln!(f, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))?;
        }
        Ok(())
    }

    fn seconds(&self, f: &mut fmt::Formatter<'_>, lower: f64) -> fmt::Result {
        let base = lower + 16.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes")]
        let last = self.seconds as usize;
        for second in (0..=last).step_by(SECONDS_A_TICK) {
            #[expect(clippy::cast_precision_loss, reason = "minutes")]
            let x = self.x(second as f64);
            writeln!(f, "<text x=\"{x:.1}\" y=\"{base}\" text-anchor=\"middle\">{second}</text>")?;
        }
        writeln!(f, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">seconds</text>", WIDTH - RIGHT, base + 16.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_drawn_between_the_edges_of_its_panel() {
        let line = Line { class: "off", points: vec![(0.0, 0.0), (10.0, 4.0)] };
        let panel = Panel { label: "viewers", top: 4.0, ticks: Vec::new(), lines: vec![line] };
        let figure = Figure { seconds: 10.0, legend: Vec::new(), panels: vec![panel] }.to_string();
        let (upper, lower) = (HEAD + GAP / 2.0, HEAD + GAP / 2.0 + PANEL);
        let points = format!("points=\"{LEFT:.1},{lower:.1} {:.1},{upper:.1}\"", WIDTH - RIGHT);
        assert!(figure.contains(&points), "{figure}");
        assert!(figure.starts_with("<svg ") && figure.ends_with("</svg>\n"));
    }
}
