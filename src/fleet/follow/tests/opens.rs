//! What is said of a circuit, and when the fleet opens.

use super::*;
use crate::fleet::wire::Register;

fn register(it: &mut It, local: &Local<'_>) -> Option<Register> {
    match it.asks(local) {
        Asks::Report(register) => Some(register),
        Asks::Look { .. } | Asks::Decide(_) => None,
    }
}

// N2: what its window holds now, and whether it would open by itself, however few calls these are.
#[test]
fn a_register_is_what_the_window_holds() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let expected = Register {
        calls: 4,
        failed: 1,
        slow: 0,
        streak: 0,
        ok: true,
        bad: false,
    };
    assert_eq!(register(&mut it, &with_calls(4, 1)), Some(expected));
    let bad = register(&mut it, &with_calls(2, 1)).expect("two calls");
    assert!(bad.bad);
    assert_eq!(register(&mut it, &local(Here::Closed)), None, "nothing");
}

// N2: nothing is said before the store was heard, nor of a circuit that the fleet does not count.
#[test]
fn only_a_closed_fleet_is_told() {
    let sick = with_calls(20, 12);
    assert_eq!(register(&mut It::new(), &sick), None);
    for standing in [open(1, 900), half(1, 2, 1), forced(1, None)] {
        let mut it = It::that_knows(standing.clone(), Here::Closed);
        assert_eq!(register(&mut it, &sick), None, "{standing:?}");
    }
    let mut it = It::that_knows(closed(1), Here::Closed);
    assert!(register(&mut it, &sick).is_some());
    it.passes(3_000);
    assert_eq!(register(&mut it, &sick), None, "alone");
}

// N2: zero is said once, and only to take back what was said.
#[test]
fn an_empty_window_is_told_once() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.reports(&with_calls(4, 1), Sums::default());
    let empty = Local {
        window: Some(WindowCounts::default()),
        ..with_calls(4, 1)
    };
    it.reports(&empty, Sums::default());
    assert_eq!(register(&mut it, &empty), None);
}

// N2: a streak that is watched is seen by whoever has a failure of it.
#[test]
fn a_failure_in_a_row_is_seen_where_rows_are_watched() {
    let mut row = Local {
        streak: 1,
        ..with_calls(20, 1)
    };
    let mut it = It::that_knows(closed(1), Here::Closed);
    assert_eq!(register(&mut it, &row).map(|it| it.bad), Some(false));
    row.rules.watches_streak = true;
    assert_eq!(register(&mut it, &row).map(|it| it.bad), Some(true));
}

// N3: the evidence of instances that open one after the other is not cleared with their windows.
#[test]
fn what_a_trip_has_cleared_is_still_said() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    for here in [OPEN_ALONE, OWN_PROBE, OPEN_ALONE] {
        let alone = Local {
            state: here,
            ..alone_after_a_trip(9, false)
        };
        let said = register(&mut it, &alone).expect("evidence");
        assert_eq!((said.calls, said.failed, said.bad), (20, 12, true));
    }
    // A later break of the same outage has cleared nothing.
    let again = Local {
        trip: Some(Trip::default()),
        ..local(OPEN_ALONE)
    };
    assert_eq!(register(&mut it, &again).map(|it| it.failed), Some(12));
    // It has closed, and opened again.
    let mut later = alone_after_a_trip(11, false);
    later.trip = later.trip.map(|trip| Trip { failed: 13, ..trip });
    assert_eq!(
        register(&mut it, &with_calls(3, 0)).map(|it| it.failed),
        Some(0)
    );
    assert_eq!(register(&mut it, &later).map(|it| it.failed), Some(13));
}

// N3: of a circuit that was tripped without calls, what was said last is what it has seen.
#[test]
fn a_trip_without_calls_says_what_was_said() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.reports(&with_calls(8, 3), Sums::default());
    let said = register(&mut it, &local(OPEN_ALONE)).expect("evidence");
    assert_eq!((said.calls, said.failed, said.bad), (8, 3, true));
    assert_eq!(register(&mut it, &local(LED)), None, "only if open alone");
}

// N2: a window of calls counts while calls come.
#[test]
fn a_window_of_calls_that_is_idle_says_nothing() {
    let mut calls = with_calls(8, 3);
    calls.rules.by_count = true;
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.reports(&calls, Sums::default());
    let mut calls_at = |millis, calls: &Local<'_>| {
        it.passes(millis).hears(closed(1), Here::Closed);
        register(&mut it, calls).map(|it| it.calls)
    };
    assert_eq!(calls_at(9_999, &calls), Some(8));
    assert_eq!(calls_at(1, &calls), Some(0));
    calls.ended.successful += 1;
    assert_eq!(calls_at(1, &calls), Some(8));
}

