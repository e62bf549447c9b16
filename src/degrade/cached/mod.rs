//! The last good answer, when the dependency has none.
mod body;
mod builder;
mod changed;
mod conditional;
mod directives;
mod entry;
mod forgotten;
mod freshness;
mod future;
mod grammar;
mod headers;
mod key;
mod layer;
mod question;
mod recording;
mod servable;
mod shared;
mod storable;
mod store;
mod vary;

use std::{fmt, sync::Arc};

use self::shared::Shared;
pub use self::{
    body::CachedBody,
    builder::CachedBuilder,
    future::CachedFuture,
    layer::{CachedLayer, CachedService},
};
use super::fallback::CountedFor;

/// The last good answers of a dependency. Clones are the same cache.
#[derive(Clone)]
pub struct Cached(Arc<Shared>);

/// What is in a [`Cached`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheUsage {
    /// How many answers are kept.
    pub answers: usize,
    /// How many bytes they take at most, with all that is needed to find them.
    pub bytes: usize,
    /// How many bodies are being recorded.
    pub recording: usize,
}

impl Cached {
    /// A cache; see [`CachedBuilder`] for its limits.
    pub fn builder() -> CachedBuilder {
        CachedBuilder::new()
    }

    /// A layer that gives answers from this cache, and keeps them here.
    ///
    /// `counted_for` is the circuit, usually: [`CountedFor`]. It counts what is given from here in
    /// [`Snapshot::parts`](crate::Snapshot::parts), as an answer, or, if there was none to give, as one that failed as
    /// well.
    ///
    /// One cache may serve the layers of several services, as long as the same URI means the same in all of them.
    #[must_use]
    pub fn layer(&self, counted_for: impl Into<CountedFor>) -> CachedLayer {
        CachedLayer::new(self.clone(), counted_for.into())
    }

    /// Forgets all answers, those that are on their way among them.
    pub fn clear(&self) {
        self.0.store.clear();
    }

    /// What is kept now. It looks at every answer.
    #[must_use]
    pub fn usage(&self) -> CacheUsage {
        let (answers, bytes) = self.0.store.usage();
        CacheUsage {
            answers,
            bytes,
            recording: self.0.recordings(),
        }
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}
