//! What the state of the circuit makes of it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

use tower::retry::budget::Budget;
use tower_breaker::{
    CircuitError, Mode, Outcome, Rejected, State,
    classify::is_rejection,
    observe::{CallEvent, RetryDecision},
};

use super::*;

/// A budget that always has something, and counts what is moved in it.
#[derive(Clone, Default)]
struct Ledger(Arc<[AtomicI64; 2]>);

impl Ledger {
    /// Deposits and withdrawals.
    fn movements(&self) -> (i64, i64) {
        (self.0[0].load(SeqCst), self.0[1].load(SeqCst))
    }
}

impl Budget for Ledger {
    fn deposit(&self) {
        self.0[0].fetch_add(1, SeqCst);
    }

    fn withdraw(&self) -> bool {
        self.0[1].fetch_add(1, SeqCst);
        true
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn a_rejection_is_left_alone() {
    let circuit = circuit(plenty(3));
    let (upstream, ledger) = (Upstream::new([200]), Ledger::default());
    let client = stacked(
        at_once(&circuit).budget(ledger.clone()),
        &circuit,
        &upstream,
    );
    circuit.force_open();

    let response = client.clone().oneshot(get()).await.unwrap();
    assert!(is_rejection(&response));
    assert_eq!(upstream.asked(), 0);
    assert_eq!(ledger.movements(), (0, 0));
    assert_eq!(counted(&circuit), totals(|totals| totals.rejected = 1));
}

// M8: of another circuit, too, while this one is closed.
#[tokio::test(start_paused = true)]
async fn so_is_one_of_another_circuit() {
    let (here, further_in) = (circuit(plenty(3)), circuit(plenty(3)));
    further_in.force_open();
    let upstream = Upstream::new([200]);
    let client = stacked(at_once(&here), &further_in, &upstream);
    assert_eq!(ask(&client, get()).await, 503);
    assert_eq!(counted(&here), totals(|totals| totals.rejected = 1));
    assert_eq!(further_in.snapshot().totals.unwrap().rejected, 1);
}

// M8: whatever the classifier makes of its status.
#[tokio::test(start_paused = true)]
async fn so_is_one_that_the_classifier_takes_for_a_failure() {
    let (here, further_in) = (circuit(plenty(3)), circuit(plenty(3)));
    further_in.force_open();
    let policy = at_once(&here).classifier(|result: Result<&Answer, &BoxError>| match result {
        Ok(response) if response.status().is_success() => Outcome::Success,
        _ => Outcome::Failure,
    });
    let layer = CircuitBreakerLayer::new(further_in);
    let upstream = Upstream::new([200]);
    let service = ServiceBuilder::new()
        .retry(policy)
        .layer(layer)
        .service(upstream.service());
    assert!(is_rejection(&service.oneshot(get()).await.unwrap()));
    assert_eq!(counted(&here), totals(|totals| totals.rejected = 1));
}

/// Asks once, through whatever breaker, and says what became of the call.
async fn ask_through<S, E, M>(here: &Circuit, ledger: &Ledger, service: S) -> E
where
    S: tower::Service<Ask, Response = Answer, Error = E> + Clone,
    E: tower_breaker::degrade::retries::AnyError<M> + std::fmt::Debug,
{
    let policy = Retries::<_, _, M>::new(here).budget(ledger.clone());
    let service = ServiceBuilder::new().retry(policy).service(service);
    service.oneshot(get()).await.unwrap_err()
}

/// Hides what it wraps.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Hidden(CircuitError<Infallible>);

// M8: however a rejection comes as an error.
#[tokio::test(start_paused = true)]
async fn so_is_one_that_is_an_error() {
    let (here, further_in) = (circuit(plenty(3)), circuit(plenty(3)));
    further_in.force_open();
    let ledger = Ledger::default();
    let layer = CircuitBreakerLayer::new(further_in);
    let plain = service_fn(async |_: Ask| Ok::<_, Infallible>(Answer::default()));
    let boxed = service_fn(async |_: Ask| Ok::<_, BoxError>(Answer::default()));

    let as_error = ServiceBuilder::new().layer(layer.clone().reject_as_error());
    let error = ask_through(&here, &ledger, as_error.clone().service(plain)).await;
    assert!(error.rejected().is_some());
    let error = ask_through(&here, &ledger, as_error.clone().service(boxed)).await;
    assert!(error.rejected().is_some());
    let as_box = ServiceBuilder::new().layer(layer.reject_as_box_error());
    let error = ask_through(&here, &ledger, as_box.service(boxed)).await;
    assert!(Rejected::find(&*error).is_some());
    let hidden = as_error.service(plain).map_err(Hidden);
    ask_through(&here, &ledger, hidden).await;

    assert_eq!(counted(&here), totals(|totals| totals.rejected = 4));
    assert_eq!(ledger.movements(), (0, 0));
}

// M8
#[tokio::test(start_paused = true)]
async fn it_stops_when_the_circuit_opens() {
    let circuit = built(plenty(9), |builder| builder.consecutive_failures(3));
    let (upstream, ledger) = (Upstream::new([500]), Ledger::default());
    let client = stacked(
        at_once(&circuit).budget(ledger.clone()),
        &circuit,
        &upstream,
    );

    // The failure itself is the answer, not a rejection that comes after it.
    let response = client.clone().oneshot(get()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), is_rejection(&response)),
        (500, false)
    );
    assert_eq!((upstream.asked(), circuit.state()), (3, State::Open));
    assert_eq!(ledger.movements(), (0, 2));
    let expected = totals(|totals| (totals.retried, totals.not_closed) = (2, 1));
    assert_eq!(counted(&circuit), expected);
}

