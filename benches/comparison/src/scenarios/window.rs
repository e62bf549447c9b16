//! The window: 10,000 successes, and then three calls in five fail. How many failures until it trips?
//!
//! A window of 100 with a threshold of 50 % should be full of the new times after 60 failures. A window
//! of time is waited out before the failures begin.

use std::thread;

use super::{
    Scenario, Seen,
    stand::{Ended, Stand, Verdict},
};
use crate::contenders::{Contender, LONG, Plan};

const SUCCESSES: usize = 10_000;
/// Of failing times.
const CALLS: usize = 100_000;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "window after 10,000 successes",
    question: "After 10,000 successes, three calls in five fail. How many failures until it trips? \
               (50 % of 100 calls: 50 to 61, by how it counts. ✓ is up to 100. A time window is waited out first.)",
    promised: "trips at failure 50",
    run: |contender| {
        let failures = failures_until_trip(contender);
        Some(match failures {
            Some(failures) if failures <= 100 => Seen::good(format!("trips at failure {failures}")),
            Some(failures) => Seen::bad(format!("trips at failure {failures}: never forgets")),
            None => Seen::bad(format!("does not trip in {CALLS} calls")),
        })
    },
};

fn failures_until_trip(contender: &Contender) -> Option<usize> {
    let plan = Plan {
        break_for: LONG,
        permits: 1,
        rated: true,
    };
    let stand = Stand::new(contender, plan);
    for _ in 0..SUCCESSES {
        stand.call(Verdict::Success);
    }
    if let Some(span) = contender.span {
        thread::sleep(span * 3 / 2);
    }
    let mut failures = 0;
    for call in 0..CALLS {
        let verdict = if call % 5 < 3 {
            Verdict::Failure
        } else {
            Verdict::Success
        };
        match stand.call(verdict) {
            Ended::Refused => return Some(failures),
            Ended::Failed => failures += 1,
            Ended::Answered => {}
        }
    }
    None
}
