//! Seats: who asks for them, how long they hold, and what is said of them.

use super::*;
use crate::circuit::followed::{Act, Why};

fn waits() -> It {
    let mut it = It::that_knows(open(1, 0), WAITS);
    it.follow.wants(1);
    it
}

/// It has asked, and has been given a seat.
pub(super) fn with_seat() -> It {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let led = it.decided(&ask, &given, WAITS);
    assert_eq!(led.iter().filter_map(seats).count(), 1);
    it
}

pub(super) fn result(it: &mut It, here: Here) -> Option<(u32, u32, u32, u64)> {
    match it.proposes(&local(here)) {
        Some(Proposal::Results {
            ok,
            failed,
            unused,
            length,
        }) => Some((ok, failed, unused, length)),
        _ => None,
    }
}

// N5: a call that waits asks; an instance that has none does not.
#[test]
fn only_who_has_a_call_asks_for_a_seat() {
    let mut it = It::that_knows(open(1, 900), LED);
    assert_eq!(it.wants_seats(WAITS), None);
    it.follow.wants(1);
    assert_eq!(it.wants_seats(LED), None, "not over");
    assert_eq!(it.wants_seats(OPEN_ALONE), None, "not led");
    assert_eq!(it.wants_seats(WAITS), Some(1));
    it.follow.wants(9);
    assert_eq!(it.wants_seats(WAITS), Some(2), "no more than there are");
    // Who was decided over has no calls that wait.
    assert_eq!(it.hears(open(3, 900), WAITS), [opens(900)]);
    assert_eq!(it.wants_seats(WAITS), None);
}

// N5: who finds no seat asks again for a call that comes later.
#[test]
fn who_finds_no_seat_asks_once_one_may_be_free_and_a_call_comes() {
    let rows = [
        (Done::Full { next: 400 }, half(2, 2, 1)),
        (Done::No, open(1, 400)),
    ];
    for (done, standing) in rows {
        let mut it = waits();
        let ask = it.proposes(&local(WAITS)).expect("a seat");
        it.decided(&ask, &decided(done, standing), WAITS);
        it.passes(399).follow.wants(1);
        assert_eq!(it.wants_seats(WAITS), None, "{done:?}");
        it.passes(1);
        assert_eq!(it.wants_seats(WAITS), Some(1), "{done:?}");
    }
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    it.decided(
        &ask,
        &decided(Done::Full { next: 400 }, half(2, 2, 1)),
        WAITS,
    );
    it.passes(500);
    assert_eq!(it.wants_seats(WAITS), None, "that call is gone");
}

// N1, N5: whoever asks for seats already, or has found none, does not look for more calls that were held.
#[test]
fn calls_are_looked_for_where_they_make_a_difference() {
    let mut it = It::that_knows(open(1, 0), WAITS);
    assert!(it.follow.looks_for_calls(it.now));
    it.follow.wants(1);
    assert!(!it.follow.looks_for_calls(it.now), "it asks already");
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let full = decided(Done::Full { next: 400 }, half(2, 2, 1));
    it.decided(&ask, &full, WAITS);
    it.passes(399);
    assert!(!it.follow.looks_for_calls(it.now), "there is none");
    it.passes(1);
    assert!(it.follow.looks_for_calls(it.now));
}

// N5, N8: no store has it wait for longer than seats are kept.
#[test]
fn who_finds_no_seat_asks_again_after_a_lease_at_the_latest() {
    let day = 86_400_000;
    let rows = [
        (Done::Full { next: day }, half(2, 2, 1)),
        (Done::No, open(1, day)),
    ];
    for (done, standing) in rows {
        let mut it = waits();
        let ask = it.proposes(&local(WAITS)).expect("a seat");
        it.decided(&ask, &decided(done, standing.clone()), WAITS);
        it.follow.wants(1);
        it.passes(2_500).hears(standing.clone(), WAITS);
        it.passes(2_499);
        assert_eq!(it.wants_seats(WAITS), None, "{done:?}");
        it.passes(1);
        assert_eq!(it.wants_seats(WAITS), Some(1), "{done:?}");
    }
}

// N5: whoever waits for a seat goes on waiting while another one has it.
#[test]
fn a_call_that_waits_still_waits_when_another_instance_has_the_seat() {
    let mut it = waits();
    it.hears(half(2, 2, 1), WAITS);
    assert_eq!(it.wants_seats(WAITS), Some(1));
    it.passes(3_000);
    assert_eq!(it.wants_seats(WAITS), None, "alone");
}

