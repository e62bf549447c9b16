//! Seats for probes (rule N5): statements 72 to 120.

use std::time::Duration;

use super::{
    super::{
        store::Store,
        wire::{Done, Lease, Proposal},
    },
    at::{At, CLOSED, LIFE, Make, NEVER, half_open, lease, open_left, result, stamp},
    is, left, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    when_there_are_seats(&make.store().await).await;
    the_same_seat_again(&make.store().await).await;
    no_more_than_permits(&make.store().await).await;
    a_dead_prober(&make.store().await).await;
    results_close_it(&make.store().await).await;
    results_open_it(&make.store().await).await;
    a_result_counts_once(&make.store().await).await;
    a_result_after_its_time(&make.store().await).await;
    seats_come_back(&make.store().await).await;
}

async fn when_there_are_seats<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let decided = at.decide(1, NEVER, 1, lease([1, 1, 1], 1)).await;
    same(72, decided.done, Done::No, "it is closed");
    let open = at.opened(2_000).await;
    let decided = at.decide(1, open, 1, lease([1, 1, 1], 1)).await;
    same(73, decided.done, Done::No, "the break is not over");
    same(74, decided.standing.stamp, open, "and nothing has changed");
    at.pass(2_000).await;
    let decided = at.decide(1, open, 5, lease([2, 3, 5], 1)).await;
    same(75, decided.done, Done::Yes, "who asks first");
    same(
        76,
        decided.standing.stamp,
        stamp(2, 5),
        "is the next decision",
    );
    let numbers = half_open(decided.standing.state);
    same(77, numbers, [2, 3, 2, 4], "by its numbers");
    let lease = decided.lease.expect("a lease");
    same(78, lease.seats, 1, "as many as it wants");
    left(79, lease.left, LIFE, "for so long");
    let why = decided.standing.cause;
    same(80, why.as_str(), "because", "why it opened is still told");
}

async fn the_same_seat_again<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([3, 3, 5], 2).await;
    at.pass(1_000).await;
    let decided = at.decide(1, now, 6, lease([3, 3, 5], 2)).await;
    same(81, decided.done, Done::Yes, "who asks once more");
    let lease = decided.lease.expect("a lease");
    same(82, lease.seats, 2, "has the same seats");
    left(83, lease.left, LIFE - 1_000, "and no longer");
    let numbers = half_open(decided.standing.state);
    same(
        84,
        (decided.standing.stamp, numbers),
        (now, [3, 3, 2, 3]),
        "it is no decision",
    );
    let told = at.look(1, now).await;
    same(
        85,
        told.lease.map(|it| it.seats),
        Some(2),
        "a look tells it, too",
    );
    let told = at.look(2, now).await;
    same(86, told.lease, None, "but nobody else");
}

async fn no_more_than_permits<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([3, 3, 5], 2).await;
    let decided = at.decide(2, now, 6, lease([9, 9, 9], 9)).await;
    same(
        87,
        decided.lease.map(|it| it.seats),
        Some(1),
        "what is left",
    );
    let brief = Proposal::Lease {
        permits: 9,
        need: 9,
        of: 9,
        life: 1,
        want: 9,
    };
    let decided = at.decide(3, now, 6, brief).await;
    let Done::Full { next } = decided.done else {
        panic!("statement 88: no seat is left: {decided:?}");
    };
    left(88, next, LIFE, "until the first of them is over");
    same(89, decided.lease, None, "it has none");
    at.decide(1, now, 6, result(1, 0, 0)).await;
    let decided = at.decide(3, now, 6, lease([9, 9, 9], 9)).await;
    same(
        90,
        decided.lease.map(|it| it.seats),
        Some(1),
        "one was used",
    );
    let numbers = half_open(decided.standing.state);
    same(91, numbers, [3, 2, 2, 1], "there are so many more");
}

async fn a_dead_prober<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([1, 1, 1], 1).await;
    let decided = at.decide(2, now, 6, lease([1, 1, 1], 1)).await;
    is(
        92,
        matches!(decided.done, Done::Full { .. }),
        "the only seat is out",
    );
    at.pass(LIFE).await;
    let told = at.look(1, now).await;
    same(93, told.lease, None, "its time is over");
    let decided = at.decide(2, now, 6, lease([1, 1, 1], 1)).await;
    same(
        94,
        decided.lease.map(|it| it.seats),
        Some(1),
        "so another one has it",
    );
    let decided = at.decide(1, now, 6, result(0, 1, 0)).await;
    same(
        95,
        decided.done,
        Done::No,
        "what became of the first counts no more",
    );
    let decided = at.decide(2, now, 7, result(1, 0, 0)).await;
    same(96, decided.standing.state, CLOSED, "but of the second");
}

