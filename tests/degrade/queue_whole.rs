//! Calls, a circuit, an outbox and its drainers, over whatever may happen to them: what was accepted is delivered as
//! promised, dead, or handed back.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use proptest::prelude::*;
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tower::{Layer, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    degrade::queue::{DeadLetter, DeferLayer, Drained, Drainer, Entry, Memory, Outbox},
};

use crate::{
    drainer::{Dependency, Do},
    support::{millis, secs},
};

const ENTRIES: u32 = 8;
const BYTES: u64 = 3_500;

#[derive(Clone, Debug)]
enum Step {
    /// A call of this key, with a body so long.
    Call(u8, usize),
    /// What the dependency does about the next call.
    Behave(Do),
    Wait(u16),
    Trip,
    ForceOpen,
    Reset,
    /// Another drainer.
    Start,
    /// One of them is dropped.
    Abort(usize),
}

fn behaviour() -> impl Strategy<Value = Do> {
    prop_oneof![
        Just(Do::Answer),
        Just(Do::Status(500)),
        Just(Do::Status(404)),
        Just(Do::Later(2)),
        Just(Do::Fail),
        Just(Do::Hang),
        Just(Do::Panic),
        Just(Do::Reject),
        Just(Do::RejectAsError),
        (1..3_000_u64).prop_map(Do::Take),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u8, 0..400_usize).prop_map(|(key, size)| Step::Call(key, size)),
        5 => behaviour().prop_map(Step::Behave),
        6 => (1..4_000_u16).prop_map(Step::Wait),
        2 => Just(Step::Trip),
        1 => Just(Step::ForceOpen),
        2 => Just(Step::Reset),
        1 => Just(Step::Start),
        1 => (0..4_usize).prop_map(Step::Abort),
    ]
}

struct Whole {
    circuit: Circuit,
    memory: Memory,
    dependency: Dependency,
    dead: Arc<Mutex<Vec<Entry>>>,
    /// Number and key of each call that was answered with 202.
    accepted: Vec<(usize, u8)>,
    calls: usize,
    drainers: Vec<JoinHandle<Drained>>,
    aborted: bool,
    shutdown: watch::Sender<bool>,
}

impl Whole {
    fn new() -> Self {
        let circuit = Circuit::builder("orders").consecutive_failures(2);
        let circuit = circuit
            .open_for(secs(2))
            .half_open_timeout(secs(5))
            .ramp(secs(2), 0.2);
        Self {
            circuit: circuit.build().expect("valid"),
            memory: Memory::bounded(ENTRIES, BYTES),
            dependency: Dependency::default(),
            dead: Arc::default(),
            accepted: Vec::new(),
            calls: 0,
            drainers: Vec::new(),
            aborted: false,
            shutdown: watch::Sender::new(false),
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Call(key, size) => self.call(key, size).await,
            Step::Behave(behaviour) => self.dependency.then([behaviour]),
            Step::Wait(time) => sleep(millis(time.into())).await,
            Step::Trip => {
                let _: Result<_, _> = self.circuit.trip(secs(3));
            }
            Step::ForceOpen => {
                self.circuit.force_open();
            }
            Step::Reset => {
                self.circuit.reset();
            }
            Step::Start => self.start(),
            Step::Abort(which) => {
                if let Some(drainer) = self.drainers.get(which) {
                    drainer.abort();
                    self.aborted = true;
                }
            }
        }
        tokio::task::yield_now().await;
        let ledger = self.memory.ledger();
        assert!(ledger.entries() <= ENTRIES.into() && ledger.bytes() <= BYTES);
        assert!(!self.dependency.overlapped(), "two of one key at once");
    }

