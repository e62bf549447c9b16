//! What the fleet has decided, and what is done here.

use super::*;

const CLOSE: Apply = Apply::Close { clear: false };
const CLEAR: Apply = Apply::Close { clear: true };
const FORCE: Apply = Apply::Force { left: None };

// N4: each decision is done once, whatever the circuit is then.
#[test]
fn what_the_fleet_has_decided_is_done_here() {
    let state = Here::Closed;
    let rows: Vec<(Standing, Here, Standing, Vec<Apply>)> = vec![
        // It opens, also where it is open alone.
        (closed(1), state, open(2, 700), vec![opens(700)]),
        (closed(1), OPEN_ALONE, open(2, 700), vec![opens(700)]),
        (closed(1), OWN_PROBE, open(2, 700), vec![opens(700)]),
        (open(1, 9), WAITS, open(3, 700), vec![opens(700)]),
        (
            half(1, 2, 1),
            seated(1, 0, 1, 0),
            open(3, 700),
            vec![opens(700)],
        ),
        // A break that is over is held: at once, where it was not led.
        (closed(1), state, open(2, 0), vec![opens(0)]),
        (closed(1), state, half(2, 2, 1), vec![opens(0)]),
        (closed(1), OPEN_ALONE, half(2, 2, 1), vec![opens(0)]),
        (open(1, 9), WAITS, half(2, 2, 1), vec![]),
        // And where it is led it ends when this instance was told that it would.
        (open(1, 900), LED, half(2, 2, 1), vec![]),
        // Probes under way were those of another decision.
        (
            half(2, 2, 1),
            seated(1, 0, 0, 0),
            half(4, 2, 1),
            vec![opens(0)],
        ),
        // It closes.
        (open(1, 900), LED, closed(2), vec![CLOSE]),
        (half(1, 2, 1), seated(1, 1, 0, 0), closed(2), vec![CLOSE]),
        (half(1, 2, 1), OPEN_ALONE, closed(2), vec![CLOSE]),
        (closed(1), OPEN_ALONE, closed(2), vec![CLOSE]),
        // A person closes and clears it.
        (closed(1), state, reset(2), vec![CLEAR]),
        (open(1, 900), LED, reset(2), vec![CLEAR]),
        // A person forces it open, and releases it.
        (closed(1), state, forced(2, None), vec![FORCE]),
        (half(1, 2, 1), WAITS, forced(2, None), vec![FORCE]),
    ];
    for (before, here, after, expected) in rows {
        let row = format!("{before:?} {here:?} {after:?}");
        let mut it = It::that_knows(before, here);
        assert_eq!(it.hears(after.clone(), here), expected, "{row}");
        assert_eq!(it.hears(after, here), [], "once: {row}");
    }
}

// N4, N6
#[test]
fn what_the_fleet_has_forced_it_releases() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let left = Some(Duration::from_secs(60));
    let force = vec![Apply::Force { left }];
    assert_eq!(it.hears(forced(2, Some(60_000)), Here::Closed), force);
    assert_eq!(it.hears(closed(3), OPEN_ALONE), [Apply::Release]);
    assert_eq!(it.hears(closed(4), Here::Closed), [CLOSE]);
    // Released and tripped, before anybody looked.
    it.hears(forced(5, None), Here::Closed);
    let both = [Apply::Release, opens(700)];
    assert_eq!(it.hears(open(7, 700), OPEN_ALONE), both);
}

// N4: what a person does to one instance stays until the fleet's next transition.
#[test]
fn what_is_done_to_one_instance_stays_until_the_next_decision() {
    for here in [Here::Closed, OPEN_ALONE, OWN_PROBE] {
        let mut it = It::that_knows(open(1, 900), LED);
        assert_eq!(it.hears(open(1, 500), here), []);
        assert_eq!(it.hears(half(2, 2, 1), here), [opens(0)]);
    }
}

// N4: whoever has just begun or come back is open alone for a reason that the fleet does not know.
#[test]
fn who_has_just_begun_does_what_the_fleet_does_but_stays_open_alone() {
    let state = Here::Closed;
    let rows: Vec<(Here, Standing, Vec<Apply>)> = vec![
        (state, closed(3), vec![]),
        (OPEN_ALONE, closed(3), vec![]),
        (OWN_PROBE, closed(3), vec![]),
        // What a person has done before it began is done.
        (OPEN_ALONE, reset(3), vec![]),
        (state, reset(3), vec![]),
        (state, open(3, 700), vec![opens(700)]),
        (OPEN_ALONE, open(3, 700), vec![opens(700)]),
        (OWN_PROBE, half(3, 2, 1), vec![opens(0)]),
        (OPEN_ALONE, forced(3, None), vec![FORCE]),
        // Led by a fleet that this process has known before, say.
        (LED, closed(3), vec![CLOSE]),
    ];
    for (here, standing, expected) in rows {
        let row = format!("{here:?} {standing:?}");
        assert_eq!(It::new().hears(standing, here), expected, "{row}");
    }
}

