//! Who begins to hear of calls, and who ceases to, at once (L2).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    circuit::{clock::ManualClock, handle::Circuit},
    machine::loom_tests::{model, race},
};

fn listened_to() -> Circuit {
    let circuit = Circuit::builder("modelled")
        .consecutive_failures(1)
        .totals(false)
        .clock(ManualClock::new())
        .build();
    circuit.expect("valid")
}

// L2
#[test]
fn who_begins_to_listen_as_another_ends_hears_calls() {
    model("calls: one begins to listen, and one ends", || {
        let circuit = listened_to();
        let ends = circuit.subscribe_calls(|_, _| {});
        let heard = Arc::new(AtomicU64::new(0));
        let (hears, begins) = (heard.clone(), circuit.clone());
        let kept = Arc::new(std::sync::Mutex::new(None));
        let keeps = kept.clone();
        race!(move || drop(ends), move || {
            let subscription = begins.subscribe_calls(move |_, _| {
                hears.fetch_add(1, Ordering::Relaxed);
            });
            *keeps.lock().expect("not poisoned") = Some(subscription);
        });
        circuit.try_acquire().expect("closed").success();
        assert_eq!(heard.load(Ordering::Relaxed), 2, "admitted, and ended");
    });
}
