//! What joins tonic's types to ours. Needs the feature `tonic`.

use tonic::{
    Status,
    metadata::{MetadataMap, MetadataValue},
    server::NamedService,
};

use super::{
    Code, GrpcClassifier,
    reject::{message, pushback_millis},
};
use crate::{
    circuit::Outcome, classify::Classify, error::Rejected, hold::Hold, service::CircuitBreaker,
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

/// As [`GrpcUnavailable`](super::GrpcUnavailable) answers. [`Rejected::find`] finds the rejection in it.
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

/// For [`Circuit::call_with_classifier`](crate::Circuit::call_with_classifier) around a call of a
/// generated client. What comes back as a stream is judged by its head.
impl<T> Classify<tonic::Response<T>, Status> for GrpcClassifier {
    fn classify(&self, result: Result<&tonic::Response<T>, &Status>) -> Outcome {
        match result {
            Ok(_) => self.outcome_of(Code::Ok),
            Err(status) if Rejected::find(status).is_some() => Outcome::Ignored,
            Err(status) => {
                let told_in = status.metadata().clone().into_headers();
                self.judge(status.code().into(), &told_in)
            }
        }
    }
}

/// A service of a tonic server keeps its name, so that it can be added to a router of services.
impl<S, C, R, H> NamedService for CircuitBreaker<S, C, R, H>
where
    S: NamedService,
    H: Hold<Classifier = C, Rejection = R>,
{
    const NAME: &'static str = S::NAME;
}
