//! The page: a server that asks three others for each visit, and answers whatever becomes of them.

use std::{fmt, time::Instant};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header::AGE};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use tower::{BoxError, ServiceExt};
use tower_breaker::degrade::{Degraded, FallbackKind, queue::Accepted};

use crate::{
    clients::{self, Client, Sender, Tries},
    upstreams::{Upstream, Upstreams},
};

/// What a visitor sees of one dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Row {
    /// The dependency's own answer, of this moment.
    Live,
    /// Its last good one, and how old that is.
    Stale,
    /// What one can say without it.
    Default,
    /// That it will be done later.
    Queued,
}

/// One part of the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) row: Row,
    pub(crate) text: String,
    /// Why it is not live, in a word.
    pub(crate) because: Option<String>,
    /// Of what is queued: the key that it is sent with, each time.
    pub(crate) key: Option<String>,
    pub(crate) millis: u128,
}

/// The page, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) price: Part,
    pub(crate) reviews: Part,
    pub(crate) order: Part,
}

impl Page {
    pub(crate) fn is_live(&self) -> bool {
        [&self.price, &self.reviews, &self.order]
            .iter()
            .all(|part| part.row == Row::Live)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Default => "default",
            Self::Queued => "queued",
        })
    }
}

/// Where the dependencies are, and how they are asked.
#[derive(Clone)]
pub(crate) struct Shop {
    price: Asked,
    reviews: Asked,
    orders: Asked,
}

#[derive(Clone)]
struct Asked {
    url: String,
    client: Client,
}

impl Shop {
    /// With what sends the queued orders, once there is somebody to take them. That has to run.
    pub(crate) fn open(upstreams: &Upstreams, tries: Tries) -> Result<(Self, Sender), BoxError> {
        let asked = |upstream: &Upstream, client| Asked {
            url: upstream.url(),
            client,
        };
        let (orders, sender) = clients::orders(tries)?;
        let shop = Self {
            price: asked(&upstreams.price, clients::price()?),
            reviews: asked(&upstreams.reviews, clients::reviews()?),
            orders: asked(&upstreams.orders, orders),
        };
        Ok((shop, sender))
    }
}

/// One visit looks at the product, and orders it.
pub(crate) fn router(shop: Shop) -> Router {
    Router::new()
        .route("/visits/{order}", post(visit))
        .with_state(shop)
}

/// It never fails. If it did, its visitor would hear of it.
type Failed = (StatusCode, String);

async fn visit(State(shop): State<Shop>, Path(order): Path<u32>) -> Result<Json<Page>, Failed> {
    // Side by side: none waits for another.
    let (price, reviews, order) = tokio::join!(
        shop.price.part(get(&shop.price.url)),
        shop.reviews.part(get(&shop.reviews.url)),
        shop.orders.part(place(&shop.orders.url, order)),
    );
    let failed = |why| (StatusCode::INTERNAL_SERVER_ERROR, why);
    Ok(Json(Page {
        price: price.map_err(failed)?,
        reviews: reviews.map_err(failed)?,
        order: order.map_err(failed)?,
    }))
}

pub(crate) fn get(url: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::try_from(url).expect("a URL");
    request
}

fn place(url: &str, order: u32) -> Request<Full<Bytes>> {
    let mut request = get(url);
    *request.method_mut() = Method::POST;
    *request.body_mut() = Full::from(order.to_string());
    request
}

impl Asked {
    async fn part(&self, request: Request<Full<Bytes>>) -> Result<Part, String> {
        let began = Instant::now();
        let answer = self.client.clone().oneshot(request).await;
        let millis = began.elapsed().as_millis();
        let answer = answer.map_err(|error| error.to_string())?;
        let degraded = answer.extensions().get::<Degraded>();
        let accepted = answer.extensions().get::<Accepted>();
        let key = accepted.and_then(|accepted| accepted.idempotency_key.to_str().ok());
        Ok(Part {
            key: key.map(str::to_owned),
            row: row(degraded, answer.status())?,
            because: degraded.map(|it| it.cause.label().to_owned()),
            text: text(answer).await,
            millis,
        })
    }
}

/// How an answer is to be shown: the mark says who answered, if it was not who was asked.
fn row(degraded: Option<&Degraded>, status: StatusCode) -> Result<Row, String> {
    match degraded.map(|degraded| degraded.kind) {
        None if status.is_success() => Ok(Row::Live),
        Some(FallbackKind::Cached) => Ok(Row::Stale),
        Some(FallbackKind::Value) => Ok(Row::Default),
        Some(FallbackKind::Defer) => Ok(Row::Queued),
        _ => Err(format!("nothing to show: {status}")),
    }
}

async fn text(answer: Response<Full<Bytes>>) -> String {
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match head.headers.get(AGE).and_then(|age| age.to_str().ok()) {
        Some("0") => format!("{text}, just now"),
        Some(age) => format!("{text}, {age} s ago"),
        None => text,
    }
}