// N2: without a window, what has ended in the time for which a register counts, or up to twice.
#[test]
fn without_a_window_calls_are_counted_by_what_has_ended() {
    let of = |successful, failed| Local {
        window: None,
        ended: Ended {
            successful,
            failed,
            slow: 0,
        },
        ..local(Here::Closed)
    };
    let mut it = It::that_knows(closed(1), Here::Closed);
    let mut calls_after = |millis, successful, failed| {
        it.passes(millis).hears(closed(1), Here::Closed);
        let register = register(&mut it, &of(successful, failed));
        register.map_or((0, 0), |it| (it.calls, it.failed))
    };
    assert_eq!(calls_after(0, 100, 10), (0, 0), "what was before");
    assert_eq!(calls_after(5_000, 105, 10), (5, 0));
    assert_eq!(calls_after(5_000, 105, 12), (7, 2));
    assert_eq!(calls_after(9_000, 105, 12), (7, 2));
    assert_eq!(calls_after(1_000, 106, 12), (1, 0));
    assert_eq!(calls_after(10_000, 106, 12), (0, 0));
}

// N3: what all see together, and how many see it themselves.
#[test]
fn the_fleet_opens_by_the_sum_and_by_agreement() {
    let rows = [
        (half_failed(50, 5), true),
        (half_failed(50, 4), false),
        (half_failed(2, 2), true),
        (half_failed(1, 1), false),
        (
            Sums {
                calls: 9,
                ..half_failed(2, 2)
            },
            false,
        ),
        (
            Sums {
                failed: 4,
                ..half_failed(2, 2)
            },
            false,
        ),
    ];
    for (all, opens) in rows {
        let mut it = It::that_knows(closed(1), Here::Closed);
        let sick = with_calls(2, 1);
        let apply = it.reports(&sick, all);
        let proposal = it.proposes(&sick);
        assert_eq!(apply == [Apply::Again], opens, "{all:?}");
        let open = Proposal::Open {
            length: 1_000,
            attempt: 1,
            cause: Text::of("half"),
        };
        assert_eq!(proposal, opens.then_some(open), "{all:?}");
    }
}

// B4, N3: only a new failure or a slow call opens anything.
#[test]
fn a_fast_success_opens_nothing() {
    let all = half_failed(2, 2);
    let mut it = It::that_knows(closed(1), Here::Closed);
    let mut sick = with_calls(4, 2);
    assert_eq!(it.reports(&sick, Sums::default()), []);
    sick.ended.successful += 1;
    sick.window = Some(counts(5, 2));
    assert_eq!(it.reports(&sick, all), [], "a success");
    sick.ended.slow += 1;
    assert_eq!(it.reports(&sick, all), [Apply::Again], "a slow one");

    // What failed before the fleet closed is over.
    let mut it = It::that_knows(open(1, 900), Here::Closed);
    let mut well = with_calls(4, 2);
    it.told(&told(closed(2)), &well);
    assert_eq!(it.reports(&well, all), []);
    well.ended.failed += 1;
    assert_eq!(it.reports(&well, all), [Apply::Again]);
}

// N2: a report whose answer was lost is said anew, and judged then.
#[test]
fn a_lost_answer_is_made_up_for_by_the_next() {
    let all = half_failed(2, 2);
    let mut it = It::that_knows(closed(1), Here::Closed);
    let sick = with_calls(4, 2);
    let Asks::Report(first) = it.asks(&sick) else {
        panic!("a report")
    };
    assert_eq!(it.follow.say(first, &sick).seq, 1);
    assert_eq!(
        it.follow
            .lost(crate::circuit::followed::Why::TimedOut, it.now, &sick),
        []
    );
    assert_eq!(it.reports(&sick, all), [Apply::Again]);
    assert_eq!(it.follow.speaks.seq, 2);
}

// N3: breaks in a row get longer in the fleet, and a calm as long as the last one ends the row.
#[test]
fn the_break_is_the_next_one_of_the_fleet() {
    let closed_for = |millis| Standing {
        closed_for: Some(millis),
        attempt: 3,
        length: 3_000,
        ..closed(1)
    };
    for (millis, attempt) in [(0, 4), (2_899, 4), (2_900, 1)] {
        let mut it = It::that_knows(closed_for(millis), Here::Closed);
        let sick = with_calls(2, 1);
        it.reports(&sick, half_failed(2, 2));
        it.passes(100);
        let expected = Proposal::Open {
            length: u64::from(attempt) * 1_000,
            attempt,
            cause: Text::of("half"),
        };
        assert_eq!(it.proposes(&sick), Some(expected), "{millis}");
    }
}

