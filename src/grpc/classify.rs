//! What counts as a failure over gRPC.

use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};

use super::Code;
use crate::{
    body::{BodyEnd, ClassifyEos},
    machine::Outcome,
    service::{
        classify::{Classify, is_rejection},
        grpc_code::passes_on_rejection,
        retry_after::RetryAfter,
    },
};

/// The classifier for gRPC (rule H4). Codes that speak of the server are failures, and ok is a success. Resource
/// exhausted and aborted are ignored. The others are answered: neutral, and proof of life for a probe. Codes can be
/// moved. The [module](super) has the whole table.
///
/// It judges heads and trailers. So give it to a layer by [`grpc_with`], which puts it in both places.
///
/// A response that a circuit breaker further in made from a rejection is ignored (rule H3). With the feature `tonic`,
/// so is the response of a handler that failed with a status made from a rejection.
///
/// [`grpc_with`]: crate::CircuitBreakerLayer::grpc_with
#[derive(Clone, Copy, Debug)]
pub struct GrpcClassifier {
    /// By code.
    outcomes: [Outcome; Code::ALL.len()],
    retry_after: Option<RetryAfter>,
}

impl Default for GrpcClassifier {
    fn default() -> Self {
        Self::new()
    }
}

impl GrpcClassifier {
    /// Makes the classifier with the default sets.
    #[must_use]
    pub fn new() -> Self {
        Self {
            outcomes: Code::ALL.map(Code::usual_outcome),
            retry_after: None,
        }
    }

    /// Counts these codes as failures, too.
    #[must_use]
    pub fn failures(self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.classify_as(Outcome::Failure, codes)
    }

    /// Counts these codes as successes, too.
    #[must_use]
    pub fn successes(self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.classify_as(Outcome::Success, codes)
    }

    /// Counts the codes that are [answered](Outcome::Answered) as successes. So they are in the rates, and end a streak
    /// of failures. Resource exhausted and aborted stay ignored, and codes that were moved stay where they are.
    ///
    /// Default: they are in no rate.
    #[must_use]
    pub fn client_errors_succeed(mut self) -> Self {
        for outcome in &mut self.outcomes {
            if *outcome == Outcome::Answered {
                *outcome = Outcome::Success;
            }
        }
        self
    }

    /// Ignores these codes, too.
    #[must_use]
    pub fn ignored(self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.classify_as(Outcome::Ignored, codes)
    }

    /// Gives these codes the outcome `outcome`. With [`Outcome::TripNow`], they open the circuit at once (rule A7).
    #[must_use]
    pub fn classify_as(mut self, outcome: Outcome, codes: impl IntoIterator<Item = Code>) -> Self {
        for code in codes {
            self.outcomes[code as usize] = outcome;
        }
        self
    }

    /// Obeys a failure that says when to come back (rule A7), in `grpc-retry-pushback-ms` or `Retry-After`.
    ///
    /// Default: not obeyed.
    #[must_use]
    pub fn retry_after(mut self, retry_after: RetryAfter) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    pub(super) fn classify_code(&self, code: Code, told_in: &HeaderMap) -> Outcome {
        RetryAfter::add_to(self.outcome_of(code), || {
            self.retry_after?.read_grpc(told_in)
        })
    }

    pub(super) fn outcome_of(&self, code: Code) -> Outcome {
        self.outcomes[code as usize]
    }

    /// What the head of a response tells. Where it names no code, the trailers will, unless what comes is no
    /// gRPC at all.
    fn classify_head<B>(&self, response: &Response<B>) -> Outcome {
        let headers = response.headers();
        match (Code::find(headers), response.status()) {
            (Some(code), _) => self.classify_code(code, headers),
            (None, StatusCode::OK) if may_be_grpc(headers) => Outcome::RequiresEos,
            (None, status) => self.classify_code(Code::of_status(status), headers),
        }
    }
}

/// A page of a proxy says what it is. Clients drop such a body unread, so its end would tell nothing, and a
/// probe would have succeeded with it. Whoever says nothing gets the benefit of the doubt.
fn may_be_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let start = value.as_bytes().get(..GRPC.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
    })
}

impl<B, E> Classify<Response<B>, E> for GrpcClassifier {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Outcome {
        match result {
            Ok(response)
                if is_rejection(response) || passes_on_rejection(response.extensions()) =>
            {
                Outcome::InnerRejection
            }
            Ok(response) => self.classify_head(response),
            Err(_) => Outcome::Failure,
        }
    }
}

impl<E> ClassifyEos<E> for GrpcClassifier {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        match end {
            BodyEnd::Trailers(trailers) => {
                let code = Code::find(trailers).unwrap_or(Code::Unknown);
                self.classify_code(code, trailers)
            }
            BodyEnd::Complete => self.outcome_of(Code::Unknown),
            BodyEnd::WrongLength | BodyEnd::Error(_) => Outcome::Failure,
        }
    }

    /// Whoever drops a body before them does not want to know.
    fn awaits_trailers(&self) -> bool {
        true
    }
}
