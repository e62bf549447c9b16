//! The obvious home-made one: a mutex around a `VecDeque<bool>`.
//!
//! Written as one writes it in an afternoon: ask, call, tell. When the break is over the next call is
//! the probe, and its result decides.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, closure, future},
    scenarios::{CoreSubject, Ended, Scripted, Subject},
    work::work,
};

const NAME: &str = "a mutex and a VecDeque";

struct HomeMade {
    inside: Mutex<Inside>,
    break_for: Duration,
}

struct Inside {
    phase: Phase,
    failed: VecDeque<bool>,
    failures: u32,
}

enum Phase {
    Closed,
    Open(Instant),
    HalfOpen,
}

impl HomeMade {
    fn new(break_for: Duration) -> Arc<Self> {
        Arc::new(Self {
            inside: Mutex::new(Inside {
                phase: Phase::Closed,
                failed: VecDeque::with_capacity(WINDOW as usize),
                failures: 0,
            }),
            break_for,
        })
    }

    fn admits(&self) -> bool {
        let mut inside = self.inside.lock();
        match inside.phase {
            Phase::Closed => true,
            Phase::Open(since) if since.elapsed() >= self.break_for => {
                inside.phase = Phase::HalfOpen;
                true
            }
            Phase::Open(_) | Phase::HalfOpen => false,
        }
    }

    fn tell(&self, failed: bool) {
        let mut inside = self.inside.lock();
        match (&inside.phase, failed) {
            (Phase::Closed, _) => inside.note(failed),
            (Phase::HalfOpen, true) => inside.phase = Phase::Open(Instant::now()),
            (Phase::HalfOpen, false) => inside.close(),
            (Phase::Open(_), _) => {}
        }
    }
}

impl Inside {
    fn note(&mut self, failed: bool) {
        if self.failed.len() == WINDOW as usize {
            self.failures -= u32::from(self.failed.pop_front() == Some(true));
        }
        self.failed.push_back(failed);
        self.failures += u32::from(failed);
        if self.failed.len() == WINDOW as usize && self.failures * 2 >= WINDOW {
            self.phase = Phase::Open(Instant::now());
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.failed.clear();
        self.failures = 0;
    }
}

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of the last 100 calls, which must be there; parking_lot's mutex; one probe; no guard",
        permits: |_| Some(1),
        span: None,
        subject,
    }
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let circuit = HomeMade::new(plan.break_for);
    Box::new(CoreSubject(move |job| {
        let (circuit, scripted) = (circuit.clone(), scripted.clone());
        async move {
            if !circuit.admits() {
                return Ended::Refused;
            }
            let failed = scripted.later(job).await.is_err();
            circuit.tell(failed);
            if failed {
                Ended::Failed
            } else {
                Ended::Answered
            }
        }
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    vec![
        future(NAME, |_| {
            let circuit = HomeMade::new(LONG);
            async move |request| {
                if !circuit.admits() {
                    return false;
                }
                let failed = async { work(request) }.await.is_err();
                circuit.tell(failed);
                !failed
            }
        }),
        closure(NAME, |_| {
            let circuit = HomeMade::new(LONG);
            move |request| {
                if !circuit.admits() {
                    return false;
                }
                let failed = work(request).is_err();
                circuit.tell(failed);
                !failed
            }
        }),
    ]
}
