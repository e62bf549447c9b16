//! A shard by hand: what it asks, and what it makes of the answers.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{MOST_IN_A_TURN, MOST_LOOKS, MOST_PROPOSALS, Shard, Surroundings, What, Writes};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        clock::ManualClock,
        followed::{FleetNews, Sharing, Why},
        handle::Circuit,
        observe::What as Event,
        settings::Agreement,
    },
    fleet::{
        Memory,
        fleet::Fleet,
        pace::{Chance, Pace},
        pilot::{Ask, Reply},
        store::{Store, StoreError},
        wire::{
            Changed, Decide, Decided, Done, Exchanged, How, InstanceId, Key, Proposal, Standing,
            Stored, Told,
        },
    },
    machine::{Mode, State},
};

const SECOND: u64 = 1_000_000_000;

/// A shard, a store that says what it is told to, and a clock.
struct Bench {
    fleet: Fleet,
    clock: ManualClock,
    store: Memory,
    around: Surroundings,
    shard: Shard,
    circuits: Vec<Circuit>,
    /// What the fleet's events were.
    news: Arc<Mutex<Vec<FleetNews>>>,
    /// What the store says instead.
    says: fn(&mut Exchanged),
}

impl Bench {
    /// With so many circuits, of which the store has heard.
    fn new(circuits: usize) -> Self {
        let mut it = Self::empty(0);
        it.add_all(circuits);
        it.settle();
        it
    }

    fn empty(number: u32) -> Self {
        let clock = ManualClock::new();
        let builder = Fleet::builder("shop")
            .clock(clock.clone())
            .seed(7)
            .budget(10);
        let fleet = builder.build().expect("a fleet");
        let common = fleet.common().clone();
        common.running.store(true, Ordering::Release);
        Self {
            shard: Shard::new(common.place.clone(), number, common.clock.now()),
            around: Surroundings {
                common,
                instance: InstanceId(1),
                seq: 0,
                chance: Chance::new(7),
                nonces: Chance::new(8),
                left: HashMap::new(),
            },
            store: Memory::with_clock(clock.clone()),
            fleet,
            clock,
            circuits: Vec::new(),
            news: Arc::default(),
            says: |_| (),
        }
    }

    fn now(&self) -> u64 {
        self.fleet.common().clock.now()
    }

