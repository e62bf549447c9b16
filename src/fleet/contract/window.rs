//! The window of the fleet (rule N2): statements 1 to 45.

use std::time::Duration;

use super::{
    super::{
        store::Store,
        wire::{How, LAST_COUNT, Stamp, Standing, Sums},
    },
    at::{At, GENERATION, Make, NEVER, it, look, report, stamp, streak},
    is, passed, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    what_is_not_there_is_closed(&make.store().await).await;
    reports_add_up(&make.store().await).await;
    a_copy_changes_nothing(&make.store().await).await;
    what_is_old_leaves(&make.store().await).await;
    the_first_report_says_how_long(&make.store().await).await;
    failures_in_a_row(&make.store().await).await;
    a_streak_has_no_age(&make.store().await).await;
    who_agrees(&make.store().await).await;
    whose_settings(&make.store().await).await;
    a_stamp_that_does_not_fit(&make.store().await).await;
    great_numbers(&make.store().await).await;
}

async fn what_is_not_there_is_closed<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let told = at.look(1, NEVER).await;
    same(1, told.how, How::Looked, "there was no report");
    same(
        2,
        told.standing,
        Standing::default(),
        "closed, and never open",
    );
    same(3, told.window, Sums::default(), "nobody has calls");
    let nobody = (told.my_seq, told.settings, told.revision, told.lease);
    same(4, nobody, (0, 0, 0, None), "nobody has said anything");
}

async fn reports_add_up<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    let mut first = report(1, 10, 3);
    first.register.slow = 2;
    let told = at.report(1, NEVER, first).await;
    same(5, told.how, How::Counted, "it counts");
    same(6, counts(told.window), [10, 3, 2, 1], "what was said");
    same(7, told.my_seq, 1, "the report that counts");
    let told = at.report(2, NEVER, report(1, 5, 5)).await;
    same(8, counts(told.window), [15, 8, 2, 2], "of both instances");
    let told = at.report(1, NEVER, report(2, 4, 0)).await;
    same(
        9,
        counts(told.window),
        [9, 5, 0, 2],
        "in place of the one before",
    );
    let told = at.report(2, NEVER, report(2, 0, 0)).await;
    same(
        10,
        counts(told.window),
        [4, 0, 0, 1],
        "who has none is none of those with calls",
    );
    let told = at.look(3, NEVER).await;
    same(
        11,
        counts(told.window),
        [4, 0, 0, 1],
        "who only looks sees the same",
    );
    let other = look(super::super::wire::Key::of("other"), NEVER, None);
    let told = at.try_look(1, other).await.expect("told");
    same(
        12,
        told.window,
        Sums::default(),
        "another circuit has its own",
    );
}

async fn a_copy_changes_nothing<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    at.report(1, NEVER, report(2, 10, 3)).await;
    let told = at.report(1, NEVER, report(2, 10, 3)).await;
    same(13, counts(told.window), [10, 3, 0, 1], "said twice");
    let told = at.report(1, NEVER, report(1, 99, 99)).await;
    same(
        14,
        counts(told.window),
        [10, 3, 0, 1],
        "an older one that comes late",
    );
    same(
        15,
        (told.how, told.my_seq),
        (How::Counted, 2),
        "which counts is told",
    );
    at.report(1, NEVER, report(3, 0, 0)).await;
    let told = at.report(1, NEVER, report(2, 10, 3)).await;
    same(
        16,
        counts(told.window),
        [0; 4],
        "late, also after one of zero",
    );
}

async fn what_is_old_leaves<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    at.report(1, NEVER, report(1, 10, 3)).await;
    at.pass(GENERATION).await;
    let told = at.report(2, NEVER, report(1, 5, 1)).await;
    same(
        17,
        counts(told.window),
        [15, 4, 0, 2],
        "of the generation before, too",
    );
    let told = at.report(1, NEVER, report(2, 20, 4)).await;
    same(
        18,
        counts(told.window),
        [25, 5, 0, 2],
        "taken off where it was said",
    );
    at.pass(GENERATION).await;
    let told = at.report(2, NEVER, report(2, 6, 1)).await;
    same(19, counts(told.window), [26, 5, 0, 2], "who renews stays");
    at.pass(GENERATION).await;
    let told = at.look(3, NEVER).await;
    same(
        20,
        counts(told.window),
        [6, 1, 0, 1],
        "a dead instance has left, by a look",
    );
    let told = at.report(2, NEVER, report(3, 6, 1)).await;
    same(21, counts(told.window), [6, 1, 0, 1], "and by a report");
    at.pass(3 * GENERATION).await;
    let told = at.report(1, NEVER, report(3, 1, 0)).await;
    same(
        22,
        counts(told.window),
        [1, 0, 0, 1],
        "after a long silence, only what is new",
    );
}

async fn the_first_report_says_how_long<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    at.report(1, NEVER, report(1, 10, 3)).await;
    let mut short = report(1, 5, 1);
    short.keep_for = GENERATION / 4;
    at.report(2, NEVER, short).await;
    at.pass(GENERATION / 2).await;
    let told = at.look(1, NEVER).await;
    same(23, counts(told.window), [15, 4, 0, 2], "one length for all");
}

