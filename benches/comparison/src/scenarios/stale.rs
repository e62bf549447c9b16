//! A stale result: calls admitted before the trip end while the circuit is half-open.
//!
//! Eight calls are in flight when the circuit trips. After the break up to two probes start, and stay
//! in flight. Then the eight end. If that decided nothing, the probes still decide: so they end the
//! other way round, and the next call shows which of the two it was.

use super::{
    Scenario, Seen, quickly,
    stand::{Call, Stand, Verdict, plan},
};
use crate::contenders::Contender;

/// They succeed: does that close the circuit?
pub(super) const SUCCESS: Scenario = Scenario {
    name: "stale successes",
    question: "Eight calls from before the trip succeed while half-open. Do they close the circuit?",
    promised: "ignored",
    run: |contender| {
        let next_gets_in = probes_against(contender, Verdict::Success, Verdict::Failure)?;
        Some(if next_gets_in {
            Seen::bad("close the circuit, though the probes fail")
        } else {
            Seen::good("ignored")
        })
    },
};

/// They fail: does that reopen the circuit?
pub(super) const FAILURE: Scenario = Scenario {
    name: "stale failures",
    question: "Eight calls from before the trip fail while half-open. Do they reopen the circuit?",
    promised: "ignored",
    run: |contender| {
        let next_gets_in = probes_against(contender, Verdict::Failure, Verdict::Success)?;
        Some(if next_gets_in {
            Seen::good("ignored")
        } else {
            Seen::bad("reopen the circuit, though the probes succeed")
        })
    },
};

/// Whether the next call gets in, after stale calls have ended one way and probes the other.
fn probes_against(contender: &Contender, stale: Verdict, probes: Verdict) -> Option<bool> {
    let stand = Stand::new(contender, plan(1));
    let old: Vec<Call> = (0..8).map(|_| stand.start()).collect();
    stand.trip();
    stand.wait();
    quickly(|| {
        let probing: Vec<Call> = (0..2).map(|_| stand.start()).collect();
        assert!(probing[0].is_in(), "the break is over");
        for call in old {
            call.end(stale);
        }
        for call in probing {
            call.end(probes);
        }
        stand.start().is_in()
    })
}
