//! When a waiting service is woken (G7): at the instant, or at the event, and never for nothing.

use std::{mem::forget, sync::atomic::Ordering::SeqCst};

use tower_breaker::{By, Guard, Outcome, clock::Clock};

use super::*;

const REOPENS: &str = "half-open -> open: the probes timed out, open for 5s";
const ONE_MILLI: Duration = Duration::from_millis(1);

/// The waiter is pending, is woken when `time` has passed and not a millisecond before, and once.
async fn is_woken_after(waiter: &mut Waiter, time: Duration) {
    waiter.is_pending();
    advance(time - ONE_MILLI).await;
    waiter.woken(0);
    advance(ONE_MILLI).await;
    waiter.woken(1);
}

// ---- instants ----------------------------------------------------------------------------------

// G7, C1
#[tokio::test(start_paused = true)]
async fn the_end_of_the_break_wakes_once() {
    let circuit = open();
    let mut waiter = Waiter::on(&circuit);
    is_woken_after(&mut waiter, secs(5)).await;
    waiter.is_ready();
    // C5: nobody has called.
    assert_eq!(circuit.state(), State::Open);
    advance(secs(100)).await;
    waiter.woken(0);
}

// G7: those who come later wait for what is left.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_break_wakes_everybody_at_once() {
    let circuit = open();
    let mut early = Waiter::on(&circuit);
    early.is_pending();
    advance(secs(4)).await;
    let mut late = Waiter::on(&circuit);
    is_woken_after(&mut late, secs(1)).await;
    early.woken(1);
}

// G7: a deadline of less than what a timer can tell is not missed, and not polled for.
#[tokio::test(start_paused = true)]
async fn a_break_of_nanoseconds_is_over_at_the_next_tick_of_the_timer() {
    let circuit = fragile(|builder| builder);
    circuit.trip(Duration::from_nanos(1)).expect("normal mode");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    advance(ONE_MILLI).await;
    waiter.woken(1);
    waiter.is_ready();
}

// G7: a break that never ends is like any other to the timer.
#[tokio::test(start_paused = true)]
async fn a_break_without_end_is_waited_for_until_somebody_ends_it() {
    let circuit = fragile(|builder| builder);
    circuit.trip(Duration::MAX).expect("normal mode");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    advance(secs(365 * 24 * 60 * 60)).await;
    waiter.woken(0);
    circuit.reset();
    waiter.woken(1);
    waiter.is_ready();
}

// D4, G7: there is nobody else to notice that the probe is lost.
#[tokio::test(start_paused = true)]
async fn a_waiter_finds_the_probes_timed_out() {
    let log = Log::default();
    let circuit = full(|builder| log.listen(builder)).await;
    forget(circuit.try_acquire());
    log.take();
    let mut waiter = Waiter::on(&circuit);
    is_woken_after(&mut waiter, secs(7)).await;
    assert_eq!((circuit.state(), log.take().len()), (State::HalfOpen, 0));
    is_woken_after(&mut waiter, secs(5)).await;
    assert_eq!(log.take(), [REOPENS]);
    waiter.is_ready();
}

// D4, E4: however many wait, it is told once.
#[tokio::test(start_paused = true)]
async fn of_several_waiters_one_tells_that_the_probes_timed_out() {
    let log = Log::default();
    let circuit = full(|builder| log.listen(builder)).await;
    forget(circuit.try_acquire());
    log.take();
    let mut waiters = [(); 3].map(|()| Waiter::on(&circuit));
    waiters.iter_mut().for_each(Waiter::is_pending);
    advance(secs(7)).await;
    waiters.iter_mut().for_each(Waiter::is_pending);
    assert_eq!(log.take(), [REOPENS]);
    // Woken by the timer; who was polled first has woken the others no more than that.
    for waiter in &waiters {
        assert!((1..=2).contains(&waiter.wakes.take()));
    }
    advance(secs(5)).await;
    waiters.iter_mut().for_each(|waiter| waiter.woken(1));
}

// D4, G7: a first poll that comes late finds it, too, and waits for the new break.
#[tokio::test(start_paused = true)]
async fn a_first_poll_after_the_timeout_reopens_at_once() {
    let log = Log::default();
    let circuit = full(|builder| log.listen(builder)).await;
    forget(circuit.try_acquire());
    log.take();
    advance(secs(1000)).await;
    let mut waiter = Waiter::on(&circuit);
    is_woken_after(&mut waiter, secs(5)).await;
    assert_eq!(log.take(), [REOPENS]);
}

