//! More or fewer places while calls are under way (E5).

use super::*;

fn resize(circuit: &Circuit, places: u32) {
    let (_, wait) = circuit.settings().bulkhead().unwrap_or((0, WAIT));
    let resized = circuit.reconfigure(|settings| settings.set_bulkhead((places, wait)));
    resized.unwrap();
}

// M2, E5
#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_as_soon_as_there_are_more_places() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _inside = pends(&mut service, "hangs");
    let mut line: Vec<_> = (0..4).map(|_| pends(&mut service, "hangs")).collect();
    resize(&circuit, 3);
    let woken: Vec<_> = line.iter().map(Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, false, false]);
    for waits in &mut line {
        assert!(waits.poll().is_pending());
    }
    assert_eq!(upstream.inside(), 3);
    assert_eq!(seen(&circuit).places, Some(3));
    taken(&circuit, 3, 2);
}

// M2, E5: nobody is cut off, and nobody comes in until there are fewer.
#[tokio::test(start_paused = true)]
async fn fewer_places_cut_nobody_off_and_let_nobody_in_until_enough_have_left() {
    let (circuit, upstream) = (circuit(5, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside: Vec<_> = (0..4).map(|_| pends(&mut service, "hangs")).collect();
    resize(&circuit, 2);
    taken(&circuit, 4, 0);
    for left in [4, 3, 2] {
        assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
        taken(&circuit, left, 0);
        inside.pop();
    }
    assert_eq!(once(&mut service, "answers").status(), 200);
    let _second = pends(&mut service, "hangs");
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
    taken(&circuit, 2, 0);
}

// M2, E5: what was to go and has not gone yet stays.
#[tokio::test(start_paused = true)]
async fn fewer_places_and_then_more_are_as_many_as_were_said_last() {
    let (circuit, upstream) = (circuit(4, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside: Vec<_> = (0..4).map(|_| pends(&mut service, "hangs")).collect();
    for places in [1, 3, 2, 4, 1, 6] {
        resize(&circuit, places);
        taken(&circuit, 4, 0);
    }
    inside.extend((0..2).map(|_| pends(&mut service, "hangs")));
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
    resize(&circuit, 1);
    drop(inside);
    taken(&circuit, 0, 0);
    let _one = pends(&mut service, "hangs");
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
}

fn turn_off(circuit: &Circuit) {
    let off = Circuit::builder("reviews")
        .consecutive_failures(1)
        .open_for(BREAK);
    let off = off.build().unwrap().settings();
    assert_eq!(off.bulkhead(), None);
    circuit
        .reconfigure(|settings| settings.clone_from_off(&off))
        .unwrap();
}

/// There is no setter that turns it off: a whole block of settings does.
trait CloneFromOff {
    fn clone_from_off(&mut self, off: &Self) -> &mut Self;
}

impl CloneFromOff for tower_breaker::Settings {
    fn clone_from_off(&mut self, off: &Self) -> &mut Self {
        self.clone_from(off);
        self
    }
}

// M2, E5
#[tokio::test(start_paused = true)]
async fn a_bulkhead_that_is_turned_off_lets_in_all_who_wait_and_holds_again_when_it_is_on() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut calls: Vec<_> = (0..4).map(|_| pends(&mut service, "hangs")).collect();
    turn_off(&circuit);
    for call in &mut calls {
        assert!(call.poll().is_pending());
    }
    assert_eq!(upstream.inside(), 4);
    calls.push(pends(&mut service, "hangs"));
    assert_eq!(seen(&circuit).places, None);
    taken(&circuit, 4, 0);

    // The last came while there was none, and holds no place.
    resize(&circuit, 2);
    let mut waits = pends(&mut service, "hangs");
    for _ in 0..2 {
        drop(calls.remove(0));
        assert!(waits.poll().is_pending());
        assert!(upstream.inside() <= 4, "it is not inside");
    }
    taken(&circuit, 2, 1);
    drop(calls.remove(0));
    assert!(waits.poll().is_pending());
    taken(&circuit, 2, 0);
}

// M2, E5: a service that was there before the setting was.
#[tokio::test(start_paused = true)]
async fn a_bulkhead_that_is_turned_on_holds_from_the_next_call_on() {
    let off = Circuit::builder("reviews").build().unwrap();
    let upstream = Upstream::new();
    let mut service = upstream.of(&off);
    let _before = pends(&mut service, "hangs");
    assert_eq!(
        off.snapshot().parts,
        None,
        "nothing is made for one that is off"
    );
    off.reconfigure(|settings| settings.set_bulkhead((1, NOW)))
        .unwrap();
    let _first = pends(&mut service, "hangs");
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
    taken(&off, 1, 0);
}

// M2, E5: what waits keeps its limit.
#[tokio::test(start_paused = true)]
async fn who_waits_already_waits_as_long_as_was_said_then() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _inside = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "hangs");
    circuit
        .reconfigure(|settings| settings.set_bulkhead((1, NOW)))
        .unwrap();
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
    advance(WAIT - millis(1)).await;
    assert!(waits.poll().is_pending());
    advance(millis(1)).await;
    assert_eq!(reason(&waits.done()), Some(Reason::BulkheadFull));
}

// M2, E5: a place that is to go goes, and is not handed to somebody who then has to begin anew.
#[tokio::test(start_paused = true)]
async fn fewer_places_leave_the_line_as_it_is() {
    let (circuit, upstream) = (circuit(2, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside = vec![pends(&mut service, "hangs"), pends(&mut service, "hangs")];
    let mut first = pends(&mut service, "hangs");
    let mut second = pends(&mut service, "hangs");
    resize(&circuit, 1);
    inside.pop();
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert_eq!(upstream.inside(), 1);
    inside.pop();
    assert_eq!((first.is_woken(), second.is_woken()), (true, false));
    assert!(first.poll().is_pending());
    taken(&circuit, 1, 1);
}

// M2, E5: a place that is taken away from whoever was just given it.
#[tokio::test(start_paused = true)]
async fn who_was_just_given_a_place_that_is_no_more_is_the_last_in_line() {
    let (circuit, upstream) = (circuit(2, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside: Vec<_> = (0..2).map(|_| pends(&mut service, "hangs")).collect();
    let mut first = pends(&mut service, "answers");
    let mut second = pends(&mut service, "answers");
    inside.pop();
    assert!(first.is_woken());
    resize(&circuit, 1);
    assert!(first.poll().is_pending());
    inside.pop();
    assert!(second.is_woken() && !first.is_woken());
    assert_eq!(second.done().status(), 200);
    assert_eq!(first.done().status(), 200);
}
