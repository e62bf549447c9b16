//! [`CachedBuilder`]: how much is kept, and for how long.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method};

use super::{Cached, key::Keys, shared::Shared, store::Store};
use crate::{
    circuit::{
        clock::{CircuitClock, Clock},
        settings::ConfigError,
    },
    util::size::size,
};

/// What only asks is to be said of no method of these: they change things, or their answers are none to keep (RFC 9110,
/// section 9.3).
const NEVER: [Method; 6] = [
    Method::CONNECT,
    Method::DELETE,
    Method::OPTIONS,
    Method::PATCH,
    Method::PUT,
    Method::TRACE,
];

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What is decided by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) shared: bool,
    pub(super) keep_for: Duration,
    pub(super) stale_if_error: Option<Duration>,
    pub(super) body_limit: u64,
    /// Those beside GET and HEAD.
    pub(super) methods: Vec<Method>,
}

/// Builds a [`Cached`].
#[must_use = "nothing is kept without `build`"]
pub struct CachedBuilder {
    entries: u32,
    bytes: u64,
    /// `None`: an hour, or for as long as what is stale may be given.
    keep_for: Option<Duration>,
    rules: Rules,
    also_key_by: Vec<HeaderName>,
    clock: Option<Arc<dyn Clock>>,
}

impl CachedBuilder {
    pub(super) fn new() -> Self {
        Self {
            entries: 1_000,
            bytes: 16 << 20,
            keep_for: None,
            rules: Rules {
                shared: true,
                keep_for: HOUR,
                stale_if_error: None,
                body_limit: 1 << 20,
                methods: Vec::new(),
            },
            also_key_by: Vec::new(),
            clock: None,
        }
    }

    /// For how long an answer may be given once more when it is stale, if neither it nor the request says so itself
    /// (`stale-if-error`, RFC 5861; `max-stale`). Where one of them does, that holds.
    ///
    /// **Watch out:** most services say neither, and not even `max-age`. Their answers are stale at once, so without
    /// this they are kept, and never given.
    ///
    /// [`keep_for`](Self::keep_for) is as long, at least, unless you say it yourself. Said shorter, it is refused.
    ///
    /// Default: not at all.
    #[doc(alias = "stale_while_error")]
    #[doc(alias = "grace")]
    pub fn stale_if_error(mut self, at_most: Duration) -> Self {
        self.rules.stale_if_error = Some(at_most);
        self
    }

    /// For how long an answer may be given at most, fresh or stale, since it was asked for. Not shorter than
    /// [`stale_if_error`](Self::stale_if_error), which could not hold then.
    ///
    /// **Watch out:** this is also the end of what an answer says of itself: with `max-age=7200`, it is not given after
    /// an hour by default. And it counts from when it was asked for, while `stale_if_error` counts from when it is
    /// stale.
    ///
    /// Default: an hour, or `stale_if_error` if that is longer.
    #[doc(alias = "ttl")]
    #[doc(alias = "time_to_live")]
    pub fn keep_for(mut self, keep_for: Duration) -> Self {
        self.keep_for = Some(keep_for);
        self
    }

    /// How many answers are kept at most. 8 at least.
    ///
    /// Default: 1,000.
    #[doc(alias = "capacity")]
    #[doc(alias = "max_entries")]
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// How many bytes all of them may take, with their headers and all that is needed to find them. What is being
    /// recorded comes on top: see [`body_limit`](Self::body_limit).
    ///
    /// Default: 16 MiB.
    #[doc(alias = "weight")]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// An answer whose body is longer, in bytes, is not kept. An eighth of [`bytes`](Self::bytes) at most.
    ///
    /// A body is recorded while it is read, at most 64 bodies at once. So 64 times this limit is what recording may
    /// take in the worst case.
    ///
    /// Default: 1 MiB.
    pub fn body_limit(mut self, body_limit: u64) -> Self {
        self.rules.body_limit = body_limit;
        self
    }

    /// Tells answers apart by this header, too, whatever `Vary` says.
    ///
    /// For what says who asks and is none of the headers that the cache knows itself ([whose
    /// answer](super#whose-answer)), such as a tenant.
    pub fn also_key_by(mut self, name: HeaderName) -> Self {
        self.also_key_by.push(name);
        self
    }

