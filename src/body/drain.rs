//! [`Drained`]: a client of HTTP/1 that is still sending hears of its rejection.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use http::{Request, Version, header::EXPECT};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::{
    circuit::error::{Rejected, TimedOut},
    service::{
        layer::CircuitBreakerLayer,
        reject::{KeepTimeOut, Reject, TellTimeOut},
        shared::Policies,
    },
};

#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Reads what is left of a rejected request's body before the rejection is answered: at most `bytes`, and for at
    /// most `time`. For servers of HTTP/1 that take uploads.
    ///
    /// If such a server answers before the client has sent all, it closes the connection. A client that sends first and
    /// reads then finds a broken pipe in place of the 503. [The
    /// guide](crate::guide::servers#uploads-to-an-open-circuit) has more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum::{Router, routing::post};
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let breaker = Circuit::builder("uploads")
    ///     .build_layer()?
    ///     .drain_rejected(64 * 1024 * 1024, Duration::from_secs(5));
    /// let app: Router = Router::new()
    ///     .route("/upload", post(|upload: String| async move { upload.len().to_string() }))
    ///     .layer(breaker);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing is read, and the rejection is answered at once,
    ///
    /// * without a body, or if it has been read;
    /// * over HTTP/2, which can end a stream without the connection;
    /// * if the client waits for a `100 Continue`: it has sent nothing yet;
    /// * if the request says that it is longer than `bytes`.
    ///
    /// If there is more than `bytes`, if it takes longer than `time`, or if the client has gone, the rejection is
    /// answered then, as without this.
    ///
    /// **Watch out:** call it after what is set about rejections, which it wraps, and before `observe_request_bodies`:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use axum::{Router, routing::get};
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # const MOST: u64 = 1_000_000;
    /// # const LONGEST: Duration = Duration::from_secs(5);
    /// # let layer = || Circuit::builder("uploads").build_layer();
    /// // Wrong: nothing is drained.
    /// let wrong = layer()?.drain_rejected(MOST, LONGEST).reject_with(|_| "sorry");
    ///
    /// // Right.
    /// let right = layer()?.reject_with(|_| "sorry").drain_rejected(MOST, LONGEST);
    /// # let _: Router = Router::new().route("/", get(|| async {})).layer(wrong).layer(right);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It works with rejections that do not look at the request. A [`fallback`](Self::fallback) gets the request with
    /// its body, and decides itself whether to read it.
    ///
    /// While it reads, other tasks of the same thread get their turns, however fast the client sends.
    ///
    /// # Panics
    ///
    /// If it has to wait for the client, or the body comes in many pieces, a rejected call panics if there is no
    /// runtime of tokio with time enabled.
    ///
    /// Default: rejected requests are dropped unread.
    pub fn drain_rejected(
        self,
        bytes: u64,
        time: Duration,
    ) -> CircuitBreakerLayer<C, Drained<R>, X, G> {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: Arc::new(Drained {
                rejection: policies.rejection,
                bytes,
                time,
            }),
            scope: policies.scope,
        })
    }
}

/// A rejection that is answered when the request's body has been read. Made by
/// [`drain_rejected`](CircuitBreakerLayer::drain_rejected).
#[derive(Debug)]
pub struct Drained<R> {
    rejection: Arc<R>,
    bytes: u64,
    time: Duration,
}

impl<R> Drained<R> {
    /// Whether the client would miss the answer, and can be waited for.
    fn needs_draining<B: Body>(&self, request: &Request<B>) -> bool {
        request.version() < Version::HTTP_2
            && !request.headers().contains_key(EXPECT)
            && !request.body().is_end_stream()
            && request.body().size_hint().lower() <= self.bytes
    }
}

impl<R, B, Res, E> Reject<Request<B>, Res, E> for Drained<R>
where
    R: Reject<(), Res, E>,
    B: Body,
{
    type Error = R::Error;
    type Future = DrainFuture<B, R::Future>;

    fn reject(&self, rejected: Rejected, request: Request<B>) -> Self::Future {
        let draining = self.needs_draining(&request).then(|| {
            Box::pin(Draining {
                body: request.into_body(),
                left: self.bytes,
                time: self.time,
                timer: None,
            })
        });
        DrainFuture {
            draining,
            answer: self.rejection.reject(rejected, ()),
        }
    }

    fn inner_error(&self, error: E) -> R::Error {
        self.rejection.inner_error(error)
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, R::Error>> {
        self.rejection.timed_out(timed_out)
    }
}

impl<R: TellTimeOut<F>, F> TellTimeOut<F> for Drained<R> {
    type With = Drained<R::With>;
    type Without = Drained<R::Without>;

    fn with(rejection: Arc<Self>, respond: F) -> Self::With {
        rejection.around(R::with(rejection.rejection.clone(), respond))
    }

    fn without(rejection: Arc<Self>) -> Self::Without {
        rejection.around(R::without(rejection.rejection.clone()))
    }
}

impl<R: KeepTimeOut> KeepTimeOut for Drained<R> {
    type TimeOut = R::TimeOut;

    fn kept_time_out(&self) -> R::TimeOut {
        self.rejection.kept_time_out()
    }
}

impl<R> Drained<R> {
    fn around<R2>(&self, rejection: R2) -> Drained<R2> {
        Drained {
            rejection: Arc::new(rejection),
            bytes: self.bytes,
            time: self.time,
        }
    }
}

pin_project! {
    /// A body that is read for no sake but its client's.
    struct Draining<B> {
        #[pin]
        body: B,
        left: u64,
        time: Duration,
        // Only while it has to wait.
        #[pin]
        timer: Option<Sleep>,
    }
}

/// How many frames are read in one turn. A body that always has more would keep its thread from all others, and from
/// its own timer. A turn of the scheduler is cheap beside so many.
const FRAMES_A_TURN: u32 = 32;

impl<B: Body> Draining<B> {
    /// No more is read in this turn. Ready when the time is over.
    fn wait(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep(*this.time)));
        }
        let timer = this.timer.as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(context))
    }
}

impl<B: Body> Future for Draining<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES_A_TURN {
            let this = self.as_mut().project();
            let Poll::Ready(frame) = this.body.poll_frame(context) else {
                return self.wait(context);
            };
            let Some(Ok(frame)) = frame else {
                return Poll::Ready(());
            };
            // A frame without data counts as a byte: however many there are, it ends.
            let read = frame.data_ref().map_or(0, Buf::remaining).max(1) as u64;
            match this.left.checked_sub(read) {
                Some(left) => *this.left = left,
                None => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        self.wait(context)
    }
}

pin_project! {
    /// The answer of a [`Drained`].
    pub struct DrainFuture<B, F> {
        // Only if there is something to drain: so others pay for no more than a pointer.
        draining: Option<Pin<Box<Draining<B>>>>,
        #[pin]
        answer: F,
    }
}

impl<B: Body, F: Future> Future for DrainFuture<B, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(draining) = this.draining {
            ready!(draining.as_mut().poll(context));
            *this.draining = None;
        }
        this.answer.poll(context)
    }
}

impl<B, F> fmt::Debug for DrainFuture<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture")
            .field("drains", &self.draining.is_some())
            .finish_non_exhaustive()
    }
}
