//! What joins tonic's types to ours. Needs the feature `tonic`.

use std::error::Error;

use tonic::{
    Status,
    metadata::{MetadataMap, MetadataValue},
    server::NamedService,
};

use super::{
    Code, GrpcClassifier,
    reject::{message, pushback_millis, too_long},
};
use crate::{
    circuit::error::{Rejected, TimedOut},
    machine::Outcome,
    service::{breaker::CircuitBreaker, classify::Classify},
};

impl From<tonic::Code> for Code {
    fn from(code: tonic::Code) -> Self {
        Self::from(code as i32)
    }
}

impl From<Code> for tonic::Code {
    fn from(code: Code) -> Self {
        Self::from_i32(code as i32)
    }
}

/// As [`GrpcUnavailable`](super::GrpcUnavailable) answers, with the same message, which does not name the circuit. The
/// rejection, which does, is the status's source: it stays here, and [`Rejected::find`] finds it.
impl From<Rejected> for Status {
    fn from(rejected: Rejected) -> Self {
        let mut metadata = MetadataMap::new();
        if let Some(millis) = pushback_millis(&rejected) {
            metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(millis));
        }
        let message = message(rejected.reason());
        let mut status = Self::with_metadata(tonic::Code::Unavailable, message, metadata);
        status.set_source(std::sync::Arc::new(rejected));
        status
    }
}

/// As [`GrpcUnavailable`](super::GrpcUnavailable) answers for a call that takes too long: deadline exceeded. Its source
/// is what it was made of.
impl From<TimedOut> for Status {
    fn from(timed_out: TimedOut) -> Self {
        let mut status = Self::deadline_exceeded(too_long(&timed_out));
        status.set_source(std::sync::Arc::new(timed_out));
        status
    }
}

/// For [`Circuit::call_with_classifier`](crate::Circuit::call_with_classifier) around a call of a
/// generated client. What comes back as a stream is judged by its head. A timeout of the channel or a
/// connection that is gone is a failure, which tonic calls cancelled: also where that code is moved.
///
/// A rejection is found in a status that was made of one, on this side. If a breaker around the channel answered in
/// place of the server, tonic keeps only the headers. Then nobody can tell it from an answer of the server. So let that
/// breaker [reject as an error][error].
///
/// [error]: crate::CircuitBreakerLayer::reject_as_error
impl<T> Classify<tonic::Response<T>, Status> for GrpcClassifier {
    fn classify(&self, result: Result<&tonic::Response<T>, &Status>) -> Outcome {
        match result {
            Ok(_) => self.outcome_of(Code::Ok),
            Err(status) if Rejected::find(status).is_some() => Outcome::InnerRejection,
            Err(status) if never_came(status) => Outcome::Failure,
            Err(status) => self.classify_code(status.code().into(), status.metadata().as_ref()),
        }
    }
}

/// tonic's client says cancelled where a timeout has passed or a connection is gone, too. A status that was
/// made of such an error has it for a source; one that a server sent has none.
fn never_came(status: &Status) -> bool {
    status.code() == tonic::Code::Cancelled && status.source().is_some()
}

/// A service of a tonic server keeps its name, so that it can be added to a router of services.
impl<S: NamedService, C, R, X> NamedService for CircuitBreaker<S, C, R, X> {
    const NAME: &'static str = S::NAME;
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use super::*;
    use crate::circuit::handle::Circuit;

    fn rejection() -> Status {
        let circuit = Circuit::builder("payments").build().expect("valid");
        circuit.force_open();
        circuit.try_acquire().expect_err("forced open").into()
    }

    fn classify_head(status: Status) -> Outcome {
        let response: http::Response<()> = status.into_http();
        GrpcClassifier::new().classify(Ok::<_, &Infallible>(&response))
    }

    // H3
    #[test]
    fn a_rejection_that_a_handler_fails_with_is_ignored() {
        assert_eq!(classify_head(rejection()), Outcome::InnerRejection);
        assert_eq!(classify_head(Status::unavailable("")), Outcome::Failure);
    }

    // A1
    #[test]
    fn cancelled_is_a_failure_where_it_stands_for_an_error() {
        let moved = GrpcClassifier::new().ignored([Code::Cancelled]);
        let judge = |status: &Status| moved.classify(Err::<&tonic::Response<()>, _>(status));
        let mut status = Status::cancelled("Timeout expired");
        assert_eq!(judge(&status), Outcome::Ignored);
        status.set_source(Arc::new(tonic::TimeoutExpired(())));
        assert_eq!(judge(&status), Outcome::Failure);
        // Any other code is what it says.
        let mut status = Status::not_found("no such row");
        status.set_source(Arc::new(std::fmt::Error));
        assert_eq!(judge(&status), Outcome::Answered);
    }
}