async fn results_close_it<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([2, 2, 3], 2).await;
    let decided = at.decide(1, now, 6, result(1, 0, 0)).await;
    same(
        97,
        half_open(decided.standing.state),
        [2, 1, 1, 1],
        "one to go",
    );
    same(97, decided.heard, None, "which is no decision");
    let decided = at.decide(1, now, 7, result(2, 0, 0)).await;
    let standing = decided.standing;
    let closed = (decided.done, standing.stamp, standing.state);
    same(
        98,
        closed,
        (Done::Yes, stamp(3, 7), CLOSED),
        "the last of them",
    );
    same(99, standing.cause.as_str(), "recovered", "and why");
    let decided = at.decide(1, now, 8, result(2, 0, 0)).await;
    let late = (decided.done, decided.standing.stamp);
    same(100, late, (Done::Late, stamp(3, 7)), "said twice");
}

async fn results_open_it<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([3, 2, 3], 3).await;
    let decided = at.decide(1, now, 6, result(1, 1, 0)).await;
    same(
        101,
        half_open(decided.standing.state),
        [3, 1, 0, 0],
        "none to spare",
    );
    let decided = at.decide(1, now, 7, result(1, 2, 0)).await;
    let standing = decided.standing;
    same(102, standing.stamp, stamp(3, 7), "one too many has failed");
    left(
        103,
        open_left(standing.state),
        3_000,
        "for as long as it was said",
    );
    let said = (standing.attempt, standing.cause.as_str());
    same(104, said, (2, "probe_failed"), "the next of a row");
}

async fn a_result_counts_once<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([2, 3, 5], 2).await;
    for _ in 0..2 {
        let decided = at.decide(1, now, 6, result(1, 0, 0)).await;
        same(
            105,
            half_open(decided.standing.state),
            [2, 2, 2, 3],
            "in all, not more",
        );
        same(106, decided.done, Done::Yes, "it is so");
    }
    let decided = at.decide(1, now, 6, result(0, 0, 0)).await;
    same(
        107,
        half_open(decided.standing.state),
        [2, 2, 2, 3],
        "a copy of before",
    );
    let decided = at.decide(1, now, 6, result(9, 0, 0)).await;
    same(
        108,
        half_open(decided.standing.state),
        [2, 1, 2, 3],
        "no more than it had",
    );
    let decided = at.decide(2, now, 6, result(9, 9, 9)).await;
    same(109, decided.done, Done::No, "who had none");
    let decided = at.decide(1, now, 6, result(0, 9, 0)).await;
    same(110, decided.done, Done::No, "it has no seat any more");
}

async fn a_result_after_its_time<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([2, 3, 5], 2).await;
    at.pass(LIFE).await;
    let decided = at.decide(1, now, 6, result(1, 0, 0)).await;
    same(
        111,
        decided.done,
        Done::Yes,
        "nobody has had its seat since",
    );
    same(
        112,
        half_open(decided.standing.state),
        [2, 2, 2, 3],
        "so it counts",
    );
    at.decide(2, now, 6, lease([1, 1, 1], 1)).await;
    let decided = at.decide(1, now, 6, result(2, 0, 0)).await;
    same(
        113,
        decided.done,
        Done::No,
        "somebody has been told since that it is free",
    );
    same(
        114,
        half_open(decided.standing.state),
        [2, 2, 2, 3],
        "so it does not",
    );
}

async fn seats_come_back<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let now = at.half_open([3, 4, 5], 3).await;
    for _ in 0..2 {
        let decided = at.decide(1, now, 6, result(1, 0, 1)).await;
        same(115, half_open(decided.standing.state), [3, 3, 1, 3], "once");
        let seats = decided.lease.map(|Lease { seats, .. }| seats);
        same(116, seats, Some(1), "one is in flight");
    }
    let decided = at.decide(2, now, 6, lease([1, 1, 1], 9)).await;
    same(
        117,
        decided.lease.map(|it| it.seats),
        Some(2),
        "for somebody else",
    );
    let decided = at.decide(1, now, 6, result(1, 0, 2)).await;
    let none = (decided.done, decided.lease);
    same(118, none, (Done::Yes, None), "and the last of them");
    let decided = at.decide(1, now, 6, lease([1, 1, 1], 9)).await;
    same(
        119,
        decided.lease.map(|it| it.seats),
        Some(1),
        "it can have another one",
    );
    let decided = at.decide(1, now, 6, result(1, 0, 2)).await;
    same(
        120,
        decided.lease.map(|it| it.seats),
        Some(1),
        "a copy of before does not take it",
    );
}
