//! What happens to a circuit: histories of calls, of time passing and of people interfering.

use std::time::Duration;

use proptest::prelude::*;
use tower_breaker::{Mode, Outcome};

use crate::config::{Change, change, mode};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A call begins and goes on.
    Begin,
    /// One of the calls that go on ends.
    End(usize, Ending),
    /// So many calls, one after the other, each ending at once.
    Calls(usize, Ending),
    Pass(Time),
    Trip(Duration),
    ForceOpen,
    ForceOpenFor(Duration),
    Release,
    Reset,
    SetMode(Mode),
    Reconfigure(Change),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Outcome(Outcome),
    Dropped,
    /// `mem::forget`: the circuit never hears of it again.
    Leaked,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    For(Duration),
    /// Until something is due, or a nanosecond beside it.
    Until(usize, Edge),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Edge {
    Before,
    Exactly,
    After,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let time = || (0..=3_000u64).prop_map(Duration::from_millis);
    prop_oneof![
        36 => Just(Outcome::Success),
        26 => Just(Outcome::Failure),
        5 => Just(Outcome::Ignored),
        3 => Just(Outcome::Answered),
        4 => time().prop_map(Outcome::FailureRetryAfter),
        1 => Just(Outcome::TripNow),
        1 => time().prop_map(Outcome::TripFor),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        20 => outcome().prop_map(Ending::Outcome),
        4 => Just(Ending::Dropped),
        1 => Just(Ending::Leaked),
    ]
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![1 => Just(Edge::Before), 2 => Just(Edge::Exactly), 1 => Just(Edge::After)]
}

fn time() -> impl Strategy<Value = Time> {
    let passes = prop_oneof![
        (0..2_000u64).prop_map(Duration::from_nanos),
        (0..30_000u64).prop_map(Duration::from_micros),
        (0..500u64).prop_map(Duration::from_millis),
        (0..100u64).prop_map(Duration::from_secs),
    ];
    prop_oneof![
        2 => passes.prop_map(Time::For),
        5 => (any::<usize>(), edge()).prop_map(|(which, edge)| Time::Until(which, edge)),
    ]
}

fn control() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..=60_000u64).prop_map(|millis| Step::Trip(Duration::from_millis(millis))),
        1 => Just(Step::ForceOpen),
        2 => (1..=60_000u64).prop_map(|millis| Step::ForceOpenFor(Duration::from_millis(millis))),
        6 => Just(Step::Release),
        1 => Just(Step::Reset),
        3 => mode().prop_map(Step::SetMode),
        3 => change().prop_map(Step::Reconfigure),
    ]
}

fn call() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Begin),
        6 => (any::<usize>(), ending()).prop_map(|(which, ending)| Step::End(which, ending)),
        2 => (1..=3usize, ending()).prop_map(|(calls, ending)| Step::Calls(calls, ending)),
    ]
}

fn burst() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        3 => Just(Ending::Outcome(Outcome::Success)),
        1 => Just(Ending::Outcome(Outcome::Failure)),
    ];
    (1..=200usize, ending).prop_map(|(calls, ending)| Step::Calls(calls, ending))
}

/// Calls, time and people.
pub(crate) fn eventful(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        100 => call(),
        45 => time().prop_map(Step::Pass),
        4 => control(),
        1 => burst(),
    ];
    prop::collection::vec(step, 1..=steps)
}

/// Calls and time: long bursts, no controls.
pub(crate) fn busy(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let trips = |ending: &Ending| {
        matches!(
            ending,
            Ending::Outcome(Outcome::TripNow | Outcome::TripFor(_))
        )
    };
    let few = (
        1..=3usize,
        ending().prop_filter("trips", move |e| !trips(e)),
    );
    let step = prop_oneof![
        8 => few.prop_map(|(calls, ending)| Step::Calls(calls, ending)),
        2 => Just(Step::Begin),
        2 => any::<usize>().prop_map(|which| Step::End(which, Ending::Dropped)),
        4 => time().prop_map(Step::Pass),
        1 => burst(),
    ];
    prop::collection::vec(step, 1..=steps)
}
