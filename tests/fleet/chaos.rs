//! N4 to N7: whatever happens in whatever order, once it is over nobody is held for ever.

use std::{
    future::{Future, pending},
    pin::Pin,
};

use tokio::time::{sleep, timeout};
use tower_breaker::{
    Agreement, By, Circuit, Mode, OwnedGuard, State,
    fleet::{
        Answer, Fleet, Memory, Store,
        wire::{
            Changed, Decide, Decided, Done, Exchange, Exchanged, How, Key, LAST_COUNT, LAST_ERA,
            LAST_MILLIS, Lease, Look, Odd, Stamp, Standing, Stored, StoredMode, Sums, Text, Told,
        },
    },
    observe::Why,
};

use crate::fleet_support::{Fault, Faulty, Instance, millis, quiet, secs};

/// Numbers by chance, the same for each seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }
}

struct One {
    it: Instance,
    store: Faulty,
    probes: Vec<OwnedGuard>,
}

fn circuit(fleet: &Fleet, seed: u64) -> Circuit {
    let agreement = Agreement::of(if seed % 3 == 0 { 1 } else { 2 })
        .trip_now(seed % 2 == 0)
        .stay_open_when_detached(seed % 5 == 0);
    let builder = quiet(Circuit::builder("payments")).minimum_calls(4);
    let builder = match seed % 4 {
        0 => builder.consecutive_failures(3),
        1 => builder.probes(2, 4).permits(2),
        _ => builder,
    };
    let builder = builder.shared(agreement).fleet(fleet);
    builder.build().expect("settings")
}

impl One {
    fn new(memory: &Memory, seed: u64) -> Self {
        let store = Faulty::of(memory.clone());
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let circuit = circuit(&fleet, seed);
        let task = tokio::spawn(fleet.run(store.clone()));
        let it = Instance {
            circuit,
            fleet,
            task,
        };
        Self {
            it,
            store,
            probes: Vec::new(),
        }
    }

    fn runs_anew(&mut self) {
        self.it.task.abort();
        let (fleet, store) = (self.it.fleet.clone(), self.store.clone());
        self.it.task = tokio::spawn(async move {
            sleep(millis(20)).await;
            fleet.run(store).await;
        });
    }

    fn shares(&self, shares: bool) {
        let agreement = shares.then(Agreement::default);
        let changed = self
            .it
            .circuit
            .reconfigure(|settings| settings.set_shared(agreement));
        changed.expect("valid");
    }

    fn suffers(&mut self, chance: &mut Chance, seed: u64) {
        let circuit = &self.it.circuit;
        match chance.below(23) {
            0 => self.store.is(Fault::Silent),
            1 => self.store.is(Fault::Error(Why::NotReached)),
            2 => self.store.is(Fault::TakesNothing(Why::Full)),
            3 => self.store.is(Fault::Odd),
            4 => self.store.is(Fault::Late(millis(chance.below(450)))),
            5..=7 => self.store.is(Fault::None),
            8 => self.it.fleet.pause(),
            9 => self.it.fleet.resume(),
            10 => self.runs_anew(),
            11 => self.shares(false),
            12 => self.shares(true),
            13 => self.it.circuit = self::circuit(&self.it.fleet, seed),
            14 => drop(circuit.force_open()),
            15 => drop(circuit.release()),
            16 => circuit.reset(),
            17 => drop(circuit.here().force_open()),
            18 => circuit.here().reset(),
            19 => drop(circuit.force_open_for(By::default(), millis(1 + chance.below(4_000)))),
            20 => {
                let modes = [Mode::Shadow, Mode::Disabled, Mode::Normal, Mode::Normal];
                let mode = modes[usize::try_from(chance.below(4)).expect("small")];
                circuit.set_mode(mode);
            }
            21 => drop(circuit.trip(millis(chance.below(3_000)))),
            _ => self.probes.clear(),
        }
    }

