//! Answers that are there at once.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
};

use super::{Answer, Because, FallbackError, FallbackKind};

/// Gives the same answer each time: a clone of `value`.
///
/// For a response that is not `Clone`, such as axum's (whose body is not) or reqwest's, use [`response`].
pub fn value<Res: Clone>(value: Res) -> Value<Res> {
    Value(value)
}

/// Answers with what `respond` makes of the cause.
///
/// ```
/// use http::Response;
/// use tower_breaker::{Circuit, degrade::{Because, fallback::{self, FallbackLayer}}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let circuit = Circuit::builder("reviews").build()?;
/// let layer = FallbackLayer::on_failure(
///     &circuit,
///     fallback::response(|because: &Because<hyper::Error>| {
///         Response::new(format!("no reviews today: {}", because.cause().label()))
///     }),
/// );
/// # let _: FallbackLayer<_, _> = layer;
/// # Ok(())
/// # }
/// ```
pub fn response<F, E, Res>(respond: F) -> Respond<F>
where
    F: Fn(&Because<E>) -> Res,
{
    Respond(respond)
}

/// Says no in your own words, with the response that `respond` makes of the cause. It is counted as
/// [`FallbackKind::Fail`]. If the call was rejected, it is [marked](crate::Rejected::mark_response) as a rejection, so
/// that outer layers leave it alone (rule H3).
pub fn fail_with<F, E, Res>(respond: F) -> FailWith<F>
where
    F: Fn(&Because<E>) -> Res,
{
    FailWith(respond)
}

/// Fails with an error of your own, which `fail` makes of the cause. The service's error is then a [`FallbackError`],
/// which has the cause, too.
pub fn fail<F, E, Failure>(fail: F) -> Fail<F>
where
    F: Fn(&Because<E>) -> Failure,
{
    Fail(fail)
}

/// The same answer each time. Made by [`value`].
#[derive(Clone, Copy, Debug)]
pub struct Value<Res>(Res);

/// A response that is made of the cause. Made by [`response`].
#[derive(Clone, Copy)]
pub struct Respond<F>(F);

/// A response that says no, made of the cause. Made by [`fail_with`].
#[derive(Clone, Copy)]
pub struct FailWith<F>(F);

/// An error that is made of the cause. Made by [`fail`].
#[derive(Clone, Copy)]
pub struct Fail<F>(F);

impl<K, Res: Clone, E> Answer<K, Res, E> for Value<Res> {
    type Failure = Infallible;
    type Error = E;
    type Future = Ready<Result<Res, Infallible>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Value
    }

    fn answer(&self, _: K, _: &Because<E>) -> Option<Self::Future> {
        Some(ready(Ok(self.0.clone())))
    }

    cannot_fail!();
}

impl<F, K, Res, E> Answer<K, Res, E> for Respond<F>
where
    F: Fn(&Because<E>) -> Res,
{
    type Failure = Infallible;
    type Error = E;
    type Future = Ready<Result<Res, Infallible>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Value
    }

    fn answer(&self, _: K, because: &Because<E>) -> Option<Self::Future> {
        Some(ready(Ok((self.0)(because))))
    }

    cannot_fail!();
}

impl<F, K, Res, E> Answer<K, Res, E> for FailWith<F>
where
    F: Fn(&Because<E>) -> Res,
{
    type Failure = Infallible;
    type Error = E;
    type Future = Ready<Result<Res, Infallible>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Fail
    }

    fn answer(&self, _: K, because: &Because<E>) -> Option<Self::Future> {
        Some(ready(Ok((self.0)(because))))
    }

    cannot_fail!();
}

impl<F, K, Res, E, Failure> Answer<K, Res, E> for Fail<F>
where
    F: Fn(&Because<E>) -> Failure,
{
    type Failure = Failure;
    type Error = FallbackError<E, Failure>;
    type Future = Ready<Result<Res, Failure>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Fail
    }

    fn answer(&self, _: K, because: &Because<E>) -> Option<Self::Future> {
        Some(ready(Err((self.0)(because))))
    }

    can_fail!();
}

impl<F> fmt::Debug for Respond<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Respond(_)")
    }
}

impl<F> fmt::Debug for FailWith<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailWith(_)")
    }
}

impl<F> fmt::Debug for Fail<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fail(_)")
    }
}
