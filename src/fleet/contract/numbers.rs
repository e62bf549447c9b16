//! What no store takes (rule N8): statements 184 to 194.

use std::time::Duration;

use super::{
    super::{
        store::{Store, Why},
        wire::{
            Exchange, InstanceId, Key, LAST_COUNT, LAST_ERA, LAST_MILLIS, MOST_LOOKS, Proposal,
            Report, Stamp, Standing, Text,
        },
    },
    at::{At, Make, NEVER, force, it, lease, look, open, report, result, stamp},
    is, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    a_look_that_makes_no_sense(&make.store().await).await;
    a_proposal_that_makes_no_sense(&make.store().await).await;
    too_many_looks(&make.store().await).await;
}

async fn a_look_that_makes_no_sense<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let change = |change: &dyn Fn(&mut Report)| {
        let mut report = report(1, 1, 0);
        change(&mut report);
        look(it(), NEVER, Some(report))
    };
    let looks = vec![
        change(&|it| it.register.calls = LAST_COUNT + 1),
        change(&|it| it.register.streak = u64::MAX),
        change(&|it| it.keep_for = 0),
        change(&|it| it.keep_for = LAST_MILLIS + 1),
        change(&|it| it.seq = 0),
        look(it(), stamp(LAST_ERA + 1, 0), None),
        look(Key::of("well"), NEVER, Some(report(1, 3, 0))),
    ];
    let told = at.exchange(1, 0, looks).await.circuits;
    same(184, told.len(), 7, "each is answered in its place");
    let (well, odd) = told.split_last().expect("some");
    is(185, odd.iter().all(Result::is_err), "refused");
    is(186, well.is_ok(), "and nothing else is");
    let told = at.look(1, NEVER).await;
    same(
        187,
        (told.window.calls, told.my_seq),
        (0, 0),
        "nothing was written",
    );
}

async fn a_proposal_that_makes_no_sense<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let too_late = Standing {
        stamp: stamp(LAST_ERA + 1, 0),
        ..Standing::default()
    };
    let too_long = Standing {
        stamp: stamp(1, 0),
        length: LAST_MILLIS + 1,
        ..Standing::default()
    };
    let no_attempt = Proposal::Open {
        length: 1,
        attempt: 0,
        cause: Text::default(),
    };
    let proposals = [
        open(LAST_MILLIS + 1),
        no_attempt,
        force(Some(u64::MAX)),
        Proposal::Restore(too_late),
        Proposal::Restore(too_long),
        Proposal::Restore(Standing::default()),
    ];
    for what in proposals {
        refused(188, at, NEVER, what).await;
    }
    let open = at.opened(0).await;
    for numbers in [[0, 1, 1], [1, 0, 1], [1, 2, 1], [64, 1, 1], [1, 1, 64]] {
        refused(189, at, open, lease(numbers, 1)).await;
    }
    refused(190, at, open, lease([1, 1, 1], 0)).await;
    let long = Proposal::Results {
        ok: 0,
        failed: 0,
        unused: 0,
        length: u64::MAX,
    };
    refused(191, at, open, long).await;
    let decided = at
        .decide(1, open, 3, result(u32::MAX, u32::MAX, u32::MAX))
        .await;
    same(192, decided.standing.stamp, open, "nothing has changed");
}

async fn refused<S: Store, P: AsyncFn(Duration)>(
    case: u32,
    at: &At<'_, S, P>,
    seen: Stamp,
    what: Proposal,
) {
    let ask = at.ask(1, seen, 3, what);
    let decided = at.try_decide(&ask).await;
    let why = decided.map_err(|error| error.why);
    same(case, why, Err(Why::Nonsense), "refused");
}

async fn too_many_looks<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let name = |number: usize| look(Key::of(&number.to_string()), NEVER, None);
    let hundred = (0..MOST_LOOKS).map(name).collect();
    let told = at.exchange(1, 0, hundred).await;
    same(193, told.circuits.len(), MOST_LOOKS, "a hundred are fine");
    let ask = Exchange {
        place: at.place.clone(),
        instance: InstanceId(1),
        seen: 0,
        circuits: (0..=MOST_LOOKS).map(name).collect(),
    };
    let refused = at.store.exchange(&ask).await;
    is(194, refused.is_err(), "more are not");
}
