//! A rejection as tonic's own error.

use std::{error::Error, sync::Arc};

use tonic::Status;

use crate::{
    circuit::{
        classify::{Classify, IgnoreRejections},
        error::{CircuitError, Rejected, TimedOut},
    },
    grpc::DeadlineExceeded,
    machine::Outcome,
    service::{
        layer::CircuitBreakerLayer,
        reject::{NoTimeOutAnswer, Reject, RejectErrorFuture, Returns, TimeOutWith},
        time_out::tell_time_out,
    },
};

/// Rejects by a [`Status`]: *unavailable*, with `grpc-retry-pushback-ms`. Its source is the [`Rejected`], where
/// [`Rejected::find`] finds it. Made by [`reject_as_status`](CircuitBreakerLayer::reject_as_status).
///
/// A call that takes too long is *deadline exceeded*, and its source is the [`TimedOut`]. An error of the inner service
/// becomes the status that tonic's client would make of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RejectAsStatus;

impl<Req, Res, E> Reject<Req, Res, E> for RejectAsStatus
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Error = Status;
    type Future = RejectErrorFuture<Res, Status>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        RejectErrorFuture::new(rejected)
    }

    fn inner_error(&self, error: E) -> Status {
        Status::from_error(error.into())
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, Status>> {
        Some(Err(timed_out.into()))
    }
}

tell_time_out! { RejectAsStatus => Returns, or DeadlineExceeded }

#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Makes a rejection a [`Status`], around a client of tonic's: *unavailable*, as the answer of a server would be.
    /// It can still be told from that, because [`Rejected::find`] finds the rejection in it.
    ///
    /// ```
    /// use tonic::{Code, transport::Endpoint};
    /// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    /// use tower::ServiceBuilder;
    /// use tower_breaker::{Circuit, Rejected};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("health").build()?;
    /// circuit.force_open();
    /// let channel = ServiceBuilder::new()
    ///     .layer(tower_breaker::CircuitBreakerLayer::new(circuit).grpc().reject_as_status())
    ///     .service(Endpoint::from_static("http://127.0.0.1:50051").connect_lazy());
    ///
    /// let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    /// let status = answer.unwrap_err();
    /// assert_eq!(status.code(), Code::Unavailable);
    /// assert_eq!(Rejected::find(&status).unwrap().circuit(), "health");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Call it after [`grpc`](Self::grpc), which rejects by a response.
    ///
    /// **Watch out:** around a server it does not compile, or takes the connection down. There a rejection has to be a
    /// response, as `.grpc()` makes it.
    ///
    /// **Watch out:** to a second breaker further out this is an error, and so a failure. Give that one the classifier
    /// [`IgnoreRejections`](crate::classify::IgnoreRejections)`(GrpcClassifier::new())`.
    pub fn reject_as_status(self) -> CircuitBreakerLayer<C, RejectAsStatus, X, G> {
        self.rejection(RejectAsStatus)
    }
}

/// Of statuses, those that were made of a rejection.
#[diagnostic::do_not_recommend]
impl<C, Res> Classify<Res, Status> for IgnoreRejections<C>
where
    C: Classify<Res, Status>,
{
    fn classify(&self, result: Result<&Res, &Status>) -> Outcome {
        match result {
            Err(status) if Rejected::find(status).is_some() => Outcome::InnerRejection,
            _ => self.0.classify(result),
        }
    }
}

/// Lets `?` work on a call of a generated client that goes through [`Circuit::call`](crate::Circuit::call) and its kin.
/// A rejection is *unavailable*, and a call that takes too long is *deadline exceeded*. Both are the status's source.
impl From<CircuitError<Self>> for Status {
    fn from(error: CircuitError<Self>) -> Self {
        match error {
            CircuitError::Rejected(rejected) => rejected.into(),
            CircuitError::TimedOut(timed_out) => timed_out.into(),
            CircuitError::Inner(status) => status,
        }
    }
}
