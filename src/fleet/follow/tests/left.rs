//! What a circuit that is gone leaves to the next one of its name.

use super::{seats::*, *};

const MINUTE: u64 = 60_000;

/// The circuit is gone, and another one has its name.
fn made_anew(it: It) -> It {
    let left = it.follow.without_part().left().expect("seats");
    It {
        follow: Follow::new(ALONE_AFTER).goes_on(left),
        now: it.now,
    }
}

/// It is told of half-open, has a call, and is given this lease.
fn is_given(it: &mut It, left: u64) -> usize {
    it.hears(half(2, 2, 1), WAITS);
    it.follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, left),
        now: STORE + 5_000 - left,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let led = it.decided(&ask, &given, WAITS);
    led.iter().filter_map(seats).count()
}

// N5: a seat admits one probe, and that may have begun.
#[test]
fn seats_of_the_one_before_are_not_taken_again() {
    let mut it = made_anew(with_seat());
    it.passes(100);
    assert_eq!(is_given(&mut it, 4_900), 0);
    // Nor by one that has had its turn before, and knows the same decision.
    let left = with_seat().follow.without_part().left().expect("seats");
    let knows = It::that_knows(half(2, 2, 1), WAITS).follow.without_part();
    let mut it = It::new();
    it.follow = knows.goes_on(left);
    it.passes(100);
    assert_eq!(is_given(&mut it, 4_900), 0);
}

// N4: nobody goes back, whatever the one before has known.
#[test]
fn who_knows_a_later_decision_takes_over_nothing() {
    let left = with_seat().follow.without_part().left().expect("seats");
    let knows = It::that_knows(closed(3), Here::Closed).follow;
    assert_eq!(knows.clone().goes_on(left), knows);
}

// N5: the store counts in all, whichever circuit of the name has made them.
#[test]
fn results_of_the_one_before_are_said_once_more() {
    let mut it = made_anew(made_anew(with_one_result()));
    assert_eq!(is_given(&mut it, 5_000), 1);
    assert_eq!(result(&mut it, seated(1, 0, 1, 0)), Some((1, 1, 0, 2_000)));
}

// N5: it is kept for as long as the store may know it, and not for ever: names come and go.
#[test]
fn what_is_left_matters_for_a_minute_after_the_lease() {
    assert!(
        It::that_knows(closed(1), Here::Closed)
            .follow
            .left()
            .is_none()
    );
    for (it, lease) in [
        (with_seat(), 5_000),
        // It has no lease any more, but results; also when it has left them a second time.
        (with_one_result(), 0),
        (made_anew(with_one_result()), 0),
    ] {
        let over = it.now + (lease + MINUTE) * MILLI;
        let left = it.follow.without_part().left().expect("seats or results");
        assert!(left.matters(over - 1));
        assert!(!left.matters(over));
    }
}
