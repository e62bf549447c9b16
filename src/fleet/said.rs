//! What no store takes: numbers that are out of range (rule N8).
//!
//! Instances of ours never say such a thing. Whoever asks a store looks first, so a store, and a script in one, can
//! take its numbers for what they are.

use super::wire::{
    Decide, LAST_COUNT, LAST_ERA, LAST_MILLIS, Look, Odd, Proposal, Register, Report, Standing,
    Stored, StoredMode, Text,
};

/// So many probes and no more are in a half-open time.
const MOST_PROBES: u32 = 63;

impl Look {
    /// Whether a store may be told it.
    ///
    /// # Errors
    ///
    /// If a number is out of range.
    pub fn check(&self) -> Result<(), Odd> {
        era(self.stamp.era)?;
        self.report.as_ref().map_or(Ok(()), Report::check)
    }
}

impl Report {
    fn check(&self) -> Result<(), Odd> {
        within(self.seq, 1, LAST_MILLIS, "the number of a report")?;
        within(self.keep_for, 1, LAST_MILLIS, "how long a report is kept")?;
        within(self.revision, 0, LAST_MILLIS, "the revision")?;
        self.register.check()
    }
}

impl Register {
    fn check(&self) -> Result<(), Odd> {
        let counts = [self.calls, self.failed, self.slow, self.streak];
        let most = counts.into_iter().max().unwrap_or(0);
        within(most, 0, LAST_COUNT, "a count")
    }
}

impl Decide {
    /// Whether a store may be told it.
    ///
    /// # Errors
    ///
    /// If a number is out of range.
    pub fn check(&self) -> Result<(), Odd> {
        era(self.seen.era)?;
        self.what.check()
    }
}

impl Proposal {
    fn check(&self) -> Result<(), Odd> {
        match self {
            Self::Open {
                length, attempt, ..
            } => {
                millis(*length)?;
                let most = u64::from(u32::MAX);
                within(u64::from(*attempt), 1, most, "the attempt")
            }
            &Self::Lease {
                permits,
                need,
                of,
                life,
                want,
            } => {
                [permits, of, want].into_iter().try_for_each(probes)?;
                within(need.into(), 1, of.into(), "how many successes close it")?;
                within(life, 1, LAST_MILLIS, "how long a seat is kept")
            }
            Self::Results { length, .. } => millis(*length),
            Self::Force { at_most, .. } => at_most.map_or(Ok(()), millis),
            Self::Release { .. } | Self::Reset { .. } => Ok(()),
            Self::Restore(standing) => standing.check(),
        }
    }
}

impl Standing {
    fn check(&self) -> Result<(), Odd> {
        within(self.stamp.era, 1, LAST_ERA, "the era")?;
        millis(self.length)?;
        self.closed_for.map_or(Ok(()), millis)?;
        if let Stored::Open { left } = self.state {
            millis(left)?;
        }
        if let StoredMode::Forced { left: Some(left) } = self.mode {
            millis(left)?;
        }
        Ok(())
    }
}

fn era(era: u64) -> Result<(), Odd> {
    within(era, 0, LAST_ERA, "the era")
}

fn millis(millis: u64) -> Result<(), Odd> {
    within(millis, 0, LAST_MILLIS, "a length of time")
}

fn probes(count: u32) -> Result<(), Odd> {
    within(count.into(), 1, MOST_PROBES.into(), "a count of probes")
}

fn within(number: u64, least: u64, most: u64, what: &str) -> Result<(), Odd> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    let text = format!("{what} is {number}, and not {least} to {most}");
    Err(Odd {
        text: Text::of(&text),
    })
}
