//! A crowd: many calls start when the break is over. How many get in?

use super::{
    Scenario, Seen, quickly,
    stand::{MANY, Stand},
};

const PERMITS: u32 = 3;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "probes above permits",
    question: "64 calls start in half-open, where 3 are to be admitted, or 1 if that is fixed. How many \
               get in?",
    promised: "3 of 64",
    run: |contender| {
        let stand = Stand::after_break(contender, PERMITS);
        let calls = quickly(|| (0..MANY).map(|_| stand.start()).collect::<Vec<_>>())?;
        let got_in = calls.iter().filter(|call| call.is_in()).count();
        let words = format!("{got_in} of {MANY}");
        Some(match (contender.permits)(PERMITS) {
            None => Seen::bad(format!("{words}: has no limit")),
            Some(permits) if got_in == permits as usize => Seen::good(words),
            Some(permits) => Seen::bad(format!("{words}, though set to {permits}")),
        })
    },
};
