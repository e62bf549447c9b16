//! What an event has, and who hears of it (rules L1, L3).

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    time::{Duration, SystemTime},
};

use tower_breaker::{
    By, Circuit, CircuitBuilder, EjectionCap, Guard, Mode, SavedState, State, WeakCircuit,
    clock::{Clock, ManualClock},
    observe::{Event, PartNews, Subscription, Told as Heard, What},
};

use crate::support::{fragile, millis, secs};

/// The events that were told since the last look.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Arc<Event>>>>);

impl Told {
    pub(crate) fn listener(&self) -> impl Fn(&Circuit, &Arc<Event>) + Send + Sync + use<> {
        let told = self.0.clone();
        move |_, event| told.lock().expect("no panic").push(event.clone())
    }

    pub(crate) fn take(&self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }

    /// As they print.
    fn lines(&self) -> Vec<String> {
        self.take().iter().map(|event| event.to_string()).collect()
    }
}

fn ops() -> By {
    By::who("ops").because("INC-1")
}

/// The first failure opens it for five seconds.
fn brittle(build: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock, Told) {
    let (clock, told) = (ManualClock::new(), Told::default());
    clock.advance(secs(1_000));
    let builder = Circuit::builder("payments")
        .consecutive_failures(1)
        .open_for(secs(5))
        .clock(clock.clone())
        .on_event(told.listener());
    (build(builder).build().expect("valid"), clock, told)
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").failure();
}

// L1
#[test]
fn an_event_has_everything() {
    let (circuit, clock, told) = brittle(|c| c.tag("tier", "critical"));
    clock.advance(millis(1));
    fail(&circuit);
    let told = told.take();
    let [event] = &*told else {
        panic!("one event: {told:?}")
    };
    assert_eq!(
        event.at,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_001)
    );
    assert_eq!((&*event.circuit, event.era), ("payments", 1));
    assert_eq!(event.tags.get("tier"), Some("critical"));
    assert!(event.by.is_unknown());
    assert_eq!(event.label(), "opened");
    assert_eq!(event.next_probe(), Some(event.at + secs(5)));
    let What::Transition(transition) = &event.what else {
        panic!("a transition")
    };
    assert_eq!((transition.to, transition.attempt), (State::Open, 1));
}

// L1, E7
#[test]
fn each_kind_of_event_has_a_label_and_a_line() {
    let (circuit, clock, told) = brittle(|c| {
        let c = c.count_window(10).minimum_calls(2).failure_rate(None);
        c.shed(2.0, 0.1)
    });
    fail(&circuit);
    clock.advance(secs(5));
    circuit.try_acquire().expect("a probe").success();
    circuit.set_mode_as(ops(), Mode::Shadow);
    circuit.set_mode(Mode::Normal);
    circuit.force_open_as(ops());
    circuit.release_as(By::who("ops"));
    circuit.trip_as(ops(), secs(9)).expect("normal");
    circuit.reset_as(By::unknown().because("a drill"));
    let change = circuit.reconfigure_as(ops(), |s| s.set_consecutive_failures(3));
    change.expect("valid");
    (0..2).for_each(|_| fail(&circuit));
    let admitted = (0..50).filter_map(|_| circuit.try_acquire().ok());
    admitted.for_each(Guard::success);
    clock.advance(secs(1));
    circuit.try_acquire().expect("all are").success();
    let told = told.take();
    let lines: Vec<_> = told
        .iter()
        .map(|it| format!("{}: {it}", it.label()))
        .collect();
    assert_eq!(
        lines,
        [
            "opened: circuit `payments` opened: 1 failure, next probe in 5 s",
            "half_open: circuit `payments` is half-open: the wait is over, the next call is a probe",
            "closed: circuit `payments` closed: the probes succeeded",
            "mode: circuit `payments` is in shadow: by hand (shadow: nothing is rejected) (by ops: INC-1)",
            "mode: circuit `payments` is back to normal: by hand",
            "mode: circuit `payments` is forced open: by hand (by ops: INC-1)",
            "mode: circuit `payments` is back to normal: by hand (by ops)",
            "opened: circuit `payments` opened: by hand, next probe in 9 s (by ops: INC-1)",
            "closed: circuit `payments` closed: by hand (by somebody: a drill)",
            "settings: circuit `payments`: `consecutive_failures` 1 -> 3 (by ops: INC-1)",
            "sheds: circuit `payments` sheds calls (66.6 % at first): 2 of 2 calls failed",
            "sheds_no_more: circuit `payments` sheds no more calls: there is nothing to shed any more",
        ]
    );
    assert!(told.is_sorted_by_key(|event| event.id));
    assert_eq!(told[9].by, ops());
    assert_eq!(told[9].era, told[8].era);
    // Only what begins a break says when the next probe may go out.
    let begun: Vec<_> = told.iter().filter(|it| it.next_probe().is_some()).collect();
    assert!(begun.iter().all(|it| it.label() == "opened") && begun.len() == 2);
}

