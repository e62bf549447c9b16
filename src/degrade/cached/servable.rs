//! [`servable`]: which answers are given once more (rule M4; RFC 9111, section 4, and RFC 5861, section 4).

use std::time::Duration;

use super::{builder::Rules, counts::WhyNotGiven, directives::Directives, freshness::Freshness};

/// What is said of an answer that is given once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// In seconds.
    pub(super) age: u64,
    /// In seconds, for how long it is good. Zero or less if it is stale.
    pub(super) ttl: i64,
}

/// Whether an answer may be given to a request, so long after it was asked for, because there is no other. `wishes` are
/// the request's.
pub(super) fn servable(
    freshness: &Freshness,
    wishes: &Directives,
    residence: Duration,
    rules: &Rules,
) -> Option<Served> {
    let age = freshness.age(residence);
    let lifetime = Duration::from_secs(freshness.lifetime.into());
    let usable = match lifetime.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => left >= seconds(wishes.min_fresh.unwrap_or(0)),
        None => may_be_stale_for(freshness, wishes, rules)? >= age.saturating_sub(lifetime),
    };
    let served = usable && residence <= rules.keep_for && wants_it(wishes, age);
    served.then(|| Served {
        age: age.as_secs(),
        ttl: i64::from(freshness.lifetime).saturating_sub_unsigned(age.as_secs()),
    })
}

/// Why it is not.
pub(super) fn why_not_servable(
    freshness: &Freshness,
    wishes: &Directives,
    residence: Duration,
) -> WhyNotGiven {
    if wants_it(wishes, freshness.age(residence)) {
        WhyNotGiven::Stale
    } else {
        WhyNotGiven::Refused
    }
}

/// Whether the request wants an answer that is so old, or any that is kept.
fn wants_it(wishes: &Directives, age: Duration) -> bool {
    let refuses = wishes.no_cache || wishes.no_store || wishes.max_age == Some(0);
    !refuses && wishes.max_age.is_none_or(|most| age <= seconds(most))
}

/// For how long it may be used once it is stale: the shortest that the answer and the request say, or what the cache is
/// built with.
fn may_be_stale_for(freshness: &Freshness, wishes: &Directives, rules: &Rules) -> Option<Duration> {
    let by_request = [wishes.stale_if_error, wishes.max_stale];
    // Who limits the age does not want what is stale, unless he says so (RFC 9111, section 5.2.1.1).
    let unwanted = wishes.max_age.is_some() && by_request == [None, None];
    if freshness.never_stale || unwanted || wishes.min_fresh.is_some() {
        return None;
    }
    let said = by_request.into_iter().chain([freshness.stale_if_error]);
    let shortest = said.flatten().min().map(seconds);
    shortest.or(rules.stale_if_error)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
