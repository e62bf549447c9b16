//! How many calls of a circuit are repeated.

use super::*;

const WINDOW: Duration = Duration::from_secs(10);

/// One repeat of a call, a share of the successes, and so many each second.
fn limits(share: f64, per_second: u32) -> RetryLimits {
    RetryLimits::new(1).share(share).per_second(per_second)
}

/// Of so many calls that fail, how many are repeated?
async fn repeated(calls: usize, client: &Client, upstream: &Upstream) -> usize {
    upstream.says([500]);
    let before = upstream.asked();
    for _ in 0..calls {
        ask(client, get()).await;
    }
    upstream.asked() - before - calls
}

async fn succeed(calls: usize, client: &Client, upstream: &Upstream) {
    upstream.says([200]);
    for _ in 0..calls {
        ask(client, get()).await;
    }
}

fn stage(limits: RetryLimits) -> (Circuit, Client, Upstream) {
    let circuit = circuit(limits);
    let upstream = Upstream::new([200]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    (circuit, client, upstream)
}

// M8
#[tokio::test(start_paused = true)]
async fn a_share_of_the_successes_is_repeated() {
    let (circuit, client, upstream) = stage(limits(0.1, 0));
    assert_eq!(repeated(50, &client, &upstream).await, 0);
    succeed(99, &client, &upstream).await;
    assert_eq!(repeated(50, &client, &upstream).await, 9);
    succeed(1, &client, &upstream).await;
    assert_eq!(repeated(50, &client, &upstream).await, 1);
    let counted = counted(&circuit);
    assert_eq!((counted.retried, counted.no_budget), (10, 140));
}

// M8
#[tokio::test(start_paused = true)]
async fn and_so_many_each_second() {
    let (_, client, upstream) = stage(limits(0.0, 3));
    // What has not been used for ten seconds is there at once.
    assert_eq!(repeated(50, &client, &upstream).await, 30);
    let mut later = Vec::new();
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(1)).await;
        later.push(repeated(50, &client, &upstream).await);
    }
    assert_eq!(later.iter().sum::<usize>(), 60, "{later:?}");
}

// M8
#[tokio::test(start_paused = true)]
async fn ten_seconds_later_successes_are_forgotten() {
    let (_, client, upstream) = stage(limits(0.5, 0));
    succeed(10, &client, &upstream).await;
    tokio::time::advance(WINDOW - Duration::from_secs(1)).await;
    assert_eq!(repeated(2, &client, &upstream).await, 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(repeated(50, &client, &upstream).await, 0);
    // Nor are they all counted late, after hours without a failure.
    for _ in 0..100 {
        succeed(10, &client, &upstream).await;
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    assert_eq!(repeated(50, &client, &upstream).await, 0);
    // Nor are any lost.
    tokio::time::advance(Duration::from_secs(60)).await;
    succeed(10, &client, &upstream).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(repeated(50, &client, &upstream).await, 5);
}

// M8: a 404 is no success, nor is a rejection.
#[tokio::test(start_paused = true)]
async fn only_successes_pay_in() {
    let (circuit, client, upstream) = stage(limits(1.0, 0));
    for status in [404, 429, 400] {
        upstream.says([status]);
        ask(&client, get()).await;
    }
    circuit.force_open();
    for _ in 0..100 {
        ask(&client, get()).await;
    }
    circuit.release();
    assert_eq!(repeated(50, &client, &upstream).await, 0);
    succeed(1, &client, &upstream).await;
    assert_eq!(repeated(50, &client, &upstream).await, 1);
}

// M8: what is not known before the end of a body, to which nobody waits, is a success (A1).
#[tokio::test(start_paused = true)]
async fn what_ends_with_its_body_pays_in() {
    let circuit = circuit(limits(1.0, 0));
    let upstream = Upstream::new([200, 500]);
    let policy = at_once(&circuit).classifier(|result: Result<&Answer, &BoxError>| match result {
        Ok(response) if response.status().is_success() => Outcome::RequiresEos,
        _ => Outcome::Failure,
    });
    let client = stacked(policy, &circuit, &upstream);
    ask(&client, get()).await;
    ask(&client, get()).await;
    assert_eq!((upstream.asked(), counted(&circuit).retried), (3, 1));
}

// M8: after 100 rejections all of it is there.
#[tokio::test(start_paused = true)]
async fn rejections_take_nothing() {
    let (circuit, client, upstream) = stage(limits(0.0, 1));
    circuit.force_open();
    for _ in 0..100 {
        ask(&client, get()).await;
    }
    circuit.release();
    assert_eq!(repeated(50, &client, &upstream).await, 10);
}

// M8
#[tokio::test(start_paused = true)]
async fn a_circuit_has_one_budget_whoever_repeats_its_calls() {
    let (circuit, client, upstream) = stage(limits(0.0, 1));
    let other = stacked(at_once(&circuit), &circuit, &upstream);
    assert_eq!(repeated(7, &client, &upstream).await, 7);
    assert_eq!(repeated(50, &other, &upstream).await, 3);
    assert_eq!(repeated(50, &client.clone(), &upstream).await, 0);
}

// M8, E5
#[tokio::test(start_paused = true)]
async fn another_share_holds_at_once() {
    let (circuit, client, upstream) = stage(limits(0.1, 0));
    succeed(100, &client, &upstream).await;
    assert_eq!(repeated(50, &client, &upstream).await, 10);
    circuit
        .reconfigure(|settings| settings.set_retries(limits(0.3, 0)))
        .unwrap();
    assert_eq!(repeated(50, &client, &upstream).await, 20);
    circuit
        .reconfigure(|settings| settings.set_retries(limits(0.2, 0)))
        .unwrap();
    assert_eq!(repeated(50, &client, &upstream).await, 0);
}

// M8: what comes of it when a dependency is down for a minute and no breaker has opened.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_is_down_is_asked_hardly_more_than_without() {
    let (_, client, upstream) = stage(RetryLimits::new(1));
    let mut repeats = 0;
    for _ in 0..600 {
        repeats += repeated(10, &client, &upstream).await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    // One each second, and the ten that were there at first. 6,000 without a budget.
    assert!((60..=70).contains(&repeats), "{repeats}");
}
