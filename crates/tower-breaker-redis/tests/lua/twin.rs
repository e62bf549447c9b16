//! The scripts in a real Redis against their twin in memory: rules N2, N4, N5 and N8. What is shown with the twin, by
//! search and by simulation, holds for Redis as far as the two give the same answers.
//!
//! Both are told the same at the same time. What fails is made shorter, and printed.

use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use redis::{Cmd, Value, aio::MultiplexedConnection, cmd};
use tower_breaker::fleet::{
    Memory, Store as _,
    wire::{
        Decide, Decided, Exchange, Exchanged, InstanceId, Key, LAST_COUNT, LAST_MILLIS, Look,
        Place, Proposal, Register, Report, Stamp, Standing, Text, Told,
    },
};

use crate::{
    clock::{Scripts, SetClock, is_full},
    keys::Keys,
    server::RedisServer,
    wire,
};

// ---- what is done -------------------------------------------------------------------------------

/// A stamp, by what there is.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Latest,
    /// Of the decision before.
    Older,
    /// The same era, by another.
    Sideways(u32),
    /// The store has forgotten.
    Newer,
}

#[derive(Clone, Copy, Debug)]
enum Seq {
    Next,
    Again,
    Before,
}

#[derive(Clone, Debug)]
struct Said {
    seq: Seq,
    keep_for: u64,
    settings: u64,
    revision: u64,
    register: Register,
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Back(u64),
    Exchange {
        by: u64,
        /// So many numbers of the log ago.
        log: u64,
        looks: Vec<(usize, Seen, Option<Said>)>,
    },
    Decide {
        by: u64,
        circuit: usize,
        seen: Seen,
        nonce: u32,
        what: Proposal,
    },
    /// Of what the fleet had decided so many answers ago.
    RestoreOld {
        circuit: usize,
        ago: usize,
        era: u64,
        /// Not the length that it was.
        length: Option<u64>,
    },
    Garble(usize),
    Wipe,
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        12 => Just(Seen::Latest),
        1 => Just(Seen::Older),
        1 => (0..4_u32).prop_map(Seen::Sideways),
        1 => Just(Seen::Newer),
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![16 => 0..20_u64, 2 => Just(LAST_COUNT), 2 => 0..=LAST_COUNT, 1 => Just(LAST_COUNT + 1)]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![10 => 0..3_000_u64, 2 => 0..100_000_u64, 1 => Just(LAST_MILLIS)]
}