// L1, E7, G7
#[test]
fn a_trip_that_is_vetoed_is_told_by_its_own_label() {
    let none = EjectionCap::new(0.5).expect("a share");
    let (circuit, _, told) = brittle(|c| c.ejection_cap(&none));
    fail(&circuit);
    let told: Vec<_> = told.take().iter().map(|event| event.label()).collect();
    assert_eq!(told, ["stays_closed"]);
}

// L1, E2
#[test]
fn forced_open_that_ends_by_itself_is_told_with_whoever_forced_it() {
    let (circuit, clock, told) = brittle(|c| c);
    circuit.set_mode(Mode::Shadow);
    circuit.force_open_for(ops(), secs(3)).expect("a time");
    circuit
        .force_open_for(By::who("others"), secs(9))
        .expect("a time");
    clock.advance(secs(9));
    circuit.try_acquire().expect("it is over").success();
    let told = told.take();
    let lines: Vec<_> = told[1..]
        .iter()
        .map(|it| format!("{}: {it}", it.label()))
        .collect();
    assert_eq!(
        lines,
        [
            "mode: circuit `payments` is forced open: by hand, for 3 s (by ops: INC-1)",
            "mode: circuit `payments` is forced open: by hand, for 9 s (by others)",
            "mode: circuit `payments` is in shadow: the time is over for which it was forced open (shadow: nothing is \
             rejected) (by others)",
        ]
    );
    assert_eq!(circuit.snapshot().by, None, "nobody has put it in shadow");
}

// L1
#[test]
fn all_who_hear_of_it_share_one_event() {
    let (circuit, _, told) = brittle(|c| c);
    let others = Told::default();
    let subscription = circuit.subscribe(others.listener());
    circuit.force_open();
    let (one, other) = (told.take(), others.take());
    assert!(Arc::ptr_eq(&one[0], &other[0]));
    drop(subscription);
    circuit.release();
    assert_eq!((told.take().len(), others.take().len()), (1, 0));
}

// L1
#[test]
fn who_subscribes_to_a_live_circuit_hears_what_comes_after() {
    let circuit = Circuit::builder("payments").build().expect("valid");
    circuit.force_open();
    let told = Told::default();
    let _subscription = circuit.subscribe(told.listener());
    circuit.release();
    assert_eq!(
        told.lines(),
        ["circuit `payments` is back to normal: by hand"]
    );
}

// L1, E4
#[test]
fn a_listener_may_call_back_and_end_itself() {
    let (circuit, _, told) = brittle(|c| c);
    let (itself, calls) = (Arc::new(Mutex::new(None::<Subscription>)), Told::default());
    let (ends, heard) = (itself.clone(), calls.listener());
    let subscription = circuit.subscribe(move |circuit, event| {
        heard(circuit, event);
        let _other = circuit.subscribe(|_, _| {});
        assert_eq!(circuit.snapshot().mode, Mode::ForcedOpen);
        drop(ends.lock().expect("no panic").take());
        circuit.release();
    });
    *itself.lock().expect("no panic") = Some(subscription);
    let (done, ended) = mpsc::channel();
    let calling = circuit.clone();
    std::thread::spawn(move || {
        calling.force_open();
        done.send(()).expect("somebody waits");
    });
    ended.recv_timeout(secs(20)).expect("no deadlock");
    assert_eq!(calls.take().len(), 1, "it has ended itself");
    assert_eq!(told.take().len(), 2);
}

// L1, E4: also of what is being told.
#[test]
fn a_listener_that_has_ended_hears_nothing_more() {
    let circuit = Circuit::builder("payments").build().expect("valid");
    let (ends, told) = (Arc::new(Mutex::new(None::<Subscription>)), Told::default());
    let itself = ends.clone();
    let _first = circuit.subscribe(move |_, _| drop(itself.lock().expect("no panic").take()));
    *ends.lock().expect("no panic") = Some(circuit.subscribe(told.listener()));
    circuit.force_open();
    assert!(told.take().is_empty());
}

