//! Without Tower.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::{JoinSet, yield_now};

use super::*;

type Twice<T> = Result<T, CircuitError<CircuitError<io::Error>>>;

async fn twice<T>(circuit: &Circuit, result: Result<T, io::Error>) -> Twice<T> {
    circuit
        .call(async {
            once_more().await;
            let answer = circuit.call(async {
                once_more().await;
                result
            });
            answer.await
        })
        .await
}

#[tokio::test]
async fn a_half_open_circuit_closes_by_a_call_in_a_call() {
    let fixture = fragile_after_break(|c| c);
    assert_eq!(twice(&fixture.circuit, Ok(1)).await.ok(), Some(1));
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_half_open_circuit_reopens_by_a_call_in_a_call() {
    let fixture = fragile_after_break(|c| c);
    let failed = twice::<()>(&fixture.circuit, Err(broken())).await;
    assert!(matches!(
        failed,
        Err(CircuitError::Inner(CircuitError::Inner(_)))
    ));
    fixture.tells(&REOPENS);
    assert_eq!(ends(&fixture), [0, 2, 0, 0, 0]);
}

// D1: a call in a call is one probe.
#[tokio::test]
async fn as_many_calls_in_calls_are_needed_as_calls() {
    for probes in [2, 3, 5] {
        let fixture = fragile_after_break(|c| c.permits(probes).probes(probes, probes));
        for _ in 1..probes {
            twice(&fixture.circuit, Ok(())).await.expect("admitted");
            fixture.is(State::HalfOpen);
        }
        twice(&fixture.circuit, Ok(())).await.expect("admitted");
        fixture.is(State::Closed);
    }
}

#[tokio::test]
async fn a_closed_circuit_counts_it_once() {
    let fixture = sturdy();
    twice(&fixture.circuit, Ok(())).await.expect("admitted");
    assert_eq!(ends(&fixture), [1, 0, 0, 0, 0]);
    for failures in 1..5 {
        assert!(twice::<()>(&fixture.circuit, Err(broken())).await.is_err());
        assert_eq!(fixture.look().consecutive_failures, failures);
    }
    assert!(twice::<()>(&fixture.circuit, Err(broken())).await.is_err());
    fixture.is(State::Open);
    assert_eq!(ends(&fixture), [1, 5, 0, 0, 0]);
}

#[tokio::test]
async fn windows_count_a_call_in_a_call_once() {
    let fixture = Fixture::new(|c| c.count_window(10).failure_rate(1.0));
    twice(&fixture.circuit, Ok(())).await.expect("admitted");
    assert!(twice::<()>(&fixture.circuit, Err(broken())).await.is_err());
    assert_eq!(fixture.window(), (2, 1, 0));
}

// Whatever the inner ones come to, the outer one says what the call has come to.
#[tokio::test]
async fn of_calls_in_calls_the_outermost_decides() {
    let fixture = sturdy();
    let circuit = &fixture.circuit;
    let made_good = circuit.call(async {
        for _ in 0..7 {
            assert!(
                circuit
                    .call(async { Err::<(), _>(broken()) })
                    .await
                    .is_err()
            );
        }
        Ok::<_, io::Error>(())
    });
    made_good.await.expect("admitted");
    assert_eq!(ends(&fixture), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_guard_made_inside_belongs_to_the_call() {
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let call = circuit.call(async {
        circuit.try_acquire()?.success();
        circuit.clone().try_acquire_owned()?.failure();
        drop(circuit.try_acquire()?);
        fixture.is(State::HalfOpen);
        Ok::<_, tower_breaker::Rejected>(())
    });
    call.await.expect("admitted");
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
}

#[tokio::test]
async fn an_owned_call_in_an_owned_call() {
    let fixture = fragile_after_break(|c| c);
    let (outer, inner) = (fixture.circuit.clone(), fixture.circuit.clone());
    let call = outer.call_owned(inner.call_owned(async { Ok::<_, io::Error>(()) }));
    let spawned = tokio::spawn(call).await.expect("no panic");
    spawned.expect("admitted");
    fixture.tells(&CLOSES);
}

#[tokio::test]
async fn one_circuit_behind_another_is_still_seen() {
    let (one, other) = (fragile_after_break(|c| c), fragile_after_break(|c| c));
    let (a, b) = (&one.circuit, &other.circuit);
    let call = a.call(b.call(a.call(b.call(a.call(async {
        once_more().await;
        Ok::<_, io::Error>(())
    })))));
    call.await.expect("admitted");
    for fixture in [&one, &other] {
        fixture.tells(&CLOSES);
        assert_eq!(ends(fixture), [1, 1, 0, 0, 0]);
        is_put_back(fixture);
    }
}

/// Under each of these, and then `innermost`.
async fn under(circuits: &[Circuit], innermost: &Circuit) -> bool {
    match circuits.split_first() {
        None => innermost
            .call(async { Ok::<_, io::Error>(()) })
            .await
            .is_ok(),
        Some((first, rest)) => {
            let inner = Box::pin(under(rest, innermost));
            let call = first.call(async { Ok::<_, io::Error>(inner.await) });
            call.await.expect("admitted")
        }
    }
}

// Deeper than anybody nests, the outer ones are still known, and nothing is left behind.
#[tokio::test]
async fn a_call_under_dozens_of_circuits() {
    for depth in [1, 2, 30, 31, 32, 33, 100] {
        let fixtures: Vec<_> = (0..depth).map(|_| sturdy()).collect();
        let circuits: Vec<_> = fixtures.iter().map(|it| it.circuit.clone()).collect();
        assert!(under(&circuits, &circuits[0]).await);
        for fixture in &fixtures {
            assert_eq!(ends(fixture), [1, 0, 0, 0, 0], "{depth} deep");
            is_put_back(fixture);
        }
    }
}

// ---- states and modes ----------------------------------------------------------------------

#[tokio::test]
async fn what_opens_the_circuit_meanwhile_does_not_stop_the_call() {
    let opens: [fn(&Circuit); 3] = [
        |circuit| circuit.trip(secs(5)).expect("normal mode"),
        |circuit| assert!(circuit.force_open()),
        |circuit| {
            circuit.reset();
            circuit.trip(secs(5)).expect("normal mode");
        },
    ];
    for open in opens {
        let fixture = sturdy();
        let circuit = &fixture.circuit;
        let call = circuit.call(async {
            open(circuit);
            circuit.call(async { Ok::<_, io::Error>(()) }).await
        });
        call.await.expect("both are one call");
        assert_eq!(ends(&fixture), [1, 0, 0, 0, 0]);
        assert!(circuit.try_acquire().is_err());
    }
}

#[tokio::test]
async fn modes_that_admit_everything_count_it_once() {
    for mode in [Mode::Disabled, Mode::Shadow] {
        let fixture = sturdy();
        fixture.circuit.set_mode(mode);
        twice(&fixture.circuit, Ok(())).await.expect("admitted");
        assert!(twice::<()>(&fixture.circuit, Err(broken())).await.is_err());
        assert_eq!(ends(&fixture), [1, 1, 0, 0, 0], "{mode:?}");
    }
}

#[tokio::test]
async fn what_shadow_would_have_rejected_is_one_call() {
    let fixture = fragile(|c| c.mode(Mode::Shadow));
    fixture.play("f");
    twice(&fixture.circuit, Ok(())).await.expect("admitted");
    assert_eq!(fixture.totals().shadowed, 1);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
    fixture.wait_out();
    twice(&fixture.circuit, Ok(())).await.expect("a probe");
    fixture.is(State::Closed);
}

// D6: the ramp takes one turn a call.
#[tokio::test]
async fn a_ramp_is_asked_once() {
    let fixture = fragile_after_break(|c| c.ramp(secs(1000), 0.1));
    fixture.play("s");
    fixture.is(State::Closed);
    for _ in 0..1000 {
        match twice(&fixture.circuit, Ok(())).await {
            Ok(()) | Err(CircuitError::Rejected(_)) => {}
            Err(CircuitError::Inner(_)) => panic!("the inner one was rejected"),
            Err(CircuitError::TimedOut(timed_out)) => panic!("{timed_out}"),
        }
    }
    let [successful, _, _, _, rejected] = ends(&fixture);
    assert_eq!(successful - 1 + rejected, 1000);
    assert!((100..=102).contains(&successful), "{successful}");
}

#[tokio::test]
async fn a_rejected_call_leaves_nothing_behind() {
    let fixture = fragile(|c| c);
    fixture.play("f");
    let rejected = twice(&fixture.circuit, Ok(())).await;
    assert!(matches!(rejected, Err(CircuitError::Rejected(_))));
    assert_eq!(ends(&fixture), [0, 1, 0, 0, 1]);
    fixture.wait_out();
    is_put_back(&fixture);
}

// ---- tasks and threads ---------------------------------------------------------------------

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_call_under_way_does_not_mark_another_on_its_thread() {
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let mut call = pin!(twice(circuit, Ok(())));
    // Outside, and then inside of the inner one.
    for _ in 0..2 {
        assert!(poll(call.as_mut()).is_pending());
        assert!(circuit.try_acquire().is_err(), "another call, and full");
        let mut another = pin!(twice(circuit, Ok(())));
        let Poll::Ready(Err(CircuitError::Rejected(_))) = poll(another.as_mut()) else {
            panic!("another call, and full");
        };
    }
    assert!(poll(call.as_mut()).is_ready());
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 4]);
}

#[test]
fn a_call_may_change_its_thread_between_two_polls() {
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let mut call = Box::pin(twice(circuit, Ok(())));
    assert!(poll(call.as_mut()).is_pending());
    for pending in [true, false] {
        thread::scope(|scope| {
            let elsewhere = scope.spawn(|| {
                assert_eq!(poll(call.as_mut()).is_pending(), pending);
                assert_eq!(circuit.try_acquire().is_err(), pending);
            });
            elsewhere.join().expect("no panic");
        });
    }
    assert_eq!(fixture.told().len(), 2);
    assert_eq!(ends(&fixture), [1, 1, 0, 1, 1]);
}

#[test]
fn a_call_that_is_dropped_is_abandoned_once() {
    let fixture = fragile_after_break(|c| c);
    for polls in 1..=2 {
        let mut call = Box::pin(twice(&fixture.circuit, Ok(())));
        for _ in 0..polls {
            assert!(poll(call.as_mut()).is_pending());
        }
        drop(call);
        assert_eq!(ends(&fixture), [0, 1, 0, polls, 0]);
    }
    is_put_back(&fixture);
    fixture.is(State::Closed);
}

#[test]
fn a_panic_inside_is_one_failure_and_leaves_nothing_behind() {
    let fixture = sturdy();
    let circuit = &fixture.circuit;
    let panicking = async { panic!("on purpose") };
    let mut call = pin!(circuit.call(circuit.call::<_, (), io::Error>(panicking)));
    let unwound = catch_unwind(AssertUnwindSafe(|| poll(call.as_mut())));
    assert!(unwound.is_err());
    assert_eq!(ends(&fixture), [0, 1, 0, 0, 0]);
    is_put_back(&fixture);
}

#[test]
fn a_panic_that_is_caught_inside_is_what_the_call_makes_of_it() {
    let fixture = sturdy();
    let circuit = &fixture.circuit;
    let mut call = pin!(circuit.call(async {
        let mut inner = pin!(circuit.call::<_, (), io::Error>(async { panic!("on purpose") }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(inner.as_mut()))).is_err());
        // Still inside.
        circuit.call(async { Ok::<_, io::Error>(()) }).await
    }));
    assert!(poll(call.as_mut()).is_ready());
    assert_eq!(ends(&fixture), [1, 0, 0, 0, 0]);
    is_put_back(&fixture);
}

