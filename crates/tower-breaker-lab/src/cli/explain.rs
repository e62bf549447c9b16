//! `breaker-lab explain`: what can be worked out of settings without a run.

use std::time::Duration;

use clap::Args;
use tower_breaker::{
    Settings,
    config::lint::{Calls, LintName},
};

use super::{Failure, Verdict, inputs::Contenders, output};
use crate::{
    chance::{seconds, whole},
    formulas,
    report::words,
    settings::Candidate,
};

pub(super) const HELP: &str = "\
All of it is per circuit: --rate is what one instance calls. Calls are taken to fail independently of one another. Real
failures come in groups, so that circuits open more often than this.";

/// Shares of failing calls that an outage may have.
const OUTAGES: [f64; 5] = [1.0, 0.8, 0.6, 0.4, 0.2];

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Calls a second, of one circuit
    #[arg(long, value_name = "CALLS")]
    rate: f64,

    /// The share that fails while nothing is wrong: 5% or 0.05
    #[arg(long, value_name = "SHARE", value_parser = share)]
    errors: f64,

    #[command(flatten)]
    contenders: Contenders,
}

fn share(text: &str) -> Result<f64, String> {
    let number = match text.trim().strip_suffix('%') {
        Some(percent) => percent
            .trim_end()
            .parse()
            .map(|percent: f64| percent / 100.0),
        None => text.trim().parse(),
    };
    let share = number.ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "must be a share from 0 to below 1, such as `5%` or `0.05`".to_owned())
}

pub(super) fn explain(arguments: &Arguments) -> Result<Verdict, Failure> {
    if !(arguments.rate > 0.0 && arguments.rate <= 1e7) {
        let text = format!(
            "--rate {}: must be above 0 and at most 10000000",
            arguments.rate
        );
        return Err(Failure::new(text));
    }
    let candidates = arguments.contenders.read()?;
    // Of no breaker there is nothing to tell.
    let told = candidates.iter().filter(|candidate| !candidate.is_none());
    let told: Vec<_> = told
        .map(|candidate| explained(candidate, arguments))
        .collect();
    output::print(&told.join("\n"))?;
    Ok(Verdict::Fine)
}

fn explained(candidate: &Candidate, arguments: &Arguments) -> String {
    let lines = match candidate.settings() {
        Some(settings) => of_settings(settings, arguments),
        None => vec![words::visible(candidate.about())],
    };
    let lines: String = lines.iter().map(|line| format!("  * {line}\n")).collect();
    format!("{}\n{lines}", words::name(candidate.name()))
}

fn of_settings(settings: &Settings, arguments: &Arguments) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(in_a_row(settings, arguments));
    told.extend(by_rate(settings, arguments));
    told.extend(words::sheds(settings).map(|sheds| format!("It {sheds}")));
    told.push(match opens(settings) {
        true => kept_open(settings),
        false => "It never opens by itself.".to_owned(),
    });
    told.extend(lints(settings, arguments));
    told
}

fn in_a_row(settings: &Settings, arguments: &Arguments) -> Option<String> {
    let n = settings.consecutive_failures()?;
    let calls = formulas::calls_until_in_a_row(n, arguments.errors);
    let errors = words::percent(arguments.errors);
    if calls.is_infinite() {
        return Some(format!(
            "At {errors} background errors, {n} in a row never come about."
        ));
    }
    Some(format!(
        "At {errors} background errors, {n} in a row come about every {} calls: {} at {} calls/s.",
        words::number(calls),
        every(calls / arguments.rate),
        words::number(arguments.rate)
    ))
}

/// What no clock of a run can tell is as good as never.
fn every(after: f64) -> String {
    match seconds(after) {
        longest if longest.as_secs_f64() < after * 0.99 => {
            "less often than every 100 years".to_owned()
        }
        time => format!("every {}", words::time(time)),
    }
}

