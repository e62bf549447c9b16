//! What a breaker did in the outage, and after it.

use std::time::Duration;

use tower_breaker::Settings;

use super::{Look, Outage, words};
use crate::{
    formulas::lost_to_probes,
    summary::{self, share, to_recover},
};

/// Less is not worth a sentence.
const WORTH_IT: f64 = 0.005;
/// A partial outage: so much less succeeds with a breaker than without.
const MUCH_LESS: f64 = 0.1;

/// A breaker that is there, and did nothing.
pub(super) fn never_opened(look: &Look<'_>) -> Option<String> {
    let (settings, outage) = (look.entry.settings.as_ref()?, look.outage.as_ref()?);
    let ended = outage.without.ended();
    let (failed, slow) = (
        share(outage.without.failed, ended),
        share(outage.without.slow, ended),
    );
    let is_hidden = look.hangs() && look.limit().is_none();
    if settings.shed().is_some() && outage.with.rejected > 0 {
        return None;
    }
    if look.entry.summary.to_trip.is_some() || (failed.max(slow) < WORTH_IT && !is_hidden) {
        return None;
    }
    let opening = format!("{} never opened in the outage", look.name);
    if is_hidden {
        let why = "calls hang, and nobody gives up on them, so that it learns of none; set a `call_timeout`";
        return Some(format!("{opening}: {why}."));
    }
    if failed < WORTH_IT {
        return Some(format!(
            "{opening}, although {} of the calls were slow: {}.",
            words::percent(slow),
            of_slow_calls(settings)
        ));
    }
    let why = why_not(settings, failed).map_or(String::new(), |why| format!(": {why}"));
    Some(format!(
        "{opening}, although {} of the calls failed{why}.",
        words::percent(failed)
    ))
}

fn of_slow_calls(settings: &Settings) -> String {
    match settings.slow_call_rate() {
        None => "it has no `slow_call_rate`".to_owned(),
        Some(rate) => format!("its `slow_call_rate` is {}", words::percent(rate)),
    }
}

fn why_not(settings: &Settings, failed: f64) -> Option<String> {
    let rate = settings.failure_rate().filter(|rate| *rate > failed)?;
    Some(format!("its `failure_rate` is {}", words::percent(rate)))
}

/// Whoever sheds does so in order not to open.
pub(super) fn opened_though_it_sheds(look: &Look<'_>) -> Option<String> {
    let (settings, outage) = (look.entry.settings.as_ref()?, look.outage.as_ref()?);
    settings.shed()?;
    let within = outage.begins..outage.ends;
    let trips = look.entry.run.changes.iter();
    let trips = trips.filter(|change| change.is_trip() && within.contains(&change.at));
    let trips = trips.count() as u64;
    let failed = share(outage.without.failed, outage.without.ended());
    (trips > 0).then(|| {
        format!(
            "{} sheds, and opened all the same, {} in the outage: {} of the calls failed without it{}. While it is \
             open, it refuses all calls.",
            look.name,
            words::times(trips),
            words::percent(failed),
            opens_by(settings)
        )
    })
}

fn opens_by(settings: &Settings) -> String {
    let rate = settings.failure_rate().map(words::percent);
    let rate = rate.map(|rate| format!(", and its `failure_rate` is {rate}"));
    let in_a_row = settings.consecutive_failures();
    let in_a_row =
        in_a_row.map(|n| format!(", and {} failures in a row open it", words::count(n.into())));
    rate.into_iter().chain(in_a_row).collect()
}

/// An outage in which many calls would have succeeded.
pub(super) fn refused_the_good(look: &Look<'_>) -> Option<String> {
    let outage = look.outage.as_ref()?;
    let without = share(outage.without.succeeded, outage.without.offered);
    let with = share(outage.with.succeeded, outage.with.offered);
    (without - with >= MUCH_LESS).then(|| {
        format!(
            "{} refused good calls of a partial outage: {} of the calls succeeded with it, and {} without a breaker.",
            look.name,
            words::percent(with),
            words::percent(without)
        )
    })
}

pub(super) fn lost(look: &Look<'_>) -> Option<String> {
    let summary = &look.entry.summary;
    (summary.total.lost > 0).then(|| {
        format!(
            "{} lost {} calls that would have succeeded ({} of all).",
            look.name,
            words::count(summary.total.lost),
            words::percent(summary.lost())
        )
    })
}

/// Calls that were neither made nor rejected.
pub(super) fn found_no_worker(look: &Look<'_>) -> Option<String> {
    let total = &look.entry.summary.total;
    let not_made = share(total.not_made, total.offered);
    (not_made >= WORTH_IT).then(|| {
        format!(
            "With {}, {} calls found no free worker in time ({} of all).",
            look.name,
            words::count(total.not_made),
            words::percent(not_made)
        )
    })
}

/// In the outage alone: before and after it nothing has to be spared.
pub(super) fn spared(look: &Look<'_>) -> Option<String> {
    let Outage { with, without, .. } = look.outage.as_ref()?;
    let spared = summary::spared(with.admitted, without.admitted);
    if spared <= -WORTH_IT {
        let more = words::percent(-spared);
        return Some(format!(
            "{} gave the dependency {more} more calls in the outage.",
            look.name
        ));
    }
    (spared >= WORTH_IT).then(|| {
        format!(
            "{} spared the dependency {} of the calls in the outage.",
            look.name,
            words::percent(spared)
        )
    })
}

pub(super) fn kept_out(look: &Look<'_>) -> Option<String> {
    let outage = look.outage.as_ref()?;
    let longest = to_recover(&look.entry.run, (outage.begins, outage.ends))
        .into_iter()
        .max()?;
    (longest >= Duration::from_secs(1)).then(|| {
        format!(
            "The longest break of {} kept callers out for {} after the end of the outage.",
            look.name,
            words::time(longest)
        )
    })
}

pub(super) fn has_not_closed(look: &Look<'_>) -> Option<String> {
    let after = look
        .subject
        .length
        .saturating_sub(look.outage.as_ref()?.ends);
    let (open, circuits) = (look.entry.summary.not_closed, look.entry.run.circuits);
    if open == 0 || after.is_zero() {
        return None;
    }
    let who = match circuits {
        1 => format!("{} was", look.name),
        many => {
            format!(
                "{} of the {} circuits of {} were",
                words::count(open),
                words::count(many),
                look.name
            )
        }
    };
    let after = words::time(after);
    Some(format!(
        "{who} not closed at the end of the run, {after} after the outage."
    ))
}

/// Probes of a dependency that hangs hold a worker each.
pub(super) fn worker_time(look: &Look<'_>) -> Option<String> {
    let settings = look.entry.settings.as_ref()?;
    look.entry.summary.to_trip?;
    look.subject.calls.workers?;
    let probe = [settings.probe_timeout(), look.limit()]
        .into_iter()
        .flatten()
        .min()?;
    look.hangs().then(|| {
        format!(
            "While the dependency hangs, probes of {} hold a worker for {} of the time, for each circuit: a probe \
             takes {}, and a break {}.",
            look.name,
            words::percent(lost_to_probes(probe, settings.open_for().first())),
            words::time(probe),
            words::time(settings.open_for().first())
        )
    })
}
