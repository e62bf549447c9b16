//! What a person does here, and means the fleet.

use super::*;
use crate::circuit::followed::{Act, Heard, Why};

fn who() -> Text<64> {
    Text::of("ada")
}

fn forces(at_most: Option<u64>) -> Proposal {
    let who = who();
    Proposal::Force { at_most, who }
}

// N6: it is said before anything else, and until it is answered.
#[test]
fn what_a_person_does_is_told_to_the_fleet() {
    let rows = [
        (Act::Force(None), forces(None)),
        (
            Act::Force(Some(Duration::from_secs(60))),
            forces(Some(60_000)),
        ),
        (Act::Release, Proposal::Release { who: who() }),
        (Act::Reset, Proposal::Reset { who: who() }),
    ];
    for (act, proposal) in rows {
        // Also by whoever has not heard of the store yet.
        let mut it = It::new();
        it.follow.act(act, who(), it.now);
        assert_eq!(it.proposes(&local(Here::Closed)).as_ref(), Some(&proposal));
        let done = Decided {
            heard: Some(48),
            ..decided(Done::Yes, closed(9))
        };
        // It was done here at once.
        let heard = [Apply::Heard(Heard::By(48))];
        assert_eq!(it.decided(&proposal, &done, Here::Closed), heard);
        assert_eq!(it.proposes(&local(Here::Closed)), None);
    }
}

// N6, E1: in this instance it is done at once, and holds when the fleet has heard of it, whatever came in between.
#[test]
fn what_was_undone_before_the_fleet_has_heard_of_it_is_done_again() {
    let here = |state, mode| Local {
        mode,
        ..local(state)
    };
    let (force, reset_it) = (Act::Force(None), Act::Reset);
    let (is_forced, is_reset) = (forced(9, None), reset(9));
    let left = None;
    for (act, now, local, expected) in [
        (force, &is_forced, here(LED, Mode::ForcedOpen), None),
        (
            force,
            &is_forced,
            here(LED, Mode::Normal),
            Some(Apply::Force { left }),
        ),
        (
            force,
            &is_forced,
            here(LED, Mode::Shadow),
            Some(Apply::Force { left }),
        ),
        (force, &is_forced, here(LED, Mode::Disabled), None),
        (reset_it, &is_reset, here(Here::Closed, Mode::Normal), None),
        (reset_it, &is_reset, here(OPEN_ALONE, Mode::Normal), None),
        (
            reset_it,
            &is_reset,
            here(WAITS, Mode::Normal),
            Some(Apply::Close { clear: true }),
        ),
        (reset_it, &is_reset, here(WAITS, Mode::Disabled), None),
    ] {
        let row = format!("{act:?} {:?} {:?}", local.state, local.mode);
        let mut it = It::new();
        it.follow.act(act, who(), it.now);
        let ask = it.proposes(&local).expect("an act");
        let both = (it.now, it.now);
        let done = decided(Done::Yes, now.clone());
        let apply = it.follow.decided(&ask, &done, both, &local);
        let heard = Apply::Heard(Heard::Unknown);
        let expected: Vec<_> = expected.into_iter().chain([heard]).collect();
        assert_eq!(without_hold(apply), expected, "{row}");
    }
}

// N6: what is forced for a time is not forced for longer by being told late.
#[test]
fn the_time_goes_on_while_nobody_is_told() {
    let mut it = It::new();
    it.follow
        .act(Act::Force(Some(Duration::from_secs(2))), who(), it.now);
    it.passes(1_500);
    assert_eq!(it.proposes(&local(Here::Closed)), Some(forces(Some(500))));
    it.passes(1_000);
    assert_eq!(it.proposes(&local(Here::Closed)), Some(forces(Some(1))));
}

// N6: what a person has just done is newer than what is heard; the last word of a person counts.
#[test]
fn nothing_undoes_what_a_person_has_just_done() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.follow.act(Act::Force(None), who(), it.now);
    assert_eq!(it.hears(open(2, 900), Here::Closed), []);
    let force = it.proposes(&local(Here::Closed)).expect("forced");
    it.follow.act(Act::Release, who(), it.now);
    // The answer to what is no longer meant.
    let done = decided(Done::Yes, forced(3, None));
    assert_eq!(it.decided(&force, &done, Here::Closed), []);
    let release = it.proposes(&local(Here::Closed)).expect("released");
    let heard = [Apply::Heard(Heard::Unknown)];
    let done = decided(Done::Yes, closed(4));
    assert_eq!(it.decided(&release, &done, Here::Closed), heard);
    assert_eq!(it.hears(closed(4), Here::Closed), []);
}

