//! Where in a recording the outage is.

use std::time::Duration;

use super::{Recording, call::Fate};
use crate::scenario::Share;

/// When the outage of a recording was. Trips at any other time are false ones.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outage {
    /// There was none.
    None,
    /// From and to, since the beginning of the recording.
    Between(Duration, Duration),
    /// The longest stretch of steps in which a larger share of calls failed than this. Of the calls whose end is known,
    /// and only failed ones are failures. Steps without such calls go on with what was before.
    Longest(Share),
}

/// The longest stretch in which more than 20 % failed.
impl Default for Outage {
    fn default() -> Self {
        Self::Longest(Share::new(0.2).unwrap_or(Share::ALL))
    }
}

impl Recording {
    /// When the outage was, since the beginning of the recording. None if there was none.
    ///
    /// A call counts in the step in which it began. A `step` of nothing is a nanosecond.
    #[must_use]
    pub fn outage(&self, outage: Outage, step: Duration) -> Option<(Duration, Duration)> {
        match outage {
            Outage::None => None,
            Outage::Between(from, to) => (from < to).then_some((from, to)),
            Outage::Longest(share) => self.longest(share.get(), step),
        }
    }

    fn longest(&self, share: f64, step: Duration) -> Option<(Duration, Duration)> {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
        let number = |call: &super::Kept| (call.at - self.first()) / step;
        let (mut longest, mut stretch) = (None::<(u64, u64)>, None::<(u64, u64)>);
        for calls in self
            .calls
            .chunk_by(|one, other| number(one) == number(other))
        {
            let known = calls.iter().filter(|call| call.is_known()).count();
            let failed = calls
                .iter()
                .filter(|call| call.fate() == Fate::Failed)
                .count();
            if known == 0 {
                continue;
            }
            if failed as f64 <= share * known as f64 {
                stretch = None;
                continue;
            }
            let this = number(&calls[0]);
            let (first, last) = (stretch.map_or(this, |(first, _)| first), this);
            stretch = Some((first, last));
            if longest.is_none_or(|(begins, ends)| last - first > ends - begins) {
                longest = stretch;
            }
        }
        let at = |steps: u64| Duration::from_nanos(steps.saturating_mul(step));
        longest.map(|(first, last)| (at(first), at(last + 1)))
    }
}
