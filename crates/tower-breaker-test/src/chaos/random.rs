//! Numbers by chance that depend on nothing but the seed, the call and what the number is for.

/// A well-mixed number: splitmix64 of the three.
pub(super) fn draw(seed: u64, call: u64, purpose: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(call)).wrapping_add(purpose))
}

/// Uniform in `0..1`, from the upper 53 bits: a float has no more.
pub(super) fn share(drawn: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let numerator = (drawn >> 11) as f64;
    numerator / (1_u64 << 53) as f64
}

fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_splitmix64() {
        // The first output of the reference for the seed 0, and 1234567.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn a_share_is_never_one() {
        assert_eq!(share(0), 0.0);
        assert!(share(u64::MAX) < 1.0);
    }

    #[test]
    fn each_purpose_has_numbers_of_its_own() {
        let numbers: std::collections::BTreeSet<_> = (0..100)
            .flat_map(|call| (0..10).map(move |purpose| draw(7, call, purpose)))
            .collect();
        assert_eq!(numbers.len(), 1_000);
    }
}
