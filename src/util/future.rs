//! Futures beside each other.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    task::Poll,
};

/// Waits for the first of two.
pub(crate) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(context),
    })
    .await;
}

/// Which of two was first.
#[cfg(feature = "degrade")]
pub(crate) enum First<T, U> {
    One(T),
    Other(U),
}

/// Waits for the first of two, and returns what came of it. The one is asked first.
#[cfg(feature = "degrade")]
pub(crate) async fn first<T, U>(
    one: impl Future<Output = T>,
    other: impl Future<Output = U>,
) -> First<T, U> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(First::One(result)),
        Poll::Pending => other.as_mut().poll(context).map(First::Other),
    })
    .await
}

/// Lets others run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
