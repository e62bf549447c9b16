//! A dependency that does what it is told, what is around it, and callers who ask it and may go away.

use std::{
    collections::HashMap,
    future::pending,
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::BoxError;
use tower_breaker::{Circuit, State};

/// What the dependency does about a call that reaches it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    /// It answers, after so many milliseconds.
    Answer(u64),
    /// It answers 500.
    Fail(u64),
    /// The connection breaks.
    Break(u64),
    Hang,
    Panic,
    /// Another circuit further in rejects it, so it does not arrive.
    Reject,
}

/// A call that has reached it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) key: Option<String>,
    /// The circuit was half-open.
    pub(crate) was_probe: bool,
    /// When it was answered well.
    pub(crate) answered: Option<Instant>,
}

/// A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Dependency(Arc<Mutex<Seen>>);

#[derive(Default)]
pub(crate) struct Seen {
    /// What it does about the next calls. When nothing is left, it answers at once.
    script: std::vec::IntoIter<Does>,
    /// That of its callers, once there is one.
    pub(crate) circuit: Option<Circuit>,
    /// By what the call says: its body.
    pub(crate) arrivals: HashMap<String, Vec<Arrival>>,
    in_flight: [u64; 2],
    /// Of callers, and of the drainer.
    pub(crate) most_in_flight: [u64; 2],
}

/// Who calls.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Callers,
    Drainer,
}

/// One call less, however it ends.
struct InFlight(Dependency, By);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.seen().in_flight[self.1 as usize] -= 1;
    }
}

impl Dependency {
    pub(crate) fn doing(script: Vec<Does>) -> Self {
        let this = Self::default();
        this.seen().script = script.into_iter();
        this
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn call(
        self,
        request: Request<Full<Bytes>>,
        by: By,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        let key = request.headers().get("idempotency-key");
        let key = key.map(|key| key.to_str().expect("of letters").to_owned());
        let path = request.uri().path().to_owned();
        let in_head = request.headers().get("x-id").cloned();
        let Ok(body) = request.into_body().collect().await;
        let id = in_head.map_or(body.to_bytes().to_vec(), |id| id.as_bytes().to_vec());
        let id = String::from_utf8(id).expect("text");
        let does = self.seen().script.next().unwrap_or(Does::Answer(0));
        if does == Does::Reject {
            return Ok(rejection());
        }
        let nth = self.arrived(&id, key, by);
        let _in_flight = InFlight(self.clone(), by);
        let answer = |status: StatusCode| {
            let answer = Response::builder()
                .status(status)
                .header(CACHE_CONTROL, "max-age=0");
            Ok(answer.body(Full::from(format!("{path} {id}")))?)
        };
        match does {
            Does::Answer(takes) => {
                sleep(Duration::from_millis(takes)).await;
                let mut seen = self.seen();
                let arrivals = seen.arrivals.get_mut(&id).expect("it has arrived");
                arrivals[nth].answered = Some(Instant::now());
                answer(StatusCode::OK)
            }
            Does::Fail(takes) => {
                sleep(Duration::from_millis(takes)).await;
                answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Does::Break(takes) => {
                sleep(Duration::from_millis(takes)).await;
                Err("the connection broke".into())
            }
            Does::Hang => pending().await,
            // Nothing is printed.
            Does::Reject => unreachable!("it has not arrived"),
            Does::Panic => resume_unwind(Box::new("the client is broken")),
        }
    }

    /// Which of its arrivals this is.
    fn arrived(&self, id: &str, key: Option<String>, by: By) -> usize {
        let mut seen = self.seen();
        seen.in_flight[by as usize] += 1;
        let now = seen.in_flight[by as usize];
        let most = &mut seen.most_in_flight[by as usize];
        *most = now.max(*most);
        let state = seen.circuit.as_ref().map(Circuit::state);
        let arrivals = seen.arrivals.entry(id.to_owned()).or_default();
        arrivals.push(Arrival {
            at: Instant::now(),
            key,
            was_probe: state == Some(State::HalfOpen),
            answered: None,
        });
        arrivals.len() - 1
    }
}

fn rejection() -> Response<Full<Bytes>> {
    let circuit = Circuit::builder("further in")
        .build()
        .expect("the defaults");
    circuit.force_open();
    let rejected = circuit.try_acquire().expect_err("it is forced open");
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    rejected.mark_response(response)
}
