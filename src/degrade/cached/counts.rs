//! [`Counts`]: what the cache had nothing to do with, what it did not keep and did not give, by why.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests that a cache had nothing to do with, by reason. Nothing was kept of them, and nothing given. See
/// [`CacheUsage`](super::CacheUsage).
///
/// Each is counted once, for the first of these that holds. The numbers wrap around at the end of a `u64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAsked {
    /// Those with a method other than GET, HEAD and what the cache was [told](super::CachedBuilder::also), or that
    /// override it. Usually there is nothing wrong with that.
    pub method: u64,
    /// Those with a body, or that announce one.
    pub body: u64,
    /// Those that name two hosts: another in the URI than in `Host`, or two lines of `Host`.
    ///
    /// **Watch out:** a gateway that changes the URI and passes on its visitor's `Host` does that. Remove that header,
    /// further out than this cache.
    pub two_hosts: u64,
    /// Those that say `no-store`.
    pub no_store: u64,
    /// Those with a user in the URI, with a `Connection` that names other headers, and those whose `Cache-Control`,
    /// `Connection` or `Host` is not understood.
    pub other: u64,
}

/// Good answers that a cache did not keep, by reason. See [`CacheUsage`](super::CacheUsage).
///
/// Each is counted once, for the first of these that holds; but where `Cache-Control` is not understood, as `other`. An
/// answer to a HEAD is never kept, and is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotKept {
    /// Those that say `no-store` or `no-cache`, or, of a [shared](super::CachedBuilder::shared) cache, `private`.
    pub forbidden: u64,
    /// Those that set a cookie.
    pub set_cookie: u64,
    /// Those to a request with a cookie, an `Authorization` or the like, if they do not say that others may have them.
    ///
    /// **Watch out:** a gateway that passes on its visitors' cookies keeps next to nothing.
    pub credentials: u64,
    /// Those whose status is not kept, or is kept only with a lifetime that they do not state.
    pub status: u64,
    /// Those with `Vary: *`, with too many names there, or with too much in what it names.
    pub vary: u64,
    /// Those that are larger than is kept, by their head or their body.
    pub too_large: u64,
    /// Those whose body was not read to its end, broke off, had trailers, or had another length than announced.
    pub incomplete: u64,
    /// Those for which there was no place to record them, or that lost theirs because they took so long.
    pub no_place: u64,
    /// Those that were out of date before they had come to their end. Something has changed there, a later one was
    /// kept, or whoever had asked was told no. What happens at another target or to another user counts too, by chance
    /// for one in 256: there are so many places to note it.
    pub outdated: u64,
    /// Those that come from a fallback further in, and those that the classifier, by their head, does not call good.
    pub not_good: u64,
    /// Those that are not understood. Those to another method, if they do not say that they may be kept.
    pub other: u64,
}

/// Calls that came to nothing, and were given no kept answer, by reason. See [`CacheUsage`](super::CacheUsage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotGiven {
    /// No such answer was kept.
    pub none: u64,
    /// There was one, but it was too old. It was stale, and neither the answer, the request nor
    /// [`stale_if_error`](super::CachedBuilder::stale_if_error) lets it be given for so long. Or
    /// [`keep_for`](super::CachedBuilder::keep_for) was over.
    ///
    /// **Watch out:** an answer that states no lifetime is stale from the start.
    pub stale: u64,
    /// There was one, but the request did not want it, or not as a whole: `no-cache`, `max-age`, `Range`, `If-Match`
    /// and the like.
    pub refused: u64,
}

/// Why something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Asked(WhyNotAsked),
    Kept(WhyNotKept),
    Given(WhyNotGiven),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyNotAsked {
    Method,
    Body,
    TwoHosts,
    NoStore,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyNotKept {
    Forbidden,
    SetCookie,
    Credentials,
    Status,
    Vary,
    TooLarge,
    Incomplete,
    NoPlace,
    Outdated,
    NotGood,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyNotGiven {
    None,
    Stale,
    Refused,
}

/// How often each was so.
#[derive(Debug, Default)]
pub(super) struct Counts {
    asked: [AtomicU64; WhyNotAsked::Other as usize + 1],
    kept: [AtomicU64; WhyNotKept::Other as usize + 1],
    given: [AtomicU64; WhyNotGiven::Refused as usize + 1],
}

impl Counts {
    pub(super) fn add(&self, why: impl Into<Why>) {
        let count = match why.into() {
            Why::Asked(why) => &self.asked[why as usize],
            Why::Kept(why) => &self.kept[why as usize],
            Why::Given(why) => &self.given[why as usize],
        };
        // Relaxed: nothing goes by it.
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, if it is an error.
    pub(super) fn ok<T, W: Into<Why>>(&self, result: Result<T, W>) -> Option<T> {
        result.map_err(|why| self.add(why)).ok()
    }

    pub(super) fn not_asked(&self) -> NotAsked {
        let of = |why: WhyNotAsked| self.asked[why as usize].load(Ordering::Relaxed);
        NotAsked {
            method: of(WhyNotAsked::Method),
            body: of(WhyNotAsked::Body),
            two_hosts: of(WhyNotAsked::TwoHosts),
            no_store: of(WhyNotAsked::NoStore),
            other: of(WhyNotAsked::Other),
        }
    }

    pub(super) fn not_kept(&self) -> NotKept {
        let of = |why: WhyNotKept| self.kept[why as usize].load(Ordering::Relaxed);
        NotKept {
            forbidden: of(WhyNotKept::Forbidden),
            set_cookie: of(WhyNotKept::SetCookie),
            credentials: of(WhyNotKept::Credentials),
            status: of(WhyNotKept::Status),
            vary: of(WhyNotKept::Vary),
            too_large: of(WhyNotKept::TooLarge),
            incomplete: of(WhyNotKept::Incomplete),
            no_place: of(WhyNotKept::NoPlace),
            outdated: of(WhyNotKept::Outdated),
            not_good: of(WhyNotKept::NotGood),
            other: of(WhyNotKept::Other),
        }
    }

    pub(super) fn not_given(&self) -> NotGiven {
        let of = |why: WhyNotGiven| self.given[why as usize].load(Ordering::Relaxed);
        NotGiven {
            none: of(WhyNotGiven::None),
            stale: of(WhyNotGiven::Stale),
            refused: of(WhyNotGiven::Refused),
        }
    }
}

impl From<WhyNotAsked> for Why {
    fn from(why: WhyNotAsked) -> Self {
        Self::Asked(why)
    }
}

impl From<WhyNotKept> for Why {
    fn from(why: WhyNotKept) -> Self {
        Self::Kept(why)
    }
}

impl From<WhyNotGiven> for Why {
    fn from(why: WhyNotGiven) -> Self {
        Self::Given(why)
    }
}
