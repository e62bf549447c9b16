//! A cache around a breaker around a service that says what the test tells it to. The test owns the time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, util::BoxService};
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    clock::ManualClock,
    degrade::{
        Degraded,
        cached::{Cached, CachedBody, CachedBuilder},
    },
};

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// With a body, or an empty one.
pub(super) type Question = Request<Full<Bytes>>;

type Inner = BoxService<Question, Response<CachedBody<Full<Bytes>>>, Infallible>;

pub(super) struct Stage {
    pub(super) cached: Cached,
    pub(super) clock: ManualClock,
    pub(super) circuit: Circuit,
    says: Arc<Mutex<Response<Bytes>>>,
    service: Inner,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
}

impl Got {
    /// Whether it came from the cache.
    pub(super) fn is_kept(&self) -> bool {
        self.head.extensions.get::<Degraded>().is_some()
    }

    /// All values of a header, one a line.
    pub(super) fn header(&self, name: &str) -> String {
        let values = self.head.headers.get_all(name).iter();
        let lines: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        lines.join("\n")
    }
}

impl Stage {
    /// What is kept may be given for an hour, and the time is half past two of the first day there was.
    pub(super) fn new() -> Self {
        Self::with(|cached| cached.stale_if_error(HOUR).keep_for(2 * HOUR))
    }

    pub(super) fn with(configure: impl FnOnce(CachedBuilder) -> CachedBuilder) -> Self {
        let clock = ManualClock::new();
        clock.advance(HOUR * 5 / 2);
        let builder = Cached::builder().clock(clock.clone());
        let cached = configure(builder)
            .build()
            .expect("settings that make sense");
        let circuit = Circuit::builder("reviews").build().expect("fine");
        let says = Arc::new(Mutex::new(reply(200, &[], "")));
        let told = says.clone();
        let origin = tower::service_fn(move |_: Question| {
            let response = told.lock().expect("fine").clone().map(Full::new);
            async move { Ok::<_, Infallible>(response) }
        });
        let service = ServiceBuilder::new()
            .layer(cached.layer(&circuit))
            .layer(CircuitBreakerLayer::new(circuit.clone()))
            .service(origin);
        Self {
            service: BoxService::new(service),
            cached,
            clock,
            circuit,
            says,
        }
    }

    /// What the dependency says from now on.
    pub(super) fn says(&self, response: Response<Bytes>) {
        *self.says.lock().expect("fine") = response;
    }

    pub(super) fn ask(&mut self, request: Question) -> Got {
        let ready = std::future::poll_fn(|context| self.service.poll_ready(context));
        ready.now_or_never().expect("ready").expect("never fails");
        let response = self.service.call(request).now_or_never().expect("at once");
        let (head, body) = response.expect("never fails").into_parts();
        let body = body
            .collect()
            .now_or_never()
            .expect("at once")
            .expect("never fails");
        Got {
            head,
            body: body.to_bytes(),
        }
    }

    /// The same, while the circuit is forced open.
    pub(super) fn ask_while_open(&mut self, request: Question) -> Got {
        self.circuit.force_open();
        let got = self.ask(request);
        self.circuit.release();
        got
    }

    /// Whether the answer to this request is given to the same once more, when there is no other.
    pub(super) fn keeps(&mut self, request: &Question, response: Response<Bytes>) -> bool {
        self.cached.clear();
        self.says(response);
        self.ask(request.clone());
        self.ask_while_open(request.clone()).is_kept()
    }
}

pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_owned()));
    *response.status_mut() = status.try_into().expect("a status");
    for (name, value) in headers {
        response.headers_mut().append(header(name), value_of(value));
    }
    response
}

pub(super) fn get(path: &str, headers: &[(&str, &str)]) -> Question {
    request("GET", path, headers)
}

pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Question {
    let mut request = Question::default();
    *request.method_mut() = method.parse().expect("a method");
    *request.uri_mut() = path.parse().expect("a URI");
    for (name, value) in headers {
        request.headers_mut().append(header(name), value_of(value));
    }
    request
}

fn header(name: &str) -> HeaderName {
    name.parse().expect("a name")
}

/// Bytes above ASCII are written as the character of that number.
fn value_of(text: &str) -> HeaderValue {
    let bytes: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("one byte"))
        .collect();
    HeaderValue::from_bytes(&bytes).expect("a value")
}

/// The time of day of a stage so many seconds after half past two.
pub(super) fn date(seconds: i64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH + HOUR * 5 / 2;
    let by = Duration::from_secs(seconds.unsigned_abs());
    httpdate::fmt_http_date(if seconds < 0 { now - by } else { now + by })
}