/// How soon a window shows an outage, how little it leaves of a partial one, and how likely it sees one by chance.
fn by_rate(settings: &Settings, arguments: &Arguments) -> Vec<String> {
    let Some((threshold, window)) = settings
        .failure_rate()
        .zip(window(settings, arguments.rate))
    else {
        return Vec::new();
    };
    let all = (window.as_secs_f64() * arguments.rate).round();
    let calls = whole(all);
    let holds = match calls {
        1 => "1 call, which comes".to_owned(),
        _ => format!("{} calls, which come", words::number(all)),
    };
    let opening = format!("Its window holds {holds} in {}", words::time(window));
    let minimum = settings.minimum_calls().unwrap_or(0);
    if settings.time_window().is_some() && calls < minimum {
        let minimum = words::count(u64::from(minimum));
        return vec![format!(
            "{opening}: fewer than its `minimum_calls` of {minimum}, so that it hardly ever opens by its failure rate."
        )];
    }
    let mut told = vec![format!("{opening}.")];
    let outage = |failing| of_outage(settings, threshold, window, arguments.errors, failing);
    told.extend(OUTAGES.map(outage));
    told.push(by_chance(calls, threshold, arguments.errors));
    told
}

fn by_chance(calls: u32, threshold: f64, errors: f64) -> String {
    let shown = match formulas::false_trip(calls, threshold, errors) {
        chance if chance < 1e-15 => "none to speak of".to_owned(),
        chance => words::number(chance),
    };
    let threshold = words::percent(threshold);
    format!("The chance that a full window shows {threshold} of failures by chance: {shown}.")
}

/// How long the calls take to come that a window holds.
fn window(settings: &Settings, rate: f64) -> Option<Duration> {
    let by_count = settings
        .count_window()
        .map(|calls| seconds(f64::from(calls) / rate));
    settings.time_window().or(by_count)
}

fn of_outage(
    settings: &Settings,
    threshold: f64,
    window: Duration,
    before: f64,
    failing: f64,
) -> String {
    let failing_shown = words::percent(failing);
    let Some(opens) = formulas::detection_time(window, threshold, before, failing) else {
        return format!(
            "If {failing_shown} of the calls fail, it never opens by its failure rate."
        );
    };
    // What is shed does not fill the window.
    let at_least = settings.shed().map_or("", |_| "at least ");
    let opening = format!(
        "If {failing_shown} of the calls fail, it opens after {at_least}{}",
        words::time(opens)
    );
    if failing >= 1.0 {
        return format!("{opening}.");
    }
    let (successes, _) = settings.probes();
    let open_for = settings.open_for().first();
    let left = formulas::left_of_partial_failure(failing, opens, open_for, successes);
    format!(
        "{opening}, and {} of the calls succeed, of {} without a breaker.",
        words::percent(left),
        words::percent(1.0 - failing)
    )
}

/// Whether anything that calls do opens it. A circuit may only shed.
fn opens(settings: &Settings) -> bool {
    settings.failure_rate().is_some()
        || settings.consecutive_failures().is_some()
        || settings.slow_call_rate().is_some()
        || settings.has_trip_when()
}

fn kept_open(settings: &Settings) -> String {
    let open_for = settings.open_for();
    let after = match open_for.factor() > 1.0 {
        true => format!(
            "{}, growing to {}",
            words::time(open_for.first()),
            words::time(open_for.max())
        ),
        false => words::time(open_for.first()),
    };
    let limits = [settings.probe_timeout(), settings.call_timeout()];
    let Some(probe) = limits.into_iter().flatten().min() else {
        return format!(
            "A break is {after}: so long callers may be kept out when all is well again."
        );
    };
    format!(
        "A break is {after}, and a probe takes at most {}: a dependency that hangs costs {} of a worker.",
        words::time(probe),
        words::percent(formulas::lost_to_probes(probe, open_for.first()))
    )
}

/// Those of `tower-breaker`, but for what has been said.
fn lints(settings: &Settings, arguments: &Arguments) -> Vec<String> {
    let calls = Calls::unknown()
        .with_per_second(arguments.rate)
        .with_background_errors(arguments.errors);
    let lints = settings.lints(&calls);
    let others = lints
        .iter()
        .filter(|lint| lint.name() != LintName::TripsOnBackgroundErrors);
    let told = others.map(|lint| format!("{}; {} [{}].", lint.message(), lint.hint(), lint.name()));
    told.map(|text| words::visible(&text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share(" 0.05 "), Ok(0.05));
        for wrong in ["", "5", "100%", "-1%", "NaN", "%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
