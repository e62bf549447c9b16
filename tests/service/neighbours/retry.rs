//! Retries inside are one call; outside, each attempt is one. A policy outside that looks for
//! rejections retries none, and spends nothing on them.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::StatusCode;
use tower::{
    ServiceBuilder,
    retry::{
        Policy, RetryLayer,
        budget::{Budget, TpsBudget},
    },
};
use tower_breaker::{Rejected, State, classify::is_rejection};

use super::{Answer, Ask, BREAK, BoxError, Stage, ask, assert_rejected, rejected_through, status};

/// Retries what has failed, as often as it may, if the budget has something left.
pub(super) struct Retries<B = TpsBudget> {
    left: u32,
    budget: Arc<B>,
    /// Whether it knows a rejection when it sees one.
    looks: bool,
}

impl<B> Retries<B> {
    fn new(budget: B) -> Self {
        Self {
            left: 2,
            budget: Arc::new(budget),
            looks: true,
        }
    }

    fn blind(self) -> Self {
        Self {
            looks: false,
            ..self
        }
    }
}

impl Retries {
    /// At most two for a call, and as many calls as a test makes.
    pub(super) fn unlimited() -> Self {
        Self::new(tokens(1_000))
    }
}

impl<B: Budget> Policy<Ask, Answer, BoxError> for Retries<B> {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Ask,
        result: &mut Result<Answer, BoxError>,
    ) -> Option<Self::Future> {
        if self.looks && rejected(result) {
            return None;
        }
        if !failed(result) {
            self.budget.deposit();
            return None;
        }
        if self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Ask) -> Option<Ask> {
        Some(request.clone())
    }
}

/// By hand: the budget is shared, not cloned.
impl<B> Clone for Retries<B> {
    fn clone(&self) -> Self {
        Self {
            left: self.left,
            budget: self.budget.clone(),
            looks: self.looks,
        }
    }
}

fn rejected(result: &Result<Answer, BoxError>) -> bool {
    match result {
        Ok(response) => is_rejection(response),
        Err(error) => Rejected::find(&**error).is_some(),
    }
}

fn failed(result: &Result<Answer, BoxError>) -> bool {
    match result {
        Ok(response) => response.status().is_server_error(),
        Err(_) => true,
    }
}

/// So many retries within a second, and no more for any number of successes.
fn tokens(retries: u32) -> TpsBudget {
    TpsBudget::new(Duration::from_secs(1), retries, 0.0)
}

/// A budget whose every movement is counted.
struct Ledger {
    budget: TpsBudget,
    deposits: AtomicU64,
    withdrawals: AtomicU64,
}

impl Ledger {
    fn new() -> Self {
        Self {
            budget: tokens(1_000),
            deposits: AtomicU64::new(0),
            withdrawals: AtomicU64::new(0),
        }
    }

    fn movements(&self) -> (u64, u64) {
        (self.deposits.load(SeqCst), self.withdrawals.load(SeqCst))
    }
}

impl Budget for Ledger {
    fn deposit(&self) {
        self.deposits.fetch_add(1, SeqCst);
        self.budget.deposit();
    }

    fn withdraw(&self) -> bool {
        self.withdrawals.fetch_add(1, SeqCst);
        self.budget.withdraw()
    }
}

// ---- inside --------------------------------------------------------------------------------------

// A1
#[tokio::test(start_paused = true)]
async fn retries_inside_are_one_call_with_the_last_outcome() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .retry(Retries::unlimited())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/third").await, StatusCode::OK);
    assert_eq!((stage.asked(), stage.calls().as_str()), (3, "1 successful"));

    assert_eq!(
        status(&mut service, "/fail").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(stage.asked(), 6);
    assert_eq!(stage.calls(), "1 successful, 1 failed");
}

// A3
#[tokio::test(start_paused = true)]
async fn retries_inside_take_as_long_as_all_of_them() {
    // Longer than two attempts, shorter than three.
    let stage = Stage::with(|b| b.slow_call_duration(Duration::from_secs(1)));
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .retry(Retries::unlimited())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/slow/third").await, StatusCode::OK);

    assert_eq!(stage.calls(), "1 successful, 1 slow");
}

// ---- outside -------------------------------------------------------------------------------------