// D4: each admission begins the wait for the probes anew.
#[tokio::test(start_paused = true)]
async fn a_later_probe_puts_the_timeout_off() {
    let circuit = full(|builder| builder.permits(1)).await;
    let probe = circuit.try_acquire().expect("the probe");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    advance(secs(6)).await;
    probe.ignore();
    let _probe = circuit.try_acquire().expect("another");
    waiter.woken(1);
    is_woken_after(&mut waiter, secs(7)).await;
}

// ---- events ------------------------------------------------------------------------------------

type Control = fn(&Circuit);

// G7, E2, E3
#[tokio::test(start_paused = true)]
async fn whoever_ends_the_break_wakes_at_once() {
    let ends: [Control; 3] = [
        |circuit| circuit.reset(),
        |circuit| assert!(circuit.set_mode(Mode::Shadow)),
        |circuit| assert!(circuit.set_mode(Mode::Disabled)),
    ];
    for end in ends {
        let circuit = open();
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        end(&circuit);
        waiter.woken(1);
        waiter.is_ready();
        // Nothing is left of the old deadline.
        advance(secs(10)).await;
        waiter.woken(0);
    }
}

// G7, E2
#[tokio::test(start_paused = true)]
async fn whoever_ends_half_open_wakes_at_once() {
    let ends: [Control; 2] = [
        |circuit| circuit.reset(),
        |circuit| assert!(circuit.set_mode(Mode::Shadow)),
    ];
    for end in ends {
        let circuit = full(|builder| builder).await;
        let _probe = circuit.try_acquire().expect("the probe");
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        end(&circuit);
        waiter.woken(1);
        waiter.is_ready();
    }
}

// G7, E2: no instant ends forced open, so none wakes.
#[tokio::test(start_paused = true)]
async fn forced_open_waits_for_a_person() {
    let ends: [Control; 3] = [
        |circuit| assert!(circuit.release()),
        |circuit| circuit.reset(),
        |circuit| assert!(circuit.set_mode(Mode::Normal)),
    ];
    for end in ends {
        let circuit = fragile(|builder| builder);
        circuit.force_open();
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        advance(secs(365 * 24 * 60 * 60)).await;
        waiter.woken(0);
        waiter.is_pending();
        end(&circuit);
        waiter.woken(1);
        waiter.is_ready();
    }
}

// G7, E2: but where that was said, its time does, and whoever waits may be the only one to notice.
#[tokio::test(start_paused = true)]
async fn the_end_of_forced_open_wakes_and_is_noticed() {
    let log = Log::default();
    let circuit = fragile(|builder| log.listen(builder));
    let force = |time| {
        circuit
            .force_open_for(By::default(), secs(time))
            .expect("it ends")
    };
    force(7);
    let mut waiter = Waiter::on(&circuit);
    is_woken_after(&mut waiter, secs(7)).await;
    log.take();
    assert_eq!(circuit.mode(), Mode::ForcedOpen);
    waiter.is_ready();
    let told =
        "open -> closed (forced open -> normal): the time is over for which it was forced open";
    assert_eq!(log.take(), [told]);
    // A time that a person lengthens, shortens, or makes endless.
    for other in [3, 9] {
        force(5);
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        force(other);
        waiter.woken(1);
        is_woken_after(&mut waiter, secs(other)).await;
        waiter.is_ready();
    }
    force(5);
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    circuit.force_open();
    waiter.woken(1);
    waiter.is_pending();
    advance(secs(1_000_000)).await;
    waiter.is_pending();
}

// G7: a break that a person lengthens, shortens, or makes endless.
#[tokio::test(start_paused = true)]
async fn a_new_deadline_is_the_one_that_wakes() {
    for other in [1, 9] {
        let circuit = open();
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        circuit.trip(secs(other)).expect("normal mode");
        waiter.woken(1);
        is_woken_after(&mut waiter, secs(other)).await;
        waiter.is_ready();
    }
    let circuit = open();
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    circuit.force_open();
    waiter.woken(1);
    waiter.is_pending();
    advance(secs(1000)).await;
    waiter.woken(0);
}

