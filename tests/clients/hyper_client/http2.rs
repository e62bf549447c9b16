//! The same over HTTP/2, where one connection carries many calls, and goes down with all of them: against
//! hyper's server, which resets streams, says that it goes away, and is cut off in the middle.

use std::{convert::Infallible, io, net::Ipv4Addr, net::SocketAddr, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{Semaphore, broadcast, watch},
    task::{JoinHandle, JoinSet},
};
use tower_breaker::State;

use super::{
    CLOSED_TO_OPEN, Guarded, PROBE_FAILED, PROBING, RECOVERED, Wire, ask, ask_status,
    assert_rejected, both, ended, goes_away, guard, inner, join, patiently, read, start,
};
use crate::{
    misbehaving::{Misbehaving, Turn},
    support::{Fixture, fragile, fragile_after_break, secs, three_failures, totals},
};

fn wire() -> Wire {
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http()
}

fn client(circuit: &Fixture) -> Guarded {
    guard(circuit, wire())
}

// ---- a server --------------------------------------------------------------------------------------

/// What all connections are told.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// To take no more calls, and to end those there are.
    GoAway,
    /// To end at once, without a word.
    Drop,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    connections: u64,
    entered: u64,
}

/// What connections and calls share.
struct Inner {
    seen: watch::Sender<Seen>,
    gate: Semaphore,
}

