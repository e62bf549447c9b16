//! Futures beside each other.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Waits for the first of two.
pub(crate) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(context),
    })
    .await;
}

/// Tokio's sleep, for a limit of what is polled before it.
pub(crate) async fn sleep(duration: Duration) {
    let mut timer = pin!(tokio::time::sleep(duration));
    poll_fn(|context| poll_timer(timer.as_mut(), context)).await;
}

/// Polls a timer whose time may be over although it is pending: it is so, too, where others have used up what tokio
/// lets a task do at a time, and what it limits may do that each time.
pub(crate) fn poll_timer(timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
    if Instant::now() < timer.deadline() {
        ready!(timer.poll(context));
    }
    Poll::Ready(())
}
