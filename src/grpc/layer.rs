//! What layers say about gRPC.

use super::{GrpcClassifier, GrpcLayer, GrpcUnavailable};
use crate::{
    body::{ObserveBodies, layer::ReplacedByBodies},
    service::layer::CircuitBreakerLayer,
};

#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Classifies and rejects as gRPC has it, and follows calls to their trailers (rule H4).
    ///
    /// It replaces what was set before it about classifying, rejecting and bodies. What is set after it holds, such as
    /// a [`fallback`](Self::fallback) in place of the rejection. A call that takes too long is answered with
    /// `grpc-status: 4` with that, too.
    ///
    /// **Watch out:** do not observe bodies again. They are observed already, and the classifier would not see their
    /// trailers any more:
    ///
    /// ```text
    /// layer.grpc().observe_bodies()     // wrong: a stream that fails is a success
    /// layer.grpc()                      // right
    /// ```
    ///
    /// **Watch out:** if you forget `grpc()`, the layer still compiles around gRPC, since to HTTP a gRPC call is a 200.
    /// The classifier for HTTP then sees a status in the head of a response, and none in trailers. So a stream that
    /// fails after its first message is a success.
    ///
    /// **Watch out:** gRPC-web carries its trailers in the last message, where the breaker does not look. So every call
    /// would end without a status, which is a failure. On a server, put the breaker *inside* of the gRPC-web layer. On
    /// a client, put it *around* that layer.
    ///
    /// ```
    /// # use tower::{ServiceBuilder, layer::util::Identity};
    /// # use tower_breaker::{Circuit, CircuitBreakerLayer};
    /// # struct GrpcWebLayer;
    /// # impl GrpcWebLayer { fn new() -> Identity { Identity::new() } }
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("greeter").build()?;
    /// # let breaker = || CircuitBreakerLayer::new(circuit.clone()).grpc();
    /// // Wrong on a server: every call fails.
    /// let layers = ServiceBuilder::new().layer(breaker()).layer(GrpcWebLayer::new());
    ///
    /// // Right: what comes first is outside.
    /// let layers = ServiceBuilder::new().layer(GrpcWebLayer::new()).layer(breaker());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A rejection gives back what the inner service has reserved, by a fresh clone in its place
    /// ([`fresh_clone_on_rejection`](Self::fresh_clone_on_rejection)). That is because tonic's `Channel` is a buffer of
    /// 1,024 places. So the inner service has to be `Clone`, as tonic's channels and servers are. Around one that is
    /// not, call [`keep_on_rejection`](Self::keep_on_rejection) after it.
    pub fn grpc(self) -> GrpcLayer
    where
        X: ReplacedByBodies,
    {
        self.grpc_with(GrpcClassifier::new())
    }

    /// Like [`grpc`](Self::grpc), with a classifier of your own.
    pub fn grpc_with(self, classifier: GrpcClassifier) -> GrpcLayer
    where
        X: ReplacedByBodies,
    {
        self.classifier(classifier)
            .rejection(GrpcUnavailable)
            .observe_bodies_with(ObserveBodies::new().eos_classifier(classifier))
            .fresh_clone_on_rejection()
    }
}
