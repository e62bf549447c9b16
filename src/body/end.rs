//! What the end of a body means.

use http::HeaderMap;

use crate::machine::Outcome;

/// How a body has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyEnd<'a, E> {
    /// At its end, without trailers.
    Complete,
    /// With these trailers.
    Trailers(&'a HeaderMap),
    /// It has ended short of the announced length, or has gone beyond it.
    WrongLength,
    /// In an error.
    Error(&'a E),
}

/// By hand: a copy of the reference is no copy of the error.
impl<E> Clone for BodyEnd<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for BodyEnd<'_, E> {}

/// Says what the end of a body means for the circuit (rules A1, H5). A closure is one; so is
/// [`DefaultClassifyEos`], the default.
///
/// It is asked where the head was [`Outcome::RequiresEos`], and wherever a body has ended in an error or with
/// the wrong length. If it panics, the call has failed. [`Outcome::RequiresEos`] says nothing here:
/// then a body that is complete is a success, and any other a failure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot classify the end of a body with error `{E}`",
    label = "not a classifier for this body's end",
    note = "a classifier of ends is `DefaultClassifyEos`, or a closure `|end: BodyEnd<'_, {E}>| -> Outcome`"
)]
pub trait ClassifyEos<E> {
    /// What this end means.
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome;

    /// Whether every body is to end with trailers, as over gRPC. Where the head was [`Outcome::RequiresEos`], a
    /// body that is dropped with the announced length but before its end was left early then, and is not
    /// complete: it is not judged.
    ///
    /// Default: no.
    fn awaits_trailers(&self) -> bool {
        false
    }
}

#[diagnostic::do_not_recommend]
impl<F, E> ClassifyEos<E> for F
where
    F: Fn(BodyEnd<'_, E>) -> Outcome,
{
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self(end)
    }
}

/// The default: a body that ends in an error or with the wrong length is a failure, any other a success.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultClassifyEos;

impl<E> ClassifyEos<E> for DefaultClassifyEos {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        match end {
            BodyEnd::Complete | BodyEnd::Trailers(_) => Outcome::Success,
            BodyEnd::WrongLength | BodyEnd::Error(_) => Outcome::Failure,
        }
    }
}
