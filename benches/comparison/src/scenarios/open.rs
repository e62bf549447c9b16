//! Open: is the protected service called?

use super::{
    Scenario, Seen,
    stand::{Stand, Verdict, plan},
};
use crate::contenders::{LONG, Plan};

const CALLS: usize = 10;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "service called while open",
    question: "Ten calls while open, every one refused. How often is the inner service's `call` reached?",
    promised: "never",
    run: |contender| {
        let plan = Plan {
            break_for: LONG,
            ..plan(1)
        };
        let stand = Stand::new(contender, plan);
        stand.trip();
        let before = stand.reached();
        for _ in 0..CALLS {
            stand.call(Verdict::Success);
        }
        Some(match stand.reached() - before {
            0 => Seen::good("never"),
            reached => Seen::bad(format!("{reached} times in {CALLS}")),
        })
    },
};
