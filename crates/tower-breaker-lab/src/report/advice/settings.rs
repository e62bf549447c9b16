//! What the settings themselves tell, with what is known of the calls.

use tower_breaker::config::lint::{Calls, LintName};

use super::{Look, words};

/// Settings that services act on, and guards do not.
pub(super) fn not_acted_on(look: &Look<'_>) -> Option<String> {
    let settings = look.entry.settings.as_ref()?;
    let there = [
        ("`bulkhead`", settings.bulkhead().is_some()),
        ("`retries`", settings.retries().is_some()),
        ("`shared`", settings.shared().is_some()),
    ];
    let names: Vec<_> = there
        .iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| *name)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: the lab does not act on {}.",
            look.name,
            names.join(", ")
        )
    })
}

/// How much a circuit sheds at which failure rate.
pub(super) fn sheds(look: &Look<'_>) -> Option<String> {
    let sheds = words::sheds(look.entry.settings.as_ref()?)?;
    Some(format!("{} {sheds}", look.name))
}

/// Those of `tower-breaker` itself. What is [said otherwise](super::quiet::in_a_row) is not said twice.
pub(super) fn lints(look: &Look<'_>) -> Vec<String> {
    let Some(settings) = &look.entry.settings else {
        return Vec::new();
    };
    let spans = settings.consecutive_failures_span().is_some();
    let lints = settings.lints(&calls(look));
    let told = lints
        .iter()
        .filter(|lint| spans || lint.name() != LintName::TripsOnBackgroundErrors)
        .map(|lint| {
            let (message, hint) = (lint.message(), lint.hint());
            format!("{}: {message}; {hint} [{}].", look.name, lint.name())
        });
    told.collect()
}

fn calls(look: &Look<'_>) -> Calls {
    let known = &look.subject.calls;
    let mut calls = Calls::unknown()
        .with_per_second(look.rate())
        .with_background_errors(known.errors)
        .with_duration(known.took);
    if let Some(limit) = known.gives_up {
        calls = calls.with_caller_timeout(limit);
    }
    if let Some(workers) = known.workers {
        calls = calls.with_capacity(workers);
    }
    calls
}
