//! One picture for each breaker: what became of the calls, which circuits were open, and what the dependency had to do.
//! It is written by hand: a few paths and texts, no script, and nothing that would have to be loaded.

mod axis;
mod columns;
mod outage;
mod panel;
mod style;

use std::fmt::{self, Write};

pub(super) use self::outage::outages as shaded;
use self::{
    columns::Columns,
    panel::{BAND, CALLS, HEIGHT, LEFT, LOAD, Panel, RIGHT, WIDTH},
    style::{SHED, STYLE},
};
use super::{Entry, Report, words};
use crate::summary::share;

/// What calls became, from the bottom up, with the name of its style.
const LAYERS: [(&str, &str); 5] = [
    ("succeeded", "ok"),
    ("slow", "slow"),
    ("failed", "failed"),
    ("rejected", "rejected"),
    ("not made", "unmade"),
];

impl Report {
    /// The pictures of all breakers in one file of SVG, one beneath the other. It is legible in light and in dark.
    #[must_use]
    pub fn svg(&self) -> String {
        let pictures = Pictures::of(self);
        let height = HEIGHT * self.entries.len().max(1) as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\">\n"
        );
        for number in 0..self.entries.len() {
            svg.push_str(&pictures.picture(number, HEIGHT * number as f64));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// All pictures of a report. They have the same scales, so that they can be compared.
pub(super) struct Pictures<'a> {
    report: &'a Report,
    columns: Vec<Columns>,
    most_calls: f64,
    most_load: f64,
}

impl<'a> Pictures<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let length = report.subject.length;
        let columns = report
            .entries
            .iter()
            .map(|entry| Columns::of(&entry.run, length));
        let columns: Vec<_> = columns.collect();
        let most = |of: fn(&Columns) -> f64| columns.iter().map(of).fold(0.0, f64::max);
        Self {
            report,
            most_calls: most(Columns::most_calls),
            most_load: most(Columns::most_load),
            columns,
        }
    }

    /// That of the breaker with this number. `top` is where it begins in the file.
    ///
    /// # Panics
    ///
    /// If there is no such breaker.
    pub(super) fn picture(&self, number: usize, top: f64) -> String {
        let mut svg = String::new();
        // Writing to a string never fails.
        let _ = self.draw(&mut svg, number, top);
        svg
    }

    fn draw(&self, svg: &mut String, number: usize, top: f64) -> fmt::Result {
        let (entry, columns) = (&self.report.entries[number], &self.columns[number]);
        let subject = &self.report.subject;
        let what = format!(
            "{}: {}",
            words::escaped_name(&entry.run.breaker),
            words::escaped_name(&subject.name)
        );
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bl\" y=\"{top}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{what}\">"
        )?;
        writeln!(svg, "<title>{what}</title>\n{STYLE}")?;
        if let Some(most) = columns.most_shed() {
            writeln!(svg, "<desc>{}</desc>\n{SHED}", of_shed(most))?;
        }
        writeln!(
            svg,
            "<rect class=\"bl-page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"
        )?;
        self.draw_head(svg, entry, columns)?;
        outage::shade(svg, &subject.shaded)?;
        draw_calls(svg, columns, self.most_calls)?;
        draw_band(svg, columns)?;
        draw_load(svg, columns, self.most_load)?;
        axis::time(svg, subject.length)?;
        writeln!(svg, "</svg>")
    }

    fn draw_head(&self, svg: &mut String, entry: &Entry, columns: &Columns) -> fmt::Result {
        let summary = &entry.summary;
        let name = words::escaped_drawn(&entry.run.breaker);
        let subject = words::escaped_drawn(&self.report.subject.name);
        let not_made = match share(summary.total.not_made, summary.total.offered) {
            0.0 => String::new(),
            share => format!(", {} not made", words::percent(share)),
        };
        writeln!(
            svg,
            "<text class=\"bl-name\" x=\"{LEFT}\" y=\"26\">{name}</text>"
        )?;
        writeln!(
            svg,
            "<text class=\"bl-text\" x=\"{LEFT}\" y=\"46\">{subject}: {} succeeded, {} failed, {} rejected, \
             {} lost to rejections, {} of the load spared{not_made}</text>",
            words::percent(summary.succeeded()),
            words::percent(summary.failed()),
            words::percent(summary.rejected()),
            words::percent(summary.lost()),
            words::percent(summary.spared(self.report.none())),
        )?;
        draw_legend(svg, columns.most_shed().is_some())
    }
}

