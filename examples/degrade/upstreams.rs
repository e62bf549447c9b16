//! What the page is built from: servers on the loopback, each on its own port, which live and die as they are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Health {
    Live,
    /// It answers 500.
    Fails,
    /// It takes what it is sent, and never answers.
    Hangs,
    /// Nobody listens there any more, and those who were connected are no longer.
    Closed,
}

/// A server, and what has reached it.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    answer: Answer,
    takes: Duration,
    health: Mutex<Health>,
    ledger: Mutex<Ledger>,
}

/// What one with this key and this body is answered.
type Answer = fn(&mut Ledger, &str, String) -> Response<Full<Bytes>>;

/// What a dependency has been asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// How often each order came, by its `Idempotency-Key`.
    pub(crate) arrivals: BTreeMap<String, u32>,
    is_placed: BTreeSet<String>,
    /// The orders that are placed, in the order in which they were.
    pub(crate) placed: Vec<u32>,
}

impl Ledger {
    /// Places it, unless one with this key is placed already.
    fn place(&mut self, key: &str, order: u32) {
        if !self.is_placed.insert(key.to_owned()) {
            return;
        }
        self.placed.push(order);
    }
}

/// A price that was good a minute ago may be wrong now.
fn price(_: &mut Ledger, _: &str, _: String) -> Response<Full<Bytes>> {
    answer("24.90 EUR", "no-store")
}

/// Reviews are good for a second, and good enough for ten minutes if there are none that are newer.
fn reviews(_: &mut Ledger, _: &str, _: String) -> Response<Full<Bytes>> {
    answer("4.6 of 5", "max-age=1, stale-if-error=600")
}

/// An order is a number.
fn orders(ledger: &mut Ledger, key: &str, order: String) -> Response<Full<Bytes>> {
    let Ok(order) = order.parse() else {
        return of_status(StatusCode::BAD_REQUEST);
    };
    ledger.place(key, order);
    answer("placed", "no-store")
}

fn answer(text: &'static str, cache_control: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    let cache_control = http::HeaderValue::from_static(cache_control);
    response.headers_mut().insert(CACHE_CONTROL, cache_control);
    response
}

/// The three that the page is built from.
pub(crate) struct Upstreams {
    pub(crate) price: Upstream,
    pub(crate) reviews: Upstream,
    pub(crate) orders: Upstream,
}

impl Upstreams {
    pub(crate) async fn start() -> io::Result<Self> {
        let takes = Duration::from_millis(2);
        Ok(Self {
            price: Upstream::start(price, takes).await?,
            reviews: Upstream::start(reviews, takes).await?,
            orders: Upstream::start(orders, takes).await?,
        })
    }

    pub(crate) fn named(&mut self, name: &str) -> &mut Upstream {
        match name {
            "price" => &mut self.price,
            "reviews" => &mut self.reviews,
            _ => &mut self.orders,
        }
    }
}

impl Upstream {
    /// One that takes so long for each answer.
    pub(crate) async fn that_takes(takes: Duration) -> io::Result<Self> {
        Self::start(price, takes).await
    }

    async fn start(answer: Answer, takes: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shared = Arc::new(Shared {
            answer,
            takes,
            health: Mutex::new(Health::Live),
            ledger: Mutex::default(),
        });
        Ok(Self {
            address: listener.local_addr()?,
            server: tokio::spawn(serve(listener, shared.clone())),
            shared,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on it is like this. A port that was closed is opened again.
    pub(crate) async fn set(&mut self, health: Health) -> io::Result<()> {
        let was = std::mem::replace(&mut *self.shared.health(), health);
        if health == Health::Closed {
            self.server.abort();
            // It is closed when this returns.
            drop((&mut self.server).await);
        } else if was == Health::Closed {
            let listener = TcpListener::bind(self.address).await?;
            self.server = tokio::spawn(serve(listener, self.shared.clone()));
        }
        Ok(())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.shared.ledger().clone()
    }
}

impl Shared {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let health = *self.health();
        let key = request.headers().get("idempotency-key");
        let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
        let key = key.to_owned();
        if !key.is_empty() {
            *self.ledger().arrivals.entry(key.clone()).or_default() += 1;
        }
        if health == Health::Fails {
            return of_status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let is_post = request.method() == Method::POST;
        let Ok(body) = request.into_body().collect().await else {
            // Who asked has gone.
            return Response::default();
        };
        if is_post && key.is_empty() {
            return of_status(StatusCode::BAD_REQUEST);
        }
        sleep(self.takes).await;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        let answer = (self.answer)(&mut self.ledger(), &key, body);
        if health == Health::Hangs {
            // The worst of all: it has done what it was asked for, and nobody hears of that.
            pending::<()>().await;
        }
        answer
    }
}

fn of_status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Takes connections until it is aborted, and they end with it.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let answer = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        // An error is a client that has gone.
        connections.spawn(async move {
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await,
            );
        });
        while connections.try_join_next().is_some() {}
    }
}
