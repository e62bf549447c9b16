//! What joins reqwest's types to ours. Needs the feature `reqwest`.
//!
//! | what | by | for |
//! |---|---|---|
//! | what is a failure | [`Classify`] | [`HttpClassifier`], of reqwest's errors, boxed or not |
//! | what a rejection becomes | [`Reject`] | [`ServiceUnavailable`] and [`RejectWith`]; those that make an error suit any response |
//! | bodies, to their end | [`ObserveResponse`] | [`ObserveBodies`] |

use std::{
    error::Error,
    future::{Ready, ready},
    iter::successors,
    task::Poll,
};

use ::reqwest::{Body, Request, Response, ResponseBuilderExt, StatusCode, Url};

use crate::{
    body::{
        ClassifyEos, ObserveBodies,
        scope::{ObservesBodies, ResponseEnd, observe},
    },
    circuit::{
        classify::BoxError,
        error::{Rejected, TimedOut},
    },
    machine::{Answer, Outcome},
    service::{
        answer::rejection,
        classify::{Classify, Head, HttpClassifier},
        reject::{
            AnswerTimeOut, GatewayTimeout, HttpResponse, IntoAnswer, Reject, RejectWith,
            ServiceUnavailable, gateway_timeout, service_unavailable,
        },
        scope::{CallScope, ObserveResponse, ObservedCall},
        shared::Shared,
    },
};

/// By its status, as any response. An error is a failure, unless
///
/// - it speaks of the caller, and nobody was asked: a request that could not be built is ignored; or
/// - it is a redirect that the client's policy does not follow: answered, as the server has said where to go; or
/// - it is there for a status, as [`error_for_status`] makes one: then that status counts; or
/// - it comes from a rejection further in, such as that of a circuit around the client's connections
///   (rule H3).
///
/// [`error_for_status`]: Response::error_for_status
#[diagnostic::do_not_recommend]
impl Classify<Response, ::reqwest::Error> for HttpClassifier {
    fn classify(&self, result: Result<&Response, &::reqwest::Error>) -> Outcome {
        match result {
            Ok(response) => self.classify_head(&Head {
                status: response.status(),
                #[cfg(feature = "retry-after")]
                headers: response.headers(),
                extensions: response.extensions(),
            }),
            Err(error) => match error.status() {
                // Its headers are gone.
                Some(status) => self.classify_status(status),
                None if error.is_builder() => Outcome::Ignored,
                None if error.is_redirect() => Outcome::Answered,
                None if Rejected::find(error).is_some() => Outcome::InnerRejection,
                None => Outcome::Failure,
            },
        }
    }
}

/// The same where errors are boxed, as they are with a timeout around the client: the outermost error of
/// reqwest's counts, wherever in the box it is.
#[diagnostic::do_not_recommend]
impl Classify<Response, BoxError> for HttpClassifier {
    fn classify(&self, result: Result<&Response, &BoxError>) -> Outcome {
        let error = match result {
            Ok(response) => return Classify::<_, ::reqwest::Error>::classify(self, Ok(response)),
            Err(error) => &**error,
        };
        match find(error) {
            Some(error) => Classify::<Response, _>::classify(self, Err(error)),
            None if Rejected::find(error).is_some() => Outcome::InnerRejection,
            None => Outcome::Failure,
        }
    }
}

/// The outermost error of reqwest's.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ::reqwest::Error> {
    let mut chain = successors(Some(error), |&error| error.source());
    chain.find_map(|error| error.downcast_ref())
}

/// The URL is that of the request. For a probe that takes too long, the request is gone with its URL; the response
/// has the one that reqwest gives to responses without, `http://no.url.provided.local/`.
#[diagnostic::do_not_recommend]
impl<E> Reject<Request, Response, E> for ServiceUnavailable {
    type Error = E;
    type Future = Ready<Result<Response, E>>;

    fn reject(&self, rejected: Rejected, request: Request) -> Self::Future {
        let response = service_unavailable::<Body>(rejected);
        ready(Ok(with_url(response, request.url().clone())))
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Response, E>> {
        Some(Ok(gateway_timeout::<Body>(timed_out).into()))
    }
}

impl HttpResponse for Response {
    type Body = Body;

    fn from_http(response: http::Response<Body>) -> Self {
        response.into()
    }
}

#[diagnostic::do_not_recommend]
impl<B: Into<Body>> IntoAnswer<Response> for http::Response<B> {
    fn into_answer(self, _: StatusCode) -> http::Response<Body> {
        self.map(Into::into)
    }
}

#[diagnostic::do_not_recommend]
impl IntoAnswer<Self> for Response {
    fn into_answer(self, _: StatusCode) -> http::Response<Body> {
        self.into()
    }
}

/// As that of [`ServiceUnavailable`].
#[diagnostic::do_not_recommend]
impl AnswerTimeOut<Response> for GatewayTimeout {
    fn answer(&self, timed_out: TimedOut) -> Option<Response> {
        Some(gateway_timeout::<Body>(timed_out).into())
    }
}

/// The URL is that of the request, unless the response was [built with another](ResponseBuilderExt::url).
#[diagnostic::do_not_recommend]
impl<F, A, T, E> Reject<Request, Response, E> for RejectWith<F, T>
where
    F: Fn(&Rejected) -> A,
    A: IntoAnswer<Response>,
    T: AnswerTimeOut<Response>,
{
    type Error = E;
    type Future = Ready<Result<Response, E>>;

    fn reject(&self, rejected: Rejected, request: Request) -> Self::Future {
        let answer = (self.respond)(&rejected);
        let response = rejection::<Response, _>(rejected, answer);
        ready(Ok(with_url(response, request.url().clone())))
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Response, E>> {
        self.time_out.answer(timed_out).map(Ok)
    }
}

/// The response's type stays what it is: its body is a box anyway.
impl<J, C, R, X> ObserveResponse<Request, Response, C, R, X> for ObserveBodies<J>
where
    C: Send + Sync + 'static,
    R: Send + Sync + 'static,
    X: CallScope + ClassifyEos<::reqwest::Error> + ObservesBodies + Send + Sync + 'static,
{
    type Response = Response;

    fn request_facts(&self, _: &Shared<C, R, X>, request: &Request) -> ResponseEnd {
        ResponseEnd::of(request.method())
    }

    fn finish_response<E>(
        outcome: Outcome,
        end: &ResponseEnd,
        admitted: &mut ObservedCall<C, R, X>,
        result: Poll<Result<Response, E>>,
    ) -> Poll<Result<Response, E>> {
        if let Poll::Ready(Err(_)) = result {
            admitted.finish(outcome, Answer::None);
        }
        result.map_ok(|response| {
            let url = response.url().clone();
            let observed = observe(outcome, *end, admitted, response.into());
            with_url(observed.map(Body::wrap), url)
        })
    }

    fn passthrough<E>(result: Poll<Result<Response, E>>) -> Poll<Result<Response, E>> {
        result
    }
}

/// A response of reqwest's knows where it came from; one of HTTP does not, but for an extension that only
/// reqwest can make. If it has that already, it stays.
fn with_url<B: Into<Body>>(mut response: http::Response<B>, url: Url) -> Response {
    let (parts, ()) = http::Response::builder()
        .url(url)
        .body(())
        .unwrap_or_default()
        .into_parts();
    let own = std::mem::replace(response.extensions_mut(), parts.extensions);
    response.extensions_mut().extend(own);
    response.into()
}
