//! What a person does (rule N6): statements 121 to 145.

use std::time::Duration;

use super::{
    super::{
        store::Store,
        wire::{Done, How, Stored, StoredMode},
    },
    at::{
        At, CLOSED, Make, NEVER, force, lease, open, open_left, release, report, reset, result,
        stamp,
    },
    is, left, passed, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    forced_until_released(&make.store().await).await;
    forced_for_a_time(&make.store().await).await;
    over_before_anybody_looked(&make.store().await).await;
    a_person_is_never_late(&make.store().await).await;
    reset_clears(&make.store().await).await;
    a_reset_ends_probes(&make.store().await).await;
}

async fn forced_until_released<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = at.decide(1, NEVER, 4, force(None)).await;
    same(121, decided.done, Done::Yes, "from closed");
    let standing = decided.standing;
    let forced = (standing.stamp, standing.mode);
    same(
        122,
        forced,
        (stamp(1, 4), StoredMode::Forced { left: None }),
        "forced",
    );
    same(
        123,
        open_left(standing.state),
        0,
        "open, and no break that ends",
    );
    let said = (standing.cause.as_str(), standing.who.as_str());
    same(124, said, ("manual", "ops"), "who did it");
    at.pass(10_000).await;
    for what in [open(1), lease([1, 1, 1], 1), result(1, 1, 1)] {
        let decided = at.decide(2, stamp(1, 4), 5, what).await;
        same(
            125,
            decided.done,
            Done::No,
            "nothing but a person changes it",
        );
    }
    let told = at.report(2, stamp(1, 4), report(1, 5, 5)).await;
    same(126, told.how, How::Late, "it counts nothing");
    let decided = at.decide(2, stamp(1, 4), 6, release()).await;
    let standing = decided.standing;
    let released = (decided.done, standing.state, standing.mode);
    same(
        127,
        released,
        (Done::Yes, CLOSED, StoredMode::Normal),
        "released",
    );
    let said = (standing.cause.as_str(), standing.attempt);
    same(128, said, ("release", 0), "and why");
    let decided = at.decide(2, stamp(2, 6), 7, release()).await;
    let no = (decided.done, decided.standing.stamp);
    same(129, no, (Done::No, stamp(2, 6)), "it is not forced");
}

async fn forced_for_a_time<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = at.decide(1, NEVER, 4, force(Some(3_000))).await;
    let StoredMode::Forced { left: Some(rest) } = decided.standing.mode else {
        panic!("statement 130: forced for a time: {decided:?}");
    };
    left(130, rest, 3_000, "all of it");
    at.pass(2_000).await;
    let decided = at.decide(2, NEVER, 5, force(Some(3_000))).await;
    same(
        131,
        decided.standing.stamp,
        stamp(2, 5),
        "once more is another decision",
    );
    at.pass(2_000).await;
    let told = at.look(1, stamp(2, 5)).await;
    is(
        132,
        told.standing.mode != StoredMode::Normal,
        "with its own end",
    );
    at.pass(1_000).await;
    let told = at.look(1, stamp(2, 5)).await;
    let standing = &told.standing;
    let closed = (standing.state, standing.mode, standing.stamp);
    let expected = (CLOSED, StoredMode::Normal, stamp(3, !5));
    same(133, closed, expected, "closed by whoever looks");
    let said = (standing.cause.as_str(), standing.who.as_str(), told.how);
    same(
        134,
        said,
        ("force_expired", "", How::Late),
        "nobody has done it",
    );
}

async fn over_before_anybody_looked<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.decide(1, NEVER, 4, force(Some(1_000))).await;
    at.pass(2_000).await;
    let decided = at.decide(2, stamp(1, 4), 6, open(1_000)).await;
    let late = (decided.done, decided.standing.stamp);
    same(
        135,
        late,
        (Done::Late, stamp(2, !4)),
        "closed before it was proposed",
    );
    passed(
        136,
        decided.standing.closed_for.unwrap_or(u64::MAX),
        0,
        "since now",
    );
}

async fn a_person_is_never_late<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.opened(10_000).await;
    let decided = at.decide(2, NEVER, 6, force(None)).await;
    same(
        137,
        decided.done,
        Done::Yes,
        "forced, without knowing the latest",
    );
    let decided = at.decide(2, NEVER, 7, release()).await;
    same(138, decided.done, Done::Yes, "released");
    at.decide(2, stamp(3, 7), 8, open(10_000)).await;
    let decided = at.decide(2, NEVER, 9, reset()).await;
    same(139, decided.done, Done::Yes, "reset");
    same(
        140,
        decided.standing.stamp,
        stamp(5, 9),
        "each after the one before",
    );
}

async fn reset_clears<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.report(1, NEVER, report(1, 10, 9)).await;
    let decided = at.decide(2, NEVER, 3, reset()).await;
    let state = decided.standing.state;
    same(
        141,
        state,
        Stored::Closed { reset: true },
        "closed before, and cleared",
    );
    let told = at.report(1, stamp(1, 3), report(1, 1, 0)).await;
    same(
        142,
        told.window.calls,
        1,
        "what was counted is gone, and from whom",
    );
    let decided = at.decide(2, stamp(1, 3), 4, open(1)).await;
    same(
        143,
        decided.standing.attempt,
        1,
        "and so are breaks in a row",
    );
}

async fn a_reset_ends_probes<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([1, 1, 1], 1).await;
    let decided = at.decide(2, now, 6, reset()).await;
    same(144, decided.done, Done::Yes, "half-open");
    let decided = at.decide(1, now, 7, result(1, 0, 0)).await;
    let late = (decided.done, decided.standing.stamp);
    same(
        145,
        late,
        (Done::Late, stamp(3, 6)),
        "its probes count no more",
    );
}
