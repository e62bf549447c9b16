//! [`When`]: which calls are disturbed.

use std::{
    fmt,
    ops::{Bound, RangeBounds, RangeInclusive},
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
    /// after it. A range that begins with 0 is refused, as one with nothing in it is.
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
            Kind::Calls(numbers) if meets_no_call(numbers) => {
                let allowed = "a range with a number in it, of which the first is 1";
                Err(ChaosError::new("calls", written(&numbers), allowed))
            }
            Kind::During(times) if meets_no_time(times) => {
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

/// Calls are numbered from 1 on. Who says 0 counts from there, and means others than would be met.
fn meets_no_call((start, end): Bounds<u64>) -> bool {
    let bounds = (start.map(u128::from), end.map(u128::from));
    start == Bound::Included(0) || is_empty(bounds, 1..=u64::MAX.into())
}

fn meets_no_time((start, end): Bounds<Duration>) -> bool {
    let nanos = |time: Duration| time.as_nanos();
    is_empty((start.map(nanos), end.map(nanos)), 0..=nanos(Duration::MAX))
}

/// Whether nothing of all that there is lies within the bounds. All are far from the end of their type.
fn is_empty((start, end): Bounds<u128>, all: RangeInclusive<u128>) -> bool {
    let first = match start {
        Bound::Included(first) => first,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => *all.start(),
    };
    let after = match end {
        Bound::Included(last) => last + 1,
        Bound::Excluded(after) => after,
        Bound::Unbounded => *all.end() + 1,
    };
    first.max(*all.start()) >= after
}

/// As one writes a range. What excludes its start has no sign of its own.
fn written<T: fmt::Debug>(range: &Bounds<T>) -> String {
    let (start, end) = range;
    let start = match start {
        Bound::Included(start) => format!("{start:?}"),
        Bound::Excluded(_) => return format!("{range:?}"),
        Bound::Unbounded => String::new(),
    };
    match end {
        Bound::Included(end) => format!("{start}..={end:?}"),
        Bound::Excluded(end) => format!("{start}..{end:?}"),
        Bound::Unbounded => format!("{start}.."),
    }
}
