//! Dropped probes: as many as get in start, and all of their futures are dropped.

use super::{
    Scenario, Seen, breaks, quickly,
    stand::{MANY, PATIENCE, Stand},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dropped probes",
    question: "As many probes as get in start, and their futures are dropped. Does the circuit recover?",
    promised: "places come back at once",
    run: |contender| {
        let stand = Stand::after_break(contender, 1);
        let (started, at_once) = quickly(|| {
            let probes = stand.start_many();
            let started = probes.len();
            drop(probes);
            (started, stand.lets_in())
        })?;
        let limited = started < MANY;
        Some(match stand.recovers(at_once) {
            Some(0) if limited => Seen::good("places come back at once"),
            Some(0) => Seen::plain("nothing to lose: no limit"),
            Some(count) => Seen::good(format!("recovers after {}", breaks(count))),
            None => Seen::bad(format!("wedged: refuses everyone for {}", breaks(PATIENCE))),
        })
    },
};