// G7, A2, A4, D2: a probe that decides nothing makes room for another.
#[tokio::test(start_paused = true)]
async fn a_probe_that_decides_nothing_wakes() {
    let ends: [fn(Guard<'_>); 4] = [
        |probe| probe.ignore(),
        |probe| drop(probe),
        |probe| probe.success(),
        |probe| probe.failure(),
    ];
    for end in ends {
        let circuit = full(|builder| builder.probes(2, 3).permits(1)).await;
        let probe = circuit.try_acquire().expect("the probe");
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        end(probe);
        waiter.woken(1);
        assert_eq!(circuit.state(), State::HalfOpen);
        waiter.is_ready();
    }
}

// G7, D2: a probe that decides.
#[tokio::test(start_paused = true)]
async fn a_probe_that_decides_wakes() {
    let circuit = full(|builder| builder).await;
    let probe = circuit.try_acquire().expect("the probe");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    probe.finish(Outcome::TripFor(secs(3)));
    waiter.woken(1);
    is_woken_after(&mut waiter, secs(3)).await;
    let probe = circuit.try_acquire().expect("the next probe");
    waiter.woken(1);
    waiter.is_pending();
    probe.success();
    waiter.woken(1);
    waiter.is_ready();
}

// G7: two of three permits are taken, which holds nobody up; ends of calls that hold none wake nobody.
#[tokio::test(start_paused = true)]
async fn nobody_is_woken_for_a_call_of_a_closed_circuit() {
    let circuit = fragile(|builder| builder.consecutive_failures(100));
    let early = [(); 3].map(|()| circuit.try_acquire().expect("closed"));
    circuit.trip(secs(5)).expect("normal mode");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    let [one, two, three] = early;
    one.success();
    two.failure();
    drop(three);
    for _ in 0..100 {
        assert!(circuit.try_acquire().is_err());
    }
    waiter.woken(0);
}

// A6, G7: between its permit and its failure, a probe that failed in readiness was a probe, and whoever
// looked just then waits for it.
#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_in_readiness_wakes() {
    let waiter: Arc<Mutex<Option<Waiter>>> = Arc::default();
    let looking = waiter.clone();
    let builder = |builder: CircuitBuilder| {
        builder.probes(1, 2).permits(1).on_transition(move |_, to| {
            if to.to == State::HalfOpen {
                let mut waiter = looking.lock().expect("not poisoned");
                waiter.as_mut().expect("a waiter").is_pending();
            }
        })
    };
    let circuit = full(builder).await;
    *waiter.lock().expect("not poisoned") = Some(Waiter::on(&circuit));

    let inner = Echo::default();
    *inner.readiness.lock().expect("not poisoned") = Some(Poll::Ready(Err(Down)));
    let mut failing = Waiter::of(layer(&circuit).layer(inner));
    assert!(matches!(failing.poll(), Poll::Ready(Err(_))));

    let mut waiter = waiter.lock().expect("not poisoned").take();
    let waiter = waiter.as_mut().expect("a waiter");
    assert_eq!(circuit.state(), State::HalfOpen);
    waiter.woken(1);
    waiter.is_ready();
}

// ---- tasks -------------------------------------------------------------------------------------

// Service::poll_ready: the last task that asked is the one to wake.
#[tokio::test(start_paused = true)]
async fn the_last_task_that_asked_is_woken() {
    for by_hand in [false, true] {
        let circuit = open();
        let mut waiter = Waiter::on(&circuit);
        waiter.is_pending();
        let former = std::mem::take(&mut waiter.wakes);
        waiter.is_pending();
        match by_hand {
            true => circuit.reset(),
            false => advance(secs(5)).await,
        }
        waiter.woken(1);
        assert_eq!(former.take(), 0);
        waiter.is_ready();
    }
}

// G7: a waiter that nobody has polled since finds things as they are, not as they were.
#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_late_finds_the_circuit_as_it_is() {
    let circuit = open();
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    circuit.reset();
    circuit.trip(secs(9)).expect("normal mode");
    waiter.woken(1);
    is_woken_after(&mut waiter, secs(9)).await;
    circuit.trip(secs(2)).expect("normal mode");
    waiter.woken(1);
    is_woken_after(&mut waiter, secs(2)).await;
    waiter.is_ready();
}

