//! Of the circuits of a group, only a share is open at once.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Cause, Circuit, EjectionCap, State,
    registry::{CapStatus, Event, GroupCap, Registry, RegistryBuilder},
};

fn builder() -> RegistryBuilder {
    Registry::builder()
        .defaults(|circuit| circuit.consecutive_failures(1))
        .matching("search-*", |circuit| circuit.tag("tier", "search"))
}

fn of_search(share: f64) -> GroupCap {
    GroupCap::at_most(share).tag("tier", "search")
}

fn built(builder: RegistryBuilder) -> Registry {
    builder.build().expect("valid")
}

fn circuits<const N: usize>(registry: &Registry, names: [&str; N]) -> [Circuit; N] {
    names.map(|name| registry.get_or_create(name).expect("made"))
}

fn fail(circuit: &Circuit) {
    if let Ok(guard) = circuit.try_acquire() {
        guard.failure();
    }
}

fn open(circuits: &[Circuit]) -> usize {
    let is_open = |circuit: &&Circuit| circuit.state() == State::Open;
    circuits.iter().filter(is_open).count()
}

fn only(registry: &Registry) -> CapStatus {
    let caps = registry.caps();
    assert_eq!(caps.len(), 1);
    caps[0].clone()
}

// K1
#[test]
fn of_the_circuits_with_a_tag_only_the_share_opens_and_what_is_held_back_is_told() {
    let vetoes = Arc::new(AtomicU64::new(0));
    let told = vetoes.clone();
    let registry = built(builder().cap(of_search(0.5)).on_event(move |_, event| {
        if let Event::Transition(transition) = event {
            let vetoed = transition.cause == Cause::TripVetoed;
            told.fetch_add(vetoed.into(), Ordering::Relaxed);
        }
    }));
    let search = circuits(&registry, ["search-1", "search-2", "search-3", "search-4"]);
    let others = circuits(&registry, ["payments", "mail"]);
    search.iter().chain(&others).for_each(fail);
    assert_eq!((open(&search), open(&others)), (2, 2));

    // The second veto of an outage is only counted.
    fail(&search[3]);
    assert_eq!(vetoes.load(Ordering::Relaxed), 2);
    let cap = only(&registry);
    assert_eq!((cap.members, cap.ejected, cap.vetoed), (4, 2, 3));
    assert_eq!((cap.at_most, cap.at_least_one), (0.5, false));
    assert_eq!(
        cap.to_string(),
        "tier=search: 2 of 4 open, at most 50 %, 3 trips vetoed",
    );
    let totals = search[3].snapshot().totals.expect("counted");
    assert_eq!(totals.vetoed, 2);
}

// K1
#[test]
fn of_few_at_least_one_may_open_where_that_was_said() {
    for (cap, opens) in [(of_search(0.3), 0), (of_search(0.3).at_least_one(), 1)] {
        let registry = built(builder().cap(cap));
        let search = circuits(&registry, ["search-1", "search-2"]);
        search.iter().for_each(fail);
        assert_eq!(open(&search), opens);
        assert_eq!(only(&registry).at_least_one, opens == 1);
    }
}

// K1
#[test]
fn circuits_are_members_from_when_they_are_made_until_they_are_gone() {
    let registry = built(builder().cap(of_search(0.5)));
    assert_eq!(only(&registry).members, 0);
    let [one, two] = circuits(&registry, ["search-1", "search-2"]);
    circuits(&registry, ["payments"]);
    fail(&one);
    fail(&two);
    assert_eq!(
        (only(&registry).members, open(&[one.clone(), two.clone()])),
        (2, 1)
    );
    registry.remove("search-1");
    assert_eq!(only(&registry).members, 2, "somebody holds it");
    drop(one);
    let cap = only(&registry);
    assert_eq!((cap.members, cap.ejected), (1, 0));
    // With one more, there is a place.
    circuits(&registry, ["search-3"]);
    fail(&two);
    assert_eq!(two.state(), State::Open);
}

// K1
#[test]
fn of_caps_for_the_same_circuit_the_later_holds_and_its_own_over_both() {
    let own = EjectionCap::new(1.0).expect("valid");
    let its_own = own.clone();
    let registry = built(
        builder()
            .cap(GroupCap::at_most(1.0))
            .cap(of_search(0.5).names("*-eu"))
            .circuit("search-own-eu", move |circuit| {
                circuit.ejection_cap(&its_own)
            }),
    );
    circuits(&registry, ["search-1-eu", "search-2-us", "mail-eu"]);
    let members: Vec<_> = registry
        .caps()
        .into_iter()
        .map(|cap| (cap.group, cap.members))
        .collect();
    assert_eq!(
        members,
        [
            ("all circuits".to_owned(), 2),
            ("*-eu with tier=search".to_owned(), 1),
        ],
    );
    assert_eq!(own.members(), 1);
}

// K1, B8
#[test]
fn a_share_that_is_none_is_refused_when_the_registry_is_built() {
    for share in [0.0, 1.1, f64::NAN] {
        let error = builder()
            .cap(of_search(share))
            .build()
            .expect_err("no share");
        assert_eq!(error.field(), "at_most");
    }
}

// K1
#[test]
fn registries_of_one_builder_have_caps_of_their_own() {
    let builder = builder().cap(of_search(0.5));
    let [first, second] = [builder.clone(), builder].map(built);
    circuits(&first, ["search-1"]);
    assert_eq!((only(&first).members, only(&second).members), (1, 0));
}

// K1
#[test]
fn a_person_may_open_more_and_what_is_in_shadow_takes_no_place() {
    let registry = built(builder().cap(of_search(0.5)));
    let search = circuits(&registry, ["search-1", "search-2", "search-3"]);
    search[0].set_mode(tower_breaker::Mode::Shadow);
    fail(&search[0]);
    assert_eq!(only(&registry).ejected, 0);
    search[1].force_open();
    search[2].trip(Duration::from_secs(60)).expect("allowed");
    assert_eq!(only(&registry).ejected, 2);
}

// K1, I1: whoever creates, trips, resets and removes at once, members and places are those of the circuits that are
// there, and failures alone never open more than the share.
#[test]
fn places_are_those_of_the_circuits_whatever_races() {
    const MEMBERS: [&str; 8] = [
        "search-1", "search-2", "search-3", "search-4", "search-5", "search-6", "search-7",
        "search-8",
    ];
    let registry = built(builder().cap(of_search(0.25)));
    let search = circuits(&registry, MEMBERS);
    let most = Mutex::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..3 {
            let (search, done) = (&search, &done);
            scope.spawn(move || {
                for round in thread..6_000 {
                    let circuit = &search[(round * 5 + thread) % MEMBERS.len()];
                    match circuit.try_acquire() {
                        Ok(guard) => guard.failure(),
                        Err(_) if round % 3 == 0 => circuit.reset(),
                        Err(_) => {}
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // One at a time comes, opens if it may, and goes: nine members, of which two may be open.
                drop(registry.get_or_create("search-passing").map(|it| fail(&it)));
                registry.remove("search-passing");
                let cap = only(&registry);
                let mut most = most.lock().expect("no panic");
                *most = cap.ejected.max(*most);
            }
        });
    });
    let most = *most.lock().expect("no panic");
    assert!(most <= 2, "{most} were open at once");
    let cap = only(&registry);
    assert_eq!(cap.members, 8);
    assert_eq!(cap.ejected, open(&search) as u64);
    registry.reset_all();
    assert_eq!(only(&registry).ejected, 0);
}
