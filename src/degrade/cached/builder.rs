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

    /// Sets for how long a stale answer may be given, if neither the answer nor the request says so (`stale-if-error`,
    /// RFC 5861; `max-stale`). If one of them does, that holds.
    ///
    /// **Watch out:** most services say neither, and not even `max-age`. Their answers are stale at once. So without
    /// this setting, they are kept and never given.
    ///
    /// [`keep_for`](Self::keep_for) is at least as long, unless you set it yourself. If you set it shorter, it is
    /// refused.
    ///
    /// Default: not at all.
    #[doc(alias = "stale_while_error")]
    #[doc(alias = "grace")]
    pub fn stale_if_error(mut self, at_most: Duration) -> Self {
        self.rules.stale_if_error = Some(at_most);
        self
    }

    /// Sets for how long an answer may be given at most, fresh or stale, since it was asked for. It may not be shorter
    /// than [`stale_if_error`](Self::stale_if_error), which could not hold then.
    ///
    /// **Watch out:** this also ends what an answer says of itself. With the default of an hour, an answer with
    /// `max-age=7200` is not given after an hour. And this counts from when the answer was asked for, while
    /// `stale_if_error` counts from when it is stale.
    ///
    /// Default: an hour, or `stale_if_error` if that is longer.
    #[doc(alias = "ttl")]
    #[doc(alias = "time_to_live")]
    pub fn keep_for(mut self, keep_for: Duration) -> Self {
        self.keep_for = Some(keep_for);
        self
    }

    /// Sets how many answers are kept at most. At least 8.
    ///
    /// Default: 1,000.
    #[doc(alias = "capacity")]
    #[doc(alias = "max_entries")]
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// Sets how many bytes all answers may take, with their headers and all that is needed to find them. What is being
    /// recorded comes on top: see [`body_limit`](Self::body_limit).
    ///
    /// Default: 16 MiB.
    #[doc(alias = "weight")]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets how long a body may be, in bytes. An answer with a longer one is not kept. At most an eighth of
    /// [`bytes`](Self::bytes).
    ///
    /// A body is recorded while it is read, at most 64 bodies at once. So in the worst case, recording takes 64 times
    /// this limit.
    ///
    /// Default: 1 MiB.
    pub fn body_limit(mut self, body_limit: u64) -> Self {
        self.rules.body_limit = body_limit;
        self
    }

    /// Tells answers apart by this header, too, whatever `Vary` says.
    ///
    /// Use it for a header that says who asks, such as a tenant, if it is none of those that the cache knows itself
    /// ([whose answer](super#whose-answer)).
    pub fn also_key_by(mut self, name: HeaderName) -> Self {
        self.also_key_by.push(name);
        self
    }

    /// Treats requests with this method as questions, as a GET is. So their answers are kept and given, too, and their
    /// success makes nothing out of date. Call it once for each method.
    ///
    /// It is for dependencies that are searched by POST, with the whole question in the URI. An answer is given only to
    /// the method that it came to. It is kept only if it [says that it may be](super#other-methods). For a request with
    /// a body, this changes nothing: the body is a part of the question, and the cache does not read it. Nor does it
    /// for a request with a header such as `X-HTTP-Method-Override`.
    ///
    /// **Watch out:** a POST usually does something. This holds for *all* requests with this method that come to the
    /// layer and have no body, also for `POST /orders/7/cancel`. Their success no longer makes anything out of date. If
    /// such an answer names itself by mistake, somebody is told later that it was done, though nobody was asked. So put
    /// a separate layer, with a cache of its own, around what is only searched.
    ///
    /// Default: GET, and HEAD, which is answered from a GET.
    #[doc(alias = "methods")]
    pub fn also(mut self, method: Method) -> Self {
        self.rules.methods.push(method);
        self
    }

    /// Sets whether requests are of many users. `false` says that all are of one user, as in an app. Then what is
    /// `private` is kept, and what is said to shared caches (`s-maxage`, `proxy-revalidate`) does not hold. Answers to
    /// different credentials are told apart all the same.
    ///
    /// Default: `true`.
    pub fn shared(mut self, shared: bool) -> Self {
        self.rules.shared = shared;
        self
    }

    /// Sets where the cache gets the time; see [`clock`](crate::clock). It measures how long an answer has been kept.
    /// The time of day is needed only for the dates in headers.
    ///
    /// Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Builds the cache. It is empty.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for any of these (rule B8):
    /// * fewer than 8 entries;
    /// * a body limit above an eighth of the bytes;
    /// * a `keep_for` of zero or below `stale_if_error`;
    /// * a clock that panics;
    /// * a method that [`also`](Self::also) refuses. PUT, PATCH and DELETE change things. Answers to OPTIONS, TRACE and
    ///   CONNECT are not for keeping.
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