    fn calls(&mut self, chance: &mut Chance) {
        let Ok(guard) = self.it.circuit.clone().try_acquire_owned() else {
            return;
        };
        match chance.below(8) {
            0 => self.probes.push(guard),
            1 => drop(guard),
            2 => guard.ignore(),
            3 => guard.success(),
            _ => guard.failure(),
        }
    }

    fn heals(&mut self) {
        self.store.is(Fault::None);
        self.it.fleet.resume();
        self.shares(true);
        if self.it.task.is_finished() {
            self.runs_anew();
        }
        self.it.circuit.here().release();
        self.it.circuit.set_mode(Mode::Normal);
    }
}

async fn history(seed: u64) {
    let chance = &mut Chance(seed);
    let memory = Memory::new();
    let mut all: Vec<_> = (0..3).map(|_| One::new(&memory, seed)).collect();
    let mut saved = memory.save();
    for _ in 0..150 {
        let at = usize::try_from(chance.below(3)).expect("small");
        match chance.below(20) {
            0 => memory.clear(),
            1 => saved = memory.save(),
            2 => memory.forget_since(&saved),
            3..=8 => all[at].suffers(chance, seed),
            9..=10 => sleep(millis(chance.below(3_000))).await,
            _ => {
                for one in &mut all {
                    one.calls(chance);
                }
                sleep(millis(chance.below(300))).await;
            }
        }
    }
    for one in &mut all {
        one.heals();
    }
    sleep(secs(8)).await;
    // What was said to the fleet is still so.
    for one in &all {
        one.it.circuit.release();
        let heard = timeout(secs(4), one.it.circuit.heard()).await;
        heard.unwrap_or_else(|_| panic!("{seed}: nobody says what became of it"));
    }
    for _ in 0..1_200 {
        for one in &all {
            one.it.call(true);
        }
        sleep(millis(250)).await;
    }
    for one in &all {
        let circuit = &one.it.circuit;
        let now = (circuit.state(), circuit.mode());
        let snapshot = circuit.snapshot();
        assert_eq!(
            now,
            (State::Closed, Mode::Normal),
            "{seed}: {snapshot}; {snapshot:?}"
        );
        let fleet = snapshot.fleet.clone().expect("a fleet");
        assert_eq!(fleet.state, State::Closed, "{seed}: {snapshot}");
        let refused = one.it.fleet.status().refused;
        assert!(refused < 1_000, "{seed}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_held_for_ever() {
    let seeds = std::env::var("TOWER_BREAKER_CASES")
        .ok()
        .and_then(|it| it.parse().ok());
    for seed in 0..seeds.unwrap_or(12) {
        history(seed).await;
    }
}

/// A store that says whatever comes to its mind.
struct Mad(std::sync::Mutex<Chance>);

const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    3,
    31,
    63,
    64,
    1_000,
    u32::MAX as u64,
    LAST_ERA - 1,
    LAST_ERA,
    LAST_MILLIS,
    LAST_COUNT << 9,
    u64::MAX,
];

impl Chance {
    fn number(&mut self) -> u64 {
        // Mostly such as may be believed.
        let end = if self.below(40) == 0 { 14 } else { 11 };
        NUMBERS[usize::try_from(self.below(end)).expect("small")]
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.number())
            .unwrap_or(u32::MAX)
            .min(if self.below(20) == 0 { u32::MAX } else { 63 })
    }

    fn standing(&mut self, seen: Stamp) -> Standing {
        let same = self.below(2) == 0;
        let era = match self.below(3) {
            0 => self.number(),
            _ => seen.era.saturating_add(self.below(3)),
        };
        Standing {
            stamp: if same {
                seen
            } else {
                Stamp {
                    era,
                    nonce: self.small(),
                }
            },
            state: match self.below(3) {
                0 => Stored::Closed {
                    reset: self.below(2) == 0,
                },
                1 => Stored::Open {
                    left: self.number(),
                },
                _ => Stored::HalfOpen {
                    permits: self.small(),
                    need: self.small(),
                    spare: self.small(),
                    budget: self.small(),
                },
            },
            mode: match self.below(6) {
                0 => StoredMode::Forced {
                    left: Some(self.number()),
                },
                1 => StoredMode::Forced { left: None },
                _ => StoredMode::Normal,
            },
            attempt: self.small(),
            closed_for: (self.below(2) == 0).then(|| self.number()),
            length: self.number(),
            cause: Text::of("a\u{85}b"),
            who: Text::of(&"é".repeat(40)),
        }
    }

    fn lease(&mut self) -> Option<Lease> {
        (self.below(2) == 0).then(|| Lease {
            seats: self.small(),
            left: self.number(),
        })
    }

    fn told(&mut self, look: &Look) -> Result<Told, Odd> {
        if self.below(20) == 0 {
            return Err(Odd::default());
        }
        let hows = [How::Counted, How::Looked, How::Late, How::Behind];
        let seq = look.report.as_ref().map_or(0, |report| report.seq);
        Ok(Told {
            how: hows[usize::try_from(self.below(4)).expect("small")],
            standing: self.standing(look.stamp),
            window: Sums {
                calls: self.number(),
                failed: self.number(),
                slow: self.number(),
                streak: self.number(),
                streak_for: self.number(),
                contributors: self.number(),
                agreeing: self.number(),
            },
            my_seq: if self.below(3) == 0 {
                self.number()
            } else {
                seq
            },
            settings: self.number(),
            revision: self.number(),
            lease: self.lease(),
        })
    }
}