// L1, E4
#[test]
fn a_listener_that_panics_harms_nobody() {
    let told = Told::default();
    let circuit = Circuit::builder("payments")
        .consecutive_failures(1)
        .on_event(|_, _| panic!("a listener's own fault"))
        .on_event(told.listener())
        .build()
        .expect("valid");
    fail(&circuit);
    let change = circuit.reconfigure(|settings| settings.set_consecutive_failures(2));
    change.expect("valid");
    assert_eq!(told.take().len(), 2);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("somebody else's drop");
    }
}

// L1, E4
#[test]
fn what_a_listener_holds_may_panic_when_it_is_dropped() {
    let (circuit, _, told) = brittle(|c| c);
    let bomb = Bomb;
    let subscription = circuit.subscribe(move |_, _| {
        let _held = &bomb;
    });
    drop(subscription);
    circuit.force_open();
    assert_eq!(told.take().len(), 1);
}

// L1, L2, E4: also one that ends itself, so that nobody but who calls it has it any more.
#[test]
fn what_a_listener_holds_may_panic_when_it_ends_itself() {
    let (circuit, _, told) = brittle(|c| c);
    let (bombs, ends) = (
        [Bomb, Bomb],
        Arc::new(Mutex::new(Vec::<Subscription>::new())),
    );
    for bomb in bombs {
        let ends_of_it = ends.clone();
        let subscription = circuit.subscribe(move |_, _| {
            let _held = &bomb;
            ends_of_it.lock().expect("no panic").clear();
        });
        ends.lock().expect("no panic").push(subscription);
    }
    circuit.force_open();
    assert_eq!(told.take().len(), 1);
    let (bomb, itself) = (Bomb, ends.clone());
    let subscription = circuit.subscribe_calls(move |_, _| {
        let _held = &bomb;
        itself.lock().expect("no panic").clear();
    });
    ends.lock().expect("no panic").push(subscription);
    circuit.try_acquire().expect_err("forced open");
}

/// A wall clock that is set, and one that panics.
struct Wall(Arc<Mutex<Option<SystemTime>>>);

impl Clock for Wall {
    fn now(&self) -> Duration {
        secs(1)
    }

    fn wall(&self) -> SystemTime {
        let wall = *self.0.lock().expect("no panic");
        wall.expect("a clock that panics")
    }
}

// L1
#[test]
fn a_wall_clock_may_be_set_back_or_panic() {
    let hour = SystemTime::UNIX_EPOCH + secs(3_600);
    let wall = Arc::new(Mutex::new(Some(hour)));
    let (circuit, _, told) = brittle(|c| c.clock(Wall(wall.clone())));
    circuit.force_open();
    *wall.lock().expect("no panic") = Some(SystemTime::UNIX_EPOCH);
    circuit.release();
    *wall.lock().expect("no panic") = None;
    circuit.force_open();
    let told = told.take();
    assert!(told.is_sorted_by_key(|event| event.id));
    let at: Vec<_> = told.iter().map(|event| event.at).collect();
    assert_eq!(at, [hour, SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH]);
}

// L1, E4
#[test]
fn a_listener_keeps_no_circuit_alive() {
    let (circuit, ..) = brittle(|c| c);
    let subscription = circuit.subscribe(|_, _| {});
    let weak = circuit.downgrade();
    drop(circuit);
    assert!(weak.upgrade().is_none());
    drop(subscription);
}

// L1
#[test]
fn nothing_is_made_for_whom_nobody_listens() {
    // The wall clock is read for each event, and for nothing else.
    let wall = Arc::new(Mutex::new(None));
    let asked = Arc::new(OnceLock::new());
    struct Asked(Arc<OnceLock<()>>, Wall);
    impl Clock for Asked {
        fn now(&self) -> Duration {
            secs(1)
        }
        fn wall(&self) -> SystemTime {
            let _ = self.0.set(());
            self.1.wall()
        }
    }
    let clock = Asked(asked.clone(), Wall(wall));
    let circuit = Circuit::builder("payments").clock(clock).build();
    let circuit = circuit.expect("valid");
    drop(circuit.subscribe(|_, _| {}));
    circuit.force_open();
    assert_eq!(asked.get(), None);
    let _subscription = circuit.subscribe(|_, _| {});
    circuit.release();
    assert_eq!(asked.get(), Some(&()));
}

// ---- the log ----------------------------------------------------------------------------------

