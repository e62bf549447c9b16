//! Medians and spreads of a few rounds.

/// The middle of several values, and how far they lie apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        Self {
            min: sorted[0],
            median: (sorted[middle] + sorted[(sorted.len() - 1) / 2]) / 2.0,
            max: sorted[sorted.len() - 1],
        }
    }

    /// How far from 1, up or down, ratios went that should have been 1: as a factor of at least 1.
    pub(crate) fn noise(&self) -> f64 {
        self.max.max(1.0 / self.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even_counts() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn noise_is_the_furthest_from_one() {
        assert_eq!(Spread::of([0.5, 0.9, 1.2]).noise(), 2.0);
        assert_eq!(Spread::of([0.9, 1.0, 1.5]).noise(), 1.5);
    }
}
