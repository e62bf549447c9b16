//! How old an answer is, and for how long it is good (RFC 9111, section 4.2).

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName,
    header::{AGE, DATE, EXPIRES},
};

use super::{
    builder::Rules,
    directives::{Directives, MAX_SECONDS, delta_seconds},
    grammar::read_list,
};

/// What the head of an answer says of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    /// In seconds. If nothing is said, it is as long as the answer was old when it came: no guess is made, and it is
    /// stale since then.
    pub(super) lifetime: u32,
    /// In seconds: how old it was when it came.
    pub(super) initial_age: u32,
    /// It must not be used without asking once it is stale.
    pub(super) never_stale: bool,
    /// In seconds, for how long it may be used in place of an error once it is stale (RFC 5861, section 4).
    pub(super) stale_if_error: Option<u32>,
}

impl Freshness {
    /// `None` if its `Age` is not understood. `received` is the time of day.
    pub(super) fn read(
        headers: &HeaderMap,
        said: &Directives,
        rules: &Rules,
        received: SystemTime,
    ) -> Option<Self> {
        let shared = rules.shared;
        let initial_age = said_age(headers)?.max(apparent_age(headers, received));
        Some(Self {
            lifetime: lifetime(headers, said, shared, received).unwrap_or(initial_age),
            initial_age,
            never_stale: said.must_revalidate
                || shared && (said.proxy_revalidate || said.s_maxage.is_some()),
            stale_if_error: said.stale_if_error,
        })
    }

    /// How old it is, so long after it was asked for.
    pub(super) fn age(&self, residence: Duration) -> Duration {
        let initial = Duration::from_secs(self.initial_age.into());
        initial
            .saturating_add(residence)
            .min(Duration::from_secs(MAX_SECONDS.into()))
    }
}

/// Whether it says itself for how long it is good.
pub(super) fn is_explicit(headers: &HeaderMap, said: &Directives, shared: bool) -> bool {
    said.max_age.is_some() || shared && said.s_maxage.is_some() || headers.contains_key(EXPIRES)
}

fn lifetime(
    headers: &HeaderMap,
    said: &Directives,
    shared: bool,
    received: SystemTime,
) -> Option<u32> {
    let s_maxage = said.s_maxage.filter(|_| shared);
    s_maxage
        .or(said.max_age)
        .or_else(|| by_expires(headers, received))
}

/// What is not a date is in the past, as `0` is (RFC 9111, section 5.3).
fn by_expires(headers: &HeaderMap, received: SystemTime) -> Option<u32> {
    let ends = headers.get_all(EXPIRES).iter();
    let earliest = ends.map(|value| value.to_str().ok().and_then(date)).min()?;
    let dated = dates(headers, &DATE).max().unwrap_or(received);
    Some(earliest.map_or(0, |end| seconds_between(dated, end)))
}

fn apparent_age(headers: &HeaderMap, received: SystemTime) -> u32 {
    dates(headers, &DATE)
        .min()
        .map_or(0, |dated| seconds_between(dated, received))
}

/// The longest that is said, zero if none is.
fn said_age(headers: &HeaderMap) -> Option<u32> {
    let mut longest = 0;
    read_list(headers, &AGE, |element| {
        longest = longest.max(delta_seconds(element.name).filter(|_| element.argument.is_none())?);
        Some(())
    })?;
    Some(longest)
}

/// The dates in these headers; what is none is left out.
pub(super) fn dates(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = SystemTime> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| date(value.to_str().ok()?))
}

fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// `None` if it has no such name: before 1970, and after 9999.
pub(super) fn write_date(time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10_000).then(|| httpdate::fmt_http_date(time))
}

/// In seconds after 1970 began.
const YEAR_10_000: u64 = 253_402_300_800;

/// Zero if the second is earlier.
fn seconds_between(first: SystemTime, second: SystemTime) -> u32 {
    let between = second.duration_since(first).unwrap_or_default();
    u32::try_from(between.as_secs()).map_or(MAX_SECONDS, |seconds| seconds.min(MAX_SECONDS))
}
