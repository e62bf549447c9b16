//! What happens at the very instant at which a circuit opens: its place is taken, and the swap is still to
//! come. There the open time is asked for, and so a function of the attempt stands in for another thread.

use std::sync::{Arc, Mutex};

use tower_breaker::{Circuit, CircuitBuilder, OpenFor, State};

use super::{VETOED, cap, counts, members};
use crate::support::{Fixture, secs};

const OPENED: &str = "closed -> open: 1 failure, open for 5s";
const RECOVERED: [&str; 2] = [
    "open -> half-open: the wait is over, the next call is a probe",
    "half-open -> closed: the probes succeeded",
];

type Event = Box<dyn FnOnce() + Send>;

/// A circuit to which something happens while it opens.
struct Interrupted {
    fixture: Fixture,
    event: Arc<Mutex<Option<Event>>>,
}

impl Interrupted {
    fn new(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let event = Arc::new(Mutex::new(None::<Event>));
        let due = event.clone();
        let open_for = OpenFor::from_fn(move |_| {
            let event = due.lock().expect("not poisoned").take();
            event.into_iter().for_each(|event| event());
            secs(5)
        });
        let fixture = Fixture::new(|builder| configure(builder.open_for(open_for)));
        Self { fixture, event }
    }

    /// The last call of `script` opens the circuit, and while it does, something happens to it.
    #[track_caller]
    fn play(&self, script: &str, happens: fn(&Circuit)) {
        let circuit = self.fixture.circuit.clone();
        *self.event.lock().expect("not poisoned") = Some(Box::new(move || happens(&circuit)));
        self.fixture.play(script);
        assert!(self.event.lock().expect("not poisoned").is_none());
    }
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("not open yet").failure();
}

fn succeed(circuit: &Circuit) {
    circuit.try_acquire().expect("not open yet").success();
}

// G7: one call undertakes to open the circuit. The others take no second place, and veto nothing; so in
// every era.
#[test]
fn a_failure_while_the_circuit_opens_leaves_it_to_the_one_before() {
    let cap = cap(0.5);
    let _other = members(&cap, 1);
    let member = Interrupted::new(|builder| builder.consecutive_failures(1).ejection_cap(&cap));
    for stale in 1..4 {
        member.play("f", fail);
        member.fixture.tells(&[OPENED]);
        assert_eq!(member.fixture.totals().stale, stale);
        counts(&cap, 1, 2);
        member.fixture.wait_out();
        member.fixture.play("s");
        member.fixture.tells(&RECOVERED);
        counts(&cap, 0, 2);
    }
}

// G7: a veto is the end of the era as an open is, and the next failure begins anew.
#[test]
fn after_a_veto_the_next_failure_undertakes_it_again() {
    let cap = cap(0.5);
    let [other] = members(&cap, 1).try_into().ok().expect("one");
    let member = Interrupted::new(|builder| builder.consecutive_failures(1).ejection_cap(&cap));
    other.play("f");
    member.fixture.play("f");
    member.fixture.tells(&[VETOED]);
    other.circuit.reset();
    member.play("f", fail);
    member.fixture.tells(&[OPENED]);
    counts(&cap, 1, 2);
}

// G7: the place of a trip that comes too late is free again.
#[test]
fn a_place_is_given_back_if_a_person_ends_the_era_first() {
    let cap = cap(0.5);
    let [other] = members(&cap, 1).try_into().ok().expect("one");
    let member = Interrupted::new(|builder| builder.consecutive_failures(1).ejection_cap(&cap));
    member.play("f", Circuit::reset);
    member.fixture.is(State::Closed);
    counts(&cap, 0, 2);
    member.play("f", |circuit| assert!(circuit.force_open()));
    counts(&cap, 1, 2);
    member.fixture.circuit.release();
    counts(&cap, 0, 2);
    other.play("f");
    other.is(State::Open);
}

// B1: whichever is first. A success ends the streak, or comes after the trip.
#[test]
fn a_success_while_the_circuit_opens_ends_the_streak() {
    let free = Interrupted::new(|builder| builder.consecutive_failures(2));
    free.play("ff", succeed);
    free.fixture.tells_nothing();
    free.fixture.play("f");
    free.fixture.is(State::Open);
}

// B1, G7: under a cap it comes too late, for others may have left it to this call.
#[test]
fn a_success_while_a_member_opens_comes_too_late() {
    let cap = cap(1.0);
    let member = Interrupted::new(|builder| builder.consecutive_failures(2).ejection_cap(&cap));
    member.play("ff", succeed);
    member
        .fixture
        .tells(&["closed -> open: 2 consecutive failures, open for 5s"]);
    counts(&cap, 1, 1);
}
