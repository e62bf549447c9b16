//! What holds of every [`Store`], as a test: [`check`].
//!
//! Each statement has a number. A test that fails says it.

mod at;
mod decisions;
mod log;
mod numbers;
mod person;
mod restored;
mod seats;
mod window;

use std::{fmt::Debug, time::Duration};

use self::at::Make;
use super::store::Store;

/// What a busy machine may take for some steps, in milliseconds, where time is not paused.
const SLACK: u64 = 400;

/// Checks that a [`Store`] does what fleets rely on. For a test: `make` makes a store that is empty, and `pass` lets
/// time pass by the clock of the store that was made last.
///
/// With a clock that is moved it takes no time to speak of; by a clock that goes by itself, three minutes. All that it
/// writes is in the namespace `contract`.
///
/// ```
/// use tower_breaker::fleet::{Memory, contract};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// contract::check(async || Memory::new(), tokio::time::sleep).await;
/// # }
/// ```
///
/// # Panics
///
/// If it does not, with what was expected.
pub async fn check<S: Store>(make: impl AsyncFn() -> S, pass: impl AsyncFn(Duration)) {
    let make = Make::new(make, pass);
    window::check(&make).await;
    decisions::check(&make).await;
    seats::check(&make).await;
    person::check(&make).await;
    restored::check(&make).await;
    log::check(&make).await;
    numbers::check(&make).await;
}

#[track_caller]
fn is(case: u32, holds: bool, what: &str) {
    assert!(holds, "statement {case}: {what}");
}

#[track_caller]
fn same<T: PartialEq + Debug>(case: u32, found: T, expected: T, what: &str) {
    assert_eq!(found, expected, "statement {case}: {what}");
}

/// What is left of a time, of which little has passed.
#[track_caller]
fn left(case: u32, found: u64, expected: u64, what: &str) {
    let about = expected.saturating_sub(SLACK)..=expected;
    let fits = about.contains(&found);
    assert!(fits, "statement {case}: {what}: {found} of {expected} ms");
}

/// What has passed of a time.
#[track_caller]
fn passed(case: u32, found: u64, expected: u64, what: &str) {
    let about = expected..=expected + SLACK;
    let fits = about.contains(&found);
    assert!(fits, "statement {case}: {what}: {found}, not {expected} ms");
}