impl Store for Mad {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        let chance = &mut *self.0.lock().expect("chance");
        let exchanged = Exchanged {
            now: chance.number(),
            newest: chance.number(),
            changed: match chance.below(2) {
                0 => Changed::All,
                _ => Changed::Names(vec![Key::of("payments"); 101]),
            },
            circuits: ask.circuits.iter().map(|look| chance.told(look)).collect(),
        };
        Box::pin(async move { Ok(exchanged) })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        assert!(
            ask.check().is_ok(),
            "what is out of range is not said: {ask:?}"
        );
        let chance = &mut *self.0.lock().expect("chance");
        let next = chance.number();
        let dones = [
            Done::Yes,
            Done::Yes,
            Done::No,
            Done::Late,
            Done::Behind,
            Done::Full { next },
        ];
        let decided = Decided {
            done: dones[usize::try_from(chance.below(6)).expect("small")],
            now: chance.number(),
            standing: chance.standing(ask.seen),
            lease: chance.lease(),
            heard: (chance.below(2) == 0).then(|| chance.number()),
        };
        Box::pin(async move { Ok(decided) })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(pending())
    }
}

// N7, N8: whatever a store says, nothing panics, and nobody is the worse for it once it is gone.
#[tokio::test(start_paused = true)]
async fn no_answer_harms_anybody() {
    for seed in 0..30 {
        let mut one = One::new(&Memory::new(), seed);
        one.it.task.abort();
        sleep(millis(1)).await;
        let mad = Mad(std::sync::Mutex::new(Chance(seed)));
        one.it.task = tokio::spawn(one.it.fleet.run(mad));
        let chance = &mut Chance(seed + 1_000);
        for _ in 0..400 {
            one.calls(chance);
            if chance.below(10) == 0 {
                one.it.circuit.reset();
            }
            sleep(millis(chance.below(400))).await;
            let _ = format!("{} {:?}", one.it.circuit.snapshot(), one.it.fleet);
        }
        assert!(!one.it.task.is_finished(), "{seed}: it has panicked");
        one.it.task.abort();
        one.probes.clear();
        sleep(secs(4)).await;
        one.it.circuit.reset();
        assert!(one.it.call(true));
        assert_eq!(one.it.state(), State::Closed);
    }
}
