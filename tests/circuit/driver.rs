//! A driver (rule D7): probes without traffic. The time is tokio's, and paused; `real_sockets` has a server.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::support::secs;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower_breaker::{
    By, Cause, Circuit, CircuitBuilder, Mode, Outcome, State, classify::ErrorsOnly,
    clock::ManualClock,
};

/// What a dependency does when it is checked.
#[derive(Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    Hang,
    Panic,
}

/// A dependency, and when it was checked.
#[derive(Clone)]
struct Dependency {
    act: Arc<Mutex<Act>>,
    took: Duration,
    began: Instant,
    checked: Arc<Mutex<Vec<u64>>>,
    running: Arc<AtomicU64>,
}

struct Running(Arc<AtomicU64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Dependency {
    fn new(act: Act) -> Self {
        Self {
            act: Arc::new(Mutex::new(act)),
            took: Duration::ZERO,
            began: Instant::now(),
            checked: Arc::default(),
            running: Arc::default(),
        }
    }

    fn slow(act: Act, took: Duration) -> Self {
        Self {
            took,
            ..Self::new(act)
        }
    }

    fn now(&self, act: Act) {
        *self.act.lock().expect("an act") = act;
    }

    /// In seconds.
    fn checked(&self) -> Vec<u64> {
        self.checked.lock().expect("a log").clone()
    }

    fn running(&self) -> u64 {
        self.running.load(SeqCst)
    }

    async fn check(&self) -> Result<(), ()> {
        let at = self.began.elapsed().as_secs();
        self.checked.lock().expect("a log").push(at);
        assert_eq!(self.running.fetch_add(1, SeqCst), 0, "one at a time");
        let _running = Running(self.running.clone());
        if !self.took.is_zero() {
            sleep(self.took).await;
        }
        let act = *self.act.lock().expect("an act");
        match act {
            Act::Succeed => Ok(()),
            Act::Fail => Err(()),
            Act::Hang => pending().await,
            Act::Panic => std::panic::resume_unwind(Box::new("the check's")),
        }
    }

    fn drive(&self, circuit: &Circuit) -> JoinHandle<()> {
        let own = self.clone();
        tokio::spawn(circuit.probe_with(async move || own.check().await))
    }
}

/// Opens for 5 seconds at the first failure.
fn fragile(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("driven").consecutive_failures(1);
    let circuit = configure(builder.open_for(secs(5))).build();
    circuit.expect("settings that make sense")
}

fn trip(circuit: &Circuit) {
    circuit.trip(secs(5)).expect("normal mode");
}

/// Lets so much time pass, and everybody have their turn at its end.
async fn pass(time: Duration) {
    sleep(time).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

const MS: Duration = Duration::from_millis(2);

fn totals(circuit: &Circuit) -> (u64, u64, u64, u64) {
    let totals = circuit.snapshot().totals.expect("counted");
    let (failed, abandoned) = (totals.failed, totals.abandoned);
    (totals.successful, failed, abandoned, totals.rejected)
}

// ---- recovery ----------------------------------------------------------------------------------

// D7
#[tokio::test(start_paused = true)]
async fn a_quiet_circuit_recovers_without_a_call() {
    let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Succeed));
    let driver = dependency.drive(&circuit);
    pass(secs(100)).await;
    assert_eq!(dependency.checked(), [0; 0], "closed");
    trip(&circuit);
    pass(secs(5) - MS).await;
    assert_eq!(circuit.state(), State::Open);
    pass(2 * MS).await;
    assert_eq!(circuit.state(), State::Closed);
    pass(secs(100)).await;
    assert_eq!(dependency.checked(), [105]);
    assert_eq!(totals(&circuit), (1, 0, 0, 0));
    assert!(!driver.is_finished());
}

// D7, D2: again and again.
#[tokio::test(start_paused = true)]
async fn a_check_that_fails_reopens_and_the_next_waits_for_the_next_break() {
    let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Fail));
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(21)).await;
    assert_eq!(dependency.checked(), [5, 10, 15, 20]);
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    assert_eq!(circuit.snapshot().attempt, 5);
    dependency.now(Act::Succeed);
    pass(secs(5)).await;
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(totals(&circuit), (1, 4, 0, 0));
}

