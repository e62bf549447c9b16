//! The axes of a picture: round numbers only.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::panel::{LEFT, LOAD, Panel, RIGHT, x};
use crate::{chance::seconds, report::words};

/// At most so many marks on the axis of time.
const MOST_MARKS: f64 = 10.0;

/// Round times, in seconds.
const ROUND: [f64; 22] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0,
];

/// A frame, lines and numbers. It returns the number at the top.
pub(super) fn up(
    svg: &mut String,
    panel: &Panel,
    most: f64,
    what: &str,
) -> Result<f64, fmt::Error> {
    let (unit, most) = scale(most);
    let (top, height, width) = (panel.top, panel.height, RIGHT - LEFT);
    writeln!(
        svg,
        "<rect class=\"bl-frame\" x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>\
         <text class=\"bl-text\" x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">{what}</text>",
        top - 4.0
    )?;
    let mut value = 0.0;
    while value <= most * 1.001 {
        let y = panel.y(value, most);
        writeln!(
            svg,
            "<path class=\"bl-grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
             <text class=\"bl-text\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            words::number(value)
        )?;
        value += unit;
    }
    Ok(most)
}

/// A round unit of which three to five reach to the top, and the top.
fn scale(most: f64) -> (f64, f64) {
    let most = if most > 0.0 { most } else { 1.0 };
    let tenth = 10_f64.powf((most / 5.0).log10().floor());
    let unit = [1.0, 2.0, 5.0, 10.0].map(|times| times * tenth);
    let unit = unit
        .into_iter()
        .find(|unit| unit * 5.0 >= most * 0.999)
        .unwrap_or(most);
    (unit, unit * (most / unit * 0.999).ceil())
}

/// Beneath the last panel.
pub(super) fn time(svg: &mut String, length: Duration) -> fmt::Result {
    let length = length.as_secs_f64();
    let round = ROUND.into_iter().find(|unit| length / unit <= MOST_MARKS);
    // Longer than ten weeks: as many weeks as there must be.
    let unit = round.unwrap_or((length / MOST_MARKS / 604_800.0).ceil() * 604_800.0);
    let y = LOAD.bottom();
    let mut at = 0.0;
    while at <= length * 1.0001 {
        let x = x(at / length);
        writeln!(
            svg,
            "<path class=\"bl-tick\" d=\"M{x:.1} {y}v5\"/>\
             <text class=\"bl-text\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            y + 20.0,
            words::time(seconds(at))
        )?;
        at += unit;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tops_are_round() {
        let scales = [0.0, 1.0, 97.0, 210.0, 1_100.0].map(scale);
        let expected = [
            (0.2, 1.0),
            (0.2, 1.0),
            (20.0, 100.0),
            (50.0, 250.0),
            (500.0, 1_500.0),
        ];
        for ((unit, top), (expected_unit, expected_top)) in scales.into_iter().zip(expected) {
            assert!(
                (unit - expected_unit).abs() < 1e-9,
                "{unit} for {expected_unit}"
            );
            assert!(
                (top - expected_top).abs() < 1e-9,
                "{top} for {expected_top}"
            );
        }
    }

    #[test]
    fn there_are_few_marks() {
        for length in [0.002, 1.0, 480.0, 86_400.0, 366.0 * 86_400.0 * 50.0] {
            let mut svg = String::new();
            time(&mut svg, seconds(length)).expect("to a string");
            assert!(
                (2..=11).contains(&svg.matches("<text").count()),
                "{length}: {svg}"
            );
        }
    }
}
