//! A look at every circuit.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    answer::{Json, PIECE, never_kept, others_first},
    boot::boot,
    json,
    page::page,
    places::Places,
    query::value_of,
    sampler::Sampler,
    stream::{EndsWhen, From, Stream},
};
use crate::{
    circuit::{event::Event, handle::Circuit},
    registry::Registry,
};

/// Routes that show every circuit of a registry over HTTP: a live page, and the data that it is made of.
///
/// ```
/// use axum::Router;
/// use tower_breaker::{admin::View, registry::Registry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().circuit("payments", |it| it).build()?;
/// let app: Router = Router::new().nest_service("/breakers", View::new(&registry).router::<()>());
/// # Ok(())
/// # }
/// ```
///
/// | `GET` | answers |
/// |---|---|
/// | the path that it is nested at | the page |
/// | `circuits` | every circuit, by name |
/// | `circuit?name=` | one, with its settings and its last events |
/// | `events`, `events?name=` | the last events of all circuits, or of one, oldest first |
/// | `stream`, `stream?name=` | all that happens, as server-sent events |
///
/// See [What the answers are made of](crate::guide::operating#the-page-and-what-it-is-made-of). Nothing here changes
/// anything: control is a separate router.
///
/// `nest_service` serves the page with a `/` at the end of its path and without one. `nest("/breakers", …)` serves only
/// `/breakers`, and `nest("/breakers/", …)` only `/breakers/`; the other is a 404.
///
/// The page shows buttons only if [`Control`](super::Control) is under the same prefix:
/// [how to mount both](crate::guide::operating#where-they-go).
///
/// **Watch out:** the page shows names, tags and what people wrote, which are for your own people. Put it where only
/// they reach it, or [behind authentication](crate::guide::operating#who-may-look).
#[must_use = "it has to be made a router"]
pub struct View {
    registry: Registry,
    max_streams: u32,
    ends_when: Option<Arc<EndsWhen>>,
}

impl View {
    /// Shows all circuits of this registry.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            max_streams: 64,
            ends_when: None,
        }
    }

    /// Sets how many streams there may be at once. Default: 64. Each open page has one. One more is answered with a 503
    /// and a `Retry-After`, unless some client has read nothing for a minute. Then that client's stream ends.
    ///
    /// Streams cost little. All circuits are looked at once a second, for all streams together, and only while there is
    /// a stream.
    pub fn max_streams(self, streams: u32) -> Self {
        Self {
            max_streams: streams,
            ..self
        }
    }

    /// Ends streams when `ends` returns true. They ask four times a second. For a graceful shutdown.
    ///
    /// **Watch out:** without it, a server that shuts down gracefully waits until nobody has the page open:
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// # use tower_breaker::{admin::View, registry::Registry};
    /// # let registry = Registry::builder().build().unwrap();
    /// let stopping = Arc::new(AtomicBool::new(false));
    /// let stops = stopping.clone();
    /// let view = View::new(&registry).streams_end_when(move || stops.load(Ordering::Relaxed));
    /// // axum::serve(listener, app).with_graceful_shutdown(async move {
    /// //     ctrl_c().await.ok();
    /// stopping.store(true, Ordering::Relaxed);
    /// // })
    /// # drop(view);
    /// ```
    pub fn streams_end_when(self, ends: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            ends_when: Some(Arc::new(ends)),
            ..self
        }
    }

    /// Makes the routes. They keep the registry alive. A stream does not, and ends when the registry is gone.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let this = Arc::new(Watched::new(self));
        let (all, one, events, stream) = (this.clone(), this.clone(), this.clone(), this);
        let routes = Router::new()
            .route("/", get(async || page()))
            .route("/circuits", get(async move || all.circuits().await))
            .route("/circuit", get(async move |uri: Uri| one.circuit(&uri)))
            .route("/events", get(async move |uri: Uri| events.events(&uri)))
            .route(
                "/stream",
                get(async move |uri: Uri, headers: HeaderMap| stream.stream(&uri, &headers)),
            );
        never_kept(routes)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("max_streams", &self.max_streams)
            .finish_non_exhaustive()
    }
}

/// What all routes of a view share.
struct Watched {
    registry: Registry,
    sampler: Arc<Sampler>,
    places: Arc<Places>,
    ends_when: Option<Arc<EndsWhen>>,
}

