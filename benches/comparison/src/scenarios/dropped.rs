//! Dropped probes: as many as get in start, and all of their futures are dropped.

use super::{
    Scenario, Seen, breaks,
    stand::{MANY, PATIENCE, Stand},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dropped probes",
    question: "As many probes as get in start, and their futures are dropped. Does the circuit recover?",
    promised: "places come back at once",
    run: |contender| {
        let stand = Stand::after_break(contender, 1);
        let probes = stand.start_many();
        let limited = probes.len() < MANY;
        drop(probes);
        Some(match stand.recovers() {
            Some(0) if limited => Seen::good("places come back at once"),
            Some(0) => Seen::plain("nothing to lose: no limit"),
            Some(count) => Seen::good(format!("recovers after {}", breaks(count))),
            None => Seen::bad(format!("wedged: refuses everyone for {}", breaks(PATIENCE))),
        })
    },
};
