//! Whether the fleet trips: what all see together, and how many see it themselves (rule N3).

use super::wire::{CAUSE_BYTES, Sums, Text};
use crate::{circuit::settings::Agreement, machine::WindowCounts};

/// A circuit's own numbers and policies, held against calls that are not only its own.
pub(super) trait Judge {
    /// Why the circuit would trip, if these were its calls.
    fn trips(&self, all: &Sums) -> Option<Text<CAUSE_BYTES>>;

    /// Whether these calls reach what trips it, however few they are.
    fn reaches(&self, own: &WindowCounts, streak: u64) -> bool;

    /// How long a break of the fleet is, in milliseconds: the how many-th in a row, in which of the fleet's eras.
    fn break_of(&self, attempt: u32, era: u64) -> u64;
}

/// Whether enough instances see it themselves: so many, and such a share of those that have calls.
pub(super) fn agree(all: &Sums, agreement: &Agreement) -> bool {
    all.agreeing >= needed(all.contributors, agreement)
}

fn needed(contributors: u64, agreement: &Agreement) -> u64 {
    let share = share_of(contributors, agreement.share);
    share.max(agreement.instances.into())
}

/// So many of them, rounded up, in billionths: 0.1 of 30 is 3, and not 4 by a bit of rounding.
fn share_of(contributors: u64, share: f64) -> u64 {
    let parts = u128::from(contributors) * billionths(share);
    u64::try_from(parts.div_ceil(WHOLE)).unwrap_or(u64::MAX)
}

const WHOLE: u128 = 1_000_000_000;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is in 0..=1"
)]
fn billionths(share: f64) -> u128 {
    (share * 1e9).round() as u128
}

#[cfg(test)]
mod tests {
    use super::{Sums, agree};
    use crate::circuit::settings::Agreement;

    // N3: at least so many instances, and at least this share of those that have calls.
    #[test]
    fn a_number_and_a_share_have_to_agree() {
        let rows: [(u32, f64, u64, u64, bool); 14] = [
            (2, 0.1, 1, 1, false),
            (2, 0.1, 2, 2, true),
            (2, 0.1, 20, 1, false),
            (2, 0.1, 20, 2, true),
            (2, 0.1, 21, 2, false),
            (2, 0.1, 21, 3, true),
            // What 0.1 is in binary makes no difference.
            (2, 0.1, 30, 3, true),
            (1, 0.07, 100, 7, true),
            (1, 0.0, 50, 0, false),
            (1, 0.0, 50, 1, true),
            (3, 0.0, 2, 2, false),
            (1, 1.0, 50, 49, false),
            (1, 1.0, 50, 50, true),
            (1, 1.0, u64::MAX, u64::MAX, true),
        ];
        for (instances, share, contributors, agreeing, expected) in rows {
            let all = Sums {
                contributors,
                agreeing,
                ..Sums::default()
            };
            let agreement = Agreement::of(instances).share(share);
            assert_eq!(
                agree(&all, &agreement),
                expected,
                "{agreement}: {agreeing} of {contributors}"
            );
        }
    }
}