// N5: a lease counts from when it was asked for, and a hold, too.
#[test]
fn a_lease_and_a_hold_count_from_when_they_were_asked_for() {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let asked = it.now;
    it.passes(800);
    let given = Decided {
        lease: lease(2, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let both = (asked, it.now);
    let apply = it.follow.decided(&ask, &given, both, &local(WAITS));
    let hold = Apply::Hold {
        until: asked + ALONE_AFTER,
    };
    assert_eq!(apply[0], hold, "before anything else");
    let led: Vec<_> = apply.iter().filter_map(seats).collect();
    assert_eq!(led, [(2, asked + 5_000 * MILLI)]);
}

// N5, N8: no store makes a lease longer than was asked for.
#[test]
fn a_lease_is_never_longer_than_it_was_asked_for() {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, 86_400_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let led = it.decided(&ask, &given, WAITS);
    let led: Vec<_> = led.iter().filter_map(seats).collect();
    assert_eq!(led, [(1, it.now + 5_000 * MILLI)]);
}

// N5: a lease that is over before it is heard of is none.
#[test]
fn a_lease_that_is_over_is_not_taken() {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let asked = it.now;
    it.passes(800);
    let given = Decided {
        lease: lease(1, 800),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let both = (asked, it.now);
    let apply = it.follow.decided(&ask, &given, both, &local(WAITS));
    assert_eq!(apply.iter().filter_map(seats).count(), 0);
}

// N5: each seat admits one probe, however often the store tells of it, and wherever its clock has gone.
#[test]
fn seats_are_taken_once() {
    let here = seated(1, 0, 0, 1);
    let mut it = with_seat();
    it.asks(&local(here));
    let look = Told {
        lease: lease(1, 5_000),
        ..told(half(2, 2, 1))
    };
    assert_eq!(it.told(&look, &local(here)), [], "a look tells nothing new");

    // Over here, and a call waits. By the store's clock, which was put back, they are not over yet.
    it.passes(2_500).hears(half(2, 2, 1), here);
    it.passes(2_500).follow.wants(1);
    let ask = it.proposes(&local(here)).expect("a seat");
    let same = Decided {
        lease: lease(1, 7_000),
        now: STORE - 2_000,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    assert_eq!(it.decided(&ask, &same, here), [Apply::Again]);
    // So they are given back.
    assert_eq!(result(&mut it, here), Some((0, 0, 1, 2_000)));
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(2, 2, 1)), here);
    // These end at another time: they are new.
    let ask = it.proposes(&local(here)).expect("a seat");
    let new = Decided {
        lease: lease(1, 5_000),
        now: STORE + 1,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let led = it.decided(&ask, &new, here);
    assert_eq!(led.iter().filter_map(seats).count(), 1);
    // That one was given back is known to the store: a person who closes the circuit has nothing new to say.
    it.asks(&local(seated(2, 0, 0, 1)));
    assert_eq!(result(&mut it, Here::Closed), None);
}

// N5: seats that the circuit has never taken are given back as well.
#[test]
fn seats_that_were_not_taken_in_time_are_given_back() {
    let mut it = with_seat();
    it.passes(2_500).hears(half(2, 2, 1), WAITS);
    it.passes(2_500).follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    // By the store's clock, which was put back, they are not over yet.
    let same = Decided {
        lease: lease(1, 7_000),
        now: STORE - 2_000,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    assert_eq!(it.decided(&ask, &same, WAITS), [Apply::Again]);
    assert_eq!(result(&mut it, WAITS), Some((0, 0, 1, 2_000)));
}

// N5: the answer to a result tells of seats that the circuit has already.
#[test]
fn seats_that_an_answer_to_a_result_tells_of_are_not_taken_again() {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(2, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    it.decided(&ask, &given, WAITS);
    let here = seated(2, 1, 0, 1);
    let ask = it.proposes(&local(here)).expect("a result");
    let rest = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 1, 1))
    };
    assert_eq!(it.decided(&ask, &rest, here), []);
}

// N8: a lease of no seats is none.
#[test]
fn a_lease_of_no_seats_is_none() {
    let mut it = waits();
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(0, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    assert_eq!(it.decided(&ask, &given, WAITS), []);
    assert_eq!(it.wants_seats(WAITS), Some(1), "the call still waits");
}

// N6: what a person has done here is newer than seats that come.
#[test]
fn seats_are_not_taken_by_who_was_forced_or_reset() {
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let forced = Local {
        mode: Mode::ForcedOpen,
        ..local(WAITS)
    };
    for (act, here) in [(None, forced), (Some(Act::Reset), local(WAITS))] {
        let mut it = waits();
        let ask = it.proposes(&local(WAITS)).expect("a seat");
        if let Some(act) = act {
            it.follow.act(act, Text::default(), it.now);
        }
        let both = (it.now, it.now);
        let apply = it.follow.decided(&ask, &given, both, &here);
        assert_eq!(without_hold(apply), []);
    }
}

/// Its first probe is still on its way though the lease is over, and it has a new seat, that no probe has taken.
fn with_a_probe_that_outlives_its_lease() -> It {
    let mut it = with_seat();
    let here = seated(1, 0, 0, 0);
    it.asks(&local(here));
    it.passes(2_500).hears(half(2, 2, 1), here);
    it.passes(2_500).follow.wants(1);
    let ask = it.proposes(&local(here)).expect("a seat");
    let given = Decided {
        lease: lease(1, 5_000),
        now: STORE + 5_000,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let led = it.decided(&ask, &given, here);
    assert_eq!(led.iter().filter_map(seats).count(), 1);
    it
}

// N5: the store would take it for the new seat, and give that to somebody else.
#[test]
fn a_result_that_comes_after_its_lease_waits_for_the_new_seat_to_be_taken() {
    for (ok, failed) in [(1, 0), (0, 1)] {
        let said = Some((ok, failed, 0, 2_000));
        let mut it = with_a_probe_that_outlives_its_lease();
        assert_eq!(result(&mut it, seated(2, ok, failed, 1)), None);
        assert_eq!(result(&mut it, seated(2, ok, failed, 0)), said, "taken");
    }
    // Or to be over.
    let mut it = with_a_probe_that_outlives_its_lease();
    let here = seated(2, 1, 0, 1);
    it.passes(2_500).hears(half(2, 2, 1), here);
    it.passes(2_499);
    assert_eq!(result(&mut it, here), None);
    it.passes(1);
    assert_eq!(result(&mut it, here), Some((1, 0, 0, 2_000)));
}

// N5: what the store knew before is no result of the new seat.
#[test]
fn a_result_is_of_the_lease_that_was_given_after_the_others() {
    let mut it = with_seat();
    let here = seated(1, 0, 1, 0);
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(2, 2, 0)), here);
    it.follow.wants(1);
    let ask = it.proposes(&local(here)).expect("a seat");
    let given = Decided {
        lease: lease(2, 5_000),
        ..decided(Done::Yes, half(2, 2, 0))
    };
    it.decided(&ask, &given, here);
    let here = seated(3, 1, 1, 1);
    assert_eq!(result(&mut it, here), Some((1, 1, 0, 2_000)));
}

// N5: a probe that is on its way may still count, until the store has given its seat to another.
#[test]
fn seats_with_a_probe_on_its_way_are_not_given_back() {
    let here = seated(1, 0, 0, 0);
    let mut it = with_seat();
    it.asks(&local(here));
    it.passes(2_500).hears(half(2, 2, 1), here);
    it.passes(2_500).follow.wants(1);
    let ask = it.proposes(&local(here)).expect("a seat");
    let same = Decided {
        lease: lease(1, 20),
        now: STORE + 4_980,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    assert_eq!(it.decided(&ask, &same, here), []);
    assert_eq!(it.proposes(&local(here)), None, "not at once again");
    it.passes(999);
    assert_eq!(it.proposes(&local(here)), None, "nor soon");
    it.passes(1);
    assert_eq!(it.wants_seats(here), Some(1));
}

// N5: an answer that was lost is made up for by the next one: the same seats, and no longer than before.
#[test]
fn seats_whose_answer_was_lost_are_asked_for_again() {
    let mut it = waits();
    it.proposes(&local(WAITS)).expect("a seat");
    let asks_again = |it: &mut It| {
        it.passes(100).follow.wants(1);
        let ask = it.proposes(&local(WAITS)).expect("a seat");
        let same = Decided {
            lease: lease(1, 4_900),
            ..decided(Done::Yes, half(2, 2, 1))
        };
        let led = it.decided(&ask, &same, WAITS);
        led.iter().filter_map(seats).collect::<Vec<_>>()
    };
    let until = it.now + 5_000 * MILLI;
    assert_eq!(asks_again(&mut it), [(1, until)]);
    // The circuit did not take them.
    assert_eq!(asks_again(&mut it), [(1, until)]);
}

// N5, N7: seats of a time when the store was there are not used a second time.
#[test]
fn seats_of_before_are_not_taken_again_by_who_comes_back() {
    let here = seated(1, 0, 0, 0);
    let mut it = with_seat();
    it.asks(&local(here));
    it.passes(3_000);
    it.follow.passes(it.now, &local(here));
    // It makes a probe of its own, which fails: that is no result of the fleet's.
    it.asks(&local(OPEN_ALONE));
    assert_eq!(it.hears(half(2, 2, 1), OPEN_ALONE), [opens(0)]);
    // Not even if it was not opened, but vetoed, and has opened alone again.
    assert_eq!(result(&mut it, OPEN_ALONE), None);
    it.follow.wants(1);
    let same = Decided {
        lease: lease(1, 2_000),
        now: STORE + 3_000,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    assert_eq!(it.decided(&ask, &same, WAITS), []);
    // The store has given them back by itself.
    it.passes(2_000);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let new = Decided {
        now: STORE + 5_001,
        ..same
    };
    let led = it.decided(&ask, &new, WAITS);
    assert_eq!(led.iter().filter_map(seats).count(), 1);
}

// A7, N5: it has taken the seat, tripped, and opened, before anybody has looked.
#[test]
fn a_probe_that_nobody_has_seen_has_failed_all_the_same() {
    let mut it = with_seat();
    assert_eq!(result(&mut it, OPEN_ALONE), Some((0, 1, 0, 2_000)));
}

// N5: what has become of seats is said in all, until it is answered.
#[test]
fn results_are_told_until_the_store_has_them() {
    let mut it = with_seat();
    assert_eq!(result(&mut it, seated(1, 0, 0, 0)), None);
    let here = seated(1, 1, 0, 0);
    assert_eq!(result(&mut it, here), Some((1, 0, 0, 2_000)));
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(2, 1, 1)), here);
    assert_eq!(result(&mut it, here), None);
    // The seat is the store's again: the next call may have one at once.
    it.follow.wants(1);
    assert_eq!(it.wants_seats(here), Some(1));
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 1, 1))
    };
    let ask = it.proposes(&local(here)).expect("a seat");
    let led = it.decided(&ask, &given, here);
    assert_eq!(led.iter().filter_map(seats).count(), 1);
    let here = seated(2, 1, 1, 0);
    assert_eq!(result(&mut it, here), Some((1, 1, 0, 2_000)));
}