// ---- what cannot be seen -------------------------------------------------------------------

#[tokio::test]
async fn a_task_of_its_own_makes_calls_of_its_own() {
    let fixture = fragile_after_break(|c| c);
    let circuit = fixture.circuit.clone();
    let call = fixture.circuit.call(async move {
        let spawned = tokio::spawn(circuit.call_owned(async { Ok::<_, io::Error>(()) }));
        spawned.await.expect("no panic")
    });
    assert!(matches!(
        call.await,
        Err(CircuitError::Inner(CircuitError::Rejected(_)))
    ));
    fixture.tells(&REOPENS);
}

#[tokio::test]
async fn a_call_under_a_guard_is_a_call_of_its_own() {
    let fixture = sturdy();
    let guard = fixture.admit();
    let call = fixture.circuit.call(async { Ok::<_, io::Error>(()) });
    guard.finish_with(call.await).expect("admitted");
    assert_eq!(ends(&fixture), [2, 0, 0, 0, 0]);
}

// D7.
#[tokio::test(start_paused = true)]
async fn a_driver_may_check_through_its_own_circuit() {
    let circuit = Circuit::builder("database")
        .consecutive_failures(1)
        .open_for(secs(5))
        .build()
        .expect("valid");
    let through = circuit.clone();
    let ping = async || {
        once_more().await;
        Ok::<_, io::Error>(())
    };
    let driver = circuit.probe_with(async move || through.call(ping()).await);
    let driver = tokio::spawn(driver);
    circuit.try_acquire().expect("closed").failure();
    assert!(circuit.watch().wait_for(State::Closed).await);
    let totals = circuit.snapshot().totals.expect("totals");
    assert_eq!(
        (totals.successful, totals.failed, totals.rejected),
        (1, 1, 0)
    );
    driver.abort();
}

