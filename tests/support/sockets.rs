//! Servers and clients over real sockets, on free ports of the local host.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    error::Error,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Builder};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tower::Service;

/// Only a test that hangs waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the handlers ask. It fails or not as told, and knows how often it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Dependency(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entered: AtomicU64,
    failing: AtomicBool,
    /// Closed by [`Dependency::hold`]: then calls wait for it to be open.
    gate: Semaphore,
}

impl Dependency {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            entered: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            gate: Semaphore::new(1),
        }))
    }

    /// One call, as the dependency is: 200 or 500, now or when it is let go.
    pub(crate) async fn call(&self) -> StatusCode {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        let failing = self.0.failing.load(Ordering::SeqCst);
        drop(self.0.gate.acquire().await);
        match failing {
            true => StatusCode::INTERNAL_SERVER_ERROR,
            false => StatusCode::OK,
        }
    }

    /// How often a handler was entered.
    pub(crate) fn entered(&self) -> u64 {
        self.0.entered.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self) {
        self.0.failing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.0.failing.store(false, Ordering::SeqCst);
    }

    /// From now on calls hang.
    pub(crate) fn hold(&self) {
        assert_eq!(self.0.gate.forget_permits(1), 1, "held already");
    }

    /// Calls that hang go on.
    pub(crate) fn let_go(&self) {
        self.0.gate.add_permits(1);
    }
}

/// A server on a free port. It stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Server {
    /// The router as axum serves it.
    pub(crate) async fn axum(router: Router) -> Self {
        Self::spawn(free_port(), |listener, connections| async move {
            let listener = listener.tap_io(move |_| count(&connections));
            axum::serve(listener, router).await.expect("a server");
        })
        .await
    }

    /// A Tower service for each connection, as hyper serves it: HTTP/1 or HTTP/2, as the client
    /// speaks.
    pub(crate) async fn hyper<S, B>(make: impl FnMut() -> S + Send + 'static) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self::hyper_on(free_port(), make).await
    }

    /// The same on a port of which somebody knows.
    pub(crate) async fn hyper_on<S, B>(
        port: TcpSocket,
        mut make: impl FnMut() -> S + Send + 'static,
    ) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self::spawn(port, |listener, connections| async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count(&connections);
                let service = TowerToHyperService::new(make());
                tasks.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // An error is a client that has gone, or a service that failed on purpose.
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        })
        .await
    }

    async fn spawn<F>(port: TcpSocket, serve: impl FnOnce(TcpListener, Arc<AtomicU64>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = port.listen(1_024).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, connections.clone()));
        Self {
            address,
            connections,
            task,
        }
    }

    /// Closes its port, and with hyper its connections. The port stays reserved, and refuses connections.
    pub(crate) async fn stop(mut self) -> TcpSocket {
        self.task.abort();
        drop((&mut self.task).await);
        bound(self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

fn free_port() -> TcpSocket {
    bound((Ipv4Addr::LOCALHOST, 0).into())
}

/// Nobody listens yet.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a setting");
    socket.bind(address).expect("a free port");
    socket
}

fn count(connections: &AtomicU64) {
    connections.fetch_add(1, Ordering::SeqCst);
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    /// With prior knowledge: the server is not asked whether it speaks it.
    Http2,
}

pub(crate) const BOTH: [Version; 2] = [Version::Http1, Version::Http2];

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get("retry-after").map(|seconds| {
            let seconds = seconds.to_str().expect("text").parse();
            seconds.expect("a whole number of seconds")
        });
        Self {
            status: head.status.as_u16(),
            retry_after,
            body: body.collect().await.expect("a body").to_bytes(),
        }
    }
}

/// A client with connections of its own. Clones share them.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    version: Version,
    address: SocketAddr,
}

impl Browser {
    pub(crate) fn new(version: Version, server: &Server) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(version == Version::Http2)
            .build_http();
        Self {
            client,
            version,
            address: server.address,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.expect("an answer")
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status
    }

    /// `None` if the server closed the connection instead of answering.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        self.send(Request::get(path), "").await
    }

    /// Any request, to a path of this server. `None` as in [`try_get`](Self::try_get).
    pub(crate) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Option<Answer> {
        let mut request = request.body(Full::new(body.into())).expect("a request");
        let uri = format!("http://{}{}", self.address, request.uri());
        *request.uri_mut() = uri.parse().expect("a URI");
        let response = patiently(self.client.request(request)).await.ok()?;
        let spoken = match self.version {
            Version::Http1 => http::Version::HTTP_11,
            Version::Http2 => http::Version::HTTP_2,
        };
        assert_eq!(response.version(), spoken);
        Some(patiently(Answer::read(response)).await)
    }
}

/// One connection, to be sure that it is one.
pub(crate) enum Connection {
    Http1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>),
}

impl Connection {
    pub(crate) async fn open(version: Version, server: &Server) -> Self {
        let stream = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        let io = TokioIo::new(stream);
        match version {
            Version::Http1 => {
                let handshake = hyper::client::conn::http1::handshake(io).await;
                let (sender, connection) = handshake.expect("HTTP/1");
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Version::Http2 => {
                let executor = TokioExecutor::new();
                let handshake = hyper::client::conn::http2::handshake(executor, io).await;
                let (sender, connection) = handshake.expect("HTTP/2");
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "localhost");
        let request = request.body(Empty::new()).expect("a request");
        let response = patiently(async {
            match self {
                Self::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        });
        Answer::read(response.await.expect("an answer")).await
    }
}

/// Waits for `future`, but not for ever.
pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    let done = timeout(PATIENCE, future).await;
    done.expect("something hangs")
}

/// Waits until `condition` holds. The time it takes decides nothing.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    patiently(async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
