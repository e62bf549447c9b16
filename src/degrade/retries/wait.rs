//! [`Wait`]: the time before a call is repeated.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The time before a call is repeated. Needs a runtime of tokio with its time enabled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait {
        #[pin]
        sleep: Sleep,
    }
}

impl Wait {
    pub(super) fn of(time: Duration) -> Self {
        Self { sleep: sleep(time) }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}