// M8: `tower::retry` does not ask again after the wait. Then the rejection is the answer.
#[tokio::test(start_paused = true)]
async fn if_it_opens_during_the_wait_the_rejection_is_the_answer() {
    let circuit = circuit(plenty(9));
    let upstream = Upstream::new([retry_after(503, 2)]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    let call = tokio::spawn(client.oneshot(get()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    circuit.force_open();
    assert!(is_rejection(&call.await.unwrap().unwrap()));
    assert_eq!(upstream.asked(), 1);
    let expected = totals(|totals| (totals.retried, totals.rejected) = (1, 1));
    assert_eq!(counted(&circuit), expected);
}

// M8: a probe that fails is not repeated.
#[tokio::test(start_paused = true)]
async fn a_probe_is_not_repeated() {
    let circuit = built(plenty(9), |builder| builder.consecutive_failures(1));
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    assert_eq!(ask(&client, get()).await, 500);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ask(&client, get()).await, 500);
    assert_eq!(upstream.asked(), 2);
    assert_eq!(counted(&circuit), totals(|totals| totals.not_closed = 2));

    // Nor one that is followed by another: the circuit is half-open.
    let circuit = built(plenty(9), |builder| builder.probes(2, 3).permits(1));
    circuit.trip(Duration::from_secs(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let upstream = Upstream::new([500]);
    assert_eq!(
        ask(&stacked(at_once(&circuit), &circuit, &upstream), get()).await,
        500
    );
    assert_eq!((upstream.asked(), circuit.state()), (1, State::HalfOpen));
}

// M8
#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_while_ramping_up() {
    let circuit = built(plenty(9), |builder| {
        builder.ramp(Duration::from_secs(10), 0.1)
    });
    let upstream = Upstream::new([200]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    circuit.trip(Duration::from_secs(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&client, get()).await, 200);
    assert_eq!(circuit.state(), State::Closed);

    upstream.says([500]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&client, get()).await, 500);
    assert_eq!(upstream.asked(), 2);
    assert_eq!(counted(&circuit), totals(|totals| totals.not_closed = 1));

    tokio::time::sleep(Duration::from_secs(5)).await;
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 12);
}

// M8, B9
#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_while_shedding() {
    let circuit = built(plenty(9), |builder| {
        let builder = builder.consecutive_failures(1_000).count_window(10);
        let builder = builder.minimum_calls(10).failure_rate(None);
        builder.shed(2.0, 0.5)
    });
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    // The last of them begins it.
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 10);
    let before = counted(&circuit);
    for _ in 0..20 {
        ask(&client, get()).await;
    }
    let (shed, asked) = (counted(&circuit), upstream.asked() - 10);
    assert!((9..=11).contains(&asked), "half of them: {asked}");
    assert_eq!(shed.not_closed - before.not_closed, asked as u64);
    assert_eq!(shed.rejected - before.rejected, 20 - asked as u64);
}

/// A circuit in this mode whose state is open, as far as it has one, and how often a failing call is made.
async fn tries(mode: Mode, policy: impl FnOnce(Policy) -> Policy) -> usize {
    let circuit = built(plenty(2), |builder| {
        builder.consecutive_failures(1).mode(mode)
    });
    let upstream = Upstream::new([500]);
    let client = stacked(policy(at_once(&circuit)), &circuit, &upstream);
    ask(&client, get()).await;
    ask(&client, get()).await;
    upstream.asked()
}