// N6: the same person, the same act, another time.
#[test]
fn an_act_that_was_meant_differently_is_not_taken_for_the_last_one() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let for_a_minute = Act::Force(Some(Duration::from_secs(60)));
    it.follow.act(for_a_minute, who(), it.now);
    let first = it.proposes(&local(Here::Closed)).expect("forced");
    it.passes(10);
    it.follow.act(Act::Force(None), who(), it.now);
    let done = decided(Done::Yes, forced(3, Some(60_000)));
    assert_eq!(it.decided(&first, &done, Here::Closed), []);
    assert_eq!(it.proposes(&local(Here::Closed)), Some(forces(None)));
}

// N6: an answer to what was asked before is none to what was said since.
#[test]
fn an_answer_is_to_what_was_said_before_it_was_asked_for() {
    let minutes = |minutes: u64| Act::Force(Some(Duration::from_secs(60 * minutes)));
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.follow.act(minutes(1), who(), it.now);
    let first = it.proposes(&local(Here::Closed)).expect("forced");
    let asked = it.now;
    it.passes(10);
    it.follow.act(minutes(2), who(), it.now);
    let done = decided(Done::Yes, forced(3, Some(60_000)));
    let both = (asked, it.now);
    let apply = it.follow.decided(&first, &done, both, &local(Here::Closed));
    assert_eq!(without_hold(apply), []);
    assert_eq!(
        it.proposes(&local(Here::Closed)),
        Some(forces(Some(120_000)))
    );
}

// N6: what was forced from here is the fleet's, and released as such.
#[test]
fn what_was_forced_here_for_the_fleet_is_released_by_any_other() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.follow.act(Act::Force(None), who(), it.now);
    let force = it.proposes(&local(Here::Closed)).expect("forced");
    it.decided(&force, &decided(Done::Yes, forced(2, None)), Here::Closed);
    assert_eq!(it.hears(closed(3), Here::Closed), [Apply::Release]);
}

// N6: a store that has forgotten is told what is known first.
#[test]
fn a_store_that_has_forgotten_is_restored_before_a_person_is_obeyed() {
    let mut it = It::that_knows(closed(5), Here::Closed);
    it.follow.act(Act::Force(None), who(), it.now);
    let force = it.proposes(&local(Here::Closed)).expect("forced");
    let told = decided(Done::Behind, Standing::default());
    assert_eq!(it.decided(&force, &told, Here::Closed), [Apply::Again]);
    let restore = it.proposes(&local(Here::Closed)).expect("restored");
    assert_eq!(restore, Proposal::Restore(closed(5)));
    it.decided(&restore, &decided(Done::Yes, closed(5)), Here::Closed);
    assert_eq!(it.proposes(&local(Here::Closed)), Some(forces(None)));
}

// N6: what could not be told in time holds here only, and is not kept.
#[test]
fn what_nobody_could_be_told_of_holds_here_only() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    it.follow.act(Act::Force(None), who(), it.now);
    let lost = |it: &mut It| it.follow.lost(Why::Full, it.now, &local(Here::Closed));
    it.passes(2_999);
    assert_eq!(lost(&mut it), []);
    it.passes(1);
    let heard = Apply::Heard(Heard::OnlyHere(Why::Full));
    let alone = Apply::News(FleetNews::Detached(Why::Full));
    assert_eq!(lost(&mut it), [heard, alone]);
    assert_eq!(it.proposes(&local(Here::Closed)), None);
    // Forced here, it is not released by a fleet that was not forced.
    assert_eq!(it.hears(closed(2), Here::Closed), []);
}

// N6: or nobody would find out, and nothing would be reported, for as long as nothing else is decided.
#[test]
fn a_forced_mode_whose_time_is_over_is_looked_at() {
    let mut it = It::that_knows(closed(1), Here::Closed);
    let forced_open = Local {
        mode: Mode::ForcedOpen,
        ..local(LED)
    };
    it.hears(forced(2, Some(2_000)), Here::Closed);
    it.passes(2_000);
    assert_eq!(it.asks(&forced_open), Asks::Look { now: false });
    it.passes(100);
    assert_eq!(it.asks(&forced_open), Asks::Look { now: true });
    // The store's clock is behind.
    it.told(&told(forced(2, Some(1))), &forced_open);
    assert_eq!(it.asks(&forced_open), Asks::Look { now: false });
    it.passes(101);
    assert_eq!(it.asks(&forced_open), Asks::Look { now: true });
}
