//! Until when a place is held: to the end of the break for a circuit that nobody asks, to the close for one
//! that probes.

use tower_breaker::{OpenFor, Transition, clock::ManualClock};

use super::*;
use crate::support::{NANO, millis};

const OPENED: &str = "closed -> open: 1 failure, open for 5s";
const HALF_OPEN: &str = "open -> half-open: the wait is over, the next call is a probe";
const CLOSED: &str = "half-open -> closed: the probes succeeded";
const REOPENED: &str = "half-open -> open: a probe failed, open for 5s";
const VETOED_PROBE: &str = "half-open -> closed: a trip was vetoed: too many circuits are open";

/// Circuits on one clock.
struct Set {
    cap: EjectionCap,
    clock: ManualClock,
}

impl Set {
    fn new(share: f64) -> Self {
        Self {
            cap: cap(share),
            clock: ManualClock::new(),
        }
    }

    fn member(&self) -> Fixture {
        self.member_that(|builder| builder)
    }

    fn member_that(&self, configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
        fragile(|builder| {
            let builder = builder.clock(self.clock.clone()).ejection_cap(&self.cap);
            configure(builder)
        })
    }

    fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }
}

// G7, C1: at exactly the end of the break, from both sides, and whenever each of them was built.
#[test]
fn a_place_is_free_at_exactly_the_end_of_the_break() {
    for apart in [Duration::ZERO, NANO, millis(1_234), secs(5)] {
        let set = Set::new(0.5);
        set.wait(apart / 2);
        let one = set.member();
        set.wait(apart);
        let other = set.member();
        set.wait(apart);
        one.play("f");
        set.wait(secs(5) - NANO);
        other.play("f");
        other.tells(&[VETOED]);
        set.wait(NANO);
        other.play("f");
        other.tells(&[OPENED]);
        one.is(State::Open);
        counts(&set.cap, 1, 2);
        // And its own is no longer one that another gives up.
        one.tells(&[OPENED]);
        one.play("s");
        one.tells(&[HALF_OPEN, CLOSED]);
        one.play("f");
        one.tells(&[VETOED]);
    }
}

// G7: the same by tokio's clock.
#[tokio::test(start_paused = true)]
async fn a_place_is_free_at_exactly_the_end_of_the_break_by_tokios_clock() {
    let early = cap(0.5);
    for cap in [early, cap(0.5)] {
        let member = || {
            let builder = Circuit::builder("member").consecutive_failures(1);
            let builder = builder.open_for(secs(5)).ejection_cap(&cap);
            builder.build().expect("valid")
        };
        let one = member();
        tokio::time::advance(millis(700)).await;
        let other = member();
        tokio::time::advance(millis(300)).await;
        let fail = |circuit: &Circuit| circuit.try_acquire().expect("closed").failure();
        fail(&one);
        tokio::time::advance(secs(5) - millis(1)).await;
        fail(&other);
        assert_eq!(other.state(), State::Closed);
        tokio::time::advance(millis(1)).await;
        fail(&other);
        assert_eq!((other.state(), one.state()), (State::Open, State::Open));
    }
}

// G7, A7: the break that counts is the one that was computed.
#[test]
fn a_longer_break_holds_its_place_for_longer() {
    let set = Set::new(0.5);
    let growing = OpenFor::exponential(secs(1), 4.0, secs(100));
    let [one, other] = [0, 1].map(|_| set.member_that(|builder| builder.open_for(growing.clone())));
    one.play("f");
    set.wait(secs(1));
    one.play("f");
    for (wait, state) in [(secs(4) - NANO, State::Closed), (NANO, State::Open)] {
        set.wait(wait);
        other.play("f");
        other.is(state);
    }
    let honoured = set.member();
    let set = Set::new(1.0);
    drop(honoured);
    let one = set.member();
    one.admit().finish(Outcome::TripFor(secs(60)));
    counts(&set.cap, 1, 1);
}