impl Watched {
    fn new(view: View) -> Self {
        let View {
            registry,
            max_streams,
            ends_when,
        } = view;
        Self {
            sampler: Arc::new(Sampler::new(&registry)),
            registry,
            places: Arc::new(Places::new(max_streams)),
            ends_when,
        }
    }

    async fn circuits(&self) -> Json {
        let mut shown = Vec::new();
        for names in self.registry.names().chunks(PIECE) {
            let circuits = names.iter().filter_map(|name| self.registry.get(name));
            shown.extend(circuits.map(|it| json::circuit_now(&it, &self.registry)));
            others_first().await;
        }
        told("circuits", shown)
    }

    fn circuit(&self, uri: &Uri) -> Result<Json, Json> {
        let circuit = self.asked_for(uri)?;
        let circuit = circuit.ok_or_else(|| bad_request("`name` is missing: which circuit?"))?;
        let mut shown = json::circuit_now(&circuit, &self.registry);
        shown["settings"] = json::settings(&circuit.settings());
        shown["events"] = Value::Array(self.events_of(Some(&circuit)));
        Ok(Json::ok(shown))
    }

    fn events(&self, uri: &Uri) -> Result<Json, Json> {
        let circuit = self.asked_for(uri)?;
        Ok(told("events", self.events_of(circuit.as_ref())))
    }

    /// Those that were told since this is there, of all circuits or of one; of one also what it keeps itself.
    fn events_of(&self, circuit: Option<&Circuit>) -> Vec<Value> {
        let all = self.sampler.ring.all().into_iter();
        let Some(circuit) = circuit else {
            return all.map(|it| json::event(&it.event)).collect();
        };
        let is_of = |it: &Arc<Event>| it.circuit == *circuit.full_name();
        let told = all.map(|it| it.event.clone()).filter(is_of);
        let own = circuit.recent_events().into_iter();
        let by_id: BTreeMap<_, _> = told.chain(own).map(|it| (it.id, it)).collect();
        by_id.values().map(|it| json::event(it)).collect()
    }

    fn stream(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        match self.begin(uri, headers) {
            Ok(Some(stream)) => streamed(stream),
            Ok(None) => no_place(),
            Err(wrong) => wrong.into_response(),
        }
    }

    /// A stream, if there is a place for one.
    fn begin(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Stream>, Json> {
        let circuit = self.asked_for(uri)?;
        let from = from(uri, headers)?;
        let Some(place) = Places::take(&self.places, Instant::now()) else {
            return Ok(None);
        };
        let (sampler, ends_when) = (self.sampler.clone(), self.ends_when.clone());
        let stream = Stream::new(sampler, ends_when, place, circuit.as_ref(), &from);
        Ok(Some(stream))
    }

    /// The circuit whose name is asked for, if one is.
    fn asked_for(&self, uri: &Uri) -> Result<Option<Circuit>, Json> {
        let find = |name: String| match self.registry.try_get(&name) {
            Ok(circuit) => Ok(circuit),
            Err(unknown) => Err(Json::error(StatusCode::NOT_FOUND, unknown.to_string())),
        };
        asked(uri, "name")?.map(find).transpose()
    }
}

fn told(what: &str, list: Vec<Value>) -> Json {
    Json::ok(json!({ "now": json::time(SystemTime::now()), "boot": boot(), what: list }))
}

fn from(uri: &Uri, headers: &HeaderMap) -> Result<From, Json> {
    let header = headers.get("last-event-id").filter(|id| !id.is_empty());
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let since_era = match asked(uri, "since_era")?.map(|era| era.parse()) {
        Some(Err(_)) => return Err(bad_request("`since_era` is no number")),
        Some(Ok(era)) => Some(era),
        None => None,
    };
    Ok(From {
        last_event_id: header.or(asked(uri, "last_event_id")?),
        since_era,
    })
}

fn asked(uri: &Uri, key: &str) -> Result<Option<String>, Json> {
    value_of(uri, key).map_err(|_| bad_request(&format!("`{key}` is no text in UTF-8")))
}

fn streamed(stream: Stream) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // nginx would hold back what it is given.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::new(stream)).into_response()
}

fn no_place() -> Response {
    let why = "there are as many streams as there may be";
    let answer = Json::error(StatusCode::SERVICE_UNAVAILABLE, why);
    ([(header::RETRY_AFTER, "10")], answer).into_response()
}

fn bad_request(why: &str) -> Json {
    Json::error(StatusCode::BAD_REQUEST, why)
}
