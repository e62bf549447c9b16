//! Whatever a breaker is put into, a server of it trips, rejects and recovers (rules G1, G4 and H1).

use crate::sockets::until;
use futures_util::{FutureExt, future::BoxFuture};
use tower::{
    ServiceExt,
    buffer::Buffer,
    steer::Steer,
    util::{BoxCloneService, BoxCloneSyncService, BoxService, Either, option_layer},
};

use super::*;

/// The dependency, as a service with a name.
#[derive(Clone)]
struct Handler(Dependency);

impl Service<Request<Incoming>> for Handler {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        let dependency = self.0.clone();
        Box::pin(async move { Ok(answer(dependency.call().await)) })
    }
}

fn layer(circuit: &Fixture) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(circuit.circuit.clone())
}

/// Serves the same stack to all connections, over each protocol, through a trip and a recovery.
async fn trips_and_recovers<S>(stack: impl Fn(CircuitBreakerLayer, Handler) -> S)
where
    S: Service<Request<Incoming>, Response = Answer, Future: Send> + Clone + Send + 'static,
    S::Error: Into<tower::BoxError>,
{
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let service = stack(layer(&circuit), Handler(dependency.clone()));
        let server = Server::hyper(move || service.clone()).await;
        let browsers = [(); 2].map(|()| Browser::new(version, &server));

        assert_eq!(browsers[0].status("/").await, 200);
        dependency.fail();
        for browser in [0, 1, 0] {
            assert_eq!(browsers[browser].status("/").await, 500);
        }
        circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
        dependency.heal();
        for browser in &browsers {
            assert_eq!(browser.get("/").await.retry_after, Some(5));
        }
        assert_eq!(dependency.entered(), 4);
        circuit.wait_out();
        assert_eq!(browsers[1].status("/").await, 200);
        circuit.is(State::Closed);
    }
}

// G4: hyper clones its service for each request, and a box with it.
#[tokio::test]
async fn a_breaker_works_in_a_box_that_clones() {
    trips_and_recovers(|breaker, inner| BoxCloneService::new(breaker.layer(inner))).await;
    trips_and_recovers(|breaker, inner| BoxCloneSyncService::new(breaker.layer(inner))).await;
    trips_and_recovers(|breaker, inner| breaker.layer(BoxCloneSyncService::new(inner))).await;
}

// G2: a buffer's worker has the only instance, for all connections.
#[tokio::test]
async fn inside_and_outside_of_a_buffer() {
    trips_and_recovers(|breaker, inner| Buffer::new(breaker.layer(inner), 8)).await;
    trips_and_recovers(|breaker, inner| breaker.layer(Buffer::new(inner, 8))).await;
    trips_and_recovers(|breaker, inner| Buffer::new(BoxService::new(breaker.layer(inner)), 8))
        .await;
}

// G1: a buffer that is stuck, its one place taken, does not hold up what the circuit answers.
#[tokio::test]
async fn outside_of_a_buffer_that_is_full() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let limited = ServiceBuilder::new()
            .concurrency_limit(1)
            .service(Handler(dependency.clone()));
        let buffer = Buffer::new(limited, 1);
        let service = layer(&circuit).layer(buffer.clone());
        let server = Server::hyper(move || service.clone()).await;
        let browser = Browser::new(version, &server);
        dependency.hold();
        let stuck: Vec<_> = (0..3)
            .map(|_| {
                let browser = browser.clone();
                tokio::spawn(async move { browser.status("/").await })
            })
            .collect();
        until(|| buffer.clone().ready().now_or_never().is_none()).await;

        circuit.circuit.force_open();
        assert_eq!(browser.status("/").await, 503);
        circuit.circuit.release();
        dependency.let_go();
        for status in stuck {
            assert!(matches!(status.await.expect("no panic"), 200 | 503));
        }
    }
}

// H1
#[tokio::test]
async fn a_breaker_works_in_the_middle_of_a_service_builder() {
    trips_and_recovers(|breaker, inner| {
        ServiceBuilder::new()
            .boxed_clone()
            .map_response(|response: Answer| response)
            .map_err(|never: Infallible| -> io::Error { match never {} })
            .concurrency_limit(8)
            .layer(breaker)
            .map_request(|request: Request<Incoming>| request)
            .service(inner)
    })
    .await;
}

// H1: an error that is mapped inside is what the breaker sees; outside, what it lets through.
#[tokio::test]
async fn a_breaker_works_between_mapped_errors_and_responses() {
    trips_and_recovers(|breaker, inner| {
        let broken = |never: Infallible| -> io::Error { match never {} };
        breaker
            .layer(inner.map_err(broken))
            .map_err(|error| -> tower::BoxError { error.into() })
            .map_response(|response| response)
    })
    .await;
}

#[tokio::test]
async fn a_breaker_works_as_an_option() {
    trips_and_recovers(|breaker, inner| option_layer(Some(breaker)).layer(inner)).await;
    trips_and_recovers(|breaker, inner| {
        ServiceBuilder::new()
            .option_layer(Some(breaker))
            .service(inner)
    })
    .await;
    trips_and_recovers(|breaker, inner| Either::<_, Handler>::Left(breaker.layer(inner))).await;
}

#[tokio::test]
async fn an_option_that_was_not_taken_guards_nothing() {
    for version in BOTH {
        let dependency = Dependency::new();
        let service = option_layer(None::<CircuitBreakerLayer>).layer(Handler(dependency.clone()));
        let server = Server::hyper(move || service.clone()).await;
        let browser = Browser::new(version, &server);

        dependency.fail();
        for _ in 0..10 {
            assert_eq!(browser.status("/").await, 500);
        }
        assert_eq!(dependency.entered(), 10);
    }
}

// G1, G4: a steer waits for all its services. An open one is ready at once, to reject.
#[tokio::test]
async fn a_breaker_works_as_one_of_several_in_a_steer() {
    for version in BOTH {
        let (a, b) = (three_failures(), three_failures());
        let dependencies = [Dependency::new(), Dependency::new()];
        let services = [
            layer(&a).layer(Handler(dependencies[0].clone())),
            layer(&b).layer(Handler(dependencies[1].clone())),
        ];
        let pick = |request: &Request<Incoming>, _: &[_]| usize::from(request.uri().path() == "/b");
        let steer = Steer::new(services, pick);
        let server = Server::hyper(move || steer.clone()).await;
        let browser = Browser::new(version, &server);

        dependencies[0].fail();
        for expected in [500, 500, 500, 503] {
            assert_eq!(browser.status("/a").await, expected);
            assert_eq!(browser.status("/b").await, 200);
        }
        b.tells_nothing();
        dependencies[0].heal();
        a.wait_out();
        assert_eq!(browser.status("/a").await, 200);
        assert_eq!(
            (dependencies[0].entered(), dependencies[1].entered()),
            (4, 4)
        );
    }
}
