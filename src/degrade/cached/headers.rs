//! The headers of an answer: which are kept, how, and what they become.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AGE, CONNECTION, DATE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{grammar::read_list, servable::Served};
use crate::{
    circuit::{error::Reason, parts::FallbackCause},
    degrade::Because,
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// These are not kept: they are about one connection (RFC 9110, section 7.6.1), about a proxy (RFC 9111, section
/// 3.1), or made anew.
static NOT_KEPT: [HeaderName; 11] = [
    AGE,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What `Connection` names. `None` if that is not understood.
pub(super) fn hop_by_hop(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    read_list(headers, &CONNECTION, |element| {
        names.push(HeaderName::from_bytes(element.name.as_bytes()).ok()?);
        Some(())
    })?;
    Some(names)
}

/// Headers at rest: in their order, with all repeats. They hold nothing of the buffers that they came in.
#[derive(Debug)]
pub(super) struct KeptHeaders {
    lines: Box<[Line]>,
    values: Bytes,
    /// Of names that are not well known.
    bytes_of_names: usize,
}

#[derive(Debug)]
struct Line {
    name: HeaderName,
    /// Where its value ends. It begins where the last one ends.
    end: u32,
    sensitive: bool,
}

impl KeptHeaders {
    /// Without those of one connection, and with a date. `None` if that is too much to keep, or `Connection` is not
    /// understood.
    pub(super) fn keep(headers: &HeaderMap, date: &HeaderValue) -> Option<Self> {
        let removed = hop_by_hop(headers)?;
        let dated = headers.contains_key(DATE);
        let date = [(&DATE, date)].into_iter().filter(|_| !dated);
        let kept = headers
            .iter()
            .filter(|(name, _)| !NOT_KEPT.contains(name) && !removed.contains(name));
        let (mut lines, mut values, mut bytes_of_names) = (Vec::new(), Vec::new(), 0);
        for (name, value) in kept.chain(date) {
            values.extend_from_slice(value.as_bytes());
            bytes_of_names += name.as_str().len();
            lines.push(Line {
                // Anew: a name that is not well known may lie in a large buffer.
                name: HeaderName::from_bytes(name.as_str().as_bytes()).ok()?,
                end: u32::try_from(values.len()).ok()?,
                sensitive: value.is_sensitive(),
            });
        }
        let kept = Self {
            lines: lines.into_boxed_slice(),
            values: values.into_boxed_slice().into(),
            bytes_of_names,
        };
        (kept.bytes() <= MAX_HEAD).then_some(kept)
    }

    /// At most how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + self.values.len() + self.bytes_of_names
    }

    /// As they came.
    pub(super) fn restore(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.lines.len() + 2);
        let mut begin = 0;
        for line in &self.lines {
            let end = line.end as usize;
            let value = HeaderValue::from_maybe_shared(self.values.slice(begin..end));
            let mut value = value.expect("it was a value before");
            value.set_sensitive(line.sensitive);
            headers.append(line.name.clone(), value);
            begin = end;
        }
        headers
    }
}

/// An answer with a larger head is not kept.
pub(super) const MAX_HEAD: usize = 32 * 1024;

/// Adds what is said of an answer that is given once more: its age (RFC 9111, section 5.1), and where it comes from
/// (RFC 9211).
pub(super) fn mark(headers: &mut HeaderMap, served: Served, because: &Because<()>) {
    let Served { age, ttl } = served;
    headers.insert(AGE, HeaderValue::from(age));
    let how = how(ttl, because);
    let line = format!(
        "tower-breaker; {how}; ttl={ttl}; detail={}",
        detail(because)
    );
    headers.append(CACHE_STATUS, line.try_into().expect("visible ASCII"));
}

/// A hit is an answer for which nobody was asked (RFC 9211, section 2.1). If somebody was, `bypass` says that this was
/// the wish of whoever built the cache.
fn how(ttl: i64, because: &Because<()>) -> String {
    let forwarded = if ttl > 0 { "bypass" } else { "stale" };
    match because {
        Because::Rejected(_) => "hit".to_owned(),
        Because::Status(status) => format!("fwd={forwarded}; fwd-status={}", status.as_u16()),
        _ => format!("fwd={forwarded}"),
    }
}

/// One of a few words, and nothing that a stranger could learn from.
fn detail(because: &Because<()>) -> &'static str {
    match because.cause() {
        FallbackCause::Rejected(Reason::Open) => "circuit-open",
        FallbackCause::Rejected(Reason::HalfOpenFull) => "circuit-half-open",
        FallbackCause::Rejected(Reason::ForcedOpen) => "circuit-forced-open",
        FallbackCause::Rejected(Reason::Ramping) => "circuit-ramping",
        FallbackCause::Rejected(Reason::Shedding) => "circuit-shedding",
        FallbackCause::Rejected(Reason::BulkheadFull) => "bulkhead-full",
        FallbackCause::TimedOut => "timed-out",
        FallbackCause::Failed => "failed",
    }
}