// N5: a probe that came too late counts nowhere, and is not said for ever.
#[test]
fn a_result_that_does_not_count_is_said_once() {
    for done in [Done::No, Done::Yes] {
        let mut it = with_seat();
        let here = seated(1, 1, 0, 0);
        let ask = it.proposes(&local(here)).expect("a result");
        it.decided(&ask, &decided(done, half(2, 2, 1)), here);
        assert_eq!(result(&mut it, here), None);
    }
    // A store that has forgotten has not taken it.
    let mut it = with_seat();
    let here = seated(1, 1, 0, 0);
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Behind, closed(1)), here);
    it.hears(half(2, 2, 1), here);
    assert_eq!(result(&mut it, here), Some((1, 0, 0, 2_000)));
    // The answer tells how it ended.
    let mut it = with_seat();
    let here = seated(1, 1, 0, 0);
    let ask = it.proposes(&local(here)).expect("a result");
    let late = decided(Done::Late, open(3, 800));
    assert_eq!(it.decided(&ask, &late, here), [opens(800)]);
}

// A7, N5: the next break is as long as a failed probe has asked.
#[test]
fn a_failed_probe_is_left_alone_for_as_long_as_it_has_asked() {
    let mut it = with_seat();
    let tally = Tally {
        granted: 1,
        failed: 1,
        floor: Duration::from_micros(60_000_001),
        ..Tally::default()
    };
    let here = Here::HalfOpen(Some(tally));
    assert_eq!(result(&mut it, here), Some((0, 1, 0, 60_001)));
}