    /// Requests with this method only ask, as a GET does: so their answers are kept and given, too, and their success
    /// makes nothing out of date. Say it once for each method.
    ///
    /// For dependencies that are searched by POST, with all that is asked for in the URI. An answer is given only to
    /// the method that it came to, and it is kept only if it [says that it may be](super#other-methods). For a request
    /// with a body, nothing is changed by this, as a body is a part of the question, and the cache does not read it;
    /// nor for one with a header such as `X-HTTP-Method-Override`.
    ///
    /// **Watch out:** a POST usually does something. This is said of *all* requests with this method that come to the
    /// layer and have no body: also of `POST /orders/7/cancel`. Their success no longer makes anything out of date; and
    /// if the answer names itself by mistake, somebody is told later that it was done, though nobody was asked. So put
    /// a layer of its own, with a cache that was told, around what is only searched.
    ///
    /// Default: GET, and HEAD, which is answered from a GET.
    #[doc(alias = "methods")]
    pub fn also(mut self, method: Method) -> Self {
        self.rules.methods.push(method);
        self
    }

    /// `false` says that all requests are of one user, as in an app: then what is `private` is kept, and what is said
    /// to shared caches (`s-maxage`, `proxy-revalidate`) does not hold. Answers to different credentials are told apart
    /// all the same.
    ///
    /// Default: `true`.
    pub fn shared(mut self, shared: bool) -> Self {
        self.rules.shared = shared;
        self
    }

    /// Where the cache gets the time; see [`clock`](crate::clock). How long an answer has been kept is by that; the
    /// time of day is needed only for the dates in headers.
    ///
    /// Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The cache, empty.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for fewer than 8 entries, for a body limit above an eighth of the bytes, for a `keep_for` of
    /// zero or below `stale_if_error`, for a clock that panics, and for a method of which [`also`](Self::also) cannot
    /// be true: PUT, PATCH and DELETE change things, and answers to OPTIONS, TRACE and CONNECT are none to keep (rule
    /// B8).
    pub fn build(self) -> Result<Cached, ConfigError> {
        let Self {
            entries,
            bytes,
            keep_for,
            mut rules,
            also_key_by,
            clock,
        } = self;
        ConfigError::unless(entries >= 8, "entries", &entries, "8 or more")?;
        let in_memory = in_memory(bytes)?;
        let most = bytes / 8;
        if rules.body_limit > most {
            let allowed = format!("at most {most}, an eighth of `bytes`");
            return Err(ConfigError::new("body_limit", rules.body_limit, allowed).blaming("bytes"));
        }
        rules.keep_for = time_to_keep(keep_for, rules.stale_if_error)?;
        for method in &rules.methods {
            let allowed = "a method that only asks";
            let only_asks = !NEVER.contains(method);
            ConfigError::unless(only_asks, "also", method, allowed)?;
        }
        let clock = match clock {
            Some(clock) => CircuitClock::custom(clock)
                .ok_or_else(|| ConfigError::new("clock", "panics", "one that does not panic"))?,
            None => CircuitClock::tokio(),
        };
        Ok(Cached(Arc::new(Shared::new(
            Store::new(size(entries), in_memory, rules.body_limit),
            Keys::new(also_key_by),
            rules,
            clock,
        ))))
    }
}

/// No memory is larger than can be addressed.
fn in_memory(bytes: u64) -> Result<usize, ConfigError> {
    let too_many = |_| ConfigError::new("bytes", bytes, format!("at most {}", usize::MAX));
    usize::try_from(bytes).map_err(too_many)
}

/// What is stale could not be given for longer than it is kept.
fn time_to_keep(said: Option<Duration>, stale: Option<Duration>) -> Result<Duration, ConfigError> {
    let stale = stale.unwrap_or_default();
    let Some(keep_for) = said else {
        return Ok(stale.max(HOUR));
    };
    ConfigError::unless(!keep_for.is_zero(), "keep_for", &keep_for, "above zero")?;
    if stale > keep_for {
        let allowed = format!("at most {keep_for:?}, which is `keep_for`");
        return Err(ConfigError::new("stale_if_error", stale, allowed).blaming("keep_for"));
    }
    Ok(keep_for)
}

impl std::fmt::Debug for CachedBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedBuilder")
            .field("entries", &self.entries)
            .field("bytes", &self.bytes)
            .field("keep_for", &self.keep_for)
            .field("rules", &self.rules)
            .field("also_key_by", &self.also_key_by)
            .finish_non_exhaustive()
    }
}
