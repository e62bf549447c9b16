//! [`When`]: which calls are disturbed.

use std::{
    ops::{Bound, RangeBounds},
    time::Duration,
};

use super::{
    error::ChaosError,
    random::{draw, share},
};

/// Which calls are disturbed: a share of them, or by a schedule.
///
/// To disturb calls by several, say so several times: a call is disturbed if one of them meets it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct When(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Always,
    Share(f64),
    Calls(Bounds<u64>),
    During(Bounds<Duration>),
}

/// What a range begins and ends with.
type Bounds<T> = (Bound<T>, Bound<T>);

impl When {
    /// Each call.
    pub const fn always() -> Self {
        Self(Kind::Always)
    }

    /// Each call by chance, and about this share of all. In `0..=1`: 0 is none, 1 is each.
    pub const fn share(share: f64) -> Self {
        Self(Kind::Share(share))
    }

    /// By the number of the call: the first call of a layer is 1. For example `3..=5`, or `10..` for the tenth and all
    /// after it.
    pub fn calls(numbers: impl RangeBounds<u64>) -> Self {
        Self(Kind::Calls(bounds(&numbers)))
    }

    /// By the time since the layer was built, on tokio's clock, when the call is made. For example
    /// `Duration::from_secs(10)..Duration::from_secs(20)`.
    pub fn during(times: impl RangeBounds<Duration>) -> Self {
        Self(Kind::During(bounds(&times)))
    }

    /// Whether it meets a call. `purpose` tells this from all others of the layer.
    pub(super) fn meets(&self, seed: u64, call: u64, elapsed: Duration, purpose: u64) -> bool {
        match self.0 {
            Kind::Always => true,
            Kind::Share(of) => share(draw(seed, call, purpose)) < of,
            Kind::Calls(numbers) => numbers.contains(&call),
            Kind::During(times) => times.contains(&elapsed),
        }
    }

    pub(super) fn check(&self) -> Result<(), ChaosError> {
        match self.0 {
            Kind::Share(share) if !(0.0..=1.0).contains(&share) => {
                Err(ChaosError::new("share", format!("{share:?}"), "in 0..=1"))
            }
            Kind::Calls(numbers) if last_call(numbers.1) < first_call(numbers.0).max(1) => {
                let allowed = "a range with a number in it, of which the first is 1";
                Err(ChaosError::new("calls", written(&numbers), allowed))
            }
            Kind::During(times) if is_empty(&times) => {
                let allowed = "a range with a time in it";
                Err(ChaosError::new("during", written(&times), allowed))
            }
            Kind::Always | Kind::Share(_) | Kind::Calls(_) | Kind::During(_) => Ok(()),
        }
    }
}

fn bounds<T: Copy>(range: &impl RangeBounds<T>) -> Bounds<T> {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

fn first_call(start: Bound<u64>) -> u64 {
    match start {
        Bound::Included(first) => first,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    }
}

/// 0 if there is none.
fn last_call(end: Bound<u64>) -> u64 {
    match end {
        Bound::Included(last) => last,
        Bound::Excluded(after) => after.saturating_sub(1),
        Bound::Unbounded => u64::MAX,
    }
}

/// Whether nothing is in a range.
fn is_empty<T: PartialOrd>(range: &Bounds<T>) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (
            Bound::Included(start) | Bound::Excluded(start),
            Bound::Included(end) | Bound::Excluded(end),
        ) => start >= end,
    }
}

/// As one writes a range. What excludes its start is rare, and written like the others.
fn written<T: std::fmt::Debug>((start, end): &Bounds<T>) -> String {
    let start = match start {
        Bound::Included(start) | Bound::Excluded(start) => format!("{start:?}"),
        Bound::Unbounded => String::new(),
    };
    match end {
        Bound::Included(end) => format!("{start}..={end:?}"),
        Bound::Excluded(end) => format!("{start}..{end:?}"),
        Bound::Unbounded => format!("{start}.."),
    }
}
