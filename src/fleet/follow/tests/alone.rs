//! Without the store, and back.

use super::*;
use crate::{circuit::followed::Why, machine::Alone};

const LEFT: Apply = Apply::News(FleetNews::Detached(Why::NotReached));

fn lost(it: &mut It, local: &Local<'_>) -> Vec<Apply> {
    it.follow.lost(Why::NotReached, it.now, local)
}

fn alone(need: u32, spare: u32) -> Apply {
    Apply::Alone(Alone {
        permits: 2,
        need,
        spare,
    })
}

// N7: so long after the last answer was asked for, it is alone: told once.
#[test]
fn who_hears_nothing_is_alone_and_tells_once() {
    let mut it = It::that_knows(open(1, 900), LED);
    let led = local(LED);
    it.passes(2_999);
    assert_eq!(lost(&mut it, &led), []);
    assert!(it.follow.is_attached(it.now));
    it.passes(1);
    assert!(!it.follow.is_attached(it.now));
    assert_eq!(lost(&mut it, &led), [LEFT, alone(2, 1)]);
    assert_eq!(lost(&mut it, &led), []);
    assert_eq!(it.asks(&led), Asks::Look { now: true });
    let apply = it.follow.heard(&told(open(1, 9)), (it.now, it.now), &led);
    assert_eq!(apply[0], Apply::News(FleetNews::Attached));
}

// N7: what goes on alone goes on with what the fleet still needs.
#[test]
fn who_has_seats_goes_on_with_what_is_still_needed() {
    let mut it = It::that_knows(open(1, 0), WAITS);
    it.follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(2, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    it.decided(&ask, &given, WAITS);
    let here = seated(2, 1, 0, 1);
    let ask = it.proposes(&local(here)).expect("a result");
    // Another instance has brought the second one, say: with both of this one's, there are none to come.
    it.decided(&ask, &decided(Done::Yes, half(2, 1, 1)), here);
    it.passes(3_000);
    // The circuit takes off what its own probes have come to, so that is added here.
    assert_eq!(lost(&mut it, &local(here)), [LEFT, alone(2, 1)]);

    let mut it = It::that_knows(half(1, 2, 1), WAITS);
    let here = seated(2, 0, 1, 1);
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(1, 2, 0)), here);
    it.passes(3_000);
    assert_eq!(lost(&mut it, &local(here)), [LEFT, alone(2, 1)]);
}

// N7: not led, there is nothing to be let go.
#[test]
fn who_is_not_led_goes_on_as_it_is() {
    for here in [Here::Closed, OPEN_ALONE, OWN_PROBE] {
        let mut it = It::that_knows(closed(1), here);
        it.passes(3_000);
        assert_eq!(lost(&mut it, &local(here)), [LEFT]);
    }
}

// N7: an answer keeps it attached from when it was asked for.
#[test]
fn an_answer_that_nothing_has_changed_is_one_too() {
    let mut it = It::that_knows(open(1, 0), WAITS);
    let led = local(WAITS);
    let asked = it.passes(2_000).now;
    it.passes(900);
    let hold = Apply::Hold {
        until: asked + ALONE_AFTER,
    };
    assert_eq!(it.follow.still(asked, it.now, &led), [hold]);
    it.passes(2_099);
    assert_eq!(lost(&mut it, &led), []);
    it.passes(1);
    assert_eq!(lost(&mut it, &led), [LEFT, alone(2, 1)]);
    // Whoever is alone has to look what the fleet has decided.
    assert_eq!(it.follow.still(it.now, it.now, &led), []);
    assert!(!it.follow.is_attached(it.now));
}

// N7: an answer that took longer than one is attached is none.
#[test]
fn an_answer_that_comes_after_all_is_none() {
    let mut it = It::new();
    let asked = it.now;
    it.passes(3_000);
    let both = (asked, it.now);
    let apply = it
        .follow
        .heard(&told(open(1, 900)), both, &local(Here::Closed));
    assert_eq!((apply, it.follow.known()), (vec![], Stamp::default()));
}

// N7: whoever would rather wait for the store is held on.
#[test]
fn who_waits_for_the_store_is_held_without_it() {
    let mut waits = local(WAITS);
    waits.rules.agreement.stay_open_when_detached = true;
    let mut it = It::that_knows(open(1, 0), WAITS);
    it.passes(3_000);
    let hold = |it: &It| Apply::Hold {
        until: it.now + ALONE_AFTER,
    };
    assert_eq!(lost(&mut it, &waits), [LEFT, hold(&it)]);
    it.passes(1_000);
    assert_eq!(lost(&mut it, &waits), [hold(&it)]);
    let closed = Local {
        state: Here::Closed,
        ..waits
    };
    assert_eq!(lost(&mut it, &closed), []);
    // What its seats come to in that time is not the fleet's.
    let seated = Local {
        state: seated(1, 1, 0, 0),
        ..waits
    };
    it.asks(&seated);
    assert_eq!(it.hears(open(1, 0), seated.state), [opens(0)]);
    assert_eq!(it.proposes(&waits), None);
    // And with the store, an answer alone puts the hold off.
    it.passes(1_000);
    assert_eq!(lost(&mut it, &waits), []);
}

// N7: turned off, it is alone at once.
#[test]
fn who_is_turned_off_is_alone_at_once() {
    let off = Apply::News(FleetNews::Detached(Why::Off));
    let mut it = It::that_knows(open(1, 0), WAITS);
    let led = local(WAITS);
    assert_eq!(it.follow.leaves_fleet(Why::Off, &led), [off, alone(2, 1)]);
    assert_eq!(it.follow.leaves_fleet(Why::Off, &led), []);
}

// N7: also who would rather wait, and has waited for some time.
#[test]
fn who_waits_for_the_store_is_alone_when_it_is_turned_off() {
    let mut waits = local(WAITS);
    waits.rules.agreement.stay_open_when_detached = true;
    let mut it = It::that_knows(open(1, 0), WAITS);
    it.passes(3_000);
    lost(&mut it, &waits);
    assert_eq!(it.follow.leaves_fleet(Why::Off, &waits), [alone(2, 1)]);
}

// N4, N7: the hold is renewed also by a store that has forgotten.
#[test]
fn a_store_that_has_forgotten_holds_all_the_same() {
    let mut it = It::that_knows(open(5, 0), WAITS);
    it.passes(2_000);
    let both = (it.now, it.now);
    let apply = it
        .follow
        .heard(&told(Standing::default()), both, &local(WAITS));
    let hold = Apply::Hold {
        until: it.now + ALONE_AFTER,
    };
    assert_eq!(apply, [hold, Apply::Again]);
    // Whoever is alone asks first how things are.
    it.passes(3_000);
    lost(&mut it, &local(WAITS));
    assert_eq!(it.proposes(&local(WAITS)), None);
}

// N5, N7: what was made of seats before is nobody's concern after.
#[test]
fn seats_are_forgotten_with_the_store() {
    let mut it = It::that_knows(open(1, 0), WAITS);
    it.follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    it.decided(&ask, &given, WAITS);
    it.asks(&local(seated(1, 1, 0, 0)));
    it.passes(3_000);
    lost(&mut it, &local(seated(1, 1, 0, 0)));
    assert_eq!(it.hears(half(2, 2, 1), OPEN_ALONE), [opens(0)]);
    assert_eq!(it.proposes(&local(WAITS)), None);
}
