//! The part of a picture in which something is wrong.

use std::fmt::{self, Write};

use super::{
    columns::MOST_COLUMNS,
    panel::{CALLS, LOAD, x},
};
use crate::scenario::Scenario;

/// From the top of the first panel to the bottom of the last one.
pub(super) fn shade(svg: &mut String, outages: &[(f64, f64)]) -> fmt::Result {
    let (top, height) = (CALLS.top, LOAD.bottom() - CALLS.top);
    for (from, to) in outages {
        let (from, width) = (x(*from), x(*to) - x(*from));
        writeln!(
            svg,
            "<rect class=\"bl-outage\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"/>"
        )?;
    }
    let Some((first, _)) = outages.first() else {
        return Ok(());
    };
    let (x, y) = (x(*first) + 4.0, top - 4.0);
    writeln!(
        svg,
        "<text class=\"bl-text\" x=\"{x:.1}\" y=\"{y}\">outage</text>"
    )
}

/// When each begins and ends, as a share of the time. Phases in a row are one. So are all, if there are too many to be
/// seen.
pub(in crate::report) fn outages(scenario: &Scenario) -> Vec<(f64, f64)> {
    let length = scenario.length().as_secs_f64();
    let (mut all, mut begins, mut is_on): (Vec<(f64, f64)>, f64, bool) = (Vec::new(), 0.0, false);
    for phase in &scenario.phases {
        let ends = begins + phase.lasts.as_secs_f64() / length;
        match (phase.is_healthy(), all.last_mut()) {
            (false, Some(last)) if is_on => last.1 = ends,
            (false, _) => all.push((begins, ends)),
            (true, _) => {}
        }
        (begins, is_on) = (ends, !phase.is_healthy());
    }
    match (all.first(), all.last()) {
        (Some(first), Some(last)) if all.len() > MOST_COLUMNS => vec![(first.0, last.1)],
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaded(phases: &str) -> Vec<(f64, f64)> {
        let text = format!(
            "callers = {{ rate = 1 }}
             dependency = {{ latency = {{ mean = \"1ms\" }} }}
             phases = [{phases}]"
        );
        outages(&Scenario::from_toml(&text).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn phases_in_a_row_are_one() {
        let (well, ill) = ("{ for = \"1s\" },", "{ for = \"1s\", errors = 1 },");
        assert_eq!(shaded(well), []);
        assert_eq!(shaded(&[well, ill, ill, well].concat()), [(0.25, 0.75)]);
        assert_eq!(
            shaded(&[ill, well, ill, well].concat()),
            [(0.0, 0.25), (0.5, 0.75)]
        );
        let many = [well, ill].concat().repeat(1_000);
        assert_eq!(shaded(&many).len(), 1);
    }
}
