//! tonic's health service, which does what the request's `service` says, and its clients.

use std::{
    collections::VecDeque,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::stream::{Stream, unfold};
use tokio::{sync::Semaphore, task::JoinHandle};
use tonic::{
    Code, Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::Layer;
use tower_breaker::{
    CircuitBreakerLayer, Totals,
    clock::ManualClock,
    grpc::{GrpcCircuitBreaker, GrpcLayer},
};

use crate::support::{Fixture, secs};

pub(crate) type GuardedClient = HealthClient<GrpcCircuitBreaker<Channel>>;

/// A health service. It goes through the words of the request's `service`:
///
/// | word | what it does |
/// |---|---|
/// | `message` | answers, or sends one message of a stream |
/// | a number | fails with that code |
/// | `pushback=…` | adds `grpc-retry-pushback-ms` to that failure |
/// | `head` | `watch` fails before its stream begins |
/// | `wait` | waits to be let go on |
/// | `slow` | two seconds pass on the circuit's clock |
/// | `hang` | never goes on |
#[derive(Clone)]
pub(crate) struct Told(Arc<Inner>);

struct Inner {
    clock: ManualClock,
    entered: AtomicU64,
    left: AtomicU64,
    gate: Semaphore,
}

/// One call that is being answered.
struct Visit {
    told: Told,
    words: VecDeque<String>,
    metadata: MetadataMap,
}

type Message = Result<HealthCheckResponse, Status>;

impl Told {
    pub(crate) fn new(fixture: &Fixture) -> Self {
        Self(Arc::new(Inner {
            clock: fixture.clock.clone(),
            entered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            gate: Semaphore::new(0),
        }))
    }

    pub(crate) fn server(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone())
    }

    /// How many calls have come.
    pub(crate) fn entered(&self) -> u64 {
        self.0.entered.load(Ordering::SeqCst)
    }

    /// How many of them are over, in whatever way.
    pub(crate) fn left(&self) -> u64 {
        self.0.left.load(Ordering::SeqCst)
    }

    /// Lets one `wait` go on.
    pub(crate) fn go_on(&self) {
        self.0.gate.add_permits(1);
    }

    fn enter(&self, request: Request<HealthCheckRequest>) -> Visit {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        let script = request.into_inner().service;
        Visit {
            told: self.clone(),
            words: script.split_whitespace().map(str::to_owned).collect(),
            metadata: MetadataMap::new(),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.told.0.left.fetch_add(1, Ordering::SeqCst);
    }
}

impl Visit {
    /// The next message or failure, if there is another.
    async fn next(&mut self) -> Option<Message> {
        while let Some(word) = self.words.pop_front() {
            match word.as_str() {
                "message" => return Some(Ok(serving())),
                "wait" => self.told.0.gate.acquire().await.expect("a gate").forget(),
                "slow" => self.told.0.clock.advance(secs(2)),
                "hang" => std::future::pending().await,
                word => match word.strip_prefix("pushback=") {
                    Some(value) => self.push_back(value),
                    None => return Some(Err(self.failure(word))),
                },
            }
        }
        None
    }

    fn push_back(&mut self, value: &str) {
        let value: MetadataValue<_> = value.parse().expect("a header value");
        self.metadata.append("grpc-retry-pushback-ms", value);
    }

    fn failure(&self, code: &str) -> Status {
        let code = Code::from_i32(code.parse().expect("a code"));
        Status::with_metadata(code, "as told", self.metadata.clone())
    }
}

pub(crate) fn serving() -> HealthCheckResponse {
    HealthCheckResponse {
        status: ServingStatus::Serving.into(),
    }
}

#[tonic::async_trait]
impl Health for Told {
    type WatchStream = Pin<Box<dyn Stream<Item = Message> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let answer = self.enter(request).next().await;
        answer.expect("a script that ends").map(Response::new)
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut visit = self.enter(request);
        if visit.words.front().is_some_and(|word| word == "head") {
            visit.words.pop_front();
            visit.next().await.expect("a script that ends")?;
        }
        let stream = unfold(visit, |mut visit| async {
            let message = visit.next().await?;
            Some((message, visit))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// A server on a free port. It stops when dropped, and so do its connections.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start<F>(serve: impl FnOnce(TcpIncoming) -> F) -> Self
    where
        F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
    {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = TcpIncoming::bind(free).expect("a free port");
        let address = incoming.local_addr().expect("an address");
        let serving = serve(incoming);
        let task = tokio::spawn(async move { serving.await.expect("a server") });
        Self { address, task }
    }

    /// The health service and nothing else.
    pub(crate) fn plain(told: &Told) -> Self {
        let health = told.server();
        Self::start(|incoming| {
            let server = Server::builder().add_service(health);
            server.serve_with_incoming(incoming)
        })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(self.address)
    }

    /// Without a breaker.
    pub(crate) fn client(&self) -> HealthClient<Channel> {
        HealthClient::new(self.endpoint().connect_lazy())
    }

    pub(crate) fn guarded_client(&self, fixture: &Fixture) -> GuardedClient {
        guarded(self.endpoint(), grpc(fixture))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).expect("an address")
}

pub(crate) fn guarded(endpoint: Endpoint, layer: GrpcLayer) -> GuardedClient {
    HealthClient::new(layer.layer(endpoint.connect_lazy()))
}

pub(crate) fn grpc(fixture: &Fixture) -> GrpcLayer {
    CircuitBreakerLayer::new(fixture.circuit.clone()).grpc()
}

pub(crate) fn told(script: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: script.to_owned(),
    }
}

/// A circuit that never opens by itself, for tests of what is recorded.
pub(crate) fn patient() -> Fixture {
    Fixture::new(|circuit| circuit.consecutive_failures(1_000_000))
}

/// What calls have come to since the last look: so many successful, failed, ignored, abandoned and
/// rejected, in letters: `s`, `f`, `i`, `d` and `x`.
pub(crate) struct Ledger {
    seen: Totals,
}

impl Ledger {
    pub(crate) fn of(fixture: &Fixture) -> Self {
        Self {
            seen: fixture.totals(),
        }
    }

    pub(crate) fn since(&mut self, fixture: &Fixture) -> String {
        let (old, new) = (self.seen, fixture.totals());
        self.seen = new;
        let counts = [
            ("s", new.successful - old.successful),
            ("f", new.failed - old.failed),
            ("i", new.ignored - old.ignored),
            ("d", new.abandoned - old.abandoned),
            ("x", new.rejected - old.rejected),
        ];
        let letters: [String; 5] =
            counts.map(|(letter, count)| (0..count).map(|_| letter).collect());
        letters.concat()
    }
}