// N4: who was not fast enough hears how it was decided, and says no more of it.
#[test]
fn who_opens_too_late_does_what_was_decided() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let sick = with_calls(2, 1);
    it.reports(&sick, half_failed(2, 2));
    let open_it = it.proposes(&sick).expect("it opens");
    let late = decided(Done::Late, open(2, 800));
    assert_eq!(it.decided(&open_it, &late, Here::Closed), [opens(800)]);
    assert_eq!(it.proposes(&local(LED)), None);
    // It was said before that, and is no news.
    assert_eq!(it.hears(closed(3), LED), [Apply::Close { clear: false }]);
    assert_eq!(it.proposes(&with_calls(2, 1)), None);
}

// N3, E1: who follows in shadow, or was forced open, has no say in it any more.
#[test]
fn who_takes_no_part_any_more_does_not_open_the_fleet() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let sick = with_calls(2, 1);
    it.reports(&sick, half_failed(2, 2));
    for mode in [Mode::Shadow, Mode::Disabled, Mode::ForcedOpen] {
        assert_eq!(it.proposes(&Local { mode, ..sick }), None, "{mode:?}");
    }
    assert!(it.proposes(&sick).is_some());
}

struct ByEra;

impl Judge for ByEra {
    fn trips(&self, _all: &Sums) -> Option<Text<CAUSE_BYTES>> {
        Some(Text::of("always"))
    }

    fn reaches(&self, _own: &WindowCounts, _streak: u64) -> bool {
        true
    }

    fn break_of(&self, _attempt: u32, era: u64) -> u64 {
        era
    }
}

// C2, N3: chance makes each break longer or shorter by the era that it begins.
#[test]
fn a_break_is_of_the_era_that_it_begins() {
    let mut it = It::that_knows(closed(7), Here::Closed);
    let sick = Local {
        judge: &ByEra,
        ..with_calls(2, 1)
    };
    it.reports(&sick, half_failed(2, 2));
    let open_it = it.proposes(&sick).expect("it opens");
    assert!(matches!(open_it, Proposal::Open { length: 8, .. }));
}

// N3: a result that trips at once opens all, if that is agreed.
#[test]
fn a_trip_at_once_is_proposed_once_if_that_is_agreed() {
    let agreed = |era, at_once| {
        let mut local = alone_after_a_trip(era, at_once);
        local.rules.agreement.trip_now = true;
        local
    };
    let mut it = It::that_knows(closed(1), Here::Closed);
    assert_eq!(it.proposes(&alone_after_a_trip(9, true)), None);
    assert_eq!(it.proposes(&agreed(9, false)), None);
    let open_it = it.proposes(&agreed(9, true)).expect("it opens");
    let both = (it.now, it.now);
    let no = decided(Done::No, closed(1));
    it.follow.decided(&open_it, &no, both, &agreed(9, true));
    assert_eq!(it.proposes(&agreed(9, true)), None, "once");
    assert!(it.proposes(&agreed(11, true)).is_some());
    // Closed here by a person, say, it has tripped while its fleet is open: that is decided already.
    let mut it = It::that_knows(open(1, 900), LED);
    assert_eq!(it.proposes(&agreed(13, true)), None);
}

// N3, N4: what a store could not decide because it had forgotten is said again once it knows.
#[test]
fn a_store_that_has_forgotten_is_asked_to_open_again() {
    let mut it = It::that_knows(closed(5), Here::Closed);
    let sick = with_calls(2, 1);
    it.reports(&sick, half_failed(2, 2));
    let open_it = it.proposes(&sick).expect("it opens");
    let behind = decided(Done::Behind, Standing::default());
    it.decided(&open_it, &behind, Here::Closed);
    let restore = it.proposes(&sick).expect("a restore");
    it.decided(&restore, &decided(Done::Yes, closed(5)), Here::Closed);
    assert_eq!(it.proposes(&sick), Some(open_it));
}

// N8: two processes with one name are found out, and one takes another.
#[test]
fn a_second_process_with_the_same_name_is_noticed() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let sick = with_calls(4, 1);
    it.reports(&sick, Sums::default());
    let Asks::Report(register) = it.asks(&sick) else {
        panic!("a report")
    };
    it.follow.say(register, &sick);
    let told = Told {
        how: How::Counted,
        my_seq: 8,
        ..told(closed(1))
    };
    assert_eq!(it.told(&told, &sick), [Apply::NewInstance]);
    assert_eq!(it.follow.speaks.counted, None, "it says all anew");
    assert!(matches!(it.asks(&sick), Asks::Report(_)));
}

// N8: instances that have different settings say so once for each pair.
#[test]
fn other_settings_are_told_once() {
    let mismatch = [Apply::News(FleetNews::Mismatch)];
    let mut it = It::new();
    let mut hears = |settings| {
        let told = Told {
            settings,
            ..told(closed(1))
        };
        it.told(&told, &local(Here::Closed))
    };
    assert_eq!(hears(0), []);
    assert_eq!(hears(8), mismatch);
    assert_eq!(hears(8), []);
    assert_eq!(hears(9), mismatch);
    assert_eq!(hears(7), []);
    assert_eq!(hears(9), mismatch);
}
