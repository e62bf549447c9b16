//! A call may be given up at any of its await points: before its first poll, after so many polls for
//! every number there is, while it is rejected, when it has its answer. In every state of the circuit,
//! on every way in, and whatever has become of the circuit meanwhile.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitError, Mode, Snapshot, State, classify::ErrorsOnly,
    clock::ManualClock,
};

const BREAK: Duration = Duration::from_secs(5);
/// How often the inner service is not ready yet.
const UNREADY: usize = 2;
/// How often a future is pending, the inner one's and that of a fallback.
const PENDING: usize = 2;
/// Polls of the longest life: readiness, the call, and one that is ready.
const LONGEST: usize = UNREADY + PENDING + 1;

type Answer = Result<(), CircuitError<&'static str>>;
type Given = Pin<Box<dyn Future<Output = Answer>>>;

/// Not ready for a while, and then its futures are pending for a while.
#[derive(Clone, Default)]
struct Hesitant {
    asked: usize,
}

impl Service<()> for Hesitant {
    type Response = ();
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<(), &'static str>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.asked += 1;
        match self.asked > UNREADY {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.asked = 0;
        Box::pin(hesitate(Ok(())))
    }
}

/// `answer`, at the poll after so many pending ones.
async fn hesitate<T: Clone>(answer: T) -> T {
    let mut polls = 0;
    poll_fn(|_| {
        polls += 1;
        match polls > PENDING {
            true => Poll::Ready(answer.clone()),
            false => Poll::Pending,
        }
    })
    .await
}

// ---- ways in -----------------------------------------------------------------------------------

/// How a call comes in, and the number of polls before the one that admits it.
struct Way {
    name: &'static str,
    polls_before: usize,
    /// Polls of a rejection after the one in which it is made.
    polls_of_rejection: usize,
    give: fn(&Circuit) -> Given,
}

