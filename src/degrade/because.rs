//! [`Because`]: why another answer is needed. [`Degraded`]: that it is another.

use http::{Response, StatusCode};

use crate::circuit::{
    error::{Rejected, TimedOut},
    parts::{FallbackCause, FallbackKind},
};

/// Why another answer is needed: what the call has come to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Because<E> {
    /// A circuit or a bulkhead rejected it; [`reason`](Rejected::reason) says which. The dependency was not asked.
    Rejected(Rejected),
    /// It took longer than it may. The dependency was asked, and may have done what it was asked for.
    TimedOut(TimedOut),
    /// The dependency answered with this status, which is a failure.
    Status(StatusCode),
    /// The call ended in this error.
    Error(E),
}

impl<E> Because<E> {
    /// The same, for counters and log lines.
    #[must_use]
    pub fn cause(&self) -> FallbackCause {
        match self {
            Self::Rejected(rejected) => FallbackCause::Rejected(rejected.reason()),
            Self::TimedOut(_) => FallbackCause::TimedOut,
            Self::Status(_) | Self::Error(_) => FallbackCause::Failed,
        }
    }

    /// The rejection, if it was one.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            _ => None,
        }
    }
}

/// In the extensions of a response that is another than the one that was asked for:
/// `response.extensions().get::<Degraded>()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Degraded {
    /// What answered.
    pub kind: FallbackKind,
    /// Why.
    pub cause: FallbackCause,
}

impl Degraded {
    pub(crate) fn new(kind: FallbackKind, cause: FallbackCause) -> Self {
        Self { kind, cause }
    }

    /// Marks a response as another answer.
    #[must_use]
    pub fn mark_response<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}
