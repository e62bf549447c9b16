//! What the end of a body means.

use http::HeaderMap;

use crate::machine::Outcome;

/// How a body has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyEnd<'a, E> {
    /// It came to its end, without trailers.
    Complete,
    /// It ended with these trailers.
    Trailers(&'a HeaderMap),
    /// It was shorter or longer than announced.
    WrongLength,
    /// It ended in an error.
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
    /// Judges what this end means for the call.
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome;

    /// Whether every body is to end with trailers, as over gRPC. Then a body whose head was [`Outcome::RequiresEos`] is
    /// not complete with the announced length. If it is dropped before its end, it was left early, and is not judged.
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