fn ids(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.id).collect()
}

// L1
#[test]
fn a_circuit_keeps_as_many_events_as_it_is_told() {
    let (circuit, _, told) = brittle(|c| c.event_log(3));
    assert!(circuit.recent_events().is_empty());
    for _ in 0..4 {
        circuit.force_open();
        circuit.release();
        let (kept, told) = (circuit.recent_events(), told.take());
        assert_eq!(ids(&kept[kept.len() - 2..]), ids(&told));
    }
    assert_eq!(circuit.recent_events().len(), 3);

    let (circuit, ..) = brittle(|c| c);
    circuit.force_open();
    assert!(
        circuit.recent_events().is_empty(),
        "none unless that is said"
    );
}

// L1
#[test]
fn a_log_is_in_the_order_of_its_ids_whoever_tells() {
    let circuit = Circuit::builder("payments").event_log(500).build();
    let circuit = circuit.expect("valid");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| circuit.reset()));
        }
    });
    let kept = circuit.recent_events();
    assert_eq!(kept.len(), 400);
    assert!(kept.is_sorted_by_key(|event| event.id));
}

// ---- subscribers ------------------------------------------------------------------------------

fn event(told: Option<Heard>) -> Arc<Event> {
    match told {
        Some(Heard::Event(event)) => event,
        other => panic!("an event, not {other:?}"),
    }
}

// L3
#[tokio::test]
async fn a_subscriber_hears_all_from_then_on_and_then_the_end() {
    let (circuit, _, told) = brittle(|c| c);
    circuit.force_open();
    let mut events = circuit.events();
    assert_eq!(events.try_next(), None);
    circuit.release();
    circuit.force_open();
    let told = told.take();
    drop(circuit);
    for it in &told[1..] {
        assert!(Arc::ptr_eq(&event(events.next().await), it));
    }
    assert_eq!(events.next().await, None);
    assert_eq!(events.try_next(), None);
}

// L3
#[test]
fn who_subscribes_hears_nothing_of_what_is_kept_already() {
    let (circuit, _, told) = brittle(|c| c.event_log(3));
    for _ in 0..3 {
        let mut events = circuit.events();
        assert_eq!(events.try_next(), None);
        circuit.force_open();
        circuit.release();
        for it in told.take() {
            assert_eq!(event(events.try_next()), it);
        }
        assert_eq!(events.try_next(), None);
    }
}

// L3: whoever is late has them held, and nobody else.
#[test]
fn an_event_is_let_go_with_the_last_who_may_read_it() {
    let (circuit, _, told) = brittle(|c| c.event_log(1));
    let (one, other) = (circuit.events(), circuit.events());
    circuit.force_open();
    circuit.release();
    let held: Vec<_> = told.take().iter().map(Arc::downgrade).collect();
    let are_there = || -> Vec<_> { held.iter().map(|it| it.upgrade().is_some()).collect() };
    drop(one);
    assert_eq!(are_there(), [true, true]);
    drop(other);
    assert_eq!(are_there(), [false, true], "the log has the last");
    circuit.reset();
    told.take();
    assert_eq!(are_there(), [false, false]);
}