// G7: the same, by a real task, which sleeps in between.
#[tokio::test(start_paused = true)]
async fn a_task_that_waits_goes_on_at_the_deadline() {
    let circuit = open();
    let inner = Echo::default();
    let service = layer(&circuit).pending_while_open().layer(inner.clone());
    let began = tokio::time::Instant::now();
    // Nothing else runs, so the paused clock goes from timer to timer.
    service.oneshot(Ok(())).await.expect("an answer");
    assert_eq!(began.elapsed(), secs(5));
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(inner.called.load(SeqCst), 1);
}

// ---- other clocks ------------------------------------------------------------------------------

fn on_a_clock(clock: &ManualClock) -> Circuit {
    let circuit = fragile(|builder| builder.clock(clock.clone()));
    circuit.trip(secs(5)).expect("normal mode");
    circuit
}

// G7: the circuit's clock decides, not the timer's; and one that stands still is not polled.
#[tokio::test(start_paused = true)]
async fn with_a_clock_that_is_behind_the_timer_the_rest_is_waited_for() {
    let clock = ManualClock::new();
    let mut waiter = Waiter::on(&on_a_clock(&clock));
    is_woken_after(&mut waiter, secs(5)).await;
    clock.advance(secs(3));
    is_woken_after(&mut waiter, secs(2)).await;
    clock.advance(secs(2));
    waiter.is_ready();
}

// G7: a clock that is ahead of the timer wakes nobody, but whoever asks is told.
#[tokio::test(start_paused = true)]
async fn with_a_clock_that_is_ahead_of_the_timer_whoever_asks_is_ready() {
    let clock = ManualClock::new();
    let mut waiter = Waiter::on(&on_a_clock(&clock));
    waiter.is_pending();
    clock.advance(secs(5));
    waiter.woken(0);
    waiter.is_ready();
}

// D4, G7: the same for probes that have timed out.
#[tokio::test(start_paused = true)]
async fn with_a_clock_that_is_ahead_of_the_timer_whoever_asks_finds_the_probes_timed_out() {
    let (clock, log) = (ManualClock::new(), Log::default());
    let circuit =
        fragile(|builder| log.listen(builder.clock(clock.clone()).half_open_timeout(secs(7))));
    circuit.trip(secs(5)).expect("normal mode");
    clock.advance(secs(5));
    forget(circuit.try_acquire());
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    log.take();
    clock.advance(secs(7));
    waiter.is_pending();
    assert_eq!(log.take(), [REOPENS]);
    clock.advance(secs(5));
    waiter.is_ready();
}

/// A clock that begins to go back and forth.
#[derive(Clone, Default)]
struct Seesaw {
    steady: ManualClock,
    /// How often it has been read since.
    swings: Arc<AtomicU64>,
}

const STILL: u64 = u64::MAX;
/// Then it stands still, so that a poll that would never end does.
const TOO_OFTEN: u64 = 1_000;

impl Clock for Seesaw {
    fn now(&self) -> Duration {
        let swing = |read| (read < TOO_OFTEN).then(|| read + 1);
        let read = self.swings.fetch_update(SeqCst, SeqCst, swing);
        let ahead = read.is_ok_and(|read| read % 2 == 1);
        self.steady.now() + if ahead { secs(100) } else { secs(0) }
    }
}

// G7: a clock that goes back may be misunderstood, but nobody is stuck with it.
#[tokio::test(start_paused = true)]
async fn with_a_clock_that_goes_back_again_and_again_a_poll_comes_to_an_end() {
    for (half_open, phase) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let clock = Seesaw::default();
        clock.swings.store(STILL, SeqCst);
        let circuit = fragile(|builder| builder.clock(clock.clone()).half_open_timeout(secs(7)));
        circuit.trip(secs(5)).expect("normal mode");
        if half_open {
            clock.steady.advance(secs(5));
            forget(circuit.try_acquire());
        }
        clock.swings.store(phase, SeqCst);
        let _ = Waiter::on(&circuit).poll();
        let read = clock.swings.load(SeqCst);
        assert!(read < 20, "{half_open}, {phase}: read {read} times");
    }
}
