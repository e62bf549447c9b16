//! Hung probes: as many as get in start, and never end.

use super::{
    Scenario, Seen, breaks, quickly,
    stand::{MANY, PATIENCE, Stand},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hung probes",
    question: "As many probes as get in start, and never end. Does anybody else ever get in?",
    promised: "others get in after 2 breaks",
    run: |contender| {
        let stand = Stand::after_break(contender, 1);
        let (probes, at_once) = quickly(|| (stand.start_many(), stand.lets_in()))?;
        let limited = probes.len() < MANY;
        let recovered = stand.recovers(at_once);
        drop(probes);
        Some(match recovered {
            Some(0) if !limited => Seen::plain("nothing to hold: no limit"),
            Some(count) => Seen::good(format!("others get in after {}", breaks(count))),
            None => Seen::bad(format!("wedged: refuses everyone for {}", breaks(PATIENCE))),
        })
    },
};