fn said() -> impl Strategy<Value = Said> {
    let seq = prop_oneof![6 => Just(Seq::Next), 1 => Just(Seq::Again), 1 => Just(Seq::Before)];
    let keep_for =
        prop_oneof![6 => Just(2_000_u64), 1 => Just(1), 1 => 1..60_000_u64, 1 => Just(LAST_MILLIS)];
    let settings = prop_oneof![8 => 0..4_u64, 1 => any::<u64>()];
    let revision = prop_oneof![8 => 0..3_u64, 1 => Just(LAST_MILLIS)];
    let counts = (count(), count(), count(), count());
    (
        seq,
        keep_for,
        settings,
        revision,
        counts,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(seq, keep_for, settings, revision, (calls, failed, slow, streak), ok, bad)| Said {
                seq,
                keep_for,
                settings,
                revision,
                register: Register {
                    calls,
                    failed,
                    slow,
                    streak,
                    ok,
                    bad,
                },
            },
        )
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let who = || "\\PC{0,70}".prop_map(|who| Text::of(&who));
    let probes = || prop_oneof![6 => 1..4_u32, 1 => 1..64_u32];
    prop_oneof![
        4 => (length(), prop_oneof![8 => 0..5_u32, 1 => Just(u32::MAX)], "\\PC{0,130}").prop_map(
            |(length, attempt, cause)| Proposal::Open { length, attempt, cause: Text::of(&cause) }
        ),
        8 => (probes(), 0..4_u32, 0..3_u32, length(), probes()).prop_map(
            |(permits, need, more, life, want)| {
                Proposal::Lease { permits, need, of: need + more, life, want }
            }
        ),
        8 => (0..5_u32, 0..3_u32, 0..3_u32, length()).prop_map(
            |(ok, failed, unused, length)| Proposal::Results { ok, failed, unused, length }
        ),
        1 => (proptest::option::of(length()), who()).prop_map(
            |(at_most, who)| Proposal::Force { at_most, who }
        ),
        1 => who().prop_map(|who| Proposal::Release { who }),
        1 => who().prop_map(|who| Proposal::Reset { who }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![8 => 0..1_500_u64, 2 => 0..10_000_u64, 1 => Just(86_400_000_u64)];
    let looks = vec(
        (0..2_usize, seen(), proptest::option::weighted(0.8, said())),
        0..3,
    );
    prop_oneof![
        6 => pass.prop_map(Step::Pass),
        1 => prop_oneof![3 => 0..5_000_u64, 1 => Just(60_000)].prop_map(Step::Back),
        12 => (1..4_u64, 0..5_u64, looks).prop_map(|(by, log, looks)| Step::Exchange { by, log, looks }),
        16 => (1..4_u64, 0..2_usize, seen(), 0..4_u32, proposal()).prop_map(
            |(by, circuit, seen, nonce, what)| Step::Decide { by, circuit, seen, nonce, what }
        ),
        2 => (0..2_usize, 0..6_usize, 0..3_u64, proptest::option::weighted(0.2, length())).prop_map(
            |(circuit, ago, era, length)| Step::RestoreOld { circuit, ago, era, length }
        ),
        1 => prop_oneof![1 => (0..2_usize).prop_map(Step::Garble), 3 => Just(Step::Wipe)],
    ]
}

// ---- to whom ------------------------------------------------------------------------------------

/// A fleet in a Redis and in a memory.
struct Both<'a> {
    server: &'a mut MultiplexedConnection,
    scripts: &'static Scripts,
    memory: Memory,
    clock: SetClock,
    place: Place,
    names: [Key; 2],
    seqs: HashMap<(u64, usize), u64>,
    /// All that was told of each circuit.
    told: [Vec<Standing>; 2],
    newest: u64,
}

type Checked = Result<(), TestCaseError>;

fn same<T: PartialEq + fmt::Debug>(redis: &T, memory: &T) -> Checked {
    prop_assert_eq!(redis, memory, "left: Redis, right: memory");
    Ok(())
}

impl Both<'_> {
    fn keys(&self) -> Keys {
        Keys::of(&self.place)
    }

    async fn run(&mut self, command: Cmd) -> Value {
        let answer = command.query_async(self.server).await;
        answer.expect("the server answers")
    }

    async fn exchange(&mut self, ask: &Exchange) -> Result<Exchanged, TestCaseError> {
        let memory = self.memory.exchange(ask).await;
        let memory = memory.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let answer = self
            .clock
            .run(
                self.server,
                &wire::exchange(ask).expect("not too many"),
                &self.scripts.exchange,
            )
            .await;
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let redis = wire::exchanged(&answer, ask);
        let redis = redis.ok_or_else(|| TestCaseError::fail(format!("{answer:?}")))?;
        // What is wrong with the record is said in other words.
        let in_short = |it: &Exchanged| {
            let told: Vec<Option<Told>> = it.circuits.iter().cloned().map(Result::ok).collect();
            (it.now, it.newest, it.changed.clone(), told)
        };
        same(&in_short(&redis), &in_short(&memory))?;
        Ok(redis)
    }

    async fn decide(&mut self, ask: &Decide) -> Result<Option<Decided>, TestCaseError> {
        let memory = self.memory.decide(ask).await.ok();
        let Ok(call) = wire::decide(ask) else {
            prop_assert!(memory.is_none());
            return Ok(None);
        };
        let answer = self
            .clock
            .run(self.server, &call, &self.scripts.decide)
            .await;
        let redis = match answer {
            Ok(answer) => wire::decided(&answer).map_or_else(
                || Err(TestCaseError::fail(format!("{answer:?}"))),
                |decided| Ok(Some(decided)),
            )?,
            Err(error) if error.code() == Some("ODD") => None,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        // Nobody listens here.
        let in_short = |it: Option<Decided>| it.map(|it| Decided { heard: None, ..it });
        same(&in_short(redis.clone()), &in_short(memory))?;
        Ok(redis)
    }

    fn stamp(&self, circuit: usize, seen: Seen) -> Stamp {
        let told = &self.told[circuit];
        let latest = told.last().map(|it| it.stamp).unwrap_or_default();
        match seen {
            Seen::Latest => latest,
            Seen::Older => {
                let older = told.iter().rev().map(|it| it.stamp);
                older.clone().find(|it| *it < latest).unwrap_or_default()
            }
            Seen::Sideways(nonce) => Stamp { nonce, ..latest },
            Seen::Newer => Stamp {
                era: latest.era + 1,
                ..latest
            },
        }
    }

    fn report(&mut self, by: u64, circuit: usize, said: Said) -> Report {
        let seq = self.seqs.entry((by, circuit)).or_insert(0);
        let seq = match said.seq {
            Seq::Next => {
                *seq += 1;
                *seq
            }
            Seq::Again => (*seq).max(1),
            Seq::Before => seq.saturating_sub(1).max(1),
        };
        Report {
            seq,
            keep_for: said.keep_for,
            settings: said.settings,
            revision: said.revision,
            register: said.register,
        }
    }

    async fn take(&mut self, step: Step) -> Checked {
        match step {
            Step::Pass(millis) => {
                self.clock.pass(Duration::from_millis(millis));
                Ok(())
            }
            Step::Back(millis) => {
                self.clock.back(millis);
                Ok(())
            }
            Step::Exchange { by, log, looks } => self.look(by, log, looks).await,
            Step::Decide {
                by,
                circuit,
                seen,
                nonce,
                what,
            } => {
                let seen = self.stamp(circuit, seen);
                self.propose(by, circuit, seen, nonce, what).await
            }
            Step::RestoreOld {
                circuit,
                ago,
                era,
                length,
            } => {
                let Some(mut old) = self.told[circuit].iter().rev().nth(ago).cloned() else {
                    return Ok(());
                };
                old.stamp.era += era;
                old.length = length.unwrap_or(old.length);
                let what = Proposal::Restore(old);
                self.propose(1, circuit, Stamp::default(), 0, what).await
            }
            Step::Garble(circuit) => self.garble(circuit).await,
            Step::Wipe => {
                self.wipe().await;
                Ok(())
            }
        }
    }

    async fn look(
        &mut self,
        by: u64,
        log: u64,
        looks: Vec<(usize, Seen, Option<Said>)>,
    ) -> Checked {
        let mut circuits = Vec::new();
        for (circuit, seen, said) in &looks {
            circuits.push(Look {
                name: self.names[*circuit].clone(),
                stamp: self.stamp(*circuit, *seen),
                report: said.clone().map(|said| self.report(by, *circuit, said)),
            });
        }
        let ask = Exchange {
            place: self.place.clone(),
            instance: InstanceId(by),
            seen: self.newest.saturating_sub(log),
            circuits,
        };
        let answer = self.exchange(&ask).await?;
        self.newest = answer.newest;
        for ((circuit, ..), told) in looks.iter().zip(answer.circuits) {
            self.told[*circuit].extend(told.ok().map(|told| told.standing));
        }
        Ok(())
    }

    async fn propose(
        &mut self,
        by: u64,
        circuit: usize,
        seen: Stamp,
        nonce: u32,
        what: Proposal,
    ) -> Checked {
        let ask = Decide {
            place: self.place.clone(),
            instance: InstanceId(by),
            name: self.names[circuit].clone(),
            seen,
            nonce,
            what,
        };
        let decided = self.decide(&ask).await?;
        self.told[circuit].extend(decided.map(|decided| decided.standing));
        Ok(())
    }

    async fn garble(&mut self, circuit: usize) -> Checked {
        let name = self.names[circuit].clone();
        self.memory.garble(&self.place, &name);
        let mut set = cmd("HSET");
        set.arg(self.keys().state(&name)).arg("S").arg("nonsense");
        self.run(set).await;
        let mut expire = cmd("EXPIRE");
        expire.arg(self.keys().state(&name)).arg(60);
        self.run(expire).await;
        Ok(())
    }

    async fn wipe(&mut self) {
        self.memory.clear();
        let mut delete = cmd("DEL");
        delete.arg(self.keys().log());
        for name in &self.names {
            delete.arg(self.keys().state(name));
            delete.arg(self.keys().registers(name));
        }
        self.run(delete).await;
    }

    /// All that can be asked, and that nothing stays for ever.
    async fn look_at_all(&mut self) -> Checked {
        for by in 1..4 {
            let look = |circuit| (circuit, Seen::Latest, None);
            self.look(by, u64::MAX, vec![look(0), look(1)]).await?;
        }
        let keys: Vec<_> = self
            .names
            .iter()
            .flat_map(|name| [self.keys().state(name), self.keys().registers(name)])
            .chain([self.keys().log()])
            .collect();
        for key in keys {
            let mut left = cmd("PTTL");
            left.arg(&key);
            let left = self.run(left).await;
            let lives = matches!(left, Value::Int(left) if left == -2 || left > 0);
            prop_assert!(lives, "{} has no end: {:?}", key, left);
        }
        Ok(())
    }
}

// N2, N4, N5, N8: scripts and twin are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_scripts_answer_as_their_twin_does() {
    let server = RedisServer::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    let (scripts, connection) = Scripts::on(&server).await;
    let cases = if is_full() { 2_000 } else { 300 };
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let number = AtomicU64::new(0);
    let runtime = tokio::runtime::Handle::current();
    // 40 on average: so that what fails can be made shorter.
    let steps = vec(step(), 1..=80);
    let result = tokio::task::block_in_place(|| {
        runner.run(&steps, |steps| {
            let number = number.fetch_add(1, Relaxed);
            let clock = SetClock::new();
            let mut server = connection.clone();
            let mut both = Both {
                server: &mut server,
                scripts,
                memory: Memory::with_clock(clock.clone()),
                clock,
                place: Place {
                    fleet: format!("tb1:lua{number}:").into(),
                    shard: 0,
                },
                names: [Key::of("pay"), Key::of("ship {now}: 50%")],
                seqs: HashMap::new(),
                told: Default::default(),
                newest: 0,
            };
            runtime.block_on(async {
                for step in steps {
                    both.take(step).await?;
                }
                both.look_at_all().await?;
                both.wipe().await;
                Ok(())
            })
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
