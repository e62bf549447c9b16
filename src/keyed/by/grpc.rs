//! The service and the method of a gRPC call, from its path.

use http::Request;

use crate::keyed::{Key, Scratch};

/// The service of a gRPC call, such as `helloworld.Greeter`. A path that is not `/service/method` has no key.
///
/// Say [`.grpc()`](crate::CircuitBreakerLayer#method.grpc) before the key. Without it a failed call is a 200 like any
/// other. There is [an example](crate::keyed#watch-out).
///
/// **Watch out:** on a server, anybody can ask for services that do not exist. Name yours in the registry, and say
/// [`known_keys_only`](crate::keyed::KeyedLayer::known_keys_only).
#[must_use]
pub fn grpc_service() -> GrpcService {
    GrpcService(())
}

/// The service of a gRPC call. Made by [`grpc_service`].
#[derive(Clone, Copy, Debug)]
pub struct GrpcService(());

impl<B> Key<Request<B>> for GrpcService {
    fn of<'a>(&'a self, request: &'a Request<B>, _: &'a mut Scratch) -> Option<&'a str> {
        let (service, _) = service_and_method(request.uri().path())?;
        Some(service)
    }
}

/// The service and the method of a gRPC call, such as `helloworld.Greeter/SayHello`. A path that is not
/// `/service/method` has no key.
///
/// Say [`.grpc()`](crate::CircuitBreakerLayer#method.grpc) before the key. Without it a failed call is a 200 like any
/// other. There is [an example](crate::keyed#watch-out).
///
/// **Watch out:** as for [`grpc_service`].
#[must_use]
pub fn grpc_method() -> GrpcMethod {
    GrpcMethod(())
}

/// The service and the method of a gRPC call. Made by [`grpc_method`].
#[derive(Clone, Copy, Debug)]
pub struct GrpcMethod(());

impl<B> Key<Request<B>> for GrpcMethod {
    fn of<'a>(&'a self, request: &'a Request<B>, _: &'a mut Scratch) -> Option<&'a str> {
        let path = request.uri().path();
        service_and_method(path)?;
        path.strip_prefix('/')
    }
}

fn service_and_method(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let is_grpc = !service.is_empty() && !method.is_empty() && !method.contains('/');
    is_grpc.then_some((service, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_and_a_method_are_a_key() {
        assert_eq!(service_and_method("/a.B/C"), Some(("a.B", "C")));
        for path in [
            "", "/", "a.B/C", "//C", "/a.B/", "/a.B", "/a.B/C/D", "/a.B//C", "*",
        ] {
            assert_eq!(service_and_method(path), None, "{path}");
        }
    }
}
