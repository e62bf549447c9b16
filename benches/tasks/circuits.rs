//! Circuits, and calls through them without Tower.

use std::{
    future::{Future, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use tower_breaker::{
    Circuit, CircuitBuilder,
    clock::{Clock, ManualClock},
};

use super::{Maker, maker, repeat};

const LONG: Duration = Duration::from_secs(3_600);
/// Long enough for a bench, and as short as breaks are.
pub(crate) const BREAK: Duration = Duration::from_secs(90);

/// A clock that costs nothing, to see what a window costs without it.
pub(crate) struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// The system's clock, read directly. The default, tokio's, is the same thing, but not in this build:
/// the tests' feature `test-util` makes it look for a runtime first.
pub(crate) struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn circuit(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let clock = SystemClock(Instant::now());
    let builder = Circuit::builder("bench")
        .open_for(LONG)
        .totals(false)
        .clock(clock);
    configure(builder).build().expect("valid")
}

/// Every call succeeds.
pub(crate) fn successes(circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        repeat(move || circuit.try_acquire().expect("closed").success())
    })
}

/// One call in so many fails.
pub(crate) fn one_fails_in(calls: u64, circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        let mut call = 0;
        repeat(move || {
            call += 1;
            let guard = circuit.try_acquire().expect("closed");
            if call % calls == 0 {
                guard.failure();
            } else {
                guard.success();
            }
        })
    })
}

pub(crate) fn consecutive() -> Circuit {
    circuit(|c| c.consecutive_failures(5))
}

pub(crate) fn count(size: u32) -> Circuit {
    circuit(|c| c.count_window(size).failure_rate(0.5))
}

/// A count window that has just failed once, and is so large that it never comes clean.
pub(crate) fn with_a_failure() -> Circuit {
    let circuit = circuit(|c| {
        c.count_window(65_536)
            .failure_rate(1.0)
            .minimum_calls(65_536)
    });
    circuit.try_acquire().expect("closed").failure();
    circuit
}

pub(crate) fn time_window(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    circuit(|c| configure(c.time_window(Duration::from_secs(60)).failure_rate(0.5)))
}

/// Every call's time is taken.
pub(crate) fn timed(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    circuit(|c| {
        let slow = c.count_window(100).slow_call_duration(LONG);
        configure(slow.slow_call_rate(0.5))
    })
}

pub(crate) fn open() -> Circuit {
    tripped(consecutive())
}

pub(crate) fn tripped(circuit: Circuit) -> Circuit {
    circuit.trip(BREAK).expect("normal mode");
    circuit
}

pub(crate) fn rejections(circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        repeat(move || {
            black_box(circuit.try_acquire().is_err());
        })
    })
}

/// Successes of many circuits in turn.
pub(crate) fn successes_of(circuits: usize, make: impl Fn() -> Circuit) -> Maker {
    let circuits: Vec<Circuit> = (0..circuits).map(|_| make()).collect();
    maker(move || {
        let circuits = circuits.clone();
        let mut next = 0;
        repeat(move || {
            next = (next + 1) % circuits.len();
            circuits[next].try_acquire().expect("closed").success();
        })
    })
}

/// So many calls a second, by the circuit's clock: a minute of them at the least is behind them when
/// they are measured. One in a hundred fails.
pub(crate) fn calls_a_second(rate: u64) -> Maker {
    maker(move || {
        let clock = ManualClock::new();
        let circuit = time_window(|c| c.clock(clock.clone()));
        let pause = Duration::from_secs(1) / u32::try_from(rate).expect("a rate");
        let mut call = 0;
        let mut work = repeat(move || {
            clock.advance(pause);
            call += 1;
            let guard = circuit.try_acquire().expect("closed");
            if call % 100 == 0 {
                guard.failure();
            } else {
                guard.success();
            }
        });
        work(60 * rate);
        work
    })
}

/// Futures through a circuit that admits them, without Tower and without a reference count.
pub(crate) fn futures(circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        repeat(move || {
            let mut context = Context::from_waker(Waker::noop());
            let call = pin!(circuit.call(ready(Ok::<u64, u64>(black_box(1)))));
            let _ = black_box(call.poll(&mut context).is_ready());
        })
    })
}

/// One failure that trips, one break, one probe that closes.
pub(crate) fn outages() -> Maker {
    maker(|| {
        let clock = ManualClock::new();
        let open_for = Duration::from_secs(1);
        let circuit = Circuit::builder("bench")
            .consecutive_failures(1)
            .open_for(open_for)
            .clock(clock.clone())
            .build()
            .expect("valid");
        repeat(move || {
            circuit.try_acquire().expect("closed").failure();
            clock.advance(open_for);
            circuit.try_acquire().expect("a probe").success();
        })
    })
}

/// What [`futures`] does, without a circuit.
pub(crate) fn bare_futures() -> Maker {
    maker(|| {
        repeat(|| {
            let mut context = Context::from_waker(Waker::noop());
            let future = pin!(ready(Ok::<u64, u64>(black_box(1))));
            let _ = black_box(future.poll(&mut context).is_ready());
        })
    })
}
