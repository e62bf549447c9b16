//! What makes the compiler say what is missing where a service is no [`Service`].

use tower_service::Service;

/// Gives a type the methods `ready` and `oneshot`, with what they promise as tower's `ServiceExt` has it.
///
/// The compiler says of a method of a trait that it is not there if its bounds do not hold. Of a method of the type
/// itself it says which bound does not, and then our words about that appear.
macro_rules! ready_and_oneshot {
    ($service:ident<$($parameter:ident),+>) => {
        impl<$($parameter),+> $service<$($parameter),+> {
            /// Waits until this service is ready for a call, and gives it back: `service.ready().await?.call(request)`.
            ///
            /// It does what `ready` of tower's `ServiceExt` does, and needs no import of that. If this is no service
            /// for the request, the compiler says what is missing; see [the guide](crate::guide::compiler).
            pub fn ready<Req>(&mut self) -> $crate::service::ready::Ready<'_, Self, Req>
            where
                Self: ::tower_service::Service<Req>,
            {
                $crate::service::ready::Ready::new(self)
            }

            /// Waits until this service is ready, and then makes one call with it.
            ///
            /// It does what `oneshot` of tower's `ServiceExt` does, and needs no import of that. If this is no service
            /// for the request, the compiler says what is missing; see [the guide](crate::guide::compiler).
            pub fn oneshot<Req>(self, request: Req) -> $crate::service::oneshot::Oneshot<Self, Req>
            where
                Self: ::tower_service::Service<Req>,
            {
                $crate::service::oneshot::Oneshot::new(self, request)
            }
        }
    };
}
pub(crate) use ready_and_oneshot;

/// Does nothing, and compiles only if `service` is a service for requests of type `Req`. If it is not, the compiler
/// says what is missing.
///
/// For a breaker that goes into another layer. There, `ready` is a method of the layer outside, and the compiler only
/// says that its bounds were not satisfied. So ask the breaker, before that layer is around it:
///
/// ```compile_fail
/// use std::time::Duration;
///
/// use tower::{ServiceBuilder, service_fn, timeout::Timeout};
/// use tower_breaker::{Circuit, types};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("numbers").build_layer()?;
/// let breaker = ServiceBuilder::new()
///     .layer(circuit)
///     .service(service_fn(async |number: u32| Ok::<_, std::io::Error>(number + 1)));
/// types::check_service::<u32>(&breaker);
///
/// let service = Timeout::new(breaker, Duration::from_secs(1));
/// # Ok(())
/// # }
/// ```
///
/// It says that the default classifier cannot classify a number, and which can. With
/// `circuit.classifier(ErrorsOnly).reject_as_error()`, it compiles.
pub fn check_service<Req>(service: &impl Service<Req>) {
    let _ = service;
}