// D4, A7, N5: a circuit that opens by itself while its fleet waits for a probe has answered: it failed.
#[test]
fn a_led_circuit_that_opens_by_itself_has_a_probe_that_failed() {
    let mut it = with_seat();
    it.asks(&local(seated(1, 0, 0, 0)));
    let own = Here::Open {
        led: false,
        left: 7 * SECOND + 1,
    };
    assert_eq!(result(&mut it, own), Some((0, 1, 0, 7_001)));
    // It is said until it is answered, whatever the circuit does.
    assert_eq!(result(&mut it, OWN_PROBE), Some((0, 1, 0, 7_001)));
    let ask = it.proposes(&local(own)).expect("a result");
    assert_eq!(
        it.decided(&ask, &decided(Done::Yes, open(3, 7_001)), own),
        [opens(7_001)]
    );
    assert_eq!(result(&mut it, LED), None);
}

// N5: of seats that a person has made useless, what has become of probes is said, and no more.
#[test]
fn what_a_person_has_closed_has_told_its_results() {
    let mut it = with_seat();
    it.asks(&local(seated(2, 1, 0, 1)));
    assert_eq!(result(&mut it, Here::Closed), Some((1, 0, 0, 2_000)));
    let ask = it.proposes(&local(Here::Closed)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(2, 1, 1)), Here::Closed);
    assert_eq!(result(&mut it, Here::Closed), None);

    // Forced open here, it is open, and no probe has failed.
    let forced = Local {
        mode: Mode::ForcedOpen,
        ..local(OPEN_ALONE)
    };
    let mut it = with_seat();
    it.asks(&local(seated(1, 0, 0, 1)));
    assert_eq!(it.proposes(&forced), None);

    // A probe may have begun on them that nobody has seen: they end with their lease.
    let mut it = with_seat();
    assert_eq!(result(&mut it, Here::Closed), None);
    it.asks(&local(seated(1, 0, 0, 1)));
    assert_eq!(result(&mut it, Here::Closed), None);
}