// N4, N7: an unchanged stamp is done again by whoever was alone.
#[test]
fn who_comes_back_does_what_the_fleet_says_as_if_it_were_new() {
    let state = Here::Closed;
    let rows: Vec<(Standing, Here, Standing, Vec<Apply>)> = vec![
        (open(1, 900), state, open(1, 300), vec![opens(300)]),
        (open(1, 900), OWN_PROBE, open(1, 0), vec![opens(0)]),
        (open(1, 900), OPEN_ALONE, open(1, 300), vec![opens(300)]),
        (half(1, 2, 1), OWN_PROBE, half(1, 2, 1), vec![opens(0)]),
        (closed(1), OPEN_ALONE, closed(1), vec![]),
        (open(1, 900), OPEN_ALONE, closed(2), vec![]),
        (forced(1, None), state, forced(1, None), vec![FORCE]),
        (forced(1, None), state, closed(2), vec![Apply::Release]),
        // A person did it long ago, or while this instance was away.
        (reset(1), state, reset(1), vec![]),
        (reset(1), OPEN_ALONE, reset(1), vec![]),
        (closed(1), OPEN_ALONE, reset(2), vec![CLEAR]),
    ];
    for (before, here, after, expected) in rows {
        let row = format!("{before:?} {here:?} {after:?}");
        let mut it = It::that_knows(before, here);
        it.passes(3_000);
        it.follow.passes(it.now, &local(here));
        assert_eq!(it.hears(after, here), expected, "{row}");
    }
}

// N4: a decision that is older than the one that is known means that the store has forgotten.
#[test]
fn an_older_decision_is_not_done_but_restored() {
    let mut it = It::that_knows(open(5, 900), Here::Closed);
    it.passes(200);
    assert_eq!(it.hears(closed(4), LED), [Apply::Again]);
    assert_eq!(it.follow.known(), stamp(5));
    it.passes(100);
    assert_eq!(
        it.proposes(&local(LED)),
        Some(Proposal::Restore(open(5, 600)))
    );
    // What another one knows is newer still.
    let restore = Proposal::Restore(open(5, 600));
    let told = decided(Done::No, half(6, 2, 1));
    assert_eq!(it.decided(&restore, &told, WAITS), []);
    assert_eq!(it.proposes(&local(WAITS)), None);
}

// N4: of two decisions with the same number, the greater nonce is the later one.
#[test]
fn a_tie_is_broken_by_chance() {
    let other = |nonce| Standing {
        stamp: Stamp { era: 5, nonce },
        ..closed(5)
    };
    let mut it = It::that_knows(open(5, 900), Here::Closed);
    assert_eq!(it.hears(other(4), LED), [Apply::Again]);
    assert_eq!(it.hears(other(6), LED), [CLOSE]);
}

// N4: what was asked for before is older, whatever it tells.
#[test]
fn an_answer_that_is_older_than_another_is_none() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.passes(100);
    let late = (it.now - 50 * MILLI, it.now);
    it.hears(open(2, 900), Here::Closed);
    let nothing = it.follow.heard(&told(closed(1)), late, &local(LED));
    assert_eq!((nothing, it.follow.behind), (vec![], false));
}

// E1: disabled, it neither follows nor speaks; and catches up when it is not any more.
#[test]
fn a_disabled_circuit_does_nothing() {
    let disabled = Local {
        mode: Mode::Disabled,
        ..with_calls(10, 9)
    };
    let mut it = It::that_knows(closed(1), Here::Closed);
    assert_eq!(it.told(&told(open(2, 900)), &disabled), []);
    assert_eq!(it.asks(&disabled), Asks::Look { now: false });
    assert_eq!(it.asks(&local(Here::Closed)), Asks::Look { now: true });
    assert_eq!(it.hears(open(2, 800), Here::Closed), [opens(800)]);
}

// E1: in shadow it follows, and says and takes nothing.
#[test]
fn a_circuit_in_shadow_only_follows() {
    let shadow = |local| Local {
        mode: Mode::Shadow,
        ..local
    };
    let mut it = It::that_knows(closed(1), Here::Closed);
    let look = Asks::Look { now: false };
    assert_eq!(it.asks(&shadow(with_calls(10, 9))), look);
    assert_eq!(
        it.told(&told(open(2, 900)), &shadow(local(Here::Closed))),
        [opens(900)]
    );
    it.follow.wants(1);
    assert_eq!(it.asks(&shadow(local(WAITS))), look);
    assert_eq!(it.told(&told(closed(3)), &shadow(local(WAITS))), [CLOSE]);
}
