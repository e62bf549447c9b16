//! What a breaker does while nothing is wrong, and what the numbers do not tell.

use super::{Look, words};
use crate::{chance::seconds, formulas::calls_until_in_a_row};

/// What comes about less often than once a month is not worth a sentence.
const MONTH: f64 = 30.0 * 86_400.0;

/// Failures in a row that come about by chance. Where they have to span a time, the lints tell.
pub(super) fn in_a_row(look: &Look<'_>) -> Option<String> {
    let settings = look.entry.settings.as_ref()?;
    let n = settings.consecutive_failures()?;
    let errors = look.subject.calls.errors;
    let every = calls_until_in_a_row(n, errors) / look.rate();
    if settings.consecutive_failures_span().is_some() || every > MONTH {
        return None;
    }
    Some(format!(
        "{}: at {} background errors, {} in a row trips every {} {}.",
        look.name,
        words::percent(errors),
        words::number(f64::from(n)),
        words::time(seconds(every)),
        look.at_rate()
    ))
}

pub(super) fn false_trips(look: &Look<'_>) -> Option<String> {
    let summary = &look.entry.summary;
    (summary.false_trips > 0).then(|| {
        format!(
            "{} opened {} while nothing was wrong: {} times a day for each circuit.",
            look.name,
            words::times(summary.false_trips),
            words::number(summary.false_trips_a_day)
        )
    })
}

pub(super) fn not_kept(look: &Look<'_>) -> Option<String> {
    let missing = look.entry.run.changes_not_kept;
    (missing > 0).then(|| {
        format!(
            "{}: {} changes of state were too many to be kept, so that times and trips are of the first ones only.",
            look.name,
            words::count(missing)
        )
    })
}