// G7: of several whose breaks are over, the one that has been so for longest gives its place up.
#[test]
fn the_break_that_was_over_first_gives_its_place_up_first() {
    let set = Set::new(0.5);
    let members = [(); 4].map(|()| set.member());
    for opened in [1, 0] {
        members[opened].play("f");
        set.wait(secs(1));
    }
    set.wait(secs(9));
    members[2].play("f");
    members[2].is(State::Open);
    // So the second one to open keeps its place as it probes, and the first one has lost it.
    let probes = [members[0].admit(), members[1].admit()];
    probes.into_iter().for_each(|probe| probe.failure());
    members[0].is(State::Open);
    members[1].is(State::Closed);
    counts(&set.cap, 2, 4);
}

// G7: one that was asked in time keeps its place for as long as it probes, and for its next break.
#[test]
fn a_circuit_that_probes_keeps_its_place() {
    let set = Set::new(0.5);
    let (one, other) = (set.member(), set.member());
    one.play("f");
    set.wait(secs(5));
    let probe = one.admit();
    set.wait(secs(1_000));
    other.play("f");
    other.tells(&[VETOED]);
    probe.failure();
    one.tells(&[OPENED, HALF_OPEN, REOPENED]);
    set.wait(secs(5) - NANO);
    other.play("f");
    other.is(State::Closed);
    set.wait(NANO);
    other.play("f");
    other.is(State::Open);
    counts(&set.cap, 1, 2);
}

// G7, B6: one that has lost its place probes without, and where it cannot have another, it closes.
#[test]
fn a_circuit_that_has_lost_its_place_is_not_reopened_beyond_the_cap() {
    let set = Set::new(0.5);
    let (one, other) = (set.member(), set.member());
    one.play("f");
    set.wait(secs(5));
    other.play("f");
    let probe = one.admit();
    counts(&set.cap, 1, 2);
    probe.failure();
    assert_eq!(
        one.told().last().map(vetoed),
        Some((VETOED_PROBE.into(), Some(Cause::ProbeFailed)))
    );
    assert_eq!(
        (one.totals().vetoed, one.totals().failed, one.totals().stale),
        (1, 2, 0)
    );
    counts(&set.cap, 1, 2);
    // The outage goes on, and has been told.
    one.play("f");
    one.tells_nothing();
    assert_eq!(one.totals().vetoed, 2);
    // With a place, it reopens like any other.
    set.wait(secs(5));
    one.play("f");
    one.tells(&[OPENED]);
    other.play("f");
    other.is(State::Closed);
}

fn vetoed(told: &Transition) -> (String, Option<Cause>) {
    (told.to_string(), told.vetoed)
}

// G7, D6: what closes from half-open has its ramp, whatever closed it.
#[test]
fn a_ramp_follows_a_veto_in_half_open() {
    let set = Set::new(0.5);
    let one = set.member_that(|builder| builder.ramp(secs(10), 0.5));
    let other = set.member();
    one.play("f");
    set.wait(secs(5));
    other.play("f");
    one.play("f");
    one.is(State::Closed);
    assert!((one.look().ramp_share - 0.5).abs() < f64::EPSILON);
}

// G7, D4: probes that time out reopen with a place only, too. The call that finds it is the first of the
// closed circuit.
#[test]
fn probes_that_time_out_without_a_place_close_the_circuit() {
    let set = Set::new(0.5);
    let one = set.member_that(|builder| builder.half_open_timeout(secs(9)));
    let other = set.member_that(|builder| builder.open_for(secs(100)));
    one.play("f");
    set.wait(secs(5));
    other.play("f");
    let lost = one.admit();
    set.wait(secs(9));
    one.told();
    let first = one.admit();
    let told: Vec<_> = one.told().iter().map(vetoed).collect();
    assert_eq!(told, [(VETOED_PROBE.into(), Some(Cause::ProbesTimedOut))]);
    lost.success();
    assert_eq!(one.totals().stale, 1);
    first.failure();
    one.is(State::Closed);
    one.tells_nothing();
    assert_eq!((one.totals().vetoed, one.totals().stale), (2, 1));
    counts(&set.cap, 1, 2);
}

