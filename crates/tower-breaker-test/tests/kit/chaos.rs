//! Chaos: whom it meets, what it does, and that it does the same again.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    ops::Bound,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use http::{Response, StatusCode};
use proptest::prelude::*;
use tokio::time::{Instant, advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker_test::chaos::{ChaosBuilder, ChaosCounts, ChaosLayer, FaultyCall, When};

use crate::support::secs;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The number of a call that fails.
type Outcome = fn(FaultyCall) -> Result<(), u64>;

fn numbered(builder: ChaosBuilder) -> ChaosLayer<Outcome> {
    let outcome: Outcome = |call| Err(call.number);
    builder.outcome(outcome).build().expect("valid")
}

fn answers(_: ()) -> Ready<Result<(), u64>> {
    ready(Ok(()))
}

/// Which of so many calls fail, and how long each takes, in milliseconds.
async fn run(layer: &ChaosLayer<Outcome>, calls: u64) -> (Vec<u64>, Vec<u128>) {
    let mut service = layer.layer(service_fn(answers));
    let (mut failed, mut took) = (Vec::new(), Vec::new());
    for _ in 0..calls {
        let began = Instant::now();
        failed.extend(service.ready().await.expect("ready").call(()).await.err());
        took.push(began.elapsed().as_millis());
    }
    (failed, took)
}

async fn failed(builder: ChaosBuilder, calls: u64) -> Vec<u64> {
    run(&numbered(builder), calls).await.0
}

#[tokio::test(start_paused = true)]
async fn without_a_word_all_calls_pass() {
    let layer = numbered(ChaosLayer::builder(1));
    assert_eq!(run(&layer, 20).await, (vec![], vec![0; 20]));
    let counts = layer.counts();
    assert_eq!((counts.calls, counts.passed, counts.failed), (20, 20, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_fail_by_their_number() {
    let seed = ChaosLayer::builder(1);
    assert_eq!(
        failed(seed.clone().fail(When::calls(3..=5)), 8).await,
        [3, 4, 5]
    );
    assert_eq!(
        failed(seed.clone().fail(When::calls(3..5)), 8).await,
        [3, 4]
    );
    assert_eq!(failed(seed.clone().fail(When::calls(7..)), 8).await, [7, 8]);
    assert_eq!(
        failed(seed.clone().fail(When::calls(..=2)), 8).await,
        [1, 2]
    );
    let twice = seed.fail(When::calls(2..=2)).fail(When::calls(5..=5));
    assert_eq!(failed(twice, 8).await, [2, 5]);
}

#[tokio::test(start_paused = true)]
async fn calls_fail_by_the_time_since_the_layer_was_built() {
    let layer = numbered(ChaosLayer::builder(1).fail(When::during(secs(10)..secs(20))));
    let mut seen = Vec::new();
    for wait in [0, 9, 1, 9, 1] {
        advance(secs(wait)).await;
        seen.push(run(&layer, 1).await.0.len());
    }
    assert_eq!(seen, [0, 0, 1, 1, 0], "at 0, 9, 10, 19 and 20 seconds");
}

#[tokio::test(start_paused = true)]
async fn about_a_share_of_the_calls_fails() {
    let count = failed(ChaosLayer::builder(1).fail(When::share(0.2)), 10_000)
        .await
        .len();
    assert!((1_800..2_200).contains(&count), "{count}");
    assert_eq!(
        failed(ChaosLayer::builder(1).fail(When::share(0.0)), 1_000)
            .await
            .len(),
        0
    );
    assert_eq!(
        failed(ChaosLayer::builder(1).fail(When::share(1.0)), 1_000)
            .await
            .len(),
        1_000
    );
}

#[tokio::test(start_paused = true)]
async fn delays_are_within_their_range_and_add_up() {
    let fixed = ChaosLayer::builder(1).delay(When::always(), millis(20)..=millis(20));
    assert_eq!(run(&numbered(fixed.clone()), 3).await.1, [20, 20, 20]);
    let both = fixed.delay(When::calls(2..=2), secs(1)..=secs(1));
    assert_eq!(run(&numbered(both), 3).await.1, [20, 1_020, 20]);

    let range = ChaosLayer::builder(1).delay(When::always(), millis(100)..=millis(200));
    let layer = numbered(range);
    let took = run(&layer, 1_000).await.1;
    // A timer of tokio's goes by whole milliseconds, and is late rather than early.
    assert!(
        took.iter().all(|took| (100..=201).contains(took)),
        "{took:?}"
    );
    assert!(took.iter().any(|took| *took < 110) && took.iter().any(|took| *took > 190));
    assert_eq!(layer.counts().delayed, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_delayed_too_and_the_dependency_is_not_asked() {
    let builder = ChaosLayer::builder(1).fail(When::always());
    let layer = numbered(builder.delay(When::always(), secs(3)..=secs(3)));
    let began = Instant::now();
    let service = layer.layer(service_fn(|()| -> Ready<Result<(), u64>> {
        panic!("asked")
    }));
    assert_eq!(service.oneshot(()).await, Err(1));
    assert_eq!(began.elapsed(), secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_never_ends() {
    let hang = |builder: ChaosBuilder| builder.hang(When::calls(2..=2));
    let fail = |builder: ChaosBuilder| builder.fail(When::always());
    for builder in [
        hang(fail(ChaosLayer::builder(1))),
        fail(hang(ChaosLayer::builder(1))),
    ] {
        the_second_hangs(&numbered(builder)).await;
    }
}

async fn the_second_hangs(layer: &ChaosLayer<Outcome>) {
    let mut service = layer.layer(service_fn(answers));
    assert_eq!(service.ready().await.expect("ready").call(()).await, Err(1));
    let hung = timeout(
        secs(1_000_000),
        service.ready().await.expect("ready").call(()),
    );
    assert!(hung.await.is_err());
    let counts = layer.counts();
    assert_eq!(
        (counts.calls, counts.failed, counts.hung, counts.passed),
        (2, 1, 1, 0)
    );
}

#[tokio::test]
async fn the_default_fault_is_a_500_and_another_status_can_be_said() {
    let inner = service_fn(async |()| Ok::<_, Infallible>(Response::new(String::from("found"))));
    let chaos = ChaosLayer::builder(1).fail(When::always());
    let Ok(response) = chaos
        .clone()
        .build()
        .expect("valid")
        .layer(inner)
        .oneshot(())
        .await;
    assert_eq!(
        (response.status(), response.body().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "")
    );
    let chaos = chaos
        .status(StatusCode::TOO_MANY_REQUESTS)
        .build()
        .expect("valid");
    let Ok(response) = chaos.layer(inner).oneshot(()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_outcome_may_be_chosen_by_chance() {
    let layer = ChaosLayer::builder(1)
        .fail(When::always())
        .outcome(|call| match call.chance {
            ..0.5 => Err(io::Error::other("reset")),
            chance => Ok(chance),
        });
    let layer = layer.build().expect("valid");
    let mut service = layer.layer(service_fn(async |()| Ok::<_, io::Error>(2.0)));
    let mut errors = 0;
    for _ in 0..1_000 {
        match service.ready().await.expect("ready").call(()).await {
            Ok(chance) => assert!((0.5..1.0).contains(&chance)),
            Err(_) => errors += 1,
        }
    }
    assert!((400..600).contains(&errors), "{errors}");
}

#[tokio::test]
async fn services_of_one_layer_share_the_numbers() {
    let layer = numbered(ChaosLayer::builder(1).fail(When::calls(2..=2)));
    assert_eq!(layer.layer(service_fn(answers)).oneshot(()).await, Ok(()));
    assert_eq!(
        layer.clone().layer(service_fn(answers)).oneshot(()).await,
        Err(2)
    );
    assert_eq!(layer.counts().calls, 2);
}

#[test]
fn no_count_is_more_than_that_of_all_calls() {
    let delayed = ChaosLayer::builder(1).delay(When::always(), secs(1)..=secs(1));
    let layer = numbered(delayed.fail(When::share(0.5)).hang(When::share(0.1)));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().build().expect("a runtime");
            let _timers = runtime.enter();
            let mut service = layer.layer(service_fn(answers));
            while !is_over.load(Ordering::Relaxed) {
                // It counts, though nobody waits for it.
                drop(service.call(()));
            }
        });
        let seen = watch(&layer);
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(seen, Ok(()));
    });
}

/// Looks at the counts while they grow, until it has seen a thousand of them.
fn watch(layer: &ChaosLayer<Outcome>) -> Result<(), ChaosCounts> {
    let (mut seen, mut last) = (0, 0);
    while seen < 1_000 {
        let counts = layer.counts();
        let ends = counts.passed + counts.failed + counts.hung;
        if counts.delayed > counts.calls || ends != counts.calls {
            return Err(counts);
        }
        if counts.calls != last {
            (seen, last) = (seen + 1, counts.calls);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_service_can_be_cloned_and_sent_whatever_its_outcome_is() {
    let made = AtomicU64::new(0);
    let layer = ChaosLayer::builder(1).fail(When::always());
    let layer = layer.outcome(move |_| Err(made.fetch_add(1, Ordering::Relaxed)));
    let service = layer.build().expect("valid").layer(service_fn(answers));
    let clone = service.clone();
    assert_eq!(service.oneshot(()).await, Err(0));
    let sent = tokio::spawn(async move { clone.oneshot(()).await });
    assert_eq!(sent.await.expect("no panic"), Err(1), "clones share it");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_name_and_range() {
    let told = |builder: ChaosBuilder| builder.build().expect_err("refused").to_string();
    let fail = |when| told(ChaosLayer::builder(1).fail(when));
    assert_eq!(
        fail(When::share(1.5)),
        "`share` is 1.5, but must be in 0..=1"
    );
    assert_eq!(
        fail(When::share(f64::NAN)),
        "`share` is NaN, but must be in 0..=1"
    );
    assert_eq!(
        fail(When::share(-0.1)),
        "`share` is -0.1, but must be in 0..=1"
    );
    let calls = "but must be a range with a number in it, of which the first is 1";
    #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
    let backwards = When::calls(5..=3);
    assert_eq!(fail(backwards), format!("`calls` is 5..=3, {calls}"));
    assert_eq!(fail(When::calls(5..5)), format!("`calls` is 5..5, {calls}"));
    assert_eq!(fail(When::calls(..1)), format!("`calls` is ..1, {calls}"));
    let none = (Bound::Excluded(4), Bound::Excluded(5));
    assert_eq!(
        fail(When::calls(none)),
        format!("`calls` is (Excluded(4), Excluded(5)), {calls}")
    );
    let during = "`during` is 2s..2s, but must be a range with a time in it";
    assert_eq!(fail(When::during(secs(2)..secs(2))), during);
    let delay = told(ChaosLayer::builder(1).delay(When::always(), secs(2)..=secs(1)));
    assert_eq!(
        delay,
        "`delay` is 2s..=1s, but must be a time, or a range with a time in it, of at most a year"
    );
    let long = ChaosLayer::builder(1).delay(When::always(), Duration::ZERO..=Duration::MAX);
    assert_eq!(long.build().expect_err("refused").field(), "delay");
}

#[test]
fn a_schedule_that_meets_nothing_is_refused_at_the_ends_of_its_range_too() {
    let fault = |when| ChaosLayer::builder(1).fail(when).build().err();
    let field = |when| fault(when).map(|error| error.field().to_owned());
    let after = |last| (Bound::Excluded(last), Bound::Unbounded);
    assert_eq!(
        field(When::calls(after(u64::MAX))).as_deref(),
        Some("calls")
    );
    assert_eq!(field(When::calls(after(u64::MAX - 1))), None);
    assert_eq!(field(When::calls(after(0))), None);
    assert_eq!(field(When::calls(..)), None);

    let nanos = Duration::from_nanos;
    let between = |start, end| When::during((Bound::Excluded(start), Bound::Excluded(end)));
    let after = |last| When::during((Bound::Excluded(last), Bound::Unbounded));
    for never in [
        When::during(..Duration::ZERO),
        after(Duration::MAX),
        between(nanos(1), nanos(2)),
    ] {
        assert_eq!(field(never).as_deref(), Some("during"), "{never:?}");
    }
    for sometimes in [
        When::during(..=Duration::ZERO),
        When::during(Duration::MAX..),
        When::during(..),
        between(nanos(1), nanos(3)),
    ] {
        assert_eq!(field(sometimes), None, "{sometimes:?}");
    }
}

#[test]
fn who_counts_calls_from_zero_is_told() {
    let told = |when| ChaosLayer::builder(1).fail(when).build().expect_err("0");
    let expected = "but must be a range with a number in it, of which the first is 1";
    assert_eq!(
        told(When::calls(0..3)).to_string(),
        format!("`calls` is 0..3, {expected}")
    );
    assert_eq!(told(When::calls(0..)).value(), "0..");
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        Just(When::always()),
        (0.0..=1.0).prop_map(When::share),
        (1_u64..50, 0_u64..50).prop_map(|(first, more)| When::calls(first..=first + more)),
        (0_u64..5_000, 1_u64..5_000)
            .prop_map(|(from, more)| When::during(millis(from)..millis(from + more))),
    ]
}

fn chaos() -> impl Strategy<Value = ChaosBuilder> {
    let rule = (when(), 0..2_u8, 0_u64..500, 0_u64..500);
    (any::<u64>(), prop::collection::vec(rule, 0..6)).prop_map(|(seed, rules)| {
        let add = |builder: ChaosBuilder, (when, kind, least, more)| match kind {
            0 => builder.fail(when),
            _ => builder.delay(when, millis(least)..=millis(least + more)),
        };
        rules.into_iter().fold(ChaosLayer::builder(seed), add)
    })
}

/// A run in a time of its own.
fn run_of(builder: ChaosBuilder, calls: u64) -> (Vec<u64>, Vec<u128>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async { run(&numbered(builder), calls).await })
}

proptest! {
    #[test]
    fn the_same_seed_makes_the_same_chaos(builder in chaos()) {
        prop_assert_eq!(run_of(builder.clone(), 100), run_of(builder, 100));
    }

    #[test]
    fn a_rule_more_changes_nothing_about_those_before(seed: u64, share in 0.0..=1.0) {
        let one = ChaosLayer::builder(seed).fail(When::share(share));
        let two = one.clone().delay(When::share(0.5), millis(1)..=millis(9));
        prop_assert_eq!(run_of(one, 100).0, run_of(two, 100).0);
    }
}

/// So it is on every platform, and with the next version.
#[test]
fn the_chaos_of_a_seed_is_written_down() {
    let builder = ChaosLayer::builder(7).fail(When::share(0.2));
    let builder = builder.delay(When::share(0.3), millis(1)..=secs(10));
    let (failed, took) = run_of(builder, 20);
    assert_eq!(failed, [9, 10, 19]);
    let late: Vec<_> = (1..).zip(took).filter(|(_, took)| *took > 0).collect();
    assert_eq!(
        late,
        [
            (4, 5_838),
            (7, 4_752),
            (8, 3_784),
            (10, 2_729),
            (15, 5_961),
            (17, 239),
            (18, 4_696)
        ]
    );
}

#[test]
fn another_seed_makes_another_chaos() {
    let of = |seed| {
        let range = millis(1)..=millis(1_000);
        let builder = ChaosLayer::builder(seed).fail(When::share(0.5));
        run_of(builder.delay(When::always(), range), 100)
    };
    let (one, other) = (of(1), of(2));
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}