// L3
#[test]
fn a_subscriber_that_never_reads_loses_the_oldest_and_is_told_how_many() {
    let (circuit, _, told) = brittle(|c| c.event_log(3));
    let (mut late, mut early) = (circuit.events(), circuit.events());
    for _ in 0..150 {
        circuit.force_open();
        circuit.release();
        assert!(matches!(early.try_next(), Some(Heard::Event(_))));
        assert!(matches!(early.try_next(), Some(Heard::Event(_))));
    }
    let told = told.take();
    assert_eq!(late.try_next(), Some(Heard::Lagged(300 - 256)));
    assert_eq!(event(late.try_next()), told[44]);
    assert_eq!(early.try_next(), None);
    // And again, from where it is.
    for _ in 0..2 {
        circuit.reset();
    }
    assert_eq!(late.try_next(), Some(Heard::Lagged(1)));
    assert_eq!(event(late.try_next()), told[46]);
    // What is kept for subscribers is no more than what they need.
    assert_eq!(circuit.recent_events().len(), 3);
    drop((late, early));
    assert_eq!(circuit.recent_events().len(), 3);
    assert_eq!(ids(&circuit.recent_events()[..1]), [told[299].id]);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// L3
#[tokio::test(start_paused = true)]
async fn of_many_who_wait_only_few_are_woken_and_all_hear_it() {
    let (circuit, ..) = brittle(|c| c);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    let mut all: Vec<_> = (0..10_000).map(|_| circuit.events()).collect();
    let mut waiting: Vec<_> = all
        .iter_mut()
        .map(|events| Box::pin(events.next()))
        .collect();
    for one in &mut waiting {
        assert!(one.as_mut().poll(&mut context).is_pending());
    }
    circuit.force_open();
    assert_eq!(bell.0.load(Ordering::Relaxed), 16);
    tokio::time::advance(millis(50)).await;
    for one in &mut waiting {
        assert!(one.as_mut().poll(&mut context).is_ready());
    }
    drop(waiting);
    assert!(all.iter_mut().all(|events| events.try_next().is_none()));
}

// L3: whoever gives up waiting makes room for another.
#[tokio::test]
async fn a_place_among_those_who_are_woken_is_given_back() {
    let (circuit, ..) = brittle(|c| c);
    let mut context = Context::from_waker(Waker::noop());
    let mut others: Vec<_> = (0..16).map(|_| circuit.events()).collect();
    for events in &mut others {
        assert!(pin!(events.next()).poll(&mut context).is_pending());
    }
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut events = circuit.events();
    let mut next = pin!(events.next());
    // Again and again: that takes one place.
    for _ in 0..20 {
        assert!(
            next.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    circuit.force_open();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert!(next.poll(&mut context).is_ready());
}

/// Panics when it is woken.
struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

// L3, E4
#[test]
fn a_panicking_waker_harms_nobody() {
    let (circuit, _, told) = brittle(|c| c);
    let waker = Waker::from(Arc::new(PanickingWaker));
    let (mut one, mut other) = (circuit.events(), circuit.events());
    let mut next = pin!(one.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    circuit.force_open();
    assert_eq!(told.take().len(), 1);
    assert!(matches!(other.try_next(), Some(Heard::Event(_))));
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    );
    // Nor does it as the circuit goes.
    assert!(
        pin!(other.next())
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(circuit);
}

/// A waker that panics when it is dropped.
struct FragileWaker(Arc<AtomicUsize>);

impl Wake for FragileWaker {
    fn wake(self: Arc<Self>) {}
}

impl Drop for FragileWaker {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("the drop of a waker");
    }
}

// L3
#[test]
fn a_waker_that_panics_when_it_is_dropped_harms_nobody() {
    let (circuit, ..) = brittle(|c| c);
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut events = circuit.events();
    let mut next = Box::pin(events.next());
    let mut wait = |waker: Waker| {
        let mut context = Context::from_waker(&waker);
        assert!(next.as_mut().poll(&mut context).is_pending());
    };
    let fragile = || Waker::from(Arc::new(FragileWaker(dropped.clone())));
    wait(fragile());
    assert_eq!(dropped.load(Ordering::Relaxed), 0, "it is to be woken");
    wait(Waker::noop().clone());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    wait(fragile());
    drop(next);
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}

/// A waker that looks at the circuit, and subscribes to it.
struct Nosy(WeakCircuit, AtomicUsize);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        let Some(circuit) = self.0.upgrade() else {
            return;
        };
        let _ = (
            circuit.events(),
            circuit.recent_events(),
            circuit.snapshot(),
        );
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

// L3, E4
#[test]
fn a_waker_is_woken_under_no_lock() {
    let (circuit, ..) = brittle(|c| c.event_log(1));
    let nosy = Arc::new(Nosy(circuit.downgrade(), AtomicUsize::new(0)));
    let waker = Waker::from(nosy.clone());
    // Never dropped: that would wait for a lock that was left behind, and this test would not fail.
    let events = Box::leak(Box::new(circuit.events()));
    let next = Box::leak(Box::new(Box::pin(events.next())));
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let (done, ended) = mpsc::channel();
    let working = circuit.clone();
    std::thread::spawn(move || {
        working.force_open();
        done.send(()).expect("somebody waits");
    });
    ended.recv_timeout(secs(20)).expect("no deadlock");
    assert_eq!(nosy.1.load(Ordering::Relaxed), 1);
}

// L3
#[test]
fn subscribers_keep_no_circuit_alive() {
    let (circuit, ..) = brittle(|c| c);
    let mut events = circuit.events();
    let weak = circuit.downgrade();
    drop(circuit);
    assert!(weak.upgrade().is_none());
    assert_eq!(events.try_next(), None);
    assert_eq!(format!("{events:?}"), "Events { .. }");
}

// ---- the snapshot -----------------------------------------------------------------------------

// C5
#[test]
fn a_snapshot_tells_how_long_the_outage_has_lasted() {
    let circuit = fragile(|c| c);
    let outage = || circuit.look().outage;
    assert_eq!(outage(), None);
    circuit.play("f");
    assert_eq!(outage(), Some(secs(0)));
    circuit.wait_out();
    circuit.play("f");
    circuit.wait(secs(1));
    assert_eq!(
        (outage(), circuit.look().time_in_state),
        (Some(secs(6)), secs(1))
    );
    circuit.wait_out();
    let probe = circuit.admit();
    circuit.wait(secs(2));
    assert_eq!(outage(), Some(secs(12)));
    circuit.circuit.force_open();
    circuit.wait(secs(1));
    assert_eq!(outage(), Some(secs(13)));
    probe.success();
    circuit.circuit.release();
    assert_eq!(outage(), None);
    circuit.wait(secs(1));
    circuit.circuit.force_open();
    assert_eq!(outage(), Some(secs(0)), "a new one");

    let saved = SavedState::open(secs(20), 3);
    let circuit = fragile(|c| c.restore(saved));
    assert_eq!(circuit.look().outage, Some(secs(7)), "since it was built");
    circuit.wait(secs(13));
    circuit.play("f");
    circuit.wait(secs(1));
    assert_eq!(circuit.look().outage, Some(secs(21)));
}

// C5, E2
#[test]
fn a_snapshot_tells_who_has_brought_about_what_holds() {
    let circuit = fragile(|c| c);
    let by = || circuit.look().by.map(|by| by.to_string());
    let who = |who: &str| Some(format!("by {who}"));
    let control = &circuit.circuit;
    assert_eq!(by(), None);
    circuit.play("f");
    assert_eq!(by(), None);
    control.force_open_as(By::who("ops"));
    assert_eq!(by(), who("ops"));
    control.force_open_as(By::who("others"));
    assert_eq!(by(), who("ops"), "that was no change");
    control.release_as(By::who("others"));
    assert_eq!(by(), None);

    control
        .trip_as(By::who("a drill"), secs(5))
        .expect("normal");
    assert_eq!(by(), who("a drill"));
    circuit.wait_out();
    let _probe = circuit.admit();
    assert_eq!(by(), None, "the break is over");
    control.reset();

    control.set_mode_as(By::who("ops"), Mode::Shadow);
    assert_eq!(by(), who("ops"));
    circuit.play("f");
    assert_eq!((by(), control.state()), (who("ops"), State::Open));
    control
        .trip_as(By::who("a drill"), secs(5))
        .expect("shadow");
    assert_eq!(by(), who("a drill"));
    control.reset();
    assert_eq!(by(), who("ops"), "its mode still holds");
    control.set_mode(Mode::Disabled);
    assert_eq!(by(), None, "somebody");
}

// ---- parts (M9) ---------------------------------------------------------------------------------

// M9, L1
#[test]
fn a_full_bulkhead_is_told_at_most_once_a_minute() {
    let (circuit, clock, told) = brittle(|it| it.bulkhead(1, Duration::ZERO).event_log(9));
    let place = circuit.try_enter().expect("free");
    let full = || circuit.try_enter().expect_err("full");
    for _ in 0..3 {
        full();
    }
    let line = "circuit `payments` rejects calls: its bulkhead is full";
    let events = told.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].to_string().as_str(), events[0].era), (line, 0));
    assert_eq!(events[0].label(), "bulkhead_full");
    assert_eq!(events[0].what, What::Part(PartNews::BulkheadFull));
    assert_eq!(circuit.recent_events(), events);

    clock.advance(secs(59));
    full();
    assert!(told.take().is_empty(), "it was told a minute ago");
    clock.advance(secs(1));
    full();
    assert_eq!(told.lines(), [line]);
    drop(place);
    clock.advance(secs(600));
    drop(circuit.try_enter().expect("free again"));
    assert!(told.take().is_empty());
}

// M9, L1
#[test]
fn of_many_that_find_it_full_at_once_one_tells() {
    let (circuit, _clock, told) = brittle(|it| it.bulkhead(1, Duration::ZERO));
    let _place = circuit.try_enter().expect("free");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| drop(circuit.try_enter().expect_err("full"))));
        }
    });
    assert_eq!(told.take().len(), 1);
}
