//! A test of what every [`Store`] has to do: [`check`].
//!
//! Each statement has a number. If the test fails, it names that number.

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

/// Checks that a [`Store`] does what fleets rely on. Call it in a test. `make` makes an empty store. `pass` lets time
/// pass by the clock of the store that was made last.
///
/// With a clock that the test moves, it takes almost no time. With a clock that goes by itself, it takes three minutes.
/// All that it writes is in the namespace `contract`.
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
/// If the store does not, with what was expected.
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
