//! A peer that writes what it is told, well-formed or not: HTTP/2 without any gRPC.

use std::{
    convert::Infallible,
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::StreamBody;
use hyper::{body::Frame, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::{JoinHandle, JoinSet},
};

use crate::{
    health::{GuardedClient, endpoint, grpc, guarded},
    support::Fixture,
};

/// What the peer answers every request with.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    head: HeaderMap,
    body: Vec<Piece>,
}

/// One piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data(&'static [u8]),
    Trailers(HeaderMap),
    /// Waits to be let go on. What comes before is on its way by then.
    Wait,
    /// The stream is reset, and takes along what is not on its way yet.
    Reset,
    /// Nothing more comes.
    Silence,
}

/// A message that says `SERVING`, as it is on the wire.
pub(crate) const SERVING: Piece = Piece::Data(&[0, 0, 0, 0, 2, 8, 1]);

pub(crate) fn lines(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value).expect("a header value");
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

impl Answer {
    /// A 200 with this in its head, and no body.
    pub(crate) fn head(head: &[(&'static str, &[u8])]) -> Self {
        let mut head = lines(head);
        if !head.contains_key("content-type") {
            head.extend(lines(&[("content-type", b"application/grpc")]));
        }
        Self {
            status: 200,
            head,
            body: Vec::new(),
        }
    }

    /// A 200 with these trailers after one message.
    pub(crate) fn trailers(trailers: &[(&'static str, &[u8])]) -> Self {
        Self::body([SERVING, Piece::Trailers(lines(trailers))])
    }

    /// A 200 with this body.
    pub(crate) fn body(body: impl Into<Vec<Piece>>) -> Self {
        let mut answer = Self::head(&[]);
        answer.body = body.into();
        answer
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<Piece>>) -> Self {
        self.body = body.into();
        self
    }

    fn respond(
        self,
        gate: Arc<Semaphore>,
    ) -> Response<impl hyper::body::Body<Data = Bytes, Error = std::io::Error>> {
        let mut response = Response::new(StreamBody::new(frames(self.body, gate)));
        *response.status_mut() = self.status.try_into().expect("a status");
        *response.headers_mut() = self.head;
        response
    }
}

type FrameOrError = Result<Frame<Bytes>, std::io::Error>;

fn frames(body: Vec<Piece>, gate: Arc<Semaphore>) -> impl Stream<Item = FrameOrError> {
    stream::iter(body).filter_map(move |piece| {
        let gate = gate.clone();
        async move {
            match piece {
                Piece::Data(bytes) => Some(Ok(Frame::data(Bytes::from_static(bytes)))),
                Piece::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
                Piece::Wait => {
                    gate.acquire().await.expect("a gate").forget();
                    None
                }
                Piece::Reset => Some(Err(std::io::Error::other("reset"))),
                Piece::Silence => pending().await,
            }
        }
    })
}

/// A server of such answers, on a free port. Until it is told one, it gives none.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Option<Answer>>>,
    requests: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
    vanish: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(None));
        let requests = Arc::new(AtomicU64::new(0));
        let (gate, vanish) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let one = Connection {
            answer: answer.clone(),
            requests: requests.clone(),
            gate: gate.clone(),
        };
        let task = tokio::spawn(accept(listener, one, vanish.clone()));
        Self {
            address,
            answer,
            requests,
            gate,
            vanish,
            task,
        }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("an answer") = Some(answer);
    }

    /// Lets one [`Piece::Wait`] go on.
    pub(crate) fn go_on(&self) {
        self.gate.add_permits(1);
    }

    /// Closes all connections as they are. New ones are taken.
    pub(crate) fn vanish(&self) {
        self.vanish.notify_one();
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn guarded_client(&self, fixture: &Fixture) -> GuardedClient {
        guarded(endpoint(self.address), grpc(fixture))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, one: Connection, vanish: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = listener.accept() => {
                let (stream, _) = stream.expect("a connection");
                connections.spawn(one.clone().serve(stream));
            }
            () = vanish.notified() => connections.abort_all(),
        }
    }
}

#[derive(Clone)]
struct Connection {
    answer: Arc<Mutex<Option<Answer>>>,
    requests: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let service = service_fn(move |_| {
            self.requests.fetch_add(1, Ordering::SeqCst);
            let answer = self.answer.lock().expect("an answer").clone();
            let gate = self.gate.clone();
            async {
                match answer {
                    Some(answer) => Ok::<_, Infallible>(answer.respond(gate)),
                    None => pending().await,
                }
            }
        });
        let server = http2::Builder::new(TokioExecutor::new());
        // An error is a client that has gone.
        drop(server.serve_connection(TokioIo::new(stream), service).await);
    }
}