const WAYS: [Way; 4] = [
    Way {
        name: "oneshot",
        polls_before: UNREADY,
        polls_of_rejection: 0,
        give: |circuit| {
            let layer = CircuitBreakerLayer::new(circuit.clone()).classifier(ErrorsOnly);
            let service = layer.reject_as_error().layer(Hesitant::default());
            Box::pin(service.oneshot(()))
        },
    },
    Way {
        name: "oneshot with a fallback",
        polls_before: UNREADY,
        polls_of_rejection: PENDING,
        give: |circuit| {
            let layer = CircuitBreakerLayer::new(circuit.clone()).classifier(ErrorsOnly);
            let layer = layer.fallback(|_, ()| hesitate(Ok::<_, &'static str>(())));
            let layer = layer.without_time_out_answer();
            let answer = layer.layer(Hesitant::default()).oneshot(());
            Box::pin(async { answer.await.map_err(CircuitError::Inner) })
        },
    },
    Way {
        name: "Circuit::call",
        polls_before: 0,
        polls_of_rejection: 0,
        give: |circuit| {
            let circuit = circuit.clone();
            Box::pin(async move { circuit.call(hesitate(Ok(()))).await })
        },
    },
    Way {
        name: "a guard across an await",
        polls_before: 0,
        polls_of_rejection: 0,
        give: |circuit| {
            let circuit = circuit.clone();
            Box::pin(async move {
                let guard = circuit.try_acquire()?;
                hesitate(()).await;
                guard.success();
                Ok(())
            })
        },
    },
];

// ---- states ------------------------------------------------------------------------------------

struct Stage {
    circuit: Circuit,
    clock: ManualClock,
}

/// A state to come into, and whether it admits the call.
struct Scene {
    name: &'static str,
    admits: bool,
    enter: fn(&Stage),
}

const SCENES: [Scene; 8] = [
    Scene {
        name: "closed",
        admits: true,
        enter: |_| {},
    },
    Scene {
        name: "open",
        admits: false,
        enter: |stage| stage.circuit.trip(BREAK).unwrap(),
    },
    Scene {
        name: "forced open",
        admits: false,
        enter: |stage| assert!(stage.circuit.force_open()),
    },
    Scene {
        name: "the wait is over",
        admits: true,
        enter: Stage::break_is_over,
    },
    Scene {
        name: "half-open",
        admits: true,
        enter: |stage| {
            stage.break_is_over();
            stage.circuit.try_acquire().unwrap().ignore();
        },
    },
    Scene {
        name: "half-open and full",
        admits: false,
        enter: |stage| {
            stage.break_is_over();
            std::mem::forget([(); 2].map(|()| stage.circuit.try_acquire().unwrap()));
        },
    },
    Scene {
        name: "disabled",
        admits: true,
        enter: |stage| assert!(stage.circuit.set_mode(Mode::Disabled)),
    },
    Scene {
        name: "open in shadow",
        admits: true,
        enter: |stage| {
            stage.circuit.trip(BREAK).unwrap();
            assert!(stage.circuit.set_mode(Mode::Shadow));
        },
    },
];

impl Stage {
    fn new() -> Self {
        let clock = ManualClock::new();
        let circuit = Circuit::builder("given up")
            .consecutive_failures(1)
            .open_for(BREAK)
            .probes(2, 3)
            .permits(2)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { circuit, clock }
    }

    fn break_is_over(&self) {
        self.circuit.trip(BREAK).unwrap();
        self.clock.advance(BREAK);
    }

    /// Everything but the totals.
    fn look(&self) -> Snapshot {
        let mut seen = self.circuit.snapshot();
        seen.totals = None;
        seen
    }

    /// Calls successful, abandoned, rejected; and stale.
    fn ends(&self) -> (u64, u64, u64, u64) {
        let totals = self.circuit.snapshot().totals.unwrap();
        assert_eq!((totals.failed, totals.slow), (0, 0));
        (
            totals.successful,
            totals.abandoned,
            totals.rejected,
            totals.stale,
        )
    }

    /// A break, and then enough successes: the circuit is closed, so nobody sits on a seat.
    fn assert_recovers(&self) {
        self.circuit.set_mode(Mode::Normal);
        self.circuit.reset();
        self.break_is_over();
        let probes = [(); 2].map(|()| self.circuit.try_acquire().expect("a free seat"));
        probes.into_iter().for_each(|probe| probe.success());
        assert_eq!(self.circuit.state(), State::Closed);
    }
}

// ---- giving up ---------------------------------------------------------------------------------

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reached {
    Nothing,
    Rejected,
    InFlight,
    Answered,
}

fn reached(way: &Way, scene: &Scene, polls: usize) -> Reached {
    if !scene.admits {
        return match polls {
            0 => Reached::Nothing,
            _ => Reached::Rejected,
        };
    }
    match polls {
        polls if polls <= way.polls_before => Reached::Nothing,
        polls if polls <= way.polls_before + PENDING => Reached::InFlight,
        _ => Reached::Answered,
    }
}

/// Polls so often, or until the answer.
fn poll_times(call: &mut Given, polls: usize) -> usize {
    let context = &mut Context::from_waker(Waker::noop());
    let ready = (1..=polls).find(|_| call.as_mut().poll(context).is_ready());
    ready.unwrap_or(polls)
}

fn everywhere(check: impl Fn(&Way, &Scene, usize)) {
    for way in &WAYS {
        for scene in &SCENES {
            (0..=LONGEST).for_each(|polls| check(way, scene, polls));
        }
    }
}

// A2, A4, G1, G3, G5
#[test]
fn given_up_at_any_await_point_a_call_ends_once_and_leaves_nothing_behind() {
    everywhere(|way, scene, polls| {
        let what = format!("{}, {}, after {polls} polls", way.name, scene.name);
        let stage = Stage::new();
        (scene.enter)(&stage);
        let before = (stage.look(), stage.ends());
        let mut call = (way.give)(&stage.circuit);
        let polls = poll_times(&mut call, polls);
        drop(call);

        let reached = reached(way, scene, polls);
        let ended = match reached {
            Reached::Nothing => (0, 0, 0, 0),
            Reached::Rejected => (0, 0, 1, 0),
            Reached::InFlight => (0, 1, 0, 0),
            Reached::Answered => (1, 0, 0, 0),
        };
        let (successful, abandoned, rejected, stale) = before.1;
        let ended = (
            successful + ended.0,
            abandoned + ended.1,
            rejected + ended.2,
            stale,
        );
        assert_eq!(stage.ends(), ended, "{what}");
        if matches!(reached, Reached::Nothing | Reached::Rejected) {
            assert_eq!(stage.look(), before.0, "{what}");
        }
        let leaked = if scene.name == "half-open and full" {
            2
        } else {
            0
        };
        let probes = stage.circuit.snapshot().probes;
        assert_eq!(probes.map_or(leaked, |p| p.in_flight), leaked, "{what}");
        stage.assert_recovers();
    });
}

/// The lives are as long as they are meant to be: with one poll less than that, nobody has an answer.
// A4, G1
#[test]
fn a_call_that_is_not_given_up_is_answered_at_the_last_poll_there_is() {
    for way in &WAYS {
        for scene in &SCENES {
            let stage = Stage::new();
            (scene.enter)(&stage);
            let polls = match scene.admits {
                true => way.polls_before + PENDING + 1,
                false => 1 + way.polls_of_rejection,
            };
            let mut call = (way.give)(&stage.circuit);
            assert_eq!(
                poll_times(&mut call, 100),
                polls,
                "{}, {}",
                way.name,
                scene.name
            );
        }
    }
}

// ---- and meanwhile -----------------------------------------------------------------------------

type Meanwhile = fn(&Stage);

/// What people may do to the circuit while a call goes on. Each begins a new era.
const MEANWHILE: [(&str, Meanwhile); 5] = [
    ("reset", |stage| stage.circuit.reset()),
    ("tripped", |stage| {
        stage.circuit.set_mode(Mode::Normal);
        stage.circuit.trip(BREAK).unwrap();
    }),
    ("half-open with a probe", |stage| {
        stage.circuit.set_mode(Mode::Normal);
        stage.break_is_over();
        std::mem::forget(stage.circuit.try_acquire().unwrap());
    }),
    ("forced open", |stage| {
        stage.circuit.reset();
        assert!(stage.circuit.force_open());
    }),
    ("released", |stage| {
        stage.circuit.force_open();
        assert!(stage.circuit.release());
    }),
];

// C4, D1, E2, G2
#[test]
fn given_up_in_a_later_era_it_is_counted_and_changes_nothing() {
    for (name, meanwhile) in MEANWHILE {
        everywhere(|way, scene, polls| {
            let stage = Stage::new();
            (scene.enter)(&stage);
            let mut call = (way.give)(&stage.circuit);
            let polls = poll_times(&mut call, polls);
            meanwhile(&stage);
            let (seen, stale) = (stage.look(), stage.ends().3);
            drop(call);

            let what = format!("{}, {}, {polls} polls, {name}", way.name, scene.name);
            assert_eq!(stage.look(), seen, "{what}");
            let decides = !matches!(scene.name, "disabled" | "open in shadow");
            let overtaken = reached(way, scene, polls) == Reached::InFlight && decides;
            assert_eq!(stage.ends().3, stale + u64::from(overtaken), "{what}");
            stage.assert_recovers();
        });
    }
}