    fn pass(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn circuit(&self, name: &str) -> Circuit {
        let news = self.news.clone();
        let builder: CircuitBuilder = Circuit::builder(name).shared(Agreement::default());
        let builder = builder
            .time_window(Duration::from_secs(60))
            .minimum_calls(1_000)
            .probes(3, 3)
            .permits(3);
        let builder = builder.clock(self.clock.clone()).fleet(&self.fleet);
        let builder = builder.on_event(move |_, event| {
            if let Event::Fleet(it) = &event.what {
                news.lock().expect("news").push(*it);
            }
        });
        builder.build().expect("a circuit")
    }

    fn add_all(&mut self, circuits: usize) {
        let names = (0..circuits).map(|number| self.circuit(&format!("c{number}")));
        self.circuits = names.collect();
        self.take_over();
    }

    fn take_over(&mut self) {
        let now = self.now();
        let list = self.fleet.common().members.list();
        let mut come: HashMap<_, _> = list.into_iter().map(|it| (it.key.clone(), it)).collect();
        self.shard.keep(&mut come, &mut self.around, now);
        for member in come.into_values() {
            self.shard.add(member, &mut self.around, now);
        }
    }

    fn turn(&mut self) {
        let now = self.now();
        self.shard.turn(&mut self.around, now);
    }

    fn ask(&mut self) -> Option<Ask> {
        let now = self.now();
        self.shard.ask(&mut self.around, now)
    }

    fn answered(&mut self, reply: Result<Reply, StoreError>) {
        let now = self.now();
        self.shard.answered(&mut self.around, reply, now);
    }

    fn fails(&mut self, why: Why) {
        self.answered(Err(StoreError::new(why, "as told")));
    }

    /// The store answers at once.
    fn answer(&mut self, ask: &Ask) {
        let reply = match ask {
            Ask::Exchange(ask) => {
                let mut told = ready(self.store.exchange(ask)).expect("an answer");
                (self.says)(&mut told);
                Reply::Exchanged(told)
            }
            Ask::Decide(ask) => Reply::Decided(ready(self.store.decide(ask)).expect("an answer")),
        };
        self.answered(Ok(reply));
    }

    /// Goes on until there is nothing to say.
    fn settle(&mut self) -> Vec<Ask> {
        let mut said = Vec::new();
        loop {
            self.turn();
            let Some(ask) = self.ask() else {
                return said;
            };
            self.answer(&ask);
            said.push(ask);
        }
    }

    /// What it asks next is a report.
    fn report(&mut self) -> Ask {
        self.circuits[0].try_acquire().expect("closed").failure();
        self.pass(300);
        self.turn();
        let ask = self.ask().expect("a report");
        assert!(looks(&ask).iter().any(|it| it.report.is_some()));
        ask
    }

    /// What it asks next is no more than a look.
    fn look(&mut self) -> Ask {
        self.shard.look_at(0);
        let ask = self.ask().expect("a look");
        assert!(looks(&ask).iter().all(|it| it.report.is_none()));
        ask
    }

    /// Of how many circuits it asks at once after it was told that.
    fn asks_after(&mut self, says: fn(&mut Exchanged)) -> usize {
        let look = self.look();
        self.says = says;
        self.answer(&look);
        self.turn();
        self.shard.looks.len()
    }

    /// What somebody does with the first circuit is proposed so many seconds later, and not before.
    fn proposes_after(&mut self, seconds: u64) -> Ask {
        for _ in 1..seconds {
            self.pass(1_000);
            self.circuits[0].force_open();
            assert!(!self.settle().iter().any(is_proposal), "before {seconds} s");
        }
        self.pass(1_000);
        self.turn();
        let ask = self.ask().filter(is_proposal);
        ask.unwrap_or_else(|| panic!("a proposal after {seconds} s"))
    }

    /// Another instance proposes that for the first circuit.
    fn proposal(&self, what: Proposal) -> Decide {
        Decide {
            place: self.shard.place.clone(),
            instance: InstanceId(2),
            name: Key::of("c0"),
            seen: Default::default(),
            nonce: 5,
            what,
        }
    }

    fn failures(&self) -> (u64, u64) {
        let status = self.fleet.status();
        (status.failures, status.refused)
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory does not wait"),
    }
}

fn looks(ask: &Ask) -> &[super::Look] {
    match ask {
        Ask::Exchange(ask) => &ask.circuits,
        Ask::Decide(_) => &[],
    }
}

fn each(told: &mut Exchanged, change: fn(&mut Told)) {
    told.circuits.iter_mut().flatten().for_each(change);
}

fn is_proposal(ask: &Ask) -> bool {
    matches!(ask, Ask::Decide(_))
}

// N4: proposals come first, but reports are not held up for ever. And no two are alike.
#[test]
fn after_some_proposals_reports_are_due() {
    let mut it = Bench::new(60);
    for (number, circuit) in it.circuits.iter().enumerate() {
        match number < 50 {
            true => drop(circuit.force_open()),
            false => circuit.try_acquire().expect("closed").failure(),
        }
    }
    it.pass(200);
    let said = it.settle();
    let first: Vec<_> = said.iter().map(is_proposal).take(21).collect();
    assert_eq!(first[..20], [true; 20]);
    assert!(!first[20], "after {MOST_PROPOSALS} of them");
    let nonces = said.iter().filter_map(|ask| match ask {
        Ask::Decide(ask) => Some(ask.nonce),
        Ask::Exchange(_) => None,
    });
    let nonces: HashSet<_> = nonces.collect();
    assert_eq!(nonces.len(), 50);
    assert_eq!(it.fleet.status().decisions, 50);
}

// N2: no exchange is of more circuits than a store takes.
#[test]
fn many_circuits_take_several_exchanges() {
    let mut it = Bench::empty(0);
    it.add_all(MOST_LOOKS + 50);
    it.turn();
    assert!(it.shard.next() <= it.now(), "there is something to say");
    let asked: Vec<_> = it.settle().iter().map(|ask| looks(ask).len()).collect();
    assert_eq!(asked, [100, 50]);
    assert_eq!(it.fleet.status().exchanges, 2);
    assert!(it.shard.next() > it.now(), "and then no more");
}

// N1: a turn holds up nobody for long, and the next one goes on where it ended.
#[test]
fn a_turn_looks_at_so_many_circuits() {
    let mut it = Bench::new(MOST_IN_A_TURN + 1);
    it.pass(200);
    it.turn();
    assert!(it.shard.next() <= it.now(), "one is left");
    it.turn();
    assert!(it.shard.next() > it.now(), "of the round");
    for circuit in &it.circuits {
        circuit.force_open();
    }
    it.turn();
    assert_eq!(it.shard.proposals.len(), MOST_IN_A_TURN);
    it.turn();
    assert_eq!(it.shard.proposals.len(), MOST_IN_A_TURN + 1);
}

// N1: circuits that come and go while the store is silent take no memory.
#[test]
fn what_is_gone_does_not_pile_up() {
    let mut it = Bench::empty(0);
    it.add_all(1);
    for number in 0..400 {
        let newer = it.circuit(&format!("n{number}"));
        it.circuits.truncate(1);
        it.circuits.push(newer);
        it.take_over();
        it.turn();
        assert!(it.shard.looks.len() <= 2 * 2 + MOST_LOOKS + 1);
    }
    let mut asked: Vec<_> = it.settle().iter().flat_map(names).collect();
    asked.sort();
    assert_eq!(asked, ["c0", "n399"]);
}

fn names(ask: &Ask) -> Vec<String> {
    let names = looks(ask).iter().map(|look| look.name.as_str().to_owned());
    names.collect()
}

// N9: only shards with circuits are asked. The first is, so that a fleet without any knows whether its store answers.
#[test]
fn a_shard_without_circuits_says_nothing() {
    let mut second = Bench::empty(1);
    second.turn();
    assert_eq!(second.shard.next(), u64::MAX);
    assert!(second.ask().is_none());
    second.add_all(1);
    assert_eq!(second.settle().len(), 1);
    let mut first = Bench::empty(0);
    assert_eq!(first.settle().len(), 1);
    assert_eq!(first.shard.contributors(), 0);
}

// N7: whoever comes changes nothing for those that are there.
#[test]
fn who_is_there_stays_when_others_come() {
    let mut it = Bench::new(2);
    let _other = it.circuit("other");
    it.take_over();
    for circuit in &it.circuits {
        let sharing = circuit.snapshot().fleet.expect("a fleet").sharing;
        assert!(matches!(sharing, Sharing::Attached { .. }), "{sharing:?}");
    }
    let asked: Vec<_> = it.settle().iter().flat_map(names).collect();
    assert_eq!(asked, ["other"]);
    assert_eq!(*it.news.lock().expect("news"), [FleetNews::Attached; 3]);
}

// N7: a shard that does not answer for so long is shown as one that does not, since then.
#[test]
fn silence_is_shown() {
    let mut it = Bench::new(1);
    assert_eq!(it.shard.part().why, None);
    it.pass(1_000);
    it.look();
    it.fails(Why::TimedOut);
    it.pass(1_999);
    it.turn();
    assert_eq!(it.shard.part().why, None, "not yet");
    it.pass(1);
    it.turn();
    let since = it.now();
    it.look();
    it.fails(Why::Full);
    it.pass(3_000);
    it.turn();
    let part = it.shard.part();
    assert_eq!((part.why, part.since), (Some(Why::Full), since));
    it.settle();
    let part = it.shard.part();
    assert_eq!((part.why, part.since), (None, it.now()));
}

// N4: whoever hears that the store has forgotten, or that too much has changed, asks for everything.
#[test]
fn a_log_that_went_back_makes_all_unknown() {
    let mut it = Bench::new(3);
    assert_eq!(
        it.asks_after(|told| says_none(told, 7)),
        0,
        "nothing has changed"
    );
    assert_eq!(
        it.asks_after(|told| says_none(told, 6)),
        3,
        "it has forgotten"
    );
    it.says = |_| ();
    it.settle();
    assert_eq!(it.asks_after(says_too_many), 3, "too many");
}

fn says_none(told: &mut Exchanged, newest: u64) {
    (told.newest, told.changed) = (newest, Changed::Names(Vec::new()));
}

fn says_too_many(told: &mut Exchanged) {
    let names = (0..=MOST_LOOKS).map(|number| Key::of(&format!("x{number}")));
    (told.newest, told.changed) = (200, Changed::Names(names.collect()));
}

// N7: whoever only tells what it has may have lost what it was told.
#[test]
fn what_was_lost_is_forgiven_when_something_is_taken() {
    let mut it = Bench::new(1);
    it.report();
    it.fails(Why::TimedOut);
    assert_eq!(it.shard.writes.lost, 1);
    it.pass(1_000);
    let look = it.look();
    it.answer(&look);
    assert_eq!(it.shard.writes.lost, 1, "nothing was told");
    let report = it.report();
    it.says = |told| each(told, |it| it.how = How::Late);
    it.answer(&report);
    assert_eq!(it.shard.writes.lost, 0);
}

// N7
#[test]
fn what_fails_is_counted_and_said_again() {
    let mut it = Bench::new(1);
    it.pass(1_000);
    it.look();
    it.fails(Why::Full);
    assert_eq!(it.failures(), (1, 0));
    assert_eq!(it.shard.writes.refused_at, None, "nothing was told");
    it.pass(1_000);
    it.look();
    it.fails(Why::Nonsense);
    assert_eq!(it.failures(), (2, 1));
    it.report();
    it.fails(Why::Full);
    assert_eq!(it.shard.writes.refused_at, Some(it.now()));
    it.turn();
    assert_eq!(
        it.shard.looks.len(),
        1,
        "at once, when it may be asked again"
    );
}

// N7: what a store says that takes nothing does not count.
#[test]
fn a_store_that_takes_nothing_is_heard_in_vain() {
    let mut it = Bench::new(1);
    it.report();
    it.fails(Why::Full);
    let (heard, exchanges) = (it.shard.heard, it.fleet.status().exchanges);
    let report = it.report();
    it.says = |told| each(told, |it| it.how = How::Late);
    it.answer(&report);
    assert_eq!(it.shard.heard, heard);
    assert_eq!(it.fleet.status().exchanges, exchanges + 1);
    it.turn();
    it.shard.look_at(0);
    assert!(it.ask().is_none(), "not at once");
    it.pass(1_000);
    it.says = |_| ();
    let report = it.report();
    it.answer(&report);
    assert_eq!(it.shard.heard, Some(it.now()), "it takes something");
}

// N7: a circuit of which the store can decide nothing harms no other, and is asked for all the later.
#[test]
fn what_cannot_be_decided_harms_no_other() {
    let mut it = Bench::new(2);
    it.circuits[0].force_open();
    it.turn();
    assert!(it.ask().is_some_and(|ask| is_proposal(&ask)));
    it.fails(Why::Nonsense);
    assert_eq!((it.shard.failures, it.shard.retry_at), (0, 0));
    assert_eq!(it.failures(), (1, 1));
    for (wait, told) in [(6, 1), (12, 1), (24, 1), (48, 2)] {
        it.proposes_after(wait);
        it.fails(Why::Nonsense);
        let news = it.news.lock().expect("news").clone();
        let refused = news.iter().filter(|it| **it == FleetNews::Refused);
        assert_eq!(refused.count(), told, "once a minute");
    }
    let seen = |it: &Bench, at: usize| it.circuits[at].snapshot().fleet.expect("a fleet");
    assert_eq!((seen(&it, 0).refused, seen(&it, 1).refused), (5, 0));
    assert!(matches!(seen(&it, 1).sharing, Sharing::Attached { .. }));
    let proposal = it.proposes_after(96);
    it.answer(&proposal);
    it.settle();
    it.circuits[0].release();
    it.turn();
    assert!(it.ask().is_some_and(|ask| is_proposal(&ask)));
    it.fails(Why::Nonsense);
    it.proposes_after(6);
}

// N2: somebody else speaks in its name. Whoever hears of that takes another one.
#[test]
fn a_name_that_is_taken_is_given_up() {
    let mut it = Bench::new(1);
    let report = it.report();
    it.says = |told| each(told, |it| it.my_seq = 99);
    it.answer(&report);
    assert_eq!(it.fleet.status().refused, 1);
    let Ask::Exchange(ask) = it.look() else {
        panic!("a look");
    };
    assert_ne!(ask.instance, InstanceId(1));
}

// N2: all instances together stay within the budget: 10 reports a second. Circuits without calls take none of it.
#[test]
fn reports_stay_within_the_budget() {
    let mut it = Bench::empty(0);
    it.add_all(90);
    it.settle();
    for circuit in &it.circuits[30..] {
        circuit.try_acquire().expect("closed").failure();
    }
    // Until they have no calls any more.
    for _ in 0..150 {
        it.settle();
        it.pass(1_000);
    }
    it.says = |told| each(told, |it| it.window.contributors = 5);
    let before = it.fleet.status().reports;
    for _ in 0..600 {
        for circuit in &it.circuits[..30] {
            for call in 0..4 {
                let guard = circuit.try_acquire().expect("closed");
                if call == 0 {
                    guard.failure();
                } else {
                    guard.success();
                }
            }
        }
        it.settle();
        it.pass(100);
    }
    // Five instances with thirty circuits: one of each in 15 seconds, which makes 120 in a minute.
    let reports = it.fleet.status().reports - before;
    assert!((90..=150).contains(&reports), "{reports}");
    assert_eq!(it.shard.contributors(), 5);
}

// N2: what was told of others is asked for again, and nothing else is.
#[test]
fn who_was_told_of_others_asks_again() {
    let asked = |says| {
        let mut it = Bench::empty(0);
        it.says = says;
        it.add_all(1);
        let times = (0..300).map(|_| {
            it.pass(1_000);
            it.settle().iter().flat_map(names).count()
        });
        times.sum::<usize>()
    };
    assert_eq!(asked(|_| ()), 1);
    let again = asked(|told| each(told, |it| it.window.contributors = 5));
    assert!((3..=6).contains(&again), "{again}");
}

// N5: whoever is held by its fleet hears in time that it still is.
#[test]
fn a_led_circuit_hears_of_its_fleet_more_often() {
    let mut it = Bench::new(1);
    let exchanges = |it: &mut Bench| {
        let before = it.fleet.status().exchanges;
        for _ in 0..100 {
            it.pass(100);
            it.settle();
        }
        it.fleet.status().exchanges - before
    };
    assert_eq!(exchanges(&mut it), 10);
    let decided = ready(it.store.decide(&it.proposal(open(60_000)))).expect("an answer");
    assert_eq!(decided.done, Done::Yes);
    it.pass(1_000);
    it.settle();
    let often = exchanges(&mut it);
    assert!((18..=21).contains(&often), "{often}");
}

// N7
#[test]
fn a_refusal_counts_until_patience_is_over() {
    let (pace, mut writes) = (Pace::default(), Writes::default());
    let counts = |writes: &mut Writes, wrote, seconds| writes.count(wrote, &pace, seconds * SECOND);
    assert!(counts(&mut writes, false, 1));
    writes.failed(Why::ReadOnly, 10 * SECOND);
    writes.failed(Why::ReadOnly, 12 * SECOND);
    assert!(!counts(&mut writes, false, 15));
    assert!(counts(&mut writes, false, 16), "since the first");
    writes.failed(Why::ReadOnly, 20 * SECOND);
    assert!(!counts(&mut writes, false, 31));
    assert!(counts(&mut writes, false, 32), "twice as long");
    writes.failed(Why::ReadOnly, 40 * SECOND);
    assert!(counts(&mut writes, true, 41), "it takes something");
    writes.failed(Why::ReadOnly, 50 * SECOND);
    assert!(!counts(&mut writes, false, 55));
    assert!(counts(&mut writes, false, 56), "and all is forgotten");
}

// N7
#[test]
fn the_third_loss_in_a_row_is_a_refusal() {
    for why in [Why::TimedOut, Why::NotReached] {
        let (pace, mut writes) = (Pace::default(), Writes::default());
        for _ in 0..5 {
            writes.failed(why, 0);
        }
        assert!(writes.count(false, &pace, 1), "it answers nothing");
        writes.failed(why, 2);
        assert!(writes.count(false, &pace, 3), "the second");
        writes.failed(why, 4);
        assert!(!writes.count(false, &pace, 5), "the third");
    }
}

// N8
#[test]
fn an_answer_to_something_else_is_refused() {
    let exchanged = |circuits| {
        Reply::Exchanged(Exchanged {
            now: 1,
            newest: 0,
            changed: Changed::All,
            circuits: vec![Err(Default::default()); circuits],
        })
    };
    let decided = |left| {
        let state = Stored::Open { left };
        let standing = Standing {
            state,
            ..Standing::default()
        };
        Reply::Decided(Decided {
            done: Done::Yes,
            now: 1,
            standing,
            lease: None,
            heard: None,
        })
    };
    let key = Key::of("it");
    let release = Proposal::Release {
        who: Default::default(),
    };
    let decide = What::Decide(key.clone(), release);
    for what in [What::Exchange(vec![key.clone()]), What::Reports(vec![key])] {
        assert!(what.check(exchanged(1)).is_ok());
        for reply in [exchanged(0), exchanged(2), decided(1)] {
            assert!(
                what.check(reply)
                    .is_err_and(|error| error.why == Why::Nonsense)
            );
        }
    }
    assert!(decide.check(decided(1)).is_ok());
    for reply in [exchanged(1), decided(u64::MAX)] {
        assert!(
            decide
                .check(reply)
                .is_err_and(|error| error.why == Why::Nonsense)
        );
    }
}

// N7: whoever is alone is told why, and is told it also if it never was anything else.
#[test]
fn who_is_alone_is_told_why() {
    let mut it = Bench::new(1);
    let why = |it: &Bench| match it.circuits[0].snapshot().fleet.expect("a fleet").sharing {
        Sharing::Attached { .. } => None,
        Sharing::Detached { why, .. } => Some(why),
    };
    it.pass(1_000);
    it.look();
    it.fails(Why::TimedOut);
    it.pass(2_000);
    it.turn();
    assert_eq!(why(&it), Some(Why::TimedOut));
    it.look();
    it.fails(Why::Full);
    it.pass(200);
    it.turn();
    assert_eq!(why(&it), Some(Why::Full));
    let told = [FleetNews::Attached, FleetNews::Detached(Why::TimedOut)];
    assert_eq!(*it.news.lock().expect("news"), told);

    let mut never = Bench::empty(0);
    never.add_all(1);
    for _ in 0..10 {
        never.turn();
        never.pass(500);
    }
    assert_eq!(
        *never.news.lock().expect("news"),
        [FleetNews::Detached(Why::NotReached)]
    );
}

// N4: an answer is for the circuit that was asked for, not for a newer one of its name.
#[test]
fn a_circuit_that_is_made_anew_takes_no_answer_of_the_older() {
    let mut it = Bench::empty(0);
    it.add_all(1);
    it.turn();
    let ask = it.ask().expect("a look");
    it.circuits.clear();
    it.add_all(1);
    it.answer(&ask);
    assert!(it.news.lock().expect("news").is_empty());
    it.settle();
    assert_eq!(*it.news.lock().expect("news"), [FleetNews::Attached]);
}

// N5: where all were closed by somebody, nobody would ask for a seat. After a while they do as the fleet.
#[test]
fn whoever_is_closed_apart_does_as_the_fleet_after_a_while() {
    let mut it = Bench::new(1);
    let decided = ready(it.store.decide(&it.proposal(open(1_000)))).expect("an answer");
    assert_eq!(decided.done, Done::Yes);
    it.pass(1_000);
    it.settle();
    assert_eq!(it.circuits[0].state(), State::Open);
    it.circuits[0].set_mode(Mode::Disabled);
    it.circuits[0].set_mode(Mode::Normal);
    let mut states = Vec::new();
    for _ in 0..100 {
        if let Ok(call) = it.circuits[0].try_acquire() {
            call.success();
        }
        it.pass(1_000);
        it.settle();
        states.push(it.circuits[0].state());
    }
    let apart = states.iter().position(|state| *state != State::Closed);
    // Two leases of half a minute and a second, and ten seconds.
    assert!(apart.is_some_and(|at| (70..=72).contains(&at)), "{apart:?}");
}

fn open(length: u64) -> Proposal {
    Proposal::Open {
        length,
        attempt: 1,
        cause: Default::default(),
    }
}

// N5: each call that waits by then is to have a seat.
#[test]
fn as_many_seats_are_wished_for_as_there_are_calls() {
    let mut it = Bench::new(1);
    let decided = ready(it.store.decide(&it.proposal(open(1_000)))).expect("an answer");
    assert_eq!(decided.done, Done::Yes);
    it.pass(1_100);
    it.settle();
    assert!(it.circuits[0].try_acquire().is_err());
    it.turn();
    it.pass(2);
    it.turn();
    for _ in 0..2 {
        assert!(it.circuits[0].try_acquire().is_err());
    }
    let Some(Ask::Decide(ask)) = it.ask() else {
        panic!("a wish");
    };
    assert!(
        matches!(ask.what, Proposal::Lease { want: 3, .. }),
        "{ask:?}"
    );
}

// N6: a forced mode ends when somebody looks, so somebody does, also where there are no calls.
#[test]
fn the_end_of_a_forced_mode_is_asked_for() {
    let mut it = Bench::new(1);
    let force = Proposal::Force {
        at_most: Some(5_000),
        who: Default::default(),
    };
    let decided = ready(it.store.decide(&it.proposal(force))).expect("an answer");
    assert_eq!(decided.done, Done::Yes);
    let mut modes = Vec::new();
    for _ in 0..8 {
        it.pass(1_000);
        it.settle();
        modes.push(it.circuits[0].mode());
    }
    assert_eq!((modes[0], modes[7]), (Mode::ForcedOpen, Mode::Normal));
}
