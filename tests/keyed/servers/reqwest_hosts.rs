//! reqwest over five hosts, of which one dies and comes back.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use reqwest::{Client, Method, Request};
use tokio::net::TcpSocket;
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Rejected, State,
    keyed::{Keyed, by},
};

use super::{BREAK, OPENED, PROBING, RECOVERED, Told, totals};
use crate::sockets::{Dependency, Server, patiently};

/// A host: its port is its own while it is down.
struct Host {
    address: SocketAddr,
    dependency: Dependency,
    server: Option<Server>,
}

impl Host {
    async fn start() -> Self {
        let dependency = Dependency::new();
        let server = Server::hyper(handler(&dependency)).await;
        Self {
            address: server.address(),
            dependency,
            server: Some(server),
        }
    }

    async fn die(&mut self) -> TcpSocket {
        self.server.take().unwrap().stop().await
    }

    async fn come_back(&mut self, port: TcpSocket) {
        self.server = Some(Server::hyper_on(port, handler(&self.dependency)).await);
    }

    fn connections(&self) -> u64 {
        self.server.as_ref().unwrap().connections()
    }

    /// The key of its requests.
    fn name(&self) -> String {
        self.address.to_string()
    }
}

fn handler(
    dependency: &Dependency,
) -> impl FnMut() -> Handler<Dependency> + Send + 'static + use<> {
    let dependency = dependency.clone();
    move || Handler(dependency.clone())
}

/// Answers as its dependency does.
#[derive(Clone)]
struct Handler<D>(D);

impl<B: Send + 'static> Service<http::Request<B>> for Handler<Dependency> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<B>) -> Self::Future {
        let dependency = self.0.clone();
        Box::pin(async move {
            let mut response = Response::new(Full::default());
            *response.status_mut() = dependency.call().await;
            Ok(response)
        })
    }
}

async fn five() -> Vec<Host> {
    let mut hosts = Vec::new();
    for _ in 0..5 {
        hosts.push(Host::start().await);
    }
    hosts
}

/// A client that asks nobody what its proxy is.
fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Status(StatusCode),
    /// Nobody was asked; seconds to wait.
    Rejected(u64),
    Error,
}

const FINE: Came = Came::Status(StatusCode::OK);

/// One call to its end. The host is spelled as people spell it.
async fn ask<S>(service: &S, host: &Host) -> Came
where
    S: Service<Request, Response = reqwest::Response, Error = reqwest::Error> + Clone,
{
    let url = format!("http://user:password@{}/a?b=c", host.address);
    let request = Request::new(Method::GET, url.parse().unwrap());
    match patiently(service.clone().oneshot(request)).await {
        Err(_) => Came::Error,
        Ok(response) if response.extensions().get::<Rejected>().is_some() => {
            assert_eq!(response.status(), 503);
            let seconds = response.headers()["retry-after"].to_str().unwrap();
            Came::Rejected(seconds.parse().unwrap())
        }
        Ok(response) => {
            let status = response.status();
            patiently(response.bytes()).await.unwrap();
            Came::Status(status)
        }
    }
}

// J1
#[tokio::test]
async fn a_host_that_dies_is_left_alone_until_it_is_back_and_the_others_are_asked() {
    let told = Told::new();
    let mut hosts = five().await;
    let service: Keyed<_, _> = told.registry.layer_by(by::authority()).layer(client());
    for host in hosts.iter().cycle().take(50) {
        assert_eq!(ask(&service, host).await, FINE);
    }
    assert_eq!(told.registry.len(), 5);

    let port = hosts[2].die().await;
    let mut of_dead = Vec::new();
    for number in (0..5).cycle().take(50) {
        let came = ask(&service, &hosts[number]).await;
        match number {
            2 => of_dead.push(came),
            _ => assert_eq!(came, FINE, "host {number}"),
        }
    }
    assert_eq!(of_dead[..3], [Came::Error; 3]);
    assert_eq!(of_dead[3..], [Came::Rejected(5); 7]);
    told.tells(&hosts[2].name(), &[OPENED]);

    // Back, but its break is not over.
    hosts[2].come_back(port).await;
    assert_eq!(ask(&service, &hosts[2]).await, Came::Rejected(5));
    assert_eq!(hosts[2].connections(), 0);

    told.clock.advance(BREAK);
    for host in hosts.iter().cycle().take(50) {
        assert_eq!(ask(&service, host).await, FINE);
    }
    assert_eq!(hosts[2].connections(), 1);
    told.tells(&hosts[2].name(), &[PROBING, RECOVERED]);
    for (number, host) in hosts.iter().enumerate() {
        let totals = told.totals(&host.name());
        let expected = if number == 2 { (20, 3, 8) } else { (30, 0, 0) };
        let counted = (totals.successful, totals.failed, totals.rejected);
        assert_eq!(counted, expected, "host {number}");
        assert_eq!(
            host.dependency.entered(),
            totals.successful,
            "host {number}"
        );
    }
}

// J1, H3: the inner circuit says no, and the outer one learns nothing from that.
#[tokio::test]
async fn rejections_of_one_host_do_not_open_the_circuit_of_all() {
    let told = Told::new();
    let mut hosts = five().await;
    // One more failure would open it.
    let all = Circuit::builder("all hosts").consecutive_failures(4);
    let all = all.build().unwrap();
    let inner = told.registry.layer_by(by::authority()).layer(client());
    let service = CircuitBreakerLayer::new(all.clone()).layer(inner);

    let _port = hosts[2].die().await;
    for expected in [Came::Error; 3].into_iter().chain([Came::Rejected(5); 100]) {
        assert_eq!(ask(&service, &hosts[2]).await, expected);
    }
    assert_eq!(all.state(), State::Closed);
    let counted = totals(&all);
    assert_eq!(
        (counted.failed, counted.ignored, counted.rejected),
        (3, 100, 0)
    );
    assert_eq!(ask(&service, &hosts[0]).await, FINE);
    assert_eq!(totals(&all).successful, 1);

    // Were they failures, it would open: those of another host do.
    let _port = hosts[3].die().await;
    for expected in [Came::Error, Came::Error, Came::Error, Came::Rejected(5)] {
        assert_eq!(ask(&service, &hosts[3]).await, expected);
    }
    assert_eq!(all.state(), State::Closed);
    let _port = hosts[4].die().await;
    assert_eq!(ask(&service, &hosts[4]).await, Came::Error);
    assert_eq!(all.state(), State::Open);
    assert!(matches!(ask(&service, &hosts[0]).await, Came::Rejected(_)));
}
