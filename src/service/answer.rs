//! What the closure of [`reject_with`](crate::CircuitBreakerLayer::reject_with) may return, and what becomes of it.

use std::{
    any::TypeId,
    borrow::Cow,
    fmt,
    future::{Ready, ready},
    sync::Arc,
};

use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::{
    reject::{Reject, whole_number},
    time_out::{AnswerTimeOut, GatewayTimeout},
};
use crate::circuit::error::{Rejected, TimedOut};

/// An HTTP response: `http::Response`, and with the feature `reqwest` also `reqwest::Response`.
pub trait HttpResponse: Sized {
    /// Its body.
    type Body;

    #[doc(hidden)]
    fn from_http(response: Response<Self::Body>) -> Self;
}

impl<B> HttpResponse for Response<B> {
    type Body = B;

    fn from_http(response: Self) -> Self {
        response
    }
}

/// What the closures of [`reject_with`](crate::CircuitBreakerLayer::reject_with) and
/// [`time_out_with`](crate::CircuitBreakerLayer::time_out_with) may return.
///
/// | returned | the response |
/// |---|---|
/// | `http::Response<B>`, where `B` is the service's body | as it is |
/// | `"text"`, or a `String` | 503 with that text; 504 for a call that takes too long |
/// | a `StatusCode` | that status without a body |
/// | `(StatusCode, body)` | that status, and what the service's body can be made [`From`] |
/// | [`WithoutRetryAfter`] of one of these | the same, and no `Retry-After` is added |
/// | anything that an axum handler returns | say `.into_response()` at the end |
///
/// A text has the `Content-Type` `text/plain; charset=utf-8`, with a status and without. A text is a `&'static str`, a
/// `String`, a `Cow<'static, str>` or a `Box<str>`. Other bodies get no `Content-Type`. For another, return a response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made the answer `{Res}`",
    label = "not an answer of this service",
    note = "`reject_with` and `time_out_with` take a response with the service's own body, a `StatusCode`, a text, or \
            `(StatusCode, body)`",
    note = "what axum's handlers return becomes one with `.into_response()`; a response with another body, with \
            `.map(Body::from)`"
)]
pub trait IntoAnswer<Res: HttpResponse> {
    /// Whether a rejection gets the usual `Retry-After` if the answer has none.
    ///
    /// Default: yes.
    const RETRY_AFTER: bool = true;

    /// The answer. If it has no status of its own, it gets `status`.
    fn into_answer(self, status: StatusCode) -> Response<Res::Body>;
}

// The service's own body and no other: so `Response::new("…".into())` compiles, since there is but one body to infer.
#[diagnostic::do_not_recommend]
impl<B> IntoAnswer<Self> for Response<B> {
    fn into_answer(self, _: StatusCode) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<Res: HttpResponse<Body: Default>> IntoAnswer<Res> for StatusCode {
    fn into_answer(self, _: StatusCode) -> Response<Res::Body> {
        with_status(self, Res::Body::default())
    }
}

#[diagnostic::do_not_recommend]
impl<Res: HttpResponse<Body: From<T>>, T: 'static> IntoAnswer<Res> for (StatusCode, T) {
    fn into_answer(self, _: StatusCode) -> Response<Res::Body> {
        let (status, body) = self;
        if is_text::<T>() {
            with_text(status, body.into())
        } else {
            with_status(status, body.into())
        }
    }
}

