//! Who counts an answer, and tells it.

use super::*;
use std::sync::{
    Barrier,
    atomic::{AtomicU64, Ordering},
};
use tower_breaker::{
    Totals,
    degrade::fallback::{CountedFor, FallbackLayer, value},
    observe::{CallEvent, FellBack},
};

// M1: the circuit has decided before there is another answer.
#[test]
fn totals_are_the_same_with_and_without_a_fallback() {
    let run = |with: bool| -> Totals {
        let circuit = Circuit::builder("reviews")
            .consecutive_failures(3)
            .build()
            .unwrap();
        let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
        for status in [200, 404, 500, 200, 503, 500, 502, 200, 200] {
            let service = behind(&circuit, status);
            let Ok(_) = if with {
                ask(layer.layer(service))
            } else {
                ask(service)
            };
        }
        circuit.snapshot().totals.unwrap()
    };
    let without = run(false);
    assert_eq!(without.rejected, 2);
    assert_eq!(run(true), without);
}

// M1, L2: each answer is told once.
#[test]
fn each_answer_is_told() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let circuit = Circuit::builder("reviews")
        .on_call(move |_, event| {
            if let CallEvent::FellBack(FellBack {
                kind,
                cause,
                answered,
                ..
            }) = event
            {
                told.lock().unwrap().push((kind, cause, answered));
            }
        })
        .consecutive_failures(1)
        .build()
        .unwrap();
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    for status in [200, 500, 200] {
        let Ok(_) = ask(layer.layer(behind(&circuit, status)));
    }
    assert_eq!(
        *heard.lock().unwrap(),
        [
            (FallbackKind::Value, FallbackCause::Failed, true),
            (FallbackKind::Value, OPEN, true),
        ]
    );
}

// M1
#[test]
fn nobody_counts_only_if_that_is_said() {
    let circuit = open();
    let layer = FallbackLayer::on_failure(CountedFor::nobody(), value(stand_in()));
    let Ok(answer) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(answer.body(), "stand-in");
    assert_eq!(fallbacks(&circuit), []);
}

// M1: once each, whoever answers at the same time.
#[test]
fn eight_threads_count_each_answer_once() {
    const THREADS: usize = 8;
    const CALLS: u64 = 2_000;
    const ALL: u64 = THREADS as u64 * CALLS;
    let heard = Arc::new(AtomicU64::new(0));
    let told = heard.clone();
    let circuit = Circuit::builder("reviews")
        .on_call(move |_, event| {
            if matches!(event, CallEvent::FellBack(_)) {
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .unwrap();
    circuit.force_open();
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..CALLS {
                    let Ok(answer) = ask(layer.layer(behind(&circuit, 200)));
                    assert_eq!(answer.body(), "stand-in");
                }
            });
        }
    });
    let forced = FallbackCause::Rejected(Reason::ForcedOpen);
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Value, forced, ALL, 0)]);
    assert_eq!(heard.load(Ordering::Relaxed), ALL);
}

#[cfg(feature = "registry")]
mod keyed {
    use super::*;
    use tower::util::BoxCloneService;
    use tower_breaker::{
        degrade::fallback::{Keep, OnFailure, Value},
        keyed::by,
        registry::Registry,
    };

    // M1, I1: the circuit of the key counts: one that is named, and with the key also for failures, the first of a key
    // among them.
    #[test]
    fn each_key_counts_its_own() {
        let failed = |times| (FallbackKind::Value, FallbackCause::Failed, times, 0);
        let open = |times| (FallbackKind::Value, OPEN, times, 0);
        let [one, two] = count_by(|layer, _| Box::new(layer));
        assert_eq!((one, two), (vec![open(2)], vec![open(1)]));
        let [one, two] =
            count_by(|layer, registry| Box::new(layer.keyed_by(registry, by::authority())));
        assert_eq!(
            (one, two),
            (vec![open(2), failed(1)], vec![open(1), failed(1)])
        );
    }

    type Plain = FallbackLayer<Value<Response<String>>, OnFailure>;
    type Counts = Vec<(FallbackKind, FallbackCause, u64, u64)>;
    type Inner = BoxCloneService<Request<String>, Response<String>, Infallible>;

    /// Puts a fallback around a service.
    trait Around {
        fn around(&self, inner: Inner) -> Boxed<Infallible>;
    }

    impl<K> Around for FallbackLayer<Value<Response<String>>, OnFailure, K>
    where
        K: Keep<Request<String>, Kept: Send, CircuitOf: Send> + Send + Sync + 'static,
    {
        fn around(&self, inner: Inner) -> Boxed<Infallible> {
            BoxService::new(self.layer(inner))
        }
    }

    /// What two keys have counted, of which one was asked three times and the other twice.
    fn count_by(make: impl FnOnce(Plain, &Registry) -> Box<dyn Around>) -> [Counts; 2] {
        let registry = Registry::builder()
            .defaults(|host| host.consecutive_failures(1))
            .build()
            .unwrap();
        let breaker = registry.layer_by(by::authority());
        let layer = make(
            FallbackLayer::on_failure(&registry, value(stand_in())),
            &registry,
        );
        let ask = |uri: &str| {
            let request = Request::get(uri).body(String::new()).unwrap();
            let service = layer.around(BoxCloneService::new(breaker.layer(answering(500))));
            let Ok(answer) = service.oneshot(request).now_or_never().unwrap();
            assert_eq!(answer.body(), "stand-in");
        };
        ask("http://one.test/");
        ask("http://one.test/");
        ask("http://one.test/");
        ask("http://two.test/");
        ask("http://two.test/");
        ["one.test", "two.test"].map(|name| fallbacks(&registry.get(name).unwrap()))
    }
}