// N5: without seats, or once they are over, a call asks for new ones.
#[test]
fn a_lease_that_is_over_is_asked_for_anew_and_not_before() {
    let mut it = with_seat();
    let here = seated(1, 0, 0, 0);
    it.follow.wants(1);
    it.passes(2_500).hears(half(2, 2, 1), here);
    assert_eq!(it.wants_seats(here), None);
    it.passes(2_499);
    assert_eq!(it.wants_seats(here), None);
    it.passes(1);
    assert_eq!(it.wants_seats(here), Some(1));
}

/// The probe has ended, and the store has said so.
pub(super) fn with_one_result() -> It {
    let mut it = with_seat();
    let here = seated(1, 1, 0, 0);
    let ask = it.proposes(&local(here)).expect("a result");
    it.decided(&ask, &decided(Done::Yes, half(2, 1, 1)), here);
    it
}

// N5: the store counts in all, also over a time alone. Or what became of the next probe would be no news to it.
#[test]
fn results_of_before_a_time_alone_are_said_once_more() {
    let mut it = with_one_result();
    it.passes(3_000);
    let lost = it.follow.lost(Why::NotReached, it.now, &local(OWN_PROBE));
    assert!(!lost.is_empty(), "it is alone");
    assert_eq!(it.hears(half(2, 1, 1), OWN_PROBE), [opens(0)]);
    it.follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(2, 1, 1))
    };
    it.decided(&ask, &given, WAITS);
    assert_eq!(result(&mut it, seated(1, 0, 0, 0)), None);
    assert_eq!(result(&mut it, seated(1, 0, 1, 0)), Some((1, 1, 0, 2_000)));
    // In another era there was none before.
    it.hears(open(3, 0), WAITS);
    it.follow.wants(1);
    let ask = it.proposes(&local(WAITS)).expect("a seat");
    let given = Decided {
        lease: lease(1, 5_000),
        ..decided(Done::Yes, half(4, 1, 1))
    };
    it.decided(&ask, &given, WAITS);
    assert_eq!(result(&mut it, seated(1, 1, 0, 0)), Some((1, 0, 0, 2_000)));
}

// N5: a seat on which a probe has ended is not taken once more, also if the store has not heard of that.
#[test]
fn a_seat_that_the_store_still_counts_is_not_taken_again() {
    let mut it = with_seat();
    let here = seated(1, 1, 0, 0);
    let ask = it.proposes(&local(here)).expect("a result");
    let still = |left| Decided {
        lease: lease(1, left),
        now: STORE + 5_000 - left,
        ..decided(Done::Yes, half(2, 2, 1))
    };
    it.passes(1_000);
    it.decided(&ask, &still(4_000), here);
    it.follow.wants(1);
    // Also if the circuit was opened anew.
    let mut anew = It {
        follow: it.follow.clone(),
        now: it.now,
    };
    let ask = anew.proposes(&local(WAITS)).expect("a seat");
    assert_eq!(anew.decided(&ask, &still(4_000), WAITS), []);
    it.passes(1_000);
    it.hears(half(2, 2, 1), here);
    it.passes(2_500);
    it.hears(half(2, 2, 1), here);
    it.passes(500);
    let ask = it.proposes(&local(here)).expect("a seat");
    let led = it.decided(&ask, &still(1), here);
    assert_eq!(led.iter().filter_map(seats).count(), 0);
}
