//! [`AnyError`]: errors in which a rejection can be found.

use std::{convert::Infallible, error::Error};

use crate::circuit::{
    classify::BoxError,
    error::{CircuitError, LimitOf, Rejected, TimedOut},
};

/// An error that can be searched for what has caused it: every error that is one, a boxed one, and a
/// [`CircuitError`] around a boxed one. `By` says which of these; the compiler finds it by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be searched for a rejection",
    label = "not an error",
    note = "an error is whatever implements `std::error::Error` and is `'static`, \
            or a `Box<dyn std::error::Error + Send + Sync>`"
)]
pub trait AnyError<By> {
    /// The error to begin with.
    fn as_error(&self) -> &(dyn Error + 'static);
}

/// For [`AnyError`]: a type that is an error itself.
#[derive(Debug)]
pub struct Plain(Infallible);

/// For [`AnyError`]: a `Box<dyn Error + Send + Sync>`, which is no error itself.
#[derive(Debug)]
pub struct Boxed(Infallible);

/// For [`AnyError`]: a [`CircuitError`] around such a box.
#[derive(Debug)]
pub struct BoxedInside(Infallible);

impl<E: Error + 'static> AnyError<Plain> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AnyError<Boxed> for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

impl AnyError<BoxedInside> for CircuitError<BoxError> {
    fn as_error(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Rejected(rejected) => rejected,
            Self::TimedOut(timed_out) => timed_out,
            Self::Inner(error) => &**error,
        }
    }
}

/// What there is to find in an error.
pub(super) fn is_rejected(error: &(dyn Error + 'static)) -> bool {
    Rejected::find(error).is_some()
}

/// Whether it is the caller who would not wait for longer.
pub(super) fn is_callers(timed_out: &TimedOut) -> bool {
    timed_out.whose() == LimitOf::Caller
}

/// The same, of an error.
pub(super) fn is_out_of_time(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(timed_out) = error.downcast_ref() {
            return is_callers(timed_out);
        }
        next = error.source();
    }
    false
}