struct Server {
    address: SocketAddr,
    inner: Arc<Inner>,
    orders: broadcast::Sender<Order>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Inner {
            seen: watch::Sender::default(),
            gate: Semaphore::new(0),
        });
        let (orders, _) = broadcast::channel(8);
        Self {
            address,
            inner: inner.clone(),
            orders: orders.clone(),
            task: tokio::spawn(accept(listener, inner, orders)),
        }
    }

    fn uri(&self, path: &str) -> Uri {
        let uri = format!("http://{}{path}", self.address);
        uri.parse().expect("a URI")
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("a connection");
    }

    fn let_go(&self) {
        self.inner.gate.add_permits(1);
    }

    fn seen(&self) -> Seen {
        *self.inner.seen.borrow()
    }

    async fn entered(&self, calls: u64) {
        let mut seen = self.inner.seen.subscribe();
        let entered = patiently(seen.wait_for(|seen| seen.entered == calls)).await;
        drop(entered.expect("a server"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>, orders: broadcast::Sender<Order>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        inner.seen.send_modify(|seen| seen.connections += 1);
        connections.spawn(serve(stream, inner.clone(), orders.subscribe()));
    }
}

async fn serve(stream: TcpStream, inner: Arc<Inner>, mut orders: broadcast::Receiver<Order>) {
    let service = service_fn(|request| answer(request, inner.clone()));
    let builder = http2::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        select! {
            _ = connection.as_mut() => return,
            order = orders.recv() => match order.expect("a server") {
                Order::GoAway => connection.as_mut().graceful_shutdown(),
                Order::Drop => return,
            }
        }
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// An error of the service, or of the body, resets the stream.
async fn answer(request: Request<Incoming>, inner: Arc<Inner>) -> io::Result<Response<Body>> {
    inner.seen.send_modify(|seen| seen.entered += 1);
    match request.uri().path() {
        "/reset" => Err(io::Error::other("as told")),
        "/hang" => {
            inner.gate.acquire().await.expect("a gate").forget();
            Ok(whole())
        }
        "/body" => Ok(half(inner)),
        _ => Ok(whole()),
    }
}

fn whole() -> Response<Body> {
    let body = http_body_util::Full::from("ok");
    Response::new(body.map_err(|never: Infallible| match never {}).boxed())
}

/// A frame; when it is let go, an error.
fn half(inner: Arc<Inner>) -> Response<Body> {
    let frames = futures_util::stream::unfold(0, move |sent| {
        let inner = inner.clone();
        async move {
            if sent == 0 {
                return Some((Ok(Frame::data(Bytes::from("half"))), 1));
            }
            inner.gate.acquire().await.expect("a gate").forget();
            Some((Err(io::Error::other("as told")), 2))
        }
    });
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

// ---- no head -----------------------------------------------------------------------------------

// A1, C1, D2: the connection stays, and so do the calls that others make on it.
#[tokio::test]
async fn a_stream_reset_before_its_head_is_a_failure_and_the_connection_stays() {
    let circuit = three_failures();
    let server = Server::start().await;
    let client = client(&circuit);
    for _ in 0..3 {
        inner(ask(&client, server.uri("/reset")).await);
    }
    circuit.tells(&[CLOSED_TO_OPEN]);
    assert_rejected(ask_status(&client, server.uri("/")).await);
    assert_eq!(server.seen().entered, 3);

    circuit.wait_out();
    inner(ask(&client, server.uri("/reset")).await);
    circuit.tells(&[PROBING, PROBE_FAILED]);
    circuit.wait_out();
    assert_eq!(ask_status(&client, server.uri("/")).await.expect("ok"), 200);
    circuit.tells(&[PROBING, RECOVERED]);
    assert_eq!(server.seen().connections, 1);
}

// A1: every call of a connection that is cut off has failed, each once.
#[tokio::test]
async fn a_connection_cut_off_fails_every_call_on_it() {
    let circuit = Fixture::new(|c| c.consecutive_failures(5).open_for(secs(5)));
    let server = Server::start().await;
    let client = client(&circuit);
    assert_eq!(ask_status(&client, server.uri("/")).await.expect("ok"), 200);
    let calls: Vec<_> = (0..5)
        .map(|_| start(&client, server.uri("/hang")))
        .collect();
    server.entered(6).await;
    assert_eq!(server.seen().connections, 1);

    server.order(Order::Drop);
    for call in calls {
        inner(join(call).await);
    }
    ended(&circuit, totals(|t| (t.successful, t.failed) = (1, 5)));
    circuit.tells(&["closed -> open: 5 consecutive failures, open for 5s"]);
    assert_rejected(ask_status(&client, server.uri("/")).await);
    assert_eq!(server.seen().connections, 1);

    circuit.wait_out();
    assert_eq!(ask_status(&client, server.uri("/")).await.expect("ok"), 200);
    circuit.tells(&[PROBING, RECOVERED]);
    assert_eq!(server.seen().connections, 2);
}

// A1: a probe is on a connection, too.
#[tokio::test]
async fn a_probe_whose_connection_is_cut_off_has_failed() {
    let circuit = fragile_after_break(|c| c);
    let server = Server::start().await;
    let client = client(&circuit);
    let probe = start(&client, server.uri("/hang"));
    server.entered(1).await;
    circuit.is(State::HalfOpen);
    server.order(Order::Drop);
    inner(join(probe).await);
    circuit.tells(&[PROBING, PROBE_FAILED]);
}

// A1: a server that speaks no HTTP/2, or hangs up on it.
#[tokio::test]
async fn a_server_without_http2_is_a_failure() {
    let turns = [
        Turn::close_at_once(),
        Turn::reset_at_once(),
        Turn::close_before_head(),
        Turn::reset_before_head(),
        Turn::garbage(),
        Turn::respond::<&str>(200, &[], "HTTP/1").close(),
    ];
    for turn in turns {
        let circuit = three_failures();
        let server = Misbehaving::start(vec![turn]);
        let client = client(&circuit);
        for _ in 0..3 {
            inner(ask(&client, server.uri()).await);
        }
        circuit.tells(&[CLOSED_TO_OPEN]);
        let connections = server.seen().connections;
        assert_rejected(ask_status(&client, server.uri()).await);
        assert_eq!(server.seen().connections, connections);
        ended(
            &circuit,
            totals(|t| (t.failed, t.rejected, t.rejected_by.open) = (3, 1, 1)),
        );
    }
}

// ---- a server that goes away -------------------------------------------------------------------

// A1: what is in flight is answered, what comes next takes another connection, and nothing has failed.
#[tokio::test]
async fn a_server_that_goes_away_politely_is_no_failure() {
    let circuit = fragile(|c| c);
    let server = Server::start().await;
    let client = client(&circuit);
    let in_flight = start(&client, server.uri("/hang"));
    server.entered(1).await;
    server.order(Order::GoAway);
    server.let_go();
    assert_eq!(join(in_flight).await.expect("a head").status(), 200);
    assert_eq!(ask_status(&client, server.uri("/")).await.expect("ok"), 200);
    assert_eq!((server.seen().connections, server.seen().entered), (2, 2));
    ended(&circuit, totals(|t| t.successful = 2));
}

// ---- a head, and then trouble ------------------------------------------------------------------

// A1: as over HTTP/1, the outcome is known at the head.
#[tokio::test]
async fn what_goes_wrong_after_the_head_is_not_seen_over_http2_either() {
    let circuit = fragile(|c| c);
    let server = Server::start().await;
    let client = client(&circuit);
    let reset = ask(&client, server.uri("/body")).await.expect("a head");
    server.let_go();
    read(reset).await.expect_err("a stream that was reset");

    let cut_off = ask(&client, server.uri("/body")).await.expect("a head");
    server.order(Order::Drop);
    read(cut_off)
        .await
        .expect_err("a connection that was cut off");

    ended(&circuit, totals(|t| t.successful = 2));
    circuit.tells_nothing();
}

// ---- clients that go away ----------------------------------------------------------------------

// A4, D1: the stream is reset, the connection stays.
#[tokio::test]
async fn a_call_dropped_before_its_head_is_neutral_over_http2_too() {
    for circuit in both() {
        let server = Server::start().await;
        let client = client(&circuit);
        let call = start(&client, server.uri("/hang"));
        server.entered(1).await;
        goes_away(&circuit, call).await;
        assert_eq!(ask_status(&client, server.uri("/")).await.expect("ok"), 200);
        assert_eq!(server.seen().connections, 1);
    }
}
