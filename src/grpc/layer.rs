//! What layers say about gRPC.

use super::{GrpcClassifier, GrpcLayer, GrpcUnavailable};
use crate::{body::ObserveBodies, layer::CircuitBreakerLayer};

#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
impl<C, R, X> CircuitBreakerLayer<C, R, X> {
    /// Classifies and rejects as gRPC has it, and follows calls to their trailers (rule H4).
    ///
    /// It replaces what was said about classifying, rejecting and bodies. What is said after it holds, as a
    /// [`fallback`](Self::fallback) in place of the rejection. (Bodies are observed already: to ask for that
    /// again would take their trailers from the classifier.)
    pub fn grpc(self) -> GrpcLayer {
        self.grpc_with(GrpcClassifier::new())
    }

    /// Like [`grpc`](Self::grpc), with a classifier of your own.
    pub fn grpc_with(self, classifier: GrpcClassifier) -> GrpcLayer {
        self.classifier(classifier)
            .rejection(GrpcUnavailable)
            .observe_bodies_with(ObserveBodies::new().end_classifier(classifier))
    }
}
