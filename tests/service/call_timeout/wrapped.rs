//! M5, M2: what a layer says of its callers' time holds however it is wrapped, also where a bulkhead is around it all.

use tower::Service;
use tower_breaker::{BulkheadLayer, Reason, Rejected, types::Guarded};

use super::*;

/// What a caller has left.
const LEFT: Duration = Duration::from_millis(200);

type Boxed = BoxCloneService<Asked, Answer, io::Error>;

/// A breaker with a bulkhead around it, and the circuit that calls go through.
struct Wrapped {
    how: &'static str,
    circuit: Circuit,
    service: Boxed,
}

fn one_place(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit.bulkhead(1, 10 * LIMIT)
}

/// The answer to who gets no place. To any other rejection there is none.
async fn turn_away<Req>(rejected: Rejected, _: Req) -> Result<Answer, io::Error> {
    match rejected.reason() {
        Reason::BulkheadFull => Ok(respond(429)),
        _ => std::future::pending().await,
    }
}

async fn hangs<Req>(_: Req) -> Result<Answer, io::Error> {
    hang().await
}

/// A layer, by what it says of its callers' time.
macro_rules! shortened {
    ($circuit:expr) => {
        layer($circuit).fallback(turn_away).shortened_by(Extension)
    };
}

fn in_bulkhead<S>(how: &'static str, circuit: &Circuit, breaker: S) -> Wrapped
where
    S: Guarded<Asked, Way: Send, Future: Send>
        + Service<Asked, Response = Answer, Error = io::Error>,
    S: Clone + Send + 'static,
{
    Wrapped {
        how,
        circuit: circuit.clone(),
        service: BoxCloneService::new(BulkheadLayer::new().layer(breaker)),
    }
}

fn plain() -> Wrapped {
    let circuit = build(one_place);
    let breaker = shortened!(&circuit).layer(service_fn(hangs));
    in_bulkhead("not at all", &circuit, breaker)
}

fn not_ready_while_open() -> Wrapped {
    let circuit = build(one_place);
    let layer = shortened!(&circuit).pending_while_open();
    in_bulkhead("in readiness", &circuit, layer.layer(service_fn(hangs)))
}

fn by_request() -> Wrapped {
    let circuit = build(one_place);
    let layer = shortened!(&circuit).classify_with_request(
        |request: &Asked| request.method().clone(),
        |_, _: Result<&Answer, &io::Error>| Outcome::Success,
    );
    in_bulkhead("by request", &circuit, layer.layer(service_fn(hangs)))
}

#[cfg(feature = "registry")]
mod keyed {
    use tower_breaker::{keyed::by, registry::Registry};

    use super::*;

    pub(super) fn by_key() -> Wrapped {
        let registry = Registry::builder();
        let registry = registry.circuit("payments", |circuit| {
            one_place(circuit.open_for(BREAK).call_timeout(LIMIT))
        });
        let registry = registry.build().expect("valid");
        let layer = shortened!(&build(|c| c)).keyed_by(&registry, by::authority());
        let circuit = registry.get("payments").expect("there");
        in_bulkhead("by key", &circuit, layer.layer(service_fn(hangs)))
    }

    pub(super) fn on_first_failure() -> Wrapped {
        let registry = Registry::builder().build().expect("valid");
        let own = build(one_place);
        let layer = shortened!(&own).keyed_by(&registry, by::authority());
        let layer = layer.create_on_first_failure();
        in_bulkhead("on first failure", &own, layer.layer(service_fn(hangs)))
    }
}

/// Nobody but such a layer makes the bodies that one inside of it wants, where that was taken out of its wrapper.
#[cfg(feature = "body")]
fn with_request_bodies() -> Wrapped {
    type Upload = http_body_util::Empty<bytes::Bytes>;

    let circuit = build(one_place);
    let inner = shortened!(&circuit).observe_request_bodies(|body| body);
    let inner = inner.layer(service_fn(hangs)).into_inner();
    let outer = Circuit::builder("outer").build().expect("valid");
    let outer = layer(&outer).observe_request_bodies(|body| body);
    let service = outer.layer(BulkheadLayer::new().layer(inner));
    let service = service.map_request(|request: Asked| request.map(|()| Upload::new()));
    Wrapped {
        how: "with request bodies",
        circuit,
        service: BoxCloneService::new(service),
    }
}

fn all() -> Vec<Wrapped> {
    vec![
        plain(),
        not_ready_while_open(),
        by_request(),
        #[cfg(feature = "registry")]
        keyed::by_key(),
        #[cfg(feature = "registry")]
        keyed::on_first_failure(),
        #[cfg(feature = "body")]
        with_request_bodies(),
    ]
}

impl Wrapped {
    fn call(&self) -> impl Future<Output = Result<Answer, io::Error>> + use<> {
        let mut request = with_time_left(LEFT);
        *request.uri_mut() = "http://payments/".parse().expect("a URI");
        self.service.clone().oneshot(request)
    }

    /// A call that is answered with this when its caller's time is over.
    async fn is_over_in_time(&self, status: u16) -> Answer {
        let (answer, took) = timed(self.call()).await;
        let late = (took.checked_sub(LEFT)).is_none_or(|late| late > 2 * MOMENT);
        assert!(!late, "{}: {took:?}", self.how);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), status, "{}", self.how);
        answer
    }

    async fn is_cut_off(&self) {
        let answer = self.is_over_in_time(504).await;
        let told = answer.extensions().get().expect("told");
        is_told(told, LimitOf::Caller, LEFT);
    }

    fn taken(&self) -> u64 {
        let parts = self.circuit.snapshot().parts.expect("in use");
        parts.bulkhead.expect("in use").taken
    }
}

// M5
#[tokio::test(start_paused = true)]
async fn a_call_is_cut_off_when_its_callers_time_is_over() {
    for wrapped in all() {
        wrapped.is_cut_off().await;
        assert_eq!(timed_out(&wrapped.circuit), (0, 0, 1), "{}", wrapped.how);
    }
}

// M5, M2
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_place_when_its_callers_time_is_over() {
    for wrapped in all() {
        let _place = wrapped.circuit.try_enter().expect("free");
        wrapped.is_over_in_time(429).await;
    }
}

// M5, M2: the caller does not begin to wait anew.
#[tokio::test(start_paused = true)]
async fn who_has_waited_for_a_place_has_that_much_less_time() {
    for wrapped in all() {
        let place = wrapped.circuit.try_enter().expect("free");
        let leaves = async {
            sleep(LEFT / 2).await;
            drop(place);
        };
        tokio::join!(wrapped.is_cut_off(), leaves);
    }
}

// M2: nobody asks the dependency, for as long as the answer takes.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_rejected_when_its_place_comes_gives_it_back() {
    for wrapped in all() {
        let place = wrapped.circuit.try_enter().expect("free");
        let mut call = pin!(wrapped.call());
        assert!(call.as_mut().now_or_never().is_none());
        wrapped.circuit.trip(BREAK).expect("normal mode");
        drop(place);
        assert!(call.as_mut().now_or_never().is_none(), "{}", wrapped.how);
        assert_eq!(wrapped.taken(), 0, "{}", wrapped.how);
    }
}
