//! [`storable`]: which answers are kept (rule M3; RFC 9111, section 3).

use std::time::SystemTime;

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{
        AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE,
        EXPIRES, PRAGMA, PROXY_AUTHORIZATION, SET_COOKIE, TRAILER, VARY,
    },
};

use super::{
    builder::Rules,
    counts::WhyNotKept,
    directives::Directives,
    freshness::{self, Freshness},
    headers::hop_by_hop,
    key::CREDENTIALS,
    question::{Asks, Question},
    vary,
};
use crate::util::digits::number;

/// An older way to set cookies, which nobody should use (RFC 6265, section 9.4).
const SET_COOKIE2: HeaderName = HeaderName::from_static("set-cookie2");

/// By these it is decided. An answer that wants one of them removed on the way wants too much.
static DECISIVE: [HeaderName; 9] = [
    AGE,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    EXPIRES,
    PRAGMA,
    SET_COOKIE,
    SET_COOKIE2,
    VARY,
];

/// What is known of an answer that may be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storable {
    pub(super) freshness: Freshness,
    /// The headers that `Vary` names.
    pub(super) depends_on: Vec<HeaderName>,
    /// Its `Content-Length`.
    pub(super) announced: Option<u64>,
}

/// Whether an answer may be kept, by its head. What is not understood is not kept. `received` is the time of day.
///
/// What speaks against it comes in the order of [`NotKept`](super::NotKept): the first is counted.
pub(super) fn storable(
    question: &Question,
    status: StatusCode,
    answer: &HeaderMap,
    rules: &Rules,
    received: SystemTime,
) -> Result<Storable, WhyNotKept> {
    let said = Directives::read(answer).ok_or(WhyNotKept::Other)?;
    let forbidden = said.no_store || said.no_cache || said.private && rules.shared;
    only_if(!forbidden, WhyNotKept::Forbidden)?;
    only_if(!sets_cookies(answer), WhyNotKept::SetCookie)?;
    let names = vary::names(answer);
    let for_others = is_for_others(question, &said, names.as_deref().unwrap_or_default(), rules);
    only_if(for_others, WhyNotKept::Credentials)?;
    let explicit = freshness::is_explicit(answer, &said, rules.shared);
    only_if(is_understood(status, explicit), WhyNotKept::Status)?;
    let depends_on = names.ok_or(WhyNotKept::Vary)?;
    let announced = announced(answer);
    let is_short = |length| length <= rules.body_limit;
    only_if(
        announced.flatten().is_none_or(is_short),
        WhyNotKept::TooLarge,
    )?;
    only_if(is_whole(answer), WhyNotKept::Incomplete)?;
    let for_method = is_for_method(&question.asks, explicit, answer);
    let rest = for_method.zip(keeps_what_decides(answer)) == Some((true, true));
    only_if(rest, WhyNotKept::Other)?;
    Ok(Storable {
        freshness: Freshness::read(answer, &said, rules, received).ok_or(WhyNotKept::Other)?,
        depends_on,
        announced: announced.ok_or(WhyNotKept::Other)?,
    })
}

/// An error if it does not hold.
fn only_if(holds: bool, why: WhyNotKept) -> Result<(), WhyNotKept> {
    holds.then_some(()).ok_or(why)
}

fn sets_cookies(answer: &HeaderMap) -> bool {
    answer.contains_key(SET_COOKIE) || answer.contains_key(SET_COOKIE2)
}

/// Of those that may be kept (RFC 9110, section 15.1), the ones that mean the same a while later. Some more are kept if
/// they say themselves for how long they are good.
fn is_understood(status: StatusCode, explicit: bool) -> bool {
    match status.as_u16() {
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 410 => true,
        302 | 307 | 405 | 414 => explicit,
        _ => false,
    }
}

/// An answer to another method than GET has to say that it may be kept, as that to a POST has to (RFC 9110, section
/// 9.3.3). It has to say for how long it is good, and that it represents what was asked for. An origin says neither of
/// what it has only done.
fn is_for_method(asks: &Asks, explicit: bool, answer: &HeaderMap) -> Option<bool> {
    let Asks::Told(_, target) = asks else {
        return Some(true);
    };
    let meant_for_us = !hop_by_hop(answer)?.contains(&CONTENT_LOCATION);
    Some(explicit && meant_for_us && target.is_named_by(answer))
}

/// An answer to somebody with credentials is kept only if it says that it may be (RFC 9111, section 3.5), and then for
/// nobody else: see the keys. What stands in for credentials, such as a cookie, may be named by `Vary` instead.
fn is_for_others(
    question: &Question,
    said: &Directives,
    depends_on: &[HeaderName],
    rules: &Rules,
) -> bool {
    let by_vary = |name: &HeaderName| {
        *name != AUTHORIZATION && *name != PROXY_AUTHORIZATION && depends_on.contains(name)
    };
    let mut credentials = CREDENTIALS
        .iter()
        .filter(|name| question.headers.contains_key(*name));
    !rules.shared
        || said.public
        || said.must_revalidate
        || said.s_maxage.is_some()
        || credentials.all(by_vary)
}

fn is_whole(answer: &HeaderMap) -> bool {
    !answer.contains_key(CONTENT_RANGE) && !answer.contains_key(TRAILER)
}

fn keeps_what_decides(answer: &HeaderMap) -> Option<bool> {
    let removed = hop_by_hop(answer)?;
    Some(!removed.iter().any(|name| DECISIVE.contains(name)))
}

/// The outer `None` if there are two, or one that is no number.
#[expect(
    clippy::option_option,
    reason = "none is fine, another thing than a wrong one"
)]
fn announced(answer: &HeaderMap) -> Option<Option<u64>> {
    let mut lengths = answer.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Some(None);
    };
    let length = length.to_str().ok().and_then(number)?;
    lengths.next().is_none().then_some(Some(length))
}