// ---- under load ----------------------------------------------------------------------------

/// Asks one circuit, through it another, and through that the first again. Returns whether the first has
/// rejected what it had under way itself.
async fn there_and_back(there: &Counting, back: &Counting, number: usize) -> bool {
    let call = there.circuit.call(async {
        there.entered.fetch_add(1, Ordering::Relaxed);
        yield_now().await;
        let again = back.circuit.call(async {
            back.entered.fetch_add(1, Ordering::Relaxed);
            let inner = there.circuit.call(async {
                yield_now().await;
                if number % 100 == 99 {
                    Err(broken())
                } else {
                    Ok(())
                }
            });
            inner.await
        });
        match again.await {
            Err(CircuitError::Inner(error)) => Err(error),
            Ok(()) | Err(CircuitError::Rejected(_) | CircuitError::TimedOut(_)) => Ok(()),
        }
    });
    matches!(
        call.await,
        Err(CircuitError::Inner(CircuitError::Rejected(_)))
    )
}

/// A circuit that opens at the first failure for an instant, and how many calls it has admitted on their own.
struct Counting {
    circuit: Circuit,
    entered: AtomicU64,
}

impl Counting {
    fn new(name: &'static str) -> Self {
        let builder = Circuit::builder(name).consecutive_failures(1);
        let builder = builder
            .open_for(crate::support::NANO)
            .permits(3)
            .probes(3, 3);
        Self {
            circuit: builder.build().expect("valid"),
            entered: AtomicU64::new(0),
        }
    }
}

#[test]
fn many_threads_count_each_call_once() {
    let circuits = Arc::new([Counting::new("one"), Counting::new("other")]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let circuits = circuits.clone();
            tasks.spawn(async move {
                for number in 0..2000 {
                    let (there, back) = (&circuits[task % 2], &circuits[1 - task % 2]);
                    assert!(!there_and_back(there, back, number).await);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
    });
    for counting in circuits.iter() {
        let totals = counting.circuit.snapshot().totals.expect("totals");
        assert!(totals.trips > 0 && totals.rejected > 0, "it never collided");
        assert_eq!(totals.ended(), counting.entered.load(Ordering::Relaxed));
    }
}
