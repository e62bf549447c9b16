//! What has changed, and who is told (rule N4): statements 166 to 183.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    super::{
        store::Store,
        wire::{Changed, Done, Key},
    },
    at::{At, Make, NEVER, it, lease, look, open, report, reset, stamp},
    is, same,
};

pub(super) async fn check<S: Store, P: AsyncFn(Duration)>(make: &Make<impl AsyncFn() -> S, P>) {
    what_has_changed(&make.store().await).await;
    too_many_have_changed(&make.store().await).await;
    another_log(&make.store().await).await;
    places_are_apart(&make.store().await).await;
    a_hint_comes(&make.store().await).await;
}

async fn what_has_changed<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    let nothing = at.exchange(1, 0, Vec::new()).await;
    let names = |names: &[&str]| Changed::Names(names.iter().map(|it| Key::of(it)).collect());
    let empty = (nothing.newest, nothing.changed);
    same(166, empty, (0, names(&[])), "nothing has changed yet");
    at.report(1, NEVER, report(1, 5, 0)).await;
    let counted = at.exchange(1, 0, Vec::new()).await;
    same(
        167,
        counted.changed,
        names(&[]),
        "what is counted is no decision",
    );
    for name in ["a", "b c"] {
        decide(at, name, NEVER).await;
    }
    let seen = at.exchange(1, 0, Vec::new()).await.newest;
    let none = at.exchange(2, seen, Vec::new()).await;
    same(168, none.changed, names(&[]), "none since");
    decide(at, "d", NEVER).await;
    decide(at, "a", stamp(1, 1)).await;
    let told = at.exchange(2, seen, Vec::new()).await;
    same(
        169,
        told.changed,
        names(&["d", "a"]),
        "since it was seen, each once, in order",
    );
    is(170, told.newest > seen, "and up to where");
    let told = at.exchange(2, told.newest, Vec::new()).await;
    same(171, told.changed, names(&[]), "and then no more");
}

async fn decide<S: Store, P: AsyncFn(Duration)>(
    at: &At<'_, S, P>,
    name: &str,
    seen: super::super::wire::Stamp,
) {
    let mut ask = at.ask(1, seen, 1, reset());
    ask.name = Key::of(name);
    let decided = at.try_decide(&ask).await.expect("an answer");
    assert_eq!(decided.done, Done::Yes, "a reset is always possible");
}

async fn too_many_have_changed<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    decide(at, "first", NEVER).await;
    let seen = at.exchange(1, 0, Vec::new()).await.newest;
    for number in 0..100 {
        decide(at, &number.to_string(), NEVER).await;
    }
    let told = at.exchange(1, seen, Vec::new()).await;
    let Changed::Names(names) = told.changed else {
        panic!("statement 172: a hundred are told");
    };
    same(172, names.len(), 100, "a hundred are told");
    decide(at, "more", NEVER).await;
    let told = at.exchange(1, seen, Vec::new()).await;
    same(173, told.changed, Changed::All, "more are all");
}

async fn another_log<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    decide(at, "a", NEVER).await;
    let newest = at.exchange(1, 0, Vec::new()).await.newest;
    let told = at.exchange(1, newest + 1, Vec::new()).await;
    same(174, told.changed, Changed::All, "what was seen is no more");
    let told = at.exchange(1, 0, Vec::new()).await;
    is(
        175,
        told.changed != Changed::Names(Vec::new()),
        "who has seen nothing",
    );
    // As after another log, that had fewer entries than this one has now.
    let told = at.exchange(1, 1, Vec::new()).await;
    is(
        176,
        told.changed != Changed::Names(Vec::new()),
        "or a log that is no more",
    );
}

async fn places_are_apart<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    at.opened(1_000).await;
    let mut ask = at.ask(1, NEVER, 3, open(1_000));
    ask.place.shard = 1;
    let decided = at.try_decide(&ask).await.expect("an answer");
    same(177, decided.done, Done::Yes, "closed in another shard");
    ask.place.shard = 0;
    ask.place.fleet = format!("{}x", ask.place.fleet).into();
    let decided = at.try_decide(&ask).await.expect("an answer");
    same(178, decided.done, Done::Yes, "closed in another fleet");
    let names = [
        "",
        "%",
        "a:b",
        "{x}",
        "ünï",
        &"x".repeat(300),
        "\r\n",
        "a b",
        "#",
    ];
    let names = names.map(Key::of);
    let looks = names
        .iter()
        .map(|name| look(name.clone(), NEVER, Some(report(1, 1, 0))));
    let told = at.exchange(1, 0, looks.collect()).await.circuits;
    let alone = |told: &Result<_, _>| matches!(told, Ok(super::super::wire::Told { window, .. }) if window.calls == 1);
    is(179, told.iter().all(alone), "each name is another circuit");
}

async fn a_hint_comes<S: Store, P: AsyncFn(Duration)>(at: &At<'_, S, P>) {
    const SOON: Duration = Duration::from_secs(5);
    at.look(1, NEVER).await;
    // One that cannot tell says so by never ending. Let it begin to listen.
    let mut hint = at.store.hint();
    let early = timeout(Duration::from_millis(300), &mut hint).await;
    if early.is_ok() {
        hint = at.store.hint();
    }
    let open = at.opened(0).await;
    let heard = timeout(SOON, hint).await.is_ok();
    let decided = at.decide(1, open, 5, lease([1, 1, 1], 1)).await;
    if heard {
        let counted = decided.heard;
        is(
            180,
            counted.is_none_or(|it| it >= 1),
            "if it can count, it counts who listens",
        );
        let hint = timeout(SOON, at.store.hint()).await;
        is(181, hint.is_ok(), "and each decision is told");
    }
    let decided = at.decide(1, open, 5, open_again()).await;
    same(182, decided.heard, None, "what is no decision is not told");
    let told = at.exchange(1, 0, vec![look(it(), stamp(2, 5), None)]).await;
    is(183, told.circuits[0].is_ok(), "with hints or without");
}

fn open_again() -> super::super::wire::Proposal {
    open(1)
}
