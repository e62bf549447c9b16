//! Connections that never come about, and connections that have died: what a timeout of calls does not see, and
//! what does (rules A1, A4).

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tonic::transport::Endpoint;
use tower_breaker::State;

use crate::{
    health::{GuardedClient, Running, Told, endpoint, grpc, guarded, patient, told},
    sockets::{patiently, until},
    support::{Fixture, fragile},
};

const SOON: Duration = Duration::from_millis(20);

/// An address where nobody answers: who connects is left waiting, because the line is full and nobody comes to
/// the door.
struct NobodyAnswers {
    address: SocketAddr,
    _door: TcpListener,
    _line: JoinSet<std::io::Result<TcpStream>>,
}

impl NobodyAnswers {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(free).expect("a free port");
        let door = socket.listen(0).expect("a listener");
        let address = door.local_addr().expect("an address");
        // The first is in line, and then it is full; the others wait in front of it.
        drop(TcpStream::connect(address).await.expect("a place in line"));
        let mut line = JoinSet::new();
        for _ in 0..4 {
            line.spawn(TcpStream::connect(address));
        }
        while line.len() > 3 {
            let waits = timeout(SOON, line.join_next()).await.is_err();
            if waits {
                break;
            }
        }
        Self {
            address,
            _door: door,
            _line: line,
        }
    }
}

// A1, A4: a call that waits for a connection is timed by nothing else.
#[tokio::test]
async fn only_a_connect_timeout_ends_a_call_that_waits_for_its_connection() {
    let nobody = NobodyAnswers::start().await;
    let fixture = fragile(|circuit| circuit);
    let timed = || endpoint(nobody.address).timeout(SOON);
    let mut client = guarded(timed(), grpc(&fixture));
    // However long one waits.
    let answer = timeout(10 * SOON, client.check(told("message"))).await;
    answer.expect_err("waits for ever");
    assert_eq!(
        (fixture.totals().failed, fixture.totals().abandoned),
        (0, 1)
    );
    fixture.is(State::Closed);

    let mut client = guarded(timed().connect_timeout(SOON), grpc(&fixture));
    let answer = patiently(client.check(told("message"))).await;
    answer.expect_err("nobody answers");
    assert_eq!(
        (fixture.totals().failed, fixture.totals().abandoned),
        (1, 1)
    );
    fixture.is(State::Open);
}

/// Forwards connections to a server, until those that there are go dead: nothing comes through any more, and
/// nobody says so. New ones are forwarded.
struct Wire {
    address: SocketAddr,
    generation: Arc<AtomicU64>,
    /// How many dead connections the client has closed.
    closed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (generation, closed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (now, count) = (generation.clone(), closed.clone());
        let task = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.expect("a server");
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let of = now.load(Ordering::SeqCst);
                let (now, again, count) = (now.clone(), now.clone(), count.clone());
                let counted = AtomicBool::new(false);
                tasks.spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                        if now.load(Ordering::SeqCst) == of {
                            drop(to_server.write_all(&bytes[..length]).await);
                        }
                    }
                    if now.load(Ordering::SeqCst) != of && !counted.swap(true, Ordering::SeqCst) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
                tasks.spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                        if again.load(Ordering::SeqCst) == of {
                            drop(to_client.write_all(&bytes[..length]).await);
                        }
                    }
                    // A dead wire does not tell that the server has gone either.
                    std::future::pending::<()>().await;
                    drop(to_client);
                });
            }
        });
        Self {
            address,
            generation,
            closed,
            task,
        }
    }

    fn die(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A circuit that is open because a connection has died, and the client that has it.
async fn dead(
    configure: impl FnOnce(Endpoint) -> Endpoint,
) -> (Fixture, GuardedClient, Wire, Running) {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&patient()));
    let wire = Wire::to(server.address).await;
    let endpoint = configure(endpoint(wire.address).connect_timeout(Duration::from_secs(60)));
    let mut client = guarded(endpoint.timeout(10 * SOON), grpc(&fixture));
    patiently(client.check(told("message")))
        .await
        .expect("alive");
    wire.die();
    patiently(client.check(told("message")))
        .await
        .expect_err("dead");
    fixture.is(State::Open);
    (fixture, client, wire, server)
}

// D2: probe after probe goes into the dead connection.
#[tokio::test]
async fn without_keep_alive_probes_go_into_a_dead_connection() {
    let (fixture, mut client, wire, _server) = dead(|endpoint| endpoint).await;
    for _ in 0..3 {
        fixture.wait_out();
        patiently(client.check(told("message")))
            .await
            .expect_err("dead");
        fixture.is(State::Open);
    }
    assert_eq!(wire.closed.load(Ordering::SeqCst), 0);
}

// D2: keep-alive finds out that it is dead, and the next probe makes another.
#[tokio::test]
async fn with_keep_alive_the_next_probe_recovers() {
    let (fixture, mut client, wire, _server) = dead(|endpoint| {
        endpoint
            .http2_keep_alive_interval(SOON)
            .keep_alive_timeout(SOON)
            .keep_alive_while_idle(true)
    })
    .await;
    until(|| wire.closed.load(Ordering::SeqCst) == 1).await;
    fixture.wait_out();
    patiently(client.check(told("message")))
        .await
        .expect("another connection");
    fixture.is(State::Closed);
}
