//! Threads that ask for a name, and for its circuit to go, at once.

use super::*;
use crate::circuit::ejection::EjectionCap;

// I1, I4
#[test]
fn of_two_that_ask_for_a_new_name_one_makes_it() {
    model("creation: two ask for a name", || {
        let cap = EjectionCap::new(1.0).expect("valid");
        let members = cap.clone();
        let rules = brittle().defaults(move |circuit| circuit.ejection_cap(&members));
        let (registry, log) = listened_to(rules);
        let (one, other) = (registry.clone(), registry.clone());
        race!(
            move || fail(&one.get_or_create("a").expect("made")),
            move || drop(other.get_or_create("a").expect("made")),
        );
        assert_eq!(told(&log), ["added"]);
        assert_eq!((registry.len(), registry.totals().created), (1, 1));
        assert_eq!(cap.members(), 1);
        // It is the one that has failed.
        assert_eq!(registry.get("a").expect("there").state(), State::Open);
    });
}

// I4
#[test]
fn a_circuit_that_goes_while_it_is_told_is_told_as_gone_after_that() {
    model("creation: against a removal", || {
        let (registry, log) = listened_to(brittle());
        let (making, removing) = (registry.clone(), registry.clone());
        race!(
            move || drop(making.get_or_create("a").expect("made")),
            move || drop(removing.remove("a")),
        );
        let told = told(&log);
        match registry.get("a") {
            Some(_) => assert_eq!(told, ["added"]),
            None => assert_eq!(told, ["added", "removed"]),
        }
    });
}

// L2, I4: from its first call.
#[test]
fn a_circuit_made_now_is_listened_to() {
    model("creation: against one who begins to listen", || {
        let registry = brittle().build().expect("valid");
        let heard = Arc::new(std::sync::Mutex::new(0));
        let hears = heard.clone();
        let (making, listening) = (registry.clone(), registry.clone());
        let subscription = Arc::new(std::sync::Mutex::new(None));
        let subscribed = subscription.clone();
        race!(
            move || drop(making.get_or_create("a").expect("made")),
            move || {
                let subscription = listening.subscribe_calls(move |_, _| {
                    *hears.lock().expect("not poisoned") += 1;
                });
                *subscribed.lock().expect("not poisoned") = Some(subscription);
            },
        );
        fail(&registry.get("a").expect("made"));
        assert_eq!(
            *heard.lock().expect("not poisoned"),
            2,
            "admitted, and ended"
        );
    });
}
