//! A tonic channel is a buffer of 1,024 places, of which each client that is ready has one: no rejection keeps
//! one (rules D6, G1 to G3, G7).

use futures_util::FutureExt;
use tokio::task::unconstrained;
use tonic::{body::Body, transport::Channel};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{Rejected, State, grpc::GrpcCircuitBreaker};

use crate::{
    health::{Running, Told, grpc, told},
    sockets::patiently,
    support::{Fixture, fragile, fragile_after_break, secs},
};

type Request = http::Request<Body>;

/// How many clients can be ready at once.
const PLACES: usize = 1_024;

/// A server, one channel to it, and a circuit.
struct Stage {
    fixture: Fixture,
    channel: Channel,
    _server: Running,
}

impl Stage {
    fn of(fixture: Fixture) -> Self {
        let server = Running::plain(&Told::new(&fixture));
        Self {
            channel: server.endpoint().connect_lazy(),
            fixture,
            _server: server,
        }
    }

    fn client(&self) -> GrpcCircuitBreaker<Channel> {
        grpc(&self.fixture).layer(self.channel.clone())
    }

    /// The channel serves others, without a breaker, and with one.
    async fn serves(&self) {
        let mut bare = HealthClient::new(self.channel.clone());
        let answer = patiently(bare.check(told("message"))).await;
        answer.expect("an answer");
    }

    async fn serves_guarded(&self) {
        let mut guarded = HealthClient::new(self.client());
        let answer = patiently(guarded.check(told("message"))).await;
        answer.expect("an answer");
    }
}

/// Whether it is ready at once.
fn is_ready<S: Service<Request>>(service: &mut S) -> bool {
    // So many are asked in one go that tokio would have the task wait.
    let ready = unconstrained(ServiceExt::<Request>::ready(service)).now_or_never();
    ready.is_some_and(|ready| ready.is_ok())
}

/// What a call of one that is ready to reject it comes to.
async fn is_rejected<S, B>(service: &mut S) -> bool
where
    S: Service<Request, Response = http::Response<B>, Error: std::fmt::Debug>,
{
    let answer = patiently(service.call(Request::default())).await;
    let answer = answer.expect("a response");
    answer.extensions().get::<Rejected>().is_some()
}

fn open(fixture: &Fixture) {
    fixture.circuit.trip(secs(5)).expect("in normal mode");
}

fn force_open(fixture: &Fixture) {
    fixture.circuit.force_open();
}

// G3: some are called as they are, the others are asked again; some stood in the channel's queue.
#[tokio::test]
async fn clients_that_were_ready_when_the_circuit_opened_keep_no_place() {
    for (shut, asked_again) in [
        (open as fn(&Fixture), false),
        (open, true),
        (force_open, false),
        (force_open, true),
    ] {
        let stage = Stage::of(fragile(|c| c));
        stage.serves_guarded().await;
        let mut clients: Vec<_> = (0..PLACES + 6).map(|_| stage.client()).collect();
        let ready = clients
            .iter_mut()
            .filter_map(|it| is_ready(it).then_some(()));
        assert_eq!(ready.count(), PLACES);

        shut(&stage.fixture);
        for client in clients.iter_mut().rev() {
            // Those at the end are not ready yet.
            let queued = stage.fixture.totals().rejected < 6;
            assert!(!(asked_again || queued) || is_ready(client));
            assert!(is_rejected(client).await);
        }
        stage.serves().await;
        stage.fixture.circuit.reset();
        stage.serves_guarded().await;
        drop(clients);
    }
}

// G3: the same of clones of one client.
#[tokio::test]
async fn clones_of_one_client_that_were_ready_when_the_circuit_opened_keep_no_place() {
    let stage = Stage::of(fragile(|c| c));
    let one = stage.client();
    let mut clients: Vec<_> = (0..PLACES).map(|_| one.clone()).collect();
    assert!(clients.iter_mut().all(is_ready));
    open(&stage.fixture);
    for client in &mut clients {
        assert!(is_rejected(client).await);
    }
    stage.serves().await;
    stage.fixture.circuit.reset();
    let answer = patiently(HealthClient::new(one).check(told("message"))).await;
    answer.expect("an answer");
    drop(clients);
}

// D6, G1: whom a ramp turns away has taken no place.
#[tokio::test]
async fn clients_that_a_ramp_turns_away_keep_no_place() {
    let stage = Stage::of(fragile_after_break(|c| c.ramp(secs(10), 0.1)));
    stage.serves_guarded().await;
    stage.fixture.is(State::Closed);
    let mut clients: Vec<_> = (0..2 * PLACES).map(|_| stage.client()).collect();
    let mut rejected = 0;
    for client in &mut clients {
        let ready = ServiceExt::<Request>::ready(client);
        assert!(patiently(ready).await.is_ok());
        // Nobody waits for the answers of the others.
        let call = client.call(Request::default()).now_or_never();
        rejected += usize::from(call.is_some());
    }
    assert!(rejected > PLACES, "{rejected}");
    stage.serves().await;
    stage.fixture.circuit.reset();
    stage.serves_guarded().await;
    drop(clients);
}

// G7
#[tokio::test]
async fn clients_that_wait_while_the_circuit_is_open_keep_no_place() {
    let stage = Stage::of(fragile(|c| c));
    let layer = grpc(&stage.fixture).pending_while_open();
    let make = || layer.layer(stage.channel.clone());
    let mut clients: Vec<_> = (0..PLACES).map(|_| make()).collect();
    assert!(clients.iter_mut().all(is_ready));
    open(&stage.fixture);
    assert!(!clients.iter_mut().any(is_ready));
    stage.serves().await;
    stage.fixture.circuit.reset();
    let answer = patiently(HealthClient::new(make()).check(told("message"))).await;
    answer.expect("an answer");
    drop(clients);
}