// D7, D1: one after another, until it is decided.
#[tokio::test(start_paused = true)]
async fn where_several_are_needed_they_run_one_after_another() {
    let circuit = fragile(|c| c.probes(3, 4).permits(4));
    let dependency = Dependency::slow(Act::Succeed, secs(2));
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(10)).await;
    assert_eq!(circuit.state(), State::HalfOpen);
    pass(secs(90)).await;
    assert_eq!(dependency.checked(), [5, 7, 9]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7, D2
#[tokio::test(start_paused = true)]
async fn a_failed_check_that_can_be_afforded_is_followed_by_the_next() {
    let circuit = fragile(|c| c.probes(1, 3));
    let dependency = Dependency::slow(Act::Fail, secs(1));
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(7)).await;
    dependency.now(Act::Succeed);
    pass(secs(1)).await;
    assert_eq!(dependency.checked(), [5, 6, 7]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7, A2: a check that says nothing is not asked for ever at once.
#[tokio::test(start_paused = true)]
async fn a_check_that_says_nothing_is_repeated_when_a_probe_would_have_had_its_time() {
    let circuit = fragile(|c| c.half_open_timeout(secs(7)));
    let dependency = Dependency::new(Act::Succeed);
    let own = dependency.clone();
    let ignore = |_: Result<&(), &()>| Outcome::Ignored;
    let check = async move || own.check().await;
    tokio::spawn(circuit.probe_with_classifier(ignore, check));
    trip(&circuit);
    pass(secs(20)).await;
    assert_eq!(dependency.checked(), [5, 12, 19]);
    assert_eq!(circuit.state(), State::HalfOpen);
    // What else happens is not slept through.
    trip(&circuit);
    pass(secs(6)).await;
    assert_eq!(dependency.checked(), [5, 12, 19, 25]);
}

// D7, D3
#[tokio::test(start_paused = true)]
async fn a_slow_check_is_a_slow_probe() {
    let circuit = fragile(|c| {
        c.slow_call_duration(secs(1))
            .count_window(9)
            .slow_call_rate(1.0)
    });
    let dependency = Dependency::slow(Act::Succeed, secs(2));
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(8)).await;
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
}

// ---- hangs, panics, drops ----------------------------------------------------------------------

// D7, D4: with one permit, half-open is full and its probe has timed out.
#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_dropped_and_the_driver_goes_on() {
    let circuit = fragile(|c| c.half_open_timeout(secs(7)));
    let dependency = Dependency::new(Act::Hang);
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(6)).await;
    assert_eq!(
        (circuit.state(), dependency.running()),
        (State::HalfOpen, 1)
    );
    pass(secs(7)).await;
    assert_eq!((circuit.state(), dependency.running()), (State::Open, 0));
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbesTimedOut)
    );
    dependency.now(Act::Succeed);
    pass(secs(5)).await;
    assert_eq!(dependency.checked(), [5, 17]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7: with permits to spare, nobody else would notice.
#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_where_others_could_be_admitted_has_failed() {
    let circuit = fragile(|c| c.probes(2, 3).permits(3).half_open_timeout(secs(7)));
    let dependency = Dependency::new(Act::Hang);
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(21)).await;
    assert_eq!(dependency.checked(), [5, 12]);
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    assert_eq!(totals(&circuit), (0, 2, 0, 0));
}

// D7, C4: a check whose era is over matters to nobody.
#[tokio::test(start_paused = true)]
async fn a_check_whose_half_open_era_is_over_is_dropped_at_once() {
    let ends: [fn(&Circuit); 4] = [
        Circuit::reset,
        |circuit| trip(circuit),
        |circuit| assert!(circuit.force_open()),
        |circuit| assert!(circuit.set_mode(Mode::Disabled)),
    ];
    for end in ends {
        let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Hang));
        dependency.drive(&circuit);
        trip(&circuit);
        pass(secs(6)).await;
        assert_eq!(dependency.running(), 1);
        end(&circuit);
        pass(MS).await;
        assert_eq!(dependency.running(), 0);
        let totals = circuit.snapshot().totals.expect("counted");
        assert_eq!(totals.abandoned, 1);
    }
}

// D7, A5
#[tokio::test(start_paused = true)]
async fn a_panic_of_a_check_is_a_failure_and_ends_the_driver() {
    let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Panic));
    let driver = dependency.drive(&circuit);
    trip(&circuit);
    let ended = timeout(secs(100), driver).await.expect("in time");
    let panic = ended.expect_err("a panic").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"the check's"));
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    assert_eq!(totals(&circuit), (0, 1, 0, 0));
}

