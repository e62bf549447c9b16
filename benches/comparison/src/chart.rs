//! The results as a picture: bars on a logarithmic scale, with their values beside them.
//!
//! It brings its own background, light or dark as the reader likes it: a picture on a page cannot know
//! what the page looks like.

use std::fmt::{self, Write};

use crate::{
    contenders::ours,
    forms::{BARE, Form},
    machine,
    measure::Cost,
    results::{Line, THREADS},
    work::Path,
};

/// What is drawn, group by group: the whole table would be too much for a picture.
const GROUPS: [Form; 2] = [Form::Reused, Form::Closure];

const WIDTH: f64 = 1040.0;
const MARGIN: f64 = 24.0;
const NAMES: f64 = 216.0;
const PANEL: f64 = 200.0;
/// Between the panels: the longest bar's value goes here.
const GAP: f64 = 64.0;
const TOP: f64 = 92.0;
const ROW: f64 = 34.0;
const BAR: f64 = 12.0;
const HEADING: f64 = 34.0;
const BOTTOM: f64 = 56.0;

const STYLE: &str = "\
text { font: 12px -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.heading { font-weight: 600 }
.quiet { fill: #59636e }
.value { font-size: 11px }
.paper { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0 }
.ours1 { fill: #0969da } .ours2 { fill: #78b0f2 }
.peer1 { fill: #6e7781 } .peer2 { fill: #b7bec6 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.quiet { fill: #9198a1 }
.paper { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #3d444d }
.ours1 { fill: #4493f8 } .ours2 { fill: #215496 }
.peer1 { fill: #9198a1 } .peer2 { fill: #545d68 }
}";

/// The picture.
///
/// # Errors
///
/// None: a string takes everything.
pub fn draw(lines: &[Line]) -> Result<String, fmt::Error> {
    let groups: Vec<(Form, Vec<&Line>)> = GROUPS.map(|form| (form, members(lines, form))).into();
    let rows: usize = groups.iter().map(|(_, members)| members.len()).sum();
    let bottom = TOP + HEADING * groups.len() as f64 + ROW * rows as f64;
    let mut sheet = Sheet {
        out: String::new(),
        scale: Scale::up_to(most(&groups)),
    };
    sheet.open(bottom + BOTTOM)?;
    sheet.head()?;
    sheet.grids(bottom)?;
    sheet.groups(&groups)?;
    sheet.foot(bottom)?;
    writeln!(sheet.out, "</svg>")?;
    Ok(sheet.out)
}

fn members(lines: &[Line], form: Form) -> Vec<&Line> {
    let is_member = |line: &&Line| line.form == form && line.contender != BARE;
    lines.iter().filter(is_member).collect()
}

fn most(groups: &[(Form, Vec<&Line>)]) -> f64 {
    let lines = groups.iter().flat_map(|(_, members)| members);
    let costs = lines.flat_map(|line| line.paths.iter().flat_map(|path| path.cost));
    costs.map(|cost| cost.over).fold(10.0, f64::max)
}

/// From one nanosecond to a power of ten.
struct Scale {
    powers: u32,
}

impl Scale {
    fn up_to(most: f64) -> Self {
        Self {
            powers: most.log10().ceil() as u32,
        }
    }

    /// How long a bar is. Less than a nanosecond still shows.
    fn length(&self, nanos: f64) -> f64 {
        let share = nanos.max(1.0).log10() / f64::from(self.powers);
        (share * PANEL).max(2.0)
    }
}

fn panel_at(nth: usize) -> f64 {
    MARGIN + NAMES + nth as f64 * (PANEL + GAP)
}

struct Sheet {
    out: String,
    scale: Scale,
}

impl Sheet {
    fn open(&mut self, height: f64) -> fmt::Result {
        writeln!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
             <title>Nanoseconds per call over the bare call, for each circuit breaker</title>\n\
             <style>{STYLE}</style>\n\
             <rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            WIDTH - 1.0,
            height - 1.0,
        )
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) -> fmt::Result {
        writeln!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
        )
    }

    fn bar(&mut self, class: &str, x: f64, y: f64, length: f64) -> fmt::Result {
        writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" \
             height=\"{BAR}\" rx=\"1.5\"/>"
        )
    }

    fn head(&mut self) -> fmt::Result {
        let title = "What a circuit breaker adds to a call, in nanoseconds";
        self.text("title", MARGIN, 34.0, title)?;
        let how = "logarithmic scale, less is better; upper bar: 1 thread, lower and paler: 2 threads \
                   that share the breaker";
        self.text("quiet", MARGIN, 54.0, how)?;
        for (nth, path) in Path::ALL.into_iter().enumerate() {
            self.text("heading", panel_at(nth), TOP - 12.0, in_words(path))?;
        }
        Ok(())
    }

    /// A line for each power of ten, in each panel.
    fn grids(&mut self, bottom: f64) -> fmt::Result {
        for nth in 0..Path::ALL.len() {
            for power in 0..=self.scale.powers {
                let nanos = 10f64.powi(power.cast_signed());
                let x = panel_at(nth) + PANEL * f64::from(power) / f64::from(self.scale.powers);
                writeln!(
                    self.out,
                    "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>"
                )?;
                self.text("quiet value", x - 4.0, bottom + 15.0, &short(nanos))?;
            }
        }
        Ok(())
    }

    fn groups(&mut self, groups: &[(Form, Vec<&Line>)]) -> fmt::Result {
        let mut y = TOP;
        for (form, members) in groups {
            self.text("quiet heading", MARGIN, y + 20.0, form.name())?;
            y += HEADING;
            for line in members {
                self.row(line, y)?;
                y += ROW;
            }
        }
        Ok(())
    }

    fn row(&mut self, line: &Line, y: f64) -> fmt::Result {
        let ours = line.contender.starts_with(ours::NAME);
        let class = if ours { "heading" } else { "" };
        self.text(class, MARGIN, y + BAR + 4.0, line.contender)?;
        for (nth, path) in line.paths.iter().enumerate() {
            for (lower, threads) in THREADS.into_iter().enumerate() {
                let class = format!("{}{threads}", if ours { "ours" } else { "peer" });
                let y = y + lower as f64 * (BAR + 1.0);
                self.value(&class, panel_at(nth), y, path.cost[lower])?;
            }
        }
        Ok(())
    }

    fn value(&mut self, class: &str, x: f64, y: f64, cost: Cost) -> fmt::Result {
        let length = self.scale.length(cost.over);
        self.bar(class, x, y, length)?;
        let nanos = if cost.over < 1.0 {
            "under 1".to_owned()
        } else {
            short(cost.over)
        };
        let label = if cost.together { nanos } else { nanos + " †" };
        self.text("value", x + length + 4.0, y + BAR - 2.0, &label)
    }

    fn foot(&mut self, bottom: f64) -> fmt::Result {
        let on = format!(
            "{}, {} cores; {}; medians over the bare call in the same run; †: disturbed",
            machine::processor(),
            machine::cores(),
            machine::compiler(),
        );
        self.text("quiet value", MARGIN, bottom + 40.0, &on)
    }
}

fn in_words(path: Path) -> &'static str {
    match path {
        Path::Success => "closed, every call succeeds",
        Path::OneInAHundred => "closed, 1 % of calls fail",
        Path::Open => "open, every call is refused",
    }
}

/// 7.7, 44, 1.2k, 25k: few digits, as there is little room.
fn short(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 9.95 => trimmed(nanos, ""),
        nanos if nanos < 999.5 => format!("{nanos:.0}"),
        nanos if nanos < 9_950.0 => trimmed(nanos / 1_000.0, "k"),
        nanos => format!("{:.0}k", nanos / 1_000.0),
    }
}

/// With one decimal place, unless that is a zero.
fn trimmed(figure: f64, unit: &str) -> String {
    let figure = format!("{figure:.1}");
    format!("{}{unit}", figure.strip_suffix(".0").unwrap_or(&figure))
}