#[diagnostic::do_not_recommend]
impl<Res: HttpResponse<Body: From<&'static str>>> IntoAnswer<Res> for &'static str {
    fn into_answer(self, status: StatusCode) -> Response<Res::Body> {
        with_text(status, self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<Res: HttpResponse<Body: From<Self>>> IntoAnswer<Res> for String {
    fn into_answer(self, status: StatusCode) -> Response<Res::Body> {
        with_text(status, self.into())
    }
}

/// An answer to a rejection that gets no `Retry-After`.
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_breaker::{Circuit, reject::WithoutRetryAfter};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let layer = Circuit::builder("payments").build_layer()?.reject_with(|_| {
///     WithoutRetryAfter((StatusCode::SERVICE_UNAVAILABLE, "please call us"))
/// });
/// # use tower::Layer;
/// # let _ = layer.layer(tower::service_fn(async |_: http::Request<()>| {
/// #     Ok::<_, std::io::Error>(Response::new(String::new()))
/// # }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithoutRetryAfter<A>(pub A);

#[diagnostic::do_not_recommend]
impl<Res: HttpResponse, A: IntoAnswer<Res>> IntoAnswer<Res> for WithoutRetryAfter<A> {
    const RETRY_AFTER: bool = false;

    fn into_answer(self, status: StatusCode) -> Response<Res::Body> {
        self.0.into_answer(status)
    }
}

fn with_status<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Without it, a browser guesses what it is, and may take it for HTML.
fn with_text<B>(status: StatusCode, text: B) -> Response<B> {
    const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = with_status(status, text);
    response.headers_mut().insert(CONTENT_TYPE, PLAIN);
    response
}

/// Decided by the compiler: which body a type makes can be asked of the type only, for want of specialisation.
fn is_text<T: 'static>() -> bool {
    let texts = [
        TypeId::of::<&'static str>(),
        TypeId::of::<String>(),
        TypeId::of::<Cow<'static, str>>(),
        TypeId::of::<Box<str>>(),
    ];
    texts.contains(&TypeId::of::<T>())
}

/// An answer of the user's own, as a response: with `Retry-After` (rule H1) and marked (rule H3).
pub(crate) fn rejection<Res, A>(rejected: Rejected, answer: A) -> Response<Res::Body>
where
    Res: HttpResponse,
    A: IntoAnswer<Res>,
{
    let mut response = answer.into_answer(StatusCode::SERVICE_UNAVAILABLE);
    if A::RETRY_AFTER {
        add_retry_after(&mut response, &rejected);
    }
    rejected.mark_response(response)
}

/// Of a redirect it would say how long to wait before following it, and of a good answer nothing at all.
fn add_retry_after<B>(response: &mut Response<B>, rejected: &Rejected) {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().contains_key(RETRY_AFTER) {
        return;
    }
    if let Some(seconds) = rejected.retry_after_secs() {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, whole_number(seconds));
    }
}

/// An answer of the user's own to a call that took too long, as a response. If it says no, it is marked, as the usual
/// 504 is; a good answer is one like any other.
pub(crate) fn too_late<Res, A>(timed_out: TimedOut, answer: A) -> Response<Res::Body>
where
    Res: HttpResponse,
    A: IntoAnswer<Res>,
{
    let mut response = answer.into_answer(StatusCode::GATEWAY_TIMEOUT);
    if says_no(&response) {
        response.extensions_mut().insert(timed_out);
    }
    response
}

/// Over HTTP, or over gRPC.
fn says_no<B>(response: &Response<B>) -> bool {
    let (status, code) = (response.status(), response.headers().get("grpc-status"));
    status.is_client_error() || status.is_server_error() || code.is_some_and(|code| code != "0")
}

/// Answers by a response of your own. Made by [`reject_with`](crate::CircuitBreakerLayer::reject_with).
pub struct RejectWith<F, T = GatewayTimeout> {
    pub(crate) respond: Arc<F>,
    pub(crate) time_out: T,
}

impl<F, T> RejectWith<F, T> {
    pub(crate) fn new(respond: F, time_out: T) -> Self {
        Self {
            respond: Arc::new(respond),
            time_out,
        }
    }

    pub(crate) fn with_time_out<T2>(&self, time_out: T2) -> RejectWith<F, T2> {
        RejectWith {
            respond: self.respond.clone(),
            time_out,
        }
    }
}

impl<F, A, T, Req, B, E> Reject<Req, Response<B>, E> for RejectWith<F, T>
where
    F: Fn(&Rejected) -> A,
    A: IntoAnswer<Response<B>>,
    T: AnswerTimeOut<Response<B>>,
{
    type Error = E;
    type Future = Ready<Result<Response<B>, E>>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        let answer = (self.respond)(&rejected);
        ready(Ok(rejection::<Response<B>, _>(rejected, answer)))
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Response<B>, E>> {
        self.time_out.answer(timed_out).map(Ok)
    }
}

impl<F, T> fmt::Debug for RejectWith<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RejectWith(_)")
    }
}
