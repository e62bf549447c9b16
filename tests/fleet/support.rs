//! Instances of a fleet in one process, and a store that does not do what it should.

use std::{
    future::{Future, pending},
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};
use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, State,
    fleet::{
        Answer, Fleet, Memory, Store, StoreError,
        wire::{Decide, Decided, Exchange, Exchanged, Odd, Stored, Told},
    },
    observe::Why,
};

pub(crate) use crate::support::{millis, secs};

/// One instance: a fleet with one circuit, whose future runs.
pub(crate) struct Instance {
    pub(crate) circuit: Circuit,
    pub(crate) fleet: Fleet,
    pub(crate) task: JoinHandle<()>,
}

/// At a call a second no instance ever has ten in its window.
pub(crate) fn quiet(builder: CircuitBuilder) -> CircuitBuilder {
    builder
        .time_window(secs(8))
        .failure_rate(0.5)
        .minimum_calls(10)
        .open_for(secs(5))
        .probe_timeout(secs(1))
}

impl Instance {
    pub(crate) fn new(
        store: impl Store,
        configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
    ) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let builder = Circuit::builder("payments").shared(Agreement::default());
        let builder = configure(builder).fleet(&fleet);
        let circuit = builder.build().expect("settings that make sense");
        let task = tokio::spawn(fleet.run(store));
        Self {
            circuit,
            fleet,
            task,
        }
    }

    /// Makes a call, if it is admitted, that succeeds or fails. Returns whether it was made.
    pub(crate) fn call(&self, succeeds: bool) -> bool {
        let Ok(guard) = self.circuit.try_acquire() else {
            return false;
        };
        match succeeds {
            true => guard.success(),
            false => guard.failure(),
        }
        true
    }

    pub(crate) fn state(&self) -> State {
        self.circuit.state()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Each instance calls once a second, and nobody else. Returns how many calls were made.
pub(crate) async fn calls_for(
    instances: &[&Instance],
    time: Duration,
    succeeds: impl Fn() -> bool,
) -> u32 {
    let mut made = 0;
    let between = secs(1) / u32::try_from(instances.len()).unwrap_or(1);
    let mut passed = Duration::ZERO;
    while passed < time {
        for instance in instances {
            made += u32::from(instance.call(succeeds()));
            sleep(between).await;
            passed += between;
        }
    }
    made
}

/// What is wrong with a [`Faulty`] store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It has an error of this kind.
    Error(Why),
    /// It tells what it has, and has this error whenever it is told something.
    TakesNothing(Why),
    /// It never answers.
    Silent,
    /// It answers, but only after so long.
    Late(Duration),
    Panics,
    /// It panics before there is a future.
    PanicsAtOnce,
    /// It answers for one circuit less than it was asked for.
    Fewer,
    /// And for one more.
    More,
    /// It cannot read what it has of any circuit.
    Odd,
    /// What it says of each circuit is far out of range.
    OutOfRange,
}

/// A store in memory that does not do what it should.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) memory: Memory,
    fault: Arc<Mutex<Fault>>,
    /// How often it was asked.
    pub(crate) asked: Arc<AtomicU64>,
    /// How many questions were under way at once, at most.
    pub(crate) at_once: Arc<AtomicU64>,
    under_way: Arc<AtomicU64>,
    /// Of how many circuits it was asked at once, at most.
    pub(crate) most_looks: Arc<AtomicUsize>,
    hints: Arc<Mutex<Hints>>,
}

#[derive(Clone, Copy, Debug)]
enum Hints {
    OfTheMemory,
    Always,
    Panics,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self::of(Memory::new())
    }

    pub(crate) fn of(memory: Memory) -> Self {
        Self {
            memory,
            fault: Arc::new(Mutex::new(Fault::None)),
            asked: Arc::default(),
            at_once: Arc::default(),
            under_way: Arc::default(),
            most_looks: Arc::default(),
            hints: Arc::new(Mutex::new(Hints::OfTheMemory)),
        }
    }

    pub(crate) fn is(&self, fault: Fault) {
        *self.fault.lock().expect("a fault") = fault;
    }

    pub(crate) fn times_asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    pub(crate) fn always_hints(&self) {
        *self.hints.lock().expect("hints") = Hints::Always;
    }

    pub(crate) fn panics_in_hints(&self) {
        *self.hints.lock().expect("hints") = Hints::Panics;
    }

    fn begin(&self) -> (Fault, UnderWay) {
        self.asked.fetch_add(1, Relaxed);
        let now = self.under_way.fetch_add(1, Relaxed) + 1;
        self.at_once.fetch_max(now, Relaxed);
        let fault = *self.fault.lock().expect("a fault");
        (fault, UnderWay(self.under_way.clone()))
    }
}

struct UnderWay(Arc<AtomicU64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Without a word on the console.
fn panics() -> ! {
    resume_unwind(Box::new("a store of somebody else's"))
}

async fn suffer(fault: Fault) -> Result<(), StoreError> {
    match fault {
        Fault::Error(why) => return Err(StoreError::new(why, "as told")),
        Fault::Silent => pending().await,
        Fault::Late(time) => sleep(time).await,
        Fault::Panics => panics(),
        _ => {}
    }
    Ok(())
}

fn takes(fault: Fault) -> Result<(), StoreError> {
    match fault {
        Fault::TakesNothing(why) => Err(StoreError::new(why, "as told")),
        _ => Ok(()),
    }
}

impl Store for Faulty {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.most_looks.fetch_max(ask.circuits.len(), Relaxed);
        let (fault, under_way) = self.begin();
        if fault == Fault::PanicsAtOnce {
            panics();
        }
        Box::pin(async move {
            let _under_way = under_way;
            suffer(fault).await?;
            if ask.circuits.iter().any(|look| look.report.is_some()) {
                takes(fault)?;
            }
            let mut told = self.memory.exchange(ask).await?;
            match fault {
                Fault::Fewer if told.circuits.pop().is_some() => {}
                Fault::Fewer | Fault::More => told.circuits.push(Err(Odd::default())),
                Fault::Odd => told
                    .circuits
                    .iter_mut()
                    .for_each(|it| *it = Err(Odd::default())),
                Fault::OutOfRange => told.circuits.iter_mut().for_each(spoil),
                _ => {}
            }
            Ok(told)
        })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        let (fault, under_way) = self.begin();
        if fault == Fault::PanicsAtOnce {
            panics();
        }
        Box::pin(async move {
            let _under_way = under_way;
            suffer(fault).await?;
            takes(fault)?;
            let odd = [Fault::Fewer, Fault::More, Fault::Odd, Fault::OutOfRange];
            if odd.contains(&fault) {
                return Err(StoreError::new(Why::Nonsense, "no record of ours"));
            }
            self.memory.decide(ask).await
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match *self.hints.lock().expect("hints") {
            Hints::OfTheMemory => self.memory.hint(),
            Hints::Always => Box::pin(async {}),
            Hints::Panics => panics(),
        }
    }
}

fn spoil(told: &mut Result<Told, Odd>) {
    if let Ok(told) = told {
        told.standing.stamp.era = u64::MAX;
        told.standing.state = Stored::Open { left: u64::MAX };
    }
}