fn draw_legend(svg: &mut String, sheds: bool) -> fmt::Result {
    let mut x = LEFT;
    let of_calls = LAYERS.iter().copied();
    let of_circuits = [
        ("open", "open"),
        ("half-open", "half-open"),
        ("offered", "offered"),
    ];
    let of_shed = sheds.then_some(("share shed", "shed"));
    for (name, class) in of_calls.chain(of_circuits).chain(of_shed) {
        writeln!(
            svg,
            "<rect class=\"bl-{class}\" x=\"{x}\" y=\"58\" width=\"12\" height=\"12\"/>\
             <text class=\"bl-text\" x=\"{}\" y=\"68\">{name}</text>",
            x + 16.0
        )?;
        x += 34.0 + 7.0 * name.len() as f64;
    }
    Ok(())
}

/// What became of the calls, one upon the other, and the line of all that came.
fn draw_calls(svg: &mut String, columns: &Columns, most: f64) -> fmt::Result {
    let most = axis::up(svg, &CALLS, most, "calls a second")?;
    let mut below = vec![0.0; columns.len()];
    for (layer, (_, class)) in LAYERS.iter().enumerate() {
        let above = columns.on_top(&below, layer);
        area(svg, class, &CALLS, &below, &above, most)?;
        below = above;
    }
    let line = panel::steps(&CALLS, &columns.offered, most);
    writeln!(svg, "<path class=\"bl-offered\" d=\"M{line}\"/>")
}

/// In words, for who does not see colours.
fn of_shed(most: f64) -> String {
    format!(
        "closed circuits shed up to {} of all calls",
        words::percent(most)
    )
}

/// The share of circuits that were open or half-open, and upon it the share that closed ones refused.
fn draw_band(svg: &mut String, columns: &Columns) -> fmt::Result {
    frame(svg, &BAND, "circuits")?;
    let none = vec![0.0; columns.len()];
    let both: Vec<_> = columns
        .open
        .iter()
        .zip(&columns.half_open)
        .map(|(a, b)| a + b)
        .collect();
    area(svg, "open", &BAND, &none, &columns.open, 1.0)?;
    area(svg, "half-open", &BAND, &columns.open, &both, 1.0)?;
    match columns.most_shed() {
        Some(most) => draw_shed(svg, columns, &both, most),
        None => Ok(()),
    }
}

fn draw_shed(svg: &mut String, columns: &Columns, below: &[f64], most: f64) -> fmt::Result {
    let pairs = below.iter().zip(&columns.shed);
    let above: Vec<_> = pairs.map(|(below, shed)| below + shed).collect();
    area(svg, "shed", &BAND, below, &above, 1.0)?;
    writeln!(
        svg,
        "<text class=\"bl-text\" x=\"{LEFT}\" y=\"{}\">{}</text>",
        LOAD.top - 4.0,
        of_shed(most)
    )
}

fn draw_load(svg: &mut String, columns: &Columns, most: f64) -> fmt::Result {
    let most = axis::up(svg, &LOAD, most, "calls under way")?;
    let none = vec![0.0; columns.len()];
    area(svg, "load", &LOAD, &none, &columns.load, most)
}

fn frame(svg: &mut String, panel: &Panel, what: &str) -> fmt::Result {
    let (top, height, width) = (panel.top, panel.height, RIGHT - LEFT);
    writeln!(
        svg,
        "<rect class=\"bl-frame\" x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>\
         <text class=\"bl-text\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{what}</text>",
        LEFT - 6.0,
        top + height / 2.0 + 4.0
    )
}

/// Between two lines. Nothing if there is nothing between them.
fn area(
    svg: &mut String,
    class: &str,
    panel: &Panel,
    below: &[f64],
    above: &[f64],
    most: f64,
) -> fmt::Result {
    if below == above {
        return Ok(());
    }
    let (there, back) = (
        panel::steps(panel, above, most),
        panel::steps_back(panel, below, most),
    );
    writeln!(svg, "<path class=\"bl-{class}\" d=\"M{there}L{back}Z\"/>")
}
