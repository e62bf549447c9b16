//! [`Classify`], and the classifiers that know nothing of HTTP.

use super::error::{CircuitError, Rejected};
use crate::machine::Outcome;

/// Says what the end of a call means for the circuit.
///
/// If it panics, the call has failed (rule A5).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot classify `Result<&{Res}, &{E}>`",
    label = "not a classifier for this service's response and error",
    note = "`HttpClassifier`, the default, is for an `http::Response` of http 1; for anything else say \
            `.classifier(ErrorsOnly)`, or `.classifier(|result: Result<&{Res}, &{E}>| ..)`"
)]
#[cfg_attr(
    not(feature = "reqwest"),
    diagnostic::on_unimplemented(
        note = "for the client of reqwest 0.13, enable the feature `reqwest` of tower-breaker"
    )
)]
#[cfg_attr(
    feature = "reqwest",
    diagnostic::on_unimplemented(note = "a response of reqwest has to be of reqwest 0.13")
)]
pub trait Classify<Res, E> {
    /// What the result of one call means.
    fn classify(&self, result: Result<&Res, &E>) -> Outcome;
}

// Or the compiler would say of every other type that it is no closure.
#[diagnostic::do_not_recommend]
impl<F, Res, E> Classify<Res, E> for F
where
    F: Fn(Result<&Res, &E>) -> Outcome,
{
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        self(result)
    }
}

/// For services that are not HTTP: an error is a failure, any response is a success.
///
/// It knows nothing of responses, so it cannot see that a response was made from a rejection (rule H3). Around a
/// breaker that answers with a 503, use [`HttpClassifier`](crate::classify::HttpClassifier).
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "consecutive_local_origin_failure")]
pub struct ErrorsOnly;

impl<Res, E> Classify<Res, E> for ErrorsOnly {
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }
}

/// Ignores errors that are the rejections of a circuit breaker further in. It leaves the rest to another classifier
/// (rule H3).
///
/// For errors that are a boxed error, or a [`CircuitError`], whose inner error goes on to the other classifier.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoreRejections<C>(
    /// The classifier for everything else.
    pub C,
);

impl<C, Res, E> Classify<Res, CircuitError<E>> for IgnoreRejections<C>
where
    C: Classify<Res, E>,
{
    fn classify(&self, result: Result<&Res, &CircuitError<E>>) -> Outcome {
        match result {
            Ok(response) => self.0.classify(Ok(response)),
            Err(CircuitError::Rejected(_)) => Outcome::InnerRejection,
            // It was asked, and did not answer in time.
            Err(CircuitError::TimedOut(_)) => Outcome::Failure,
            Err(CircuitError::Inner(error)) => self.0.classify(Err(error)),
        }
    }
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<C, Res> Classify<Res, BoxError> for IgnoreRejections<C>
where
    C: Classify<Res, BoxError>,
{
    fn classify(&self, result: Result<&Res, &BoxError>) -> Outcome {
        match result {
            Err(error) if Rejected::find(&**error).is_some() => Outcome::InnerRejection,
            other => self.0.classify(other),
        }
    }
}
