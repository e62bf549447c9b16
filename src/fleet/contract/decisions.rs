//! Decisions (rule N4): statements 46 to 71.

use std::time::Duration;

use super::{
    super::{
        store::Store,
        wire::{Done, Proposal, Sums, Text},
    },
    at::{
        At, CLOSED, Make, NEVER, force, half_open, lease, open, open_left, release, report, reset,
        result, stamp,
    },
    is, left, passed, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    it_opens(&make.store().await).await;
    each_follows_one_other(&make.store().await).await;
    two_at_once(&make.store().await).await;
    breaks_in_a_row(&make.store().await).await;
    a_text_is_kept(&make.store().await).await;
}

async fn it_opens<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.report(1, NEVER, report(1, 10, 10)).await;
    let decided = at.decide(1, NEVER, 9, open(4_000)).await;
    same(46, decided.done, Done::Yes, "it was closed");
    let standing = decided.standing;
    same(
        47,
        standing.stamp,
        stamp(1, 9),
        "one more, and who proposed it",
    );
    left(48, open_left(standing.state), 4_000, "all of it");
    let said = (standing.attempt, standing.length, standing.cause.as_str());
    same(49, said, (1, 4_000, "because"), "as it was proposed");
    same(50, standing.who.as_str(), "", "no person");
    at.pass(1_000).await;
    let told = at.look(2, NEVER).await;
    left(
        51,
        open_left(told.standing.state),
        3_000,
        "by the store's clock",
    );
    same(52, told.window, Sums::default(), "what was counted is gone");
    at.pass(4_000).await;
    let told = at.look(2, NEVER).await;
    same(
        53,
        open_left(told.standing.state),
        0,
        "over, and nobody has asked",
    );
}

async fn each_follows_one_other<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.opened(0).await;
    let proposals = || [open(1), lease([1, 1, 1], 1), result(1, 0, 0)];
    for what in proposals() {
        for seen in [NEVER, stamp(1, 8)] {
            let decided = at.decide(2, seen, 3, what.clone()).await;
            same(54, decided.done, Done::Late, "it does not know the latest");
            same(55, decided.standing.stamp, now, "and hears it");
        }
    }
    for what in proposals()
        .into_iter()
        .chain([force(None), release(), reset()])
    {
        for seen in [stamp(2, 0), stamp(1, 10)] {
            let decided = at.decide(2, seen, 3, what.clone()).await;
            same(56, decided.done, Done::Behind, "it knows more");
            same(57, decided.standing.stamp, now, "and nothing has changed");
        }
    }
    let decided = at.decide(2, now, 3, open(1)).await;
    same(58, decided.done, Done::No, "it is open already");
    let decided = at.decide(2, now, 3, result(1, 0, 0)).await;
    same(59, decided.done, Done::No, "there are no probes");
    same(60, decided.standing.stamp, now, "and nothing has changed");
}

async fn two_at_once<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let [one, other] = [11, 12].map(|nonce| at.ask(u64::from(nonce), NEVER, nonce, open(2_000)));
    let one = at.try_decide(&one).await.expect("an answer");
    let other = at.try_decide(&other).await.expect("an answer");
    let done = (one.done, other.done);
    same(
        61,
        done,
        (Done::Yes, Done::Late),
        "one of two decisions is made",
    );
    same(
        62,
        other.standing.stamp,
        stamp(1, 11),
        "and the other hears which",
    );
}

async fn breaks_in_a_row<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let again = |attempt| Proposal::Open {
        length: 2_000,
        attempt,
        cause: Text::default(),
    };
    let decided = at.decide(1, NEVER, 1, again(5)).await;
    same(63, decided.standing.attempt, 1, "the first is the first");
    at.pass(2_000).await;
    let seats = at.decide(1, stamp(1, 1), 2, lease([1, 1, 1], 1)).await;
    same(
        64,
        half_open(seats.standing.state),
        [1, 1, 0, 0],
        "a seat is out",
    );
    at.decide(1, stamp(2, 2), 3, result(1, 0, 0)).await;
    at.pass(500).await;
    let told = at.look(1, stamp(3, 3)).await;
    same(65, told.standing.state, CLOSED, "it has recovered");
    passed(66, told.standing.closed_for.unwrap_or(0), 500, "since then");
    let decided = at.decide(1, stamp(3, 3), 4, again(9)).await;
    same(67, decided.standing.attempt, 2, "no more than one more");
    is(
        68,
        decided.standing.closed_for.is_none(),
        "it is not closed",
    );
    at.pass(2_000).await;
    at.decide(1, stamp(4, 4), 5, lease([1, 1, 1], 1)).await;
    at.decide(1, stamp(5, 5), 6, result(1, 0, 0)).await;
    at.pass(2_000).await;
    let decided = at.decide(1, stamp(6, 6), 7, again(9)).await;
    same(
        69,
        decided.standing.attempt,
        1,
        "a calm as long as the break ends the row",
    );
}

async fn a_text_is_kept<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let cause = Text::of(&"ä %s {} \" ' é".repeat(10));
    let what = Proposal::Open {
        length: 1,
        attempt: 1,
        cause: cause.clone(),
    };
    let decided = at.decide(1, NEVER, u32::MAX, what).await;
    same(70, decided.standing.cause, cause, "to the byte");
    same(71, decided.standing.stamp, stamp(1, u32::MAX), "to the bit");
}