async fn failures_in_a_row<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.report(1, NEVER, streak(1, 3, true)).await;
    let told = at.report(2, NEVER, streak(1, 2, false)).await;
    same(24, told.window.streak, 5, "nobody has had a success since");
    let told = at.report(1, NEVER, streak(2, 4, false)).await;
    same(25, told.window.streak, 6, "only what is new");
    let told = at.report(1, NEVER, streak(2, 4, false)).await;
    same(26, told.window.streak, 6, "said twice");
    at.report(3, NEVER, streak(1, 0, true)).await;
    at.report(1, NEVER, streak(3, 5, false)).await;
    let told = at.report(3, NEVER, streak(1, 0, true)).await;
    same(
        26,
        told.window.streak,
        1,
        "also if there was a success in it",
    );
    let told = at.report(2, NEVER, streak(2, 1, true)).await;
    same(
        27,
        told.window.streak,
        1,
        "a success ends it, but for what failed after it",
    );
    let told = at.report(1, NEVER, streak(4, 0, true)).await;
    let none = (told.window.streak, told.window.streak_for);
    same(28, none, (0, 0), "and to the last of it");
}

async fn a_streak_has_no_age<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.report(1, NEVER, streak(1, 1, true)).await;
    at.pass(1_000).await;
    let told = at.report(1, NEVER, streak(2, 2, false)).await;
    passed(29, told.window.streak_for, 1_000, "since it began");
    let mut idle = streak(3, 2, false);
    (idle.register.calls, idle.register.failed) = (0, 0);
    at.report(1, NEVER, idle).await;
    at.pass(GENERATION).await;
    let told = at.report(1, NEVER, streak(4, 3, false)).await;
    same(
        30,
        told.window.streak,
        3,
        "who was idle does not say it anew",
    );
}

async fn who_agrees<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    let bad = |seq, calls, bad| {
        let mut report = report(seq, calls, 0);
        report.register.bad = bad;
        report
    };
    at.report(1, NEVER, bad(1, 10, true)).await;
    let told = at.report(2, NEVER, bad(1, 10, false)).await;
    let both = (told.window.contributors, told.window.agreeing);
    same(31, both, (2, 1), "one of two agrees");
    at.report(1, NEVER, bad(2, 10, false)).await;
    let told = at.report(2, NEVER, bad(2, 0, true)).await;
    let both = (told.window.contributors, told.window.agreeing);
    same(
        32,
        both,
        (2, 1),
        "who agrees is one of them, also without calls",
    );
}

async fn whose_settings<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let with = |seq, settings, revision| {
        let mut report = report(seq, 1, 0);
        (report.settings, report.revision) = (settings, revision);
        report
    };
    let great = u64::MAX - 1;
    at.report(1, NEVER, with(1, great, 0)).await;
    let told = at.report(2, NEVER, with(1, 5, 0)).await;
    same(
        33,
        (told.settings, told.revision),
        (great, 0),
        "the first who said, to the digit",
    );
    at.report(2, NEVER, with(2, 5, 2)).await;
    let told = at.report(1, NEVER, with(2, great, 1)).await;
    same(
        34,
        (told.settings, told.revision),
        (5, 2),
        "the greatest revision",
    );
}

async fn a_stamp_that_does_not_fit<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let told = at.report(1, stamp(1, 0), report(1, 10, 3)).await;
    let nothing = (told.how, told.window);
    same(
        35,
        nothing,
        (How::Behind, Sums::default()),
        "the store has forgotten",
    );
    let open = at.opened(0).await;
    for stamp in [NEVER, stamp(1, 8)] {
        let told = at.report(1, stamp, report(1, 10, 3)).await;
        same(36, told.how, How::Late, "by its era, or by its nonce");
        same(37, told.standing.stamp, open, "and how it is now is told");
    }
    let told = at
        .report(1, Stamp { nonce: 10, ..open }, report(1, 10, 3))
        .await;
    same(38, told.how, How::Behind, "by its nonce");
    let told = at.report(1, open, report(1, 10, 3)).await;
    let nothing = (told.how, told.window);
    same(
        39,
        nothing,
        (How::Late, Sums::default()),
        "what is open counts nothing",
    );
    let told = at.look(1, open).await;
    same(40, told.how, How::Looked, "it knows the latest");
    let decided = at.decide(1, open, 4, super::at::reset()).await;
    let closed = decided.standing.stamp;
    let told = at.report(1, closed, report(1, 7, 0)).await;
    same(
        41,
        counts(told.window),
        [7, 0, 0, 1],
        "closed, it begins with nothing",
    );
    let told = at.exchange(1, 0, vec![look(it(), closed, None); 3]).await;
    same(42, told.circuits.len(), 3, "each look is answered");
}

async fn great_numbers<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.early_in(GENERATION).await;
    for me in 1..=3 {
        at.report(me, NEVER, report(1, LAST_COUNT, LAST_COUNT - me))
            .await;
    }
    let told = at.look(1, NEVER).await;
    let sums = [3 * LAST_COUNT, 3 * LAST_COUNT - 6, 0, 3];
    same(43, counts(told.window), sums, "to the last digit");
    at.report(1, NEVER, report(2, 0, 0)).await;
    let told = at.report(2, NEVER, report(2, 0, 0)).await;
    let sums = [LAST_COUNT, LAST_COUNT - 3, 0, 1];
    same(44, counts(told.window), sums, "and taken off again");
    is(45, told.window.agreeing == 0, "never below zero");
}

fn counts(sums: Sums) -> [u64; 4] {
    [sums.calls, sums.failed, sums.slow, sums.contributors]
}
