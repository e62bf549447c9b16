//! Answers by a closure of one's own.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Answer, Because, FallbackError, FallbackKind};

/// Answers with what an async function makes of the request, as far as it is kept, and of the cause. The function
/// cannot fail. For one that can, see [`try_from_fn`].
///
/// The cause is lent to the closure, not to its future. So copy out what the future needs.
///
/// ```
/// use http::{Request, Response};
/// use tower_breaker::{Circuit, degrade::{Because, fallback::{self, FallbackLayer}}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let circuit = Circuit::builder("reviews").build()?;
/// let layer = FallbackLayer::on_failure(
///     &circuit,
///     fallback::from_fn(|head: Request<()>, because: &Because<hyper::Error>| {
///         let cause = because.cause();
///         async move { Response::new(format!("nothing at {}: {}", head.uri(), cause.label())) }
///     }),
/// )
/// .keeping_head();
/// # let _: FallbackLayer<_, _, _> = layer;
/// # Ok(())
/// # }
/// ```
pub fn from_fn<F, K, E, Fut>(answer: F) -> FromFn<F>
where
    F: Fn(K, &Because<E>) -> Fut,
    Fut: Future,
{
    FromFn(answer)
}

/// Answers with what an async function makes of the request, as far as it is kept, and of the cause. If it fails, the
/// service's error is a [`FallbackError`], which has both causes.
pub fn try_from_fn<F, K, E, Fut, Res, Failure>(answer: F) -> TryFromFn<F>
where
    F: Fn(K, &Because<E>) -> Fut,
    Fut: Future<Output = Result<Res, Failure>>,
{
    TryFromFn(answer)
}

/// An async function that cannot fail. Made by [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F>(F);

/// An async function that can fail. Made by [`try_from_fn`].
#[derive(Clone, Copy)]
pub struct TryFromFn<F>(F);

impl<F, K, E, Fut> Answer<K, Fut::Output, E> for FromFn<F>
where
    F: Fn(K, &Because<E>) -> Fut,
    Fut: Future,
{
    type Failure = Infallible;
    type Error = E;
    type Future = FromFnFuture<Fut>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Own
    }

    fn answer(&self, kept: K, because: &Because<E>) -> Option<Self::Future> {
        Some(FromFnFuture {
            answer: (self.0)(kept, because),
        })
    }

    cannot_fail!();
}

impl<F, K, Res, E, Fut, Failure> Answer<K, Res, E> for TryFromFn<F>
where
    F: Fn(K, &Because<E>) -> Fut,
    Fut: Future<Output = Result<Res, Failure>>,
{
    type Failure = Failure;
    type Error = FallbackError<E, Failure>;
    type Future = Fut;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Own
    }

    fn answer(&self, kept: K, because: &Because<E>) -> Option<Fut> {
        Some((self.0)(kept, because))
    }

    can_fail!();
}

pin_project! {
    /// The answer of [`FromFn`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct FromFnFuture<Fut> {
        #[pin]
        answer: Fut,
    }
}

impl<Fut: Future> Future for FromFnFuture<Fut> {
    type Output = Result<Fut::Output, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answer.poll(context).map(Ok)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn(_)")
    }
}

impl<F> fmt::Debug for TryFromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TryFromFn(_)")
    }
}
