//! [`Because`]: why another answer is needed. [`Degraded`]: that it is another.

use std::{error::Error, fmt};

use http::{Response, StatusCode};

use crate::circuit::{
    error::{Rejected, TimedOut},
    parts::{FallbackCause, FallbackKind},
};

/// Why another answer is needed: what the call has come to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Because<E> {
    /// A circuit or a bulkhead rejected the call. [`reason`](Rejected::reason) says which. The dependency was not
    /// asked.
    Rejected(Rejected),
    /// The call took longer than it may. The dependency was asked, and may have done what it was asked for.
    TimedOut(TimedOut),
    /// The dependency answered with this status, which is a failure.
    Status(StatusCode),
    /// The dependency answered, and the answer is a failure, but has no status that says so.
    Response,
    /// The call ended in this error.
    Error(E),
}

impl<E> Because<E> {
    /// The cause without its details, for counters and log lines.
    #[must_use]
    pub fn cause(&self) -> FallbackCause {
        match self {
            Self::Rejected(rejected) => FallbackCause::Rejected(rejected.reason()),
            Self::TimedOut(_) => FallbackCause::TimedOut,
            Self::Status(_) | Self::Response | Self::Error(_) => FallbackCause::Failed,
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

    /// The error, if the call ended in one that is neither a rejection nor a time-out.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Error(error) => Some(error),
            _ => None,
        }
    }

    /// The name of the circuit, if it was a rejection or a time-out that says it.
    #[must_use]
    pub fn circuit(&self) -> Option<&str> {
        match self {
            Self::Rejected(rejected) => Some(rejected.circuit()),
            Self::TimedOut(timed_out) => Some(timed_out.circuit()),
            Self::Status(_) | Self::Response | Self::Error(_) => None,
        }
    }

    pub(crate) fn map_error<E2>(self, map: impl FnOnce(E) -> E2) -> Because<E2> {
        match self {
            Self::Rejected(rejected) => Because::Rejected(rejected),
            Self::TimedOut(timed_out) => Because::TimedOut(timed_out),
            Self::Status(status) => Because::Status(status),
            Self::Response => Because::Response,
            Self::Error(error) => Because::Error(map(error)),
        }
    }
}

impl<E: Error + 'static> Because<E> {
    /// What is behind it, where that is an error of its own.
    pub(crate) fn as_error(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Rejected(rejected) => rejected,
            Self::TimedOut(timed_out) => timed_out,
            Self::Error(error) => error,
            Self::Status(_) | Self::Response => self,
        }
    }
}

/// Reads as what is behind it does.
impl<E: fmt::Display> fmt::Display for Because<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::TimedOut(timed_out) => timed_out.fmt(f),
            Self::Status(status) => write!(f, "the dependency answered {status}"),
            Self::Response => f.write_str("the dependency answered with a failure"),
            Self::Error(error) => error.fmt(f),
        }
    }
}

/// Its source is that of what is behind it, whose message is told already.
impl<E: Error + 'static> Error for Because<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => rejected.source(),
            Self::TimedOut(timed_out) => timed_out.source(),
            Self::Error(error) => error.source(),
            Self::Status(_) | Self::Response => None,
        }
    }
}

/// An error and what caused it, on one line.
pub(crate) fn write_chain(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut next = error.source();
    while let Some(error) = next {
        write!(f, ": {error}")?;
        next = error.source();
    }
    Ok(())
}

/// Marks a response that does not come from the dependency. It is in the response's extensions:
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

    /// Marks a response as one that does not come from the dependency.
    #[must_use]
    pub fn mark_response<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}
