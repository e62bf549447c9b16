//! [`ObserveBodies`]: calls are observed to the end of their bodies.

use std::{fmt, task::Poll};

use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body;

use super::{
    BodyEnd, ClassifyEos, DefaultClassifyEos, ObservedBody,
    progress::{Observation, WhenComplete},
};
use crate::{
    circuit::limit::Boxed,
    machine::{Answer, Outcome},
    service::{
        by_request::ClassifiedBy,
        classify::Classify,
        scope::{CallScope, ObserveResponse, ObservedCall, sealed},
        shared::Shared,
    },
    util::digits::number,
};

/// Settings for calls that end with the body of their response (rule H5). Given to a layer by
/// [`observe_bodies`](crate::CircuitBreakerLayer::observe_bodies).
#[derive(Clone, Copy, Default)]
#[must_use = "does nothing until it is given to a layer"]
pub struct ObserveBodies<J = DefaultClassifyEos> {
    classifier: J,
    measured_to_end_of_body: bool,
}

impl ObserveBodies {
    /// Makes the default: errors and wrong lengths are failures, and slow is measured to the head.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<J> ObserveBodies<J> {
    /// Sets what the end of a body means, by a closure. Its argument usually needs its type written down: `|end:
    /// BodyEnd<'_, axum::Error>| …`.
    ///
    /// Default: [`DefaultClassifyEos`].
    pub fn classify_eos<F, E>(self, classifier: F) -> ObserveBodies<F>
    where
        F: Fn(BodyEnd<'_, E>) -> Outcome,
    {
        self.eos_classifier(classifier)
    }

    /// Sets what the end of a body means, by a [`ClassifyEos`].
    ///
    /// Default: [`DefaultClassifyEos`].
    pub fn eos_classifier<J2>(self, classifier: J2) -> ObserveBodies<J2> {
        ObserveBodies {
            classifier,
            measured_to_end_of_body: self.measured_to_end_of_body,
        }
    }

    /// Measures to the end of the body whether a call is slow, and not to the head (rule A3). For dependencies whose
    /// bodies are short and whose readers are quick.
    ///
    /// A probe is measured to the first data frame, with which it has succeeded. A body that is left after data is
    /// measured to the drop.
    ///
    /// Default: to the head.
    pub fn measure_to_end_of_body(mut self) -> Self {
        self.measured_to_end_of_body = true;
        self
    }
}

impl<J, E> ClassifyEos<E> for ObserveBodies<J>
where
    J: ClassifyEos<E>,
{
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.classifier.classify_eos(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.classifier.awaits_trailers()
    }
}

/// A scope that observes calls to the end of their bodies, whatever else it does.
pub trait ObservesBodies {
    /// Whether slow is measured to the end of the body.
    #[doc(hidden)]
    fn measures_to_end_of_body(&self) -> bool;
}

impl<J> ObservesBodies for ObserveBodies<J> {
    fn measures_to_end_of_body(&self) -> bool {
        self.measured_to_end_of_body
    }
}

impl<J> sealed::Sealed for ObserveBodies<J> {}

impl<J> CallScope for ObserveBodies<J> {
    type RequestFacts = ResponseEnd;
    type Meter = ();
    type Timer = Boxed;
}

impl<A, B, J, C, R, X> ObserveResponse<Request<A>, Response<B>, C, R, X> for ObserveBodies<J>
where
    B: Body,
    X: CallScope + ClassifyEos<B::Error> + ObservesBodies,
{
    type Response = Response<ObservedBody<B, C, R, X>>;

    fn request_facts(&self, _: &Shared<C, R, X>, request: &Request<A>) -> ResponseEnd {
        ResponseEnd::of(request.method())
    }

    fn finish_response<E>(
        outcome: Outcome,
        end: &ResponseEnd,
        admitted: &mut ObservedCall<C, R, X>,
        result: Poll<Result<Response<B>, E>>,
    ) -> Poll<Result<Self::Response, E>> {
        if let Poll::Ready(Err(_)) = result {
            admitted.finish(outcome, Answer::None);
        }
        result.map_ok(|response| observe(outcome, *end, admitted, response))
    }

    fn passthrough<E>(result: Poll<Result<Response<B>, E>>) -> Poll<Result<Self::Response, E>> {
        result.map_ok(|response| response.map(ObservedBody::unobserved))
    }
}

/// Where the response to a request ends, whatever it looks like.
#[derive(Clone, Copy, Debug)]
pub enum ResponseEnd {
    /// There is no body.
    Head,
    /// There may be one.
    Body,
}

impl ResponseEnd {
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD | Method::CONNECT => Self::Head,
            _ => Self::Body,
        }
    }

    fn with_status(self, status: StatusCode) -> Self {
        match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Self::Head,
            status if status.is_informational() => Self::Head,
            _ => self,
        }
    }
}

/// It says nothing to the classifier.
impl<C: Classify<Res, E>, Res, E> ClassifiedBy<C, Res, E> for ResponseEnd {
    #[inline(always)]
    fn classified_by(&self, classifier: &C, result: Result<&Res, &E>) -> Outcome {
        classifier.classify(result)
    }
}

/// Observes a response whose head has come, unless the head says it all.
pub(crate) fn observe<B, C, R, X>(
    outcome: Outcome,
    end: ResponseEnd,
    admitted: &mut ObservedCall<C, R, X>,
    response: Response<B>,
) -> Response<ObservedBody<B, C, R, X>>
where
    B: Body,
    X: CallScope + ClassifyEos<B::Error> + ObservesBodies,
{
    let when_complete = match outcome {
        Outcome::Success => WhenComplete::Success,
        Outcome::RequiresEos => WhenComplete::Classify,
        decided => {
            admitted.finish(decided, Answer::Response);
            return response.map(ObservedBody::unobserved);
        }
    };
    let took = match admitted.handle().scope().measures_to_end_of_body() {
        true => None,
        false => admitted.elapsed(),
    };
    let mut observation = Observation::new(admitted.hand_over(), when_complete, took);
    // What a body says of itself is somebody else's code.
    observation.guarded(|observation| match end.with_status(response.status()) {
        ResponseEnd::Head => observation.on_end::<B::Error>(),
        ResponseEnd::Body => observation
            .on_head::<B::Error>(announced_length(&response), response.body().is_end_stream()),
    });
    response.map(|body| ObservedBody::begin(body, observation))
}

/// What the response says about its length, or else what its body knows.
fn announced_length<B: Body>(response: &Response<B>) -> Option<u64> {
    content_length(response.headers()).or_else(|| response.body().size_hint().exact())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    // Nobody looks for a coding where there is no length.
    let length = lengths.next()?;
    // Where a transfer coding is named, it and not the length says where a body ends.
    if headers.contains_key(TRANSFER_ENCODING) || lengths.any(|another| another != length) {
        return None;
    }
    number(length.to_str().ok()?)
}

impl<J> fmt::Debug for ObserveBodies<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveBodies")
            .field("measured_to_end_of_body", &self.measured_to_end_of_body)
            .finish_non_exhaustive()
    }
}