    /// A call that reaches the dependency is none of the queue's.
    async fn call(&mut self, key: u8, size: usize) {
        let answered = service_fn(|_: Request<Pieced>| async {
            Ok::<_, Infallible>(http::Response::new(Pieced::default()))
        });
        let breaker = CircuitBreakerLayer::new(self.circuit.clone()).layer(answered);
        let service = DeferLayer::new(&self.circuit, self.memory.clone()).layer(breaker);
        let body = format!("{}:{}", self.calls, "x".repeat(size));
        let request = Request::post(format!("/{key}")).body(Pieced::from(Bytes::from(body)));
        let answer = service
            .oneshot(request.expect("valid"))
            .await
            .expect("infallible");
        if answer.status() == StatusCode::ACCEPTED {
            self.accepted.push((self.calls, key));
        }
        self.calls += 1;
    }

    fn start(&mut self) {
        let dead = self.dead.clone();
        let drainer = Drainer::new(
            &self.circuit,
            self.memory.clone(),
            self.dependency.service(),
        )
        .attempt_timeout(secs(4))
        .max_attempts(3)
        .max_age(secs(40))
        .grace(secs(1))
        .interval(millis(50))
        .backoff(millis(300), secs(2))
        .dead_letter(move |letter: DeadLetter| {
            dead.lock().expect("no panic").push(letter.entry);
            std::future::ready(())
        });
        let mut shutdown = self.shutdown.subscribe();
        let ended = async move {
            let _: Result<_, _> = shutdown.wait_for(|ended| *ended).await;
        };
        self.drainers.push(tokio::spawn(drainer.run(ended)));
    }

    async fn end(mut self) {
        self.shutdown.send_replace(true);
        let mut left = Vec::new();
        for drainer in std::mem::take(&mut self.drainers) {
            match drainer.await {
                Ok(drained) => left.extend(drained.left),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        // Where no drainer was there to do so.
        left.extend(self.memory.close());
        assert_eq!(self.memory.ledger().entries(), 0);
        assert_eq!(self.memory.ledger().bytes(), 0);
        self.check(&left);
    }

    /// Each is in one place.
    fn check(&self, left: &[Entry]) {
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        let dead = self.dead.lock().expect("no panic");
        for entry in left.iter().chain(dead.iter()) {
            let body = String::from_utf8_lossy(entry.body());
            *places.entry(number(&body)).or_default() += 1;
        }
        let queue = self.circuit.snapshot().parts.and_then(|parts| parts.queue);
        let delivered = queue.map_or(0, |queue| queue.delivered);
        let kept = queue.map_or(0, |queue| queue.kept);
        assert!(places.values().all(|times| *times == 1), "{places:?}");
        let accepted = self.accepted.len() as u64;
        assert_eq!(kept, accepted);
        assert_eq!(places.len() as u64 + delivered, accepted);
        let answered = self.dependency.answered();
        for (number, _) in &self.accepted {
            let times = answered
                .iter()
                .filter(|body| self::number(body) == *number)
                .count();
            match places.contains_key(number) {
                // It was answered, and the drainer was dropped before it knew.
                true => assert!(times == 0 || self.aborted, "{number}"),
                false => assert!(times == 1 || times > 1 && self.aborted, "{number}: {times}"),
            }
        }
        self.check_order();
    }

    /// Of each key, none comes after a later one.
    fn check_order(&self) {
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        for seen in self.dependency.seen() {
            let number = number(&seen.body);
            let before = last.insert(seen.order_key.clone(), number);
            assert!(
                before.is_none_or(|before| before <= number),
                "{number} after {before:?}"
            );
            assert!(seen.idempotency_key.is_some());
        }
    }
}

fn number(body: &str) -> usize {
    let (number, _) = body.split_once(':').expect("as it was sent");
    number.parse().expect("a number")
}

type Pieced = http_body_util::Full<Bytes>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // M6, M7
    #[test]
    fn what_is_accepted_is_delivered_or_dead_or_handed_back(
        drainers in 0..3_usize,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut whole = Whole::new();
            (0..drainers).for_each(|_| whole.start());
            for step in steps {
                whole.step(step).await;
            }
            whole.end().await;
        });
    }
}