// A1
#[tokio::test(start_paused = true)]
async fn of_retries_outside_each_is_a_call() {
    let stage = Stage::with(|b| b.consecutive_failures(3));
    let mut service = ServiceBuilder::new()
        .retry(Retries::unlimited())
        .layer(stage.layer())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/third").await, StatusCode::OK);
    assert_eq!(stage.calls(), "1 successful, 2 failed");

    assert_eq!(
        status(&mut service, "/fail").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(stage.calls(), "1 successful, 5 failed");
    assert_eq!(stage.state(), State::Open);
}

// A3
#[tokio::test(start_paused = true)]
async fn of_retries_outside_each_has_its_own_time() {
    let stage = Stage::with(|b| {
        b.consecutive_failures(3)
            .slow_call_duration(Duration::from_secs(1))
    });
    let mut service = ServiceBuilder::new()
        .retry(Retries::unlimited())
        .layer(stage.layer())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/slow/third").await, StatusCode::OK);

    assert_eq!(stage.calls(), "1 successful, 2 failed");
}

// H3
#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_look_retries_rejections() {
    let stage = Stage::new();
    stage.circuit.force_open();
    let mut service = ServiceBuilder::new()
        .retry(Retries::unlimited().blind())
        .layer(stage.layer())
        .service(stage.dependency());

    assert_eq!(
        status(&mut service, "/ok").await,
        StatusCode::SERVICE_UNAVAILABLE
    );

    assert_eq!(stage.calls(), "3 rejected");
}

// H3
#[tokio::test(start_paused = true)]
async fn a_policy_that_looks_retries_no_rejection() {
    assert_rejected(&rejected_through(RetryLayer::new(Retries::unlimited())).await);
}

// H3
#[tokio::test(start_paused = true)]
async fn a_policy_that_looks_stops_when_the_circuit_opens_between_two_attempts() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .retry(Retries::unlimited())
        .layer(stage.layer())
        .service(stage.dependency());

    assert_rejected(&ask(&mut service, "/fail").await.unwrap());

    assert_eq!(
        (stage.asked(), stage.calls().as_str()),
        (1, "1 failed, 1 rejected")
    );
}

// H3
#[tokio::test(start_paused = true)]
async fn a_policy_that_looks_finds_a_rejection_that_is_an_error() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .retry(Retries::unlimited())
        .layer(stage.layer().reject_as_box_error())
        .service(stage.dependency());

    let error = ask(&mut service, "/error").await.unwrap_err();

    assert!(error.is::<Rejected>());
    assert_eq!(
        (stage.asked(), stage.calls().as_str()),
        (1, "1 failed, 1 rejected")
    );
}

// H3
#[tokio::test(start_paused = true)]
async fn a_rejection_moves_nothing_in_the_budget_of_a_policy_that_looks() {
    let stage = Stage::with(|b| b.consecutive_failures(3));
    let policy = Retries::new(Ledger::new());
    let ledger = policy.budget.clone();
    let mut service = ServiceBuilder::new()
        .retry(policy)
        .layer(stage.layer())
        .service(stage.dependency());

    // One success, and two failures that are worth a retry each.
    assert_eq!(status(&mut service, "/ok").await, StatusCode::OK);
    assert_eq!(
        status(&mut service, "/fail").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!((stage.state(), ledger.movements()), (State::Open, (1, 2)));

    for _ in 0..100 {
        assert_rejected(&ask(&mut service, "/ok").await.unwrap());
    }
    assert_eq!(stage.calls(), "1 successful, 3 failed, 100 rejected");
    assert_eq!(ledger.movements(), (1, 2));
}

/// How many retries a budget of 4 still has for failures, within the second, after 100 rejections.
async fn retries_left(make: impl FnOnce(TpsBudget) -> Retries) -> u64 {
    let stage = Stage::with(|b| b.consecutive_failures(1_000));
    let mut service = ServiceBuilder::new()
        .retry(make(tokens(4)))
        .layer(stage.layer())
        .service(stage.dependency());
    stage.circuit.trip(BREAK).expect("in normal mode");
    for _ in 0..100 {
        assert_rejected(&ask(&mut service, "/ok").await.unwrap());
    }
    stage.circuit.reset();

    const FAILURES: u64 = 10;
    for _ in 0..FAILURES {
        assert_eq!(
            status(&mut service, "/fail").await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    stage.asked() - FAILURES
}

// H3
#[tokio::test(start_paused = true)]
async fn rejections_exhaust_the_budget_of_a_policy_that_does_not_look() {
    assert_eq!(retries_left(|budget| Retries::new(budget).blind()).await, 0);
}

// H3
#[tokio::test(start_paused = true)]
async fn rejections_leave_the_whole_budget_of_a_policy_that_looks() {
    assert_eq!(retries_left(Retries::new).await, 4);
}