// D7, A5: so is one before there is a future, and one in the classifier.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_classifier_of_a_check_is_a_failure_and_ends_the_driver() {
    let circuit = fragile(|c| c);
    let panics = |_: Result<&(), &()>| std::panic::resume_unwind(Box::new("in the classifier"));
    let driver = tokio::spawn(circuit.probe_with_classifier(panics, async || Ok(())));
    trip(&circuit);
    assert!(timeout(secs(100), driver).await.expect("in time").is_err());
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
}

// D7, A4: cancel safe.
#[tokio::test(start_paused = true)]
async fn a_driver_that_is_dropped_abandons_its_check() {
    let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Hang));
    let driver = dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(6)).await;
    driver.abort();
    assert!(driver.await.expect_err("aborted").is_cancelled());
    assert_eq!(totals(&circuit), (0, 0, 1, 0));
    let probes = circuit.snapshot().probes.expect("half-open");
    assert_eq!(probes.in_flight, 0);
}

// D7, E4: it holds the circuit weakly.
#[tokio::test(start_paused = true)]
async fn a_driver_ends_with_its_circuit_whatever_it_was_at() {
    // Closed; open; with a check in flight; half-open and full.
    for stage in 0..4 {
        let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Hang));
        let kept = circuit.downgrade();
        if stage > 0 {
            trip(&circuit);
        }
        let driver = dependency.drive(&circuit);
        if stage == 2 {
            pass(secs(6)).await;
        }
        if stage == 3 {
            sleep(secs(5)).await;
            // Its break is over for both at once; whoever is first has the permit.
            let _ = circuit.try_acquire().map(std::mem::forget);
        }
        pass(MS).await;
        drop(circuit);
        assert!(kept.upgrade().is_none(), "stage {stage}");
        let ended = timeout(MS, driver).await;
        ended.expect("at once").expect("no panic");
        assert_eq!(dependency.running(), 0);
    }
}

// ---- among other calls -------------------------------------------------------------------------

// D7, D1: under the permits.
#[tokio::test(start_paused = true)]
async fn while_half_open_is_full_with_calls_the_driver_waits() {
    let (circuit, dependency) = (fragile(|c| c), Dependency::new(Act::Succeed));
    trip(&circuit);
    sleep(secs(5)).await;
    let call = circuit.try_acquire().expect("the probe");
    dependency.drive(&circuit);
    pass(secs(1)).await;
    assert_eq!(dependency.checked(), [0; 0]);
    // It says nothing, and gives its permit back.
    call.ignore();
    pass(MS).await;
    assert_eq!(dependency.checked(), [6]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7, D4: a lost probe of somebody's is found to have timed out, without a call.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_lost_is_timed_out_by_the_driver() {
    let circuit = fragile(|c| c.half_open_timeout(secs(7)));
    let dependency = Dependency::new(Act::Succeed);
    trip(&circuit);
    sleep(secs(5)).await;
    std::mem::forget(circuit.try_acquire().expect("the probe"));
    dependency.drive(&circuit);
    pass(secs(7)).await;
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbesTimedOut)
    );
    pass(secs(5)).await;
    assert_eq!(dependency.checked(), [17]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7: nobody was turned away by its waiting, and nobody who calls is.
#[tokio::test(start_paused = true)]
async fn forced_open_and_disabled_are_left_alone() {
    for mode in [Mode::ForcedOpen, Mode::Disabled] {
        let (circuit, dependency) = (fragile(|c| c.mode(mode)), Dependency::new(Act::Succeed));
        dependency.drive(&circuit);
        pass(secs(1_000)).await;
        assert_eq!(dependency.checked(), [0; 0]);
        assert_eq!(totals(&circuit), (0, 0, 0, 0));
        circuit.set_mode(Mode::Normal);
        trip(&circuit);
        pass(secs(6)).await;
        assert_eq!(dependency.checked(), [1_005]);
    }
}

// D7, E2: it notices the end of forced open, which takes no check, and then does what it always does.
#[tokio::test(start_paused = true)]
async fn forced_open_for_a_time_ends_without_a_check() {
    for mode in [Mode::Normal, Mode::Disabled] {
        let (circuit, dependency) = (fragile(|c| c.mode(mode)), Dependency::new(Act::Succeed));
        dependency.drive(&circuit);
        let force = |time| {
            circuit
                .force_open_for(By::default(), secs(time))
                .expect("it ends")
        };
        force(9);
        pass(secs(1)).await;
        force(6);
        pass(secs(6) - MS).await;
        assert_eq!(circuit.mode(), Mode::ForcedOpen);
        pass(MS + MS).await;
        assert_eq!((circuit.state(), circuit.mode()), (State::Closed, mode));
        assert_eq!(dependency.checked(), [0; 0]);
        circuit.set_mode(Mode::Normal);
        trip(&circuit);
        pass(secs(6)).await;
        assert_eq!(dependency.checked().len(), 1);
        assert_eq!(totals(&circuit), (1, 0, 0, 0));
    }
}

// D7, E1: what would be is shown.
#[tokio::test(start_paused = true)]
async fn a_driver_checks_in_shadow_too() {
    let circuit = fragile(|c| c.mode(Mode::Shadow).half_open_timeout(secs(7)));
    let dependency = Dependency::new(Act::Hang);
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(4)).await;
    assert_eq!(dependency.checked(), [0; 0]);
    pass(secs(9)).await;
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbesTimedOut)
    );
    dependency.now(Act::Succeed);
    pass(secs(5)).await;
    assert_eq!(dependency.checked(), [5, 17]);
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().totals.expect("counted").shadowed, 0);
}