// G7, D4: in readiness mode, too: whoever waits is the one to find it, and is ready.
#[tokio::test(start_paused = true)]
async fn who_waits_for_probes_that_time_out_without_a_place_is_ready() {
    let cap = cap(0.5);
    let builder = || {
        let builder = Circuit::builder("member").consecutive_failures(1);
        builder
            .open_for(secs(5))
            .half_open_timeout(secs(9))
            .ejection_cap(&cap)
    };
    let (one, other) = (builder().build(), builder().open_for(secs(100)).build());
    let (one, other) = (one.expect("valid"), other.expect("valid"));
    one.try_acquire().expect("closed").failure();
    tokio::time::advance(secs(5)).await;
    other.try_acquire().expect("closed").failure();
    let _lost = one.try_acquire().expect("a probe");
    let layer = CircuitBreakerLayer::new(one.clone()).pending_while_open();
    let mut service = layer.layer(service_fn(|_: http::Request<()>| async {
        Ok::<_, ()>(http::Response::new(String::new()))
    }));
    let began = tokio::time::Instant::now();
    std::future::poll_fn(|context| Service::<http::Request<()>>::poll_ready(&mut service, context))
        .await
        .expect("ready");
    assert_eq!(began.elapsed().as_secs(), 9);
    assert_eq!(one.state(), State::Closed);
}

// G7, E2: what people have opened beyond the cap frees its places, too, and none of them twice.
#[test]
fn breaks_that_people_began_beyond_the_cap_make_no_more_room_than_there_is() {
    let set = Set::new(0.5);
    let members = [(); 6].map(|()| set.member());
    for member in &members[..4] {
        member.circuit.trip(secs(5)).expect("normal mode");
    }
    members[4].circuit.trip(secs(9)).expect("normal mode");
    counts(&set.cap, 5, 6);
    set.wait(secs(5));
    members[5].play("f");
    members[5].is(State::Open);
    counts(&set.cap, 3, 6);
    // Closed by hand, and one more: those whose break goes on are two, so there is a place.
    members[0].circuit.reset();
    members[0].play("f");
    members[0].is(State::Open);
    members[1].circuit.reset();
    members[1].play("f");
    members[1].tells(&[
        "closed -> open: by hand, open for 5s",
        "open -> closed: by hand",
        VETOED,
    ]);
}

// G7, E2: without an end, no place is given up.
#[test]
fn forced_open_never_gives_its_place_up() {
    let set = Set::new(0.5);
    let (one, other) = (set.member(), set.member());
    one.circuit.force_open();
    set.wait(Duration::MAX);
    other.play("f");
    other.is(State::Closed);
    counts(&set.cap, 1, 2);

    let set = Set::new(0.5);
    let other = set.member();
    let _built_so = set.member_that(|builder| builder.mode(Mode::ForcedOpen));
    set.wait(Duration::MAX);
    other.play("f");
    other.is(State::Closed);
}

// G7, E2: a person takes a place for a circuit that has lost its own.
#[test]
fn a_person_takes_a_place_anew() {
    let set = Set::new(0.5);
    let (one, other) = (set.member(), set.member());
    one.play("f");
    set.wait(secs(5));
    other.play("f");
    counts(&set.cap, 1, 2);
    one.circuit.trip(secs(5)).expect("normal mode");
    counts(&set.cap, 2, 2);
    one.circuit.trip(secs(50)).expect("normal mode");
    counts(&set.cap, 2, 2);
    one.circuit.reset();
    other.circuit.reset();
    counts(&set.cap, 0, 2);
}

// G7: a circuit that goes leaves nothing behind for the one that comes.
#[test]
fn who_joins_later_begins_without_a_place() {
    let set = Set::new(0.5);
    for _ in 0..3 {
        let members = [(); 20].map(|()| set.member());
        members.iter().for_each(|member| member.play("f"));
        counts(&set.cap, 10, 20);
        set.wait(secs(3));
        drop(members);
        counts(&set.cap, 0, 0);
    }
}
