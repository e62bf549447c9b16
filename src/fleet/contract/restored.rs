//! What a store has forgotten comes back (rule N7): statements 146 to 165.

use std::time::Duration;

use super::{
    super::{
        store::Store,
        wire::{
            Decided, Done, How, LAST_ERA, LAST_MILLIS, Proposal, Standing, Stored, StoredMode, Text,
        },
    },
    at::{At, CLOSED, Make, NEVER, force, lease, open, open_left, reset, stamp},
    left, passed, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    open_comes_back(&make.store().await).await;
    closed_comes_back(&make.store().await).await;
    half_open_comes_back_as_over(&make.store().await).await;
    forced_comes_back(&make.store().await).await;
    only_what_is_later(&make.store().await).await;
    the_last_era(&make.store().await).await;
}

fn known() -> Standing {
    Standing {
        stamp: stamp(7, 70),
        state: Stored::Open { left: 2_000 },
        mode: StoredMode::Normal,
        attempt: 3,
        closed_for: None,
        length: 5_000,
        cause: Text::of("failure_rate"),
        who: Text::of("ops"),
    }
}

async fn restore<S: Store, P: AsyncFn(Duration)>(
    at: &At<'_, S, P>,
    change: impl FnOnce(&mut Standing),
) -> Decided {
    let mut known = known();
    change(&mut known);
    let seen = known.stamp;
    at.decide(1, seen, 1, Proposal::Restore(known)).await
}

async fn open_comes_back<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = restore(at, |_| ()).await;
    same(146, decided.done, Done::Yes, "the store knows nothing");
    let mut standing = decided.standing;
    left(147, open_left(standing.state), 2_000, "what is left of it");
    standing.state = known().state;
    same(148, standing, known(), "as it was");
    at.pass(2_000).await;
    let decided = at.decide(2, stamp(7, 70), 8, lease([1, 1, 1], 1)).await;
    same(149, decided.standing.stamp, stamp(8, 8), "and it goes on");
    let decided = restore(at, |_| ()).await;
    let no = (decided.done, decided.standing.stamp);
    same(150, no, (Done::No, stamp(8, 8)), "once");
}

async fn closed_comes_back<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = restore(at, |it| {
        (it.state, it.closed_for) = (CLOSED, Some(1_000));
    })
    .await;
    same(151, decided.standing.state, CLOSED, "closed");
    passed(
        152,
        decided.standing.closed_for.unwrap_or(0),
        1_000,
        "for so long",
    );
    let again = Proposal::Open {
        length: 1_000,
        attempt: 9,
        cause: Text::default(),
    };
    let decided = at.decide(1, stamp(7, 70), 8, again).await;
    same(
        153,
        decided.standing.attempt,
        4,
        "so it is the next of a row",
    );
}

async fn half_open_comes_back_as_over<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([1, 1, 1], 1).await;
    let decided = restore(at, |it| {
        it.state = Stored::HalfOpen {
            permits: 3,
            need: 2,
            spare: 1,
            budget: 0,
        };
    })
    .await;
    same(
        154,
        open_left(decided.standing.state),
        0,
        "nobody knows who has which seats",
    );
    same(155, decided.lease, None, "not even of those that are known");
    let told = at.look(1, now).await;
    same(156, told.how, How::Late, "another decision");
}

async fn forced_comes_back<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = restore(at, |it| {
        it.mode = StoredMode::Forced { left: Some(1_500) };
    })
    .await;
    let StoredMode::Forced { left: Some(rest) } = decided.standing.mode else {
        panic!("statement 157: forced for a time: {decided:?}");
    };
    left(157, rest, 1_500, "with its end");
    let decided = restore(at, |it| {
        it.stamp = stamp(8, 1);
        it.mode = StoredMode::Forced { left: None };
    })
    .await;
    let forced = StoredMode::Forced { left: None };
    same(158, decided.standing.mode, forced, "or without");
    let decided = at.decide(1, stamp(8, 1), 2, open(1)).await;
    same(159, decided.done, Done::No, "forced");
}

async fn only_what_is_later<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.opened(1_000).await;
    for older in [stamp(1, 9), stamp(1, 8)] {
        let decided = restore(at, |it| it.stamp = older).await;
        let no = (decided.done, decided.standing.stamp);
        same(160, no, (Done::No, now), "by era and nonce");
    }
    let decided = restore(at, |it| it.stamp = stamp(1, 10)).await;
    let yes = (decided.done, decided.standing.stamp);
    same(161, yes, (Done::Yes, stamp(1, 10)), "by the nonce alone");
    let decided = restore(at, |it| {
        it.stamp = stamp(2, 1);
        it.state = Stored::Open { left: 9_000 };
    })
    .await;
    left(
        162,
        open_left(decided.standing.state),
        5_000,
        "never more than its length",
    );
    at.pass(5_000).await;
    let told = at.look(1, stamp(2, 1)).await;
    same(162, open_left(told.standing.state), 0, "by no clock");
}

async fn the_last_era<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = restore(at, |it| {
        it.stamp = stamp(LAST_ERA, u32::MAX);
        (it.attempt, it.length) = (u32::MAX, LAST_MILLIS);
    })
    .await;
    let last = decided.standing.stamp;
    same(163, last, stamp(LAST_ERA, u32::MAX), "it is believed");
    for what in [reset(), force(None)] {
        let ask = at.ask(1, last, 1, what);
        let refused = at.try_decide(&ask).await;
        same(164, refused.is_err(), true, "none can follow");
    }
    let told = at.look(1, NEVER).await;
    same(165, told.standing.stamp, last, "and nothing has changed");
}