// M8: shadow is there to see what a circuit would do.
#[tokio::test(start_paused = true)]
async fn a_circuit_in_shadow_stops_no_retry_unless_it_gates_them() {
    assert_eq!(tries(Mode::Normal, |policy| policy).await, 1);
    assert_eq!(tries(Mode::Shadow, |policy| policy).await, 6);
    assert_eq!(tries(Mode::Disabled, |policy| policy).await, 6);
    // The first opens it, so that neither is repeated; and both are made.
    assert_eq!(tries(Mode::Shadow, Retries::gate_only).await, 2);
    assert_eq!(tries(Mode::Disabled, Retries::gate_only).await, 6);
    assert_eq!(tries(Mode::Normal, Retries::gate_only).await, 1);
}

// M8: a call that has failed when a person had turned to the circuit.
#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_once_it_is_forced_open() {
    for gate_only in [false, true] {
        let circuit = circuit(plenty(9));
        let forced = circuit.clone();
        let dependency = service_fn(move |_: Ask| {
            forced.force_open();
            std::future::ready(Ok::<_, BoxError>(
                Response::builder().status(500).body(String::new()).unwrap(),
            ))
        });
        let policy = match gate_only {
            true => at_once(&circuit).gate_only(),
            false => at_once(&circuit),
        };
        let layer = CircuitBreakerLayer::new(circuit.clone());
        let service = ServiceBuilder::new()
            .retry(policy)
            .layer(layer)
            .service(dependency);
        service.oneshot(get()).await.unwrap();
        assert_eq!(counted(&circuit), totals(|totals| totals.not_closed = 1));
    }
}

// M8: a circuit that is disabled decides nothing, whatever state it was in.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_disabled_stops_no_retry() {
    let circuit = circuit(plenty(2));
    circuit.trip(Duration::from_secs(60)).unwrap();
    circuit.set_mode(Mode::Disabled);
    let upstream = Upstream::new([500]);
    ask(
        &stacked(at_once(&circuit).gate_only(), &circuit, &upstream),
        get(),
    )
    .await;
    assert_eq!(upstream.asked(), 3);
}

// M8
#[tokio::test(start_paused = true)]
async fn a_gate_for_retries_lets_every_first_try_through() {
    let circuit = built(plenty(2), |builder| {
        builder.consecutive_failures(4).mode(Mode::Shadow)
    });
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit).gate_only(), &circuit, &upstream);
    for _ in 0..100 {
        assert_eq!(ask(&client, get()).await, 500);
    }
    // Two repeats of the first call. The next opens it.
    assert_eq!((upstream.asked(), circuit.state()), (102, State::Open));
    let expected = totals(|totals| {
        (totals.retried, totals.exhausted, totals.not_closed) = (2, 1, 99);
    });
    assert_eq!(counted(&circuit), expected);

    // A first try is the probe that closes it.
    upstream.says([200]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ask(&client, get()).await, 200);
    upstream.says([500, 200]);
    assert_eq!(ask(&client, get()).await, 200);
    assert_eq!(upstream.asked(), 105);
}

// M8
#[tokio::test(start_paused = true)]
async fn the_setting_is_obeyed_while_the_circuit_lives() {
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(1_000)
        .build()
        .unwrap();
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 1);
    assert_eq!(counted(&circuit), totals(|totals| totals.off = 1));

    let set = |limits: Option<RetryLimits>| {
        circuit
            .reconfigure(|settings| settings.set_retries(limits))
            .unwrap();
    };
    set(Some(plenty(1)));
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 3);
    set(Some(plenty(4)));
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 8);
    set(None);
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 9);
    let before = counted(&circuit);
    assert_eq!((before.off, before.rejected), (2, 0));
    // Which is never repeated anyway.
    circuit.force_open();
    ask(&client, get()).await;
    let now = counted(&circuit);
    assert_eq!((now.off, now.rejected), (2, 1));
}

// M8, L2
#[tokio::test(start_paused = true)]
async fn each_decision_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let circuit = built(plenty(1), |builder| {
        builder.on_call(move |_, event| {
            if let CallEvent::Retried(decision) = event {
                heard.lock().unwrap().push(decision);
            }
        })
    });
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    ask(&client, get()).await;
    circuit.force_open();
    ask(&client, get()).await;
    use RetryDecision::{Exhausted, Rejected, Retried};
    assert_eq!(*told.lock().unwrap(), [Retried, Exhausted, Rejected]);
}

// M8, M9
#[test]
fn a_circuit_knows_whether_anybody_keeps_to_its_setting() {
    let circuit = circuit(plenty(1));
    let shown = || circuit.snapshot().parts.and_then(|parts| parts.retries);
    assert_eq!(shown(), None);
    let _: Policy = Retries::new(&circuit);
    assert_eq!(shown(), Some(totals(|_| ())));
}

// M8
#[test]
fn a_policy_can_be_seen() {
    let printed = format!("{:?}", at_once(&circuit(plenty(1))).gate_only());
    assert!(
        printed.contains("reviews") && printed.contains("gate_only: true"),
        "{printed}"
    );
}