// D7: by a clock that is not tokio's it looks again, and does not spin.
#[tokio::test(start_paused = true)]
async fn by_a_clock_of_another_kind_it_looks_again() {
    let clock = ManualClock::new();
    let circuit = fragile(|c| c.clock(clock.clone()));
    let dependency = Dependency::new(Act::Succeed);
    dependency.drive(&circuit);
    trip(&circuit);
    pass(secs(12)).await;
    assert_eq!(circuit.state(), State::Open);
    clock.advance(secs(5));
    pass(secs(3)).await;
    assert_eq!(dependency.checked(), [15]);
    assert_eq!(circuit.state(), State::Closed);
}

// D7: a check of an instant, and breaks of nothing, leave others their turn.
#[tokio::test(start_paused = true)]
async fn a_driver_never_keeps_others_from_running() {
    let open_for = tower_breaker::OpenFor::from_fn(|_| Duration::ZERO);
    let circuit = fragile(|c| c.open_for(open_for));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let check = async move || {
        if stopped.load(SeqCst) {
            Ok(())
        } else {
            Err(())
        }
    };
    tokio::spawn(circuit.probe_with_classifier(ErrorsOnly, check));
    circuit.trip(Duration::ZERO).expect("normal mode");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    stop.store(true, SeqCst);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(circuit.state(), State::Closed);
}

// ---- over real sockets -------------------------------------------------------------------------

// D7: a server that was down comes back, and no request was the guinea pig.
#[tokio::test]
async fn a_dead_server_comes_back_without_losing_a_request() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };
    let clock = ManualClock::new();
    let circuit = fragile(|c| c.clock(clock.clone()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let ask = async move || {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    assert!(circuit.call(ask()).await.is_err(), "nobody listens");
    let mut watch = circuit.watch();
    clock.advance(secs(5));
    let driver = tokio::spawn(circuit.probe_with(ask));
    // The break is over, a check fails.
    while totals(&circuit).1 < 2 {
        assert!(crate::sockets::patiently(watch.changed()).await.is_some());
    }
    assert_eq!(circuit.state(), State::Open);

    let listener = TcpListener::bind(address).await.expect("the same port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        }
    });
    clock.advance(secs(5));
    // By the clock of the test, the driver would look again in five seconds. A change makes it look now.
    circuit.set_mode(Mode::Shadow);
    circuit.set_mode(Mode::Normal);
    assert!(crate::sockets::patiently(watch.wait_for(State::Closed)).await);
    let answer = circuit.call(ask()).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200"));
    // The first request, the failed check; the good check, the last request. None was turned away.
    assert_eq!(totals(&circuit), (2, 2, 0, 0));
    drop(circuit);
    crate::sockets::patiently(driver).await.expect("it ends");
}
