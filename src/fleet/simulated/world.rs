//! One thing after the other: calls, messages, faults.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::{
        pace::Chance,
        pilot::{Ask, Reply},
        store::{StoreError, Why},
        table::record,
        wire::Stamp,
    },
    MILLI, SECOND,
    clock::Drifting,
    history::{Act, Fault, History, Timed},
    instance::{BREAK, Flight, Instance},
    link::{Link, Side},
    promises::Promises,
};
use crate::{
    circuit::{by::By, followed::Sharing, handle::Circuit},
    machine::{Mode, State, nanos},
};

/// So long after the last fault, whatever is left of it is over: the longest back-off, and a poll.
const SETTLED: u64 = 7 * SECOND;

/// And here the fleet is well again.
const WELL: u64 = 40 * SECOND;

/// Within this time a decision of the fleet is known everywhere: one poll and one exchange.
const KNOWN_WITHIN: u64 = 1_500 * MILLI;

pub(super) struct World<'a> {
    history: &'a History,
    now: u64,
    /// What is to happen, by when and in which order it was said.
    events: BTreeMap<(u64, u64), Event>,
    chance: Chance,
    slots: Vec<Option<Instance>>,
    links: Vec<Link>,
    sides: [Side; 2],
    outage_until: u64,
    made: u64,
    /// The fleet's decisions since the last fault, and when they were made.
    stamps: Vec<(u64, Stamp)>,
    promises: Promises,
    /// What has happened, if anybody wants to know.
    tale: Option<Vec<String>>,
}

#[derive(Debug)]
enum Event {
    Call(usize),
    End(usize, u64, u64),
    Wake(usize, u64),
    Request(usize, u64, u64, Ask, Copy),
    Reply(usize, u64, u64, Result<Reply, StoreError>),
    TimeOut(usize, u64, u64),
    Hint(usize, u64),
    Fault(usize),
    Heal,
    Begin(usize, u64),
    /// A person tidies up.
    Release,
}

/// Whether a request is one that comes for the second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    No,
    Yes,
}

/// Lives a history to its end. What has come about in it; or what was broken.
pub(super) fn live(history: &History) -> Result<BTreeMap<&'static str, u64>, String> {
    World::new(history).live().0
}

/// What happens in it, up to what was broken.
pub(super) fn tell(history: &History) -> String {
    let mut world = World::new(history);
    world.tale = Some(Vec::new());
    let (_, tale) = world.live();
    tale.unwrap_or_default().join("\n")
}

type Lived = Result<BTreeMap<&'static str, u64>, String>;

impl<'a> World<'a> {
    fn live(mut self) -> (Lived, Option<Vec<String>>) {
        let world = &mut self;
        while world.promises.broken.is_none() {
            let Some(((at, _), event)) = world.events.pop_first() else {
                break;
            };
            if at > world.history.calm_at() + WELL {
                world.is_well();
                break;
            }
            world.now = at;
            world.happen(event);
        }
        let Self {
            now,
            promises,
            tale,
            ..
        } = self;
        let lived = match promises.broken {
            Some(broken) => Err(format!("at {} ms: {broken}", now / MILLI)),
            None => Ok(promises.reached),
        };
        (lived, tale)
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(tale) = &mut self.tale {
            tale.push(format!("{:>6} {}", self.now / MILLI, what()));
        }
    }

    fn new(history: &'a History) -> Self {
        let mut world = Self {
            history,
            now: 0,
            events: BTreeMap::new(),
            chance: Chance::new(history.seed),
            slots: Vec::new(),
            links: vec![Link::default(); history.instances],
            sides: Default::default(),
            outage_until: 0,
            made: 0,
            stamps: Vec::new(),
            promises: Promises::default(),
            tale: None,
        };
        for who in 0..history.instances {
            world.slots.push(None);
            // Some have few calls.
            let few = world.chance.below(3) == 0;
            world.links[who].between = if few { 2_200 * MILLI } else { 450 * MILLI };
            let at = world.chance.below(SECOND);
            world.at(at, Event::Begin(who, 0));
            world.at(at + 1, Event::Call(who));
        }
        for (index, fault) in history.faults.iter().enumerate() {
            world.at(fault.at, Event::Fault(index));
        }
        for later in [SETTLED, SETTLED + 2 * SECOND] {
            world.at(history.calm_at() + later, Event::Release);
        }
        world
    }

    fn at(&mut self, at: u64, event: Event) {
        let order = self.made;
        self.made += 1;
        self.events.insert((at, order), event);
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.at(self.now + wait, event);
    }

    /// The process, if it is still that one, at this instant. A process that stalls finds everything later.
    fn find(&mut self, who: usize, number: u64) -> Option<&mut Instance> {
        let now = self.now;
        let instance = self.slots[who].as_mut()?;
        instance.clock.set(now);
        (instance.number == number).then_some(instance)
    }

    fn stalls(&self, event: &Event) -> Option<u64> {
        let (&Event::Call(who)
        | &Event::End(who, ..)
        | &Event::Wake(who, _)
        | &Event::Reply(who, ..)
        | &Event::TimeOut(who, ..)
        | &Event::Hint(who, _)) = event
        else {
            return None;
        };
        let until = self.slots[who].as_ref()?.stalled_until;
        (until > self.now).then_some(until)
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.stalls(&event) {
            let wakes = matches!(event, Event::Wake(..));
            self.at(until, event);
            if wakes {
                self.rewake(until);
            }
            return;
        }
        match event {
            Event::Call(who) => self.call(who),
            Event::End(who, number, call) => self.end(who, number, call),
            Event::Wake(who, number) => self.wake(who, number),
            Event::Request(who, number, flight, ask, copy) => {
                self.request(who, number, flight, &ask, copy);
            }
            Event::Reply(who, number, flight, reply) => self.reply(who, number, flight, reply),
            Event::TimeOut(who, number, flight) => {
                let late = StoreError::new(Why::TimedOut, "no answer in time");
                self.reply(who, number, flight, Err(late));
            }
            Event::Hint(who, number) => self.hint(who, number),
            Event::Fault(index) => self.fault(index),
            Event::Heal => self.heal(),
            Event::Begin(who, revision) => self.begin(who, revision),
            Event::Release => self.release(),
        }
    }

    fn rewake(&mut self, until: u64) {
        for instance in self.slots.iter_mut().flatten() {
            if instance.wake_at < until && instance.stalled_until == until {
                instance.wake_at = until;
            }
        }
    }

    // Processes.

    fn begin(&mut self, who: usize, revision: u64) {
        self.made += 1;
        let number = self.made;
        let drift = match self.chance.below(10) {
            0 => self.chance.below(20_001),
            _ => 9_800 + self.chance.below(401),
        };
        let drift = i64::try_from(drift).expect("a drift") - 10_000;
        let clock = Drifting::new(self.chance.below(1 << 50), drift);
        clock.set(self.now);
        let seed = self.chance.next();
        let instance = Instance::new(number, clock, seed, self.history, revision);
        self.slots[who] = Some(instance);
        self.step(who);
    }

    /// What the task does each time that it wakes.
    fn step(&mut self, who: usize) {
        let Some(instance) = &mut self.slots[who] else {
            return;
        };
        instance.clock.set(self.now);
        let now = instance.now();
        instance.pilot.turn(now);
        let number = instance.number;
        if let Some(ask) = instance.pilot.ask(0, now) {
            self.made += 1;
            let id = self.made;
            instance.flight = Some(Flight { id, asked: now });
            self.send(who, number, id, ask);
        }
        let Some(instance) = &mut self.slots[who] else {
            return;
        };
        let wait = instance.pilot.next().saturating_sub(now);
        let wait = instance.clock.truly(wait.clamp(MILLI, 3_600 * SECOND));
        let wake_at = self.now + wait;
        if instance.wake_at <= self.now || wake_at < instance.wake_at {
            instance.wake_at = wake_at;
            self.at(wake_at, Event::Wake(who, number));
        }
    }

    fn wake(&mut self, who: usize, number: u64) {
        let now = self.now;
        let Some(instance) = self.find(who, number) else {
            return;
        };
        if instance.wake_at == now {
            self.step(who);
            self.knows(who);
        }
    }

    /// Only if somebody has said that there is something to look at.
    fn step_if_woken(&mut self, who: usize) {
        if self.slots[who].as_ref().is_some_and(Instance::is_woken) {
            self.step(who);
        }
    }

    // Messages.

    fn send(&mut self, who: usize, number: u64, id: u64, ask: Ask) {
        let instance = self.slots[who].as_mut().expect("it asks");
        let name = match &ask {
            Ask::Exchange(ask) => ask.instance,
            Ask::Decide(ask) => ask.instance,
        };
        if !instance.ids.contains(&name) {
            instance.ids.push(name);
        }
        let timeout = instance.clock.truly(nanos(instance.timeout()));
        self.after(timeout, Event::TimeOut(who, number, id));
        let link = self.links[who];
        if link.cut_until > self.now {
            if link.says_so {
                let error = StoreError::new(Why::NotReached, "cut");
                self.after(MILLI, Event::Reply(who, number, id, Err(error)));
            }
            return;
        }
        if self.is_lossy(who) && self.chance.below(4) == 0 {
            let wait = self.travels(who) + self.chance.below(3 * SECOND);
            let copy = Event::Request(who, number, id, ask.clone(), Copy::Yes);
            self.after(wait, copy);
        }
        if !self.is_lost(who) {
            let wait = self.travels(who);
            self.after(wait, Event::Request(who, number, id, ask, Copy::No));
        }
    }

    fn is_lossy(&self, who: usize) -> bool {
        self.links[who].lossy_until > self.now
    }

    fn is_lost(&mut self, who: usize) -> bool {
        let cut = self.links[who].cut_until > self.now;
        cut || self.is_lossy(who) && self.chance.below(100) < self.links[who].lost
    }

    fn travels(&mut self, who: usize) -> u64 {
        let most = match self.is_lossy(who) {
            true => self.links[who].takes,
            false => 0,
        };
        MILLI / 10 + self.chance.below(2 * MILLI + most)
    }

    /// The store is asked.
    fn request(&mut self, who: usize, number: u64, id: u64, ask: &Ask, copy: Copy) {
        if self.links[who].cut_until > self.now {
            return;
        }
        let side = self.links[who].side;
        let (reply, hints) = self.sides[side].answer(self.now, ask, &mut self.promises);
        self.say(|| match (ask, &reply) {
            (Ask::Decide(ask), Ok(Reply::Decided(told))) => format!(
                "{who} {copy:?} from {:?} {:?}: {:?}, {:?} {:?} {:?}",
                ask.seen, ask.what, told.done, told.standing.stamp, told.standing.state, told.lease
            ),
            (Ask::Exchange(ask), Ok(Reply::Exchanged(told))) => {
                format!("{who} {copy:?} {:?}: {:?}", ask.circuits, told.circuits)
            }
            other => format!("{who}: {other:?}"),
        });
        self.note_stamp();
        if hints && self.history.hints {
            self.tell(side);
        }
        if copy == Copy::No && !self.is_lost(who) {
            let wait = self.travels(who);
            self.after(wait, Event::Reply(who, number, id, reply));
        }
    }

    fn tell(&mut self, side: usize) {
        for who in 0..self.slots.len() {
            let Some(number) = self.slots[who].as_ref().map(|it| it.number) else {
                continue;
            };
            if self.links[who].side == side && !self.is_lost(who) {
                let wait = self.travels(who);
                self.after(wait, Event::Hint(who, number));
            }
        }
    }

    fn reply(&mut self, who: usize, number: u64, id: u64, reply: Result<Reply, StoreError>) {
        let Some(instance) = self.find(who, number) else {
            return;
        };
        let Some(flight) = instance.flight.filter(|flight| flight.id == id) else {
            return;
        };
        instance.flight = None;
        if reply.is_ok() {
            instance.heard = Some(flight.asked);
        }
        let now = instance.now();
        instance.pilot.answered(0, reply, now);
        self.never_goes_back(who);
        self.step(who);
    }

    fn hint(&mut self, who: usize, number: u64) {
        if let Some(instance) = self.find(who, number) {
            let now = instance.now();
            instance.pilot.hinted(now);
            self.step(who);
        }
    }

    // Calls.

    fn call(&mut self, who: usize) {
        let between = self.links[who].between;
        let wait = between / 2 + self.chance.below(between);
        self.after(wait, Event::Call(who));
        let succeeds = self.succeeds(who);
        let Some(instance) = &mut self.slots[who] else {
            return;
        };
        instance.clock.set(self.now);
        let led = instance.circuit.core().tally().is_some();
        let Ok(guard) = instance.circuit.clone().try_acquire_owned() else {
            self.rejected(who);
            self.step_if_woken(who);
            return;
        };
        let ids = instance.ids.clone();
        let number = instance.number;
        let clock = instance.clock.clone();
        let lasts = |millis: u64| clock.truly(millis * MILLI);
        self.made += 1;
        instance.calls.insert(self.made, (guard, succeeds));
        let takes = 20 * MILLI + self.chance.below(300 * MILLI);
        let hangs = if self.chance.below(40) == 0 {
            SECOND
        } else {
            0
        };
        self.at(self.now + takes + hangs, Event::End(who, number, self.made));
        if led {
            self.say(|| format!("{who} begins a probe"));
            let permits = usize::try_from(self.history.permits).expect("a few");
            self.promises.probe(self.now, &ids, lasts, permits);
        }
        self.step_if_woken(who);
    }

    fn succeeds(&mut self, who: usize) -> bool {
        let bad = self.outage_until.max(self.links[who].bad_until) > self.now;
        !bad && self.chance.below(300) > 0
    }

    fn end(&mut self, who: usize, number: u64, call: u64) {
        let Some(instance) = self.find(who, number) else {
            return;
        };
        let (guard, succeeds) = instance.calls.remove(&call).expect("it was begun");
        let state = instance.circuit.state();
        match succeeds {
            true => guard.success(),
            false => guard.failure(),
        }
        if state != State::Closed {
            self.say(|| format!("{who} ends a call: {succeeds}"));
        }
        self.step_if_woken(who);
    }

    /// N7: nobody is held who has not heard of the fleet for longer than `detach_after`.
    fn rejected(&mut self, who: usize) {
        let Some(instance) = &self.slots[who] else {
            return;
        };
        let view = instance.circuit.core().view(|| instance.circuit.now());
        let is_held = view.state == State::Open
            && view.mode == Mode::Normal
            && view.remaining == Some(Duration::ZERO);
        if !is_held {
            return;
        }
        let now = instance.now();
        let heard = instance.heard;
        let in_time = heard.is_some_and(|asked| now < asked + 3 * SECOND);
        self.promises.reach("held");
        self.promises.check(in_time, || {
            format!("held at {now}, and heard what was asked at {heard:?}")
        });
    }

    // What an instance shows.

    /// N4: no instance goes back.
    fn never_goes_back(&mut self, who: usize) {
        let instance = self.slots[who].as_mut().expect("it was told");
        let stamp = stamp(&instance.circuit);
        let before = std::mem::replace(&mut instance.shown, stamp);
        self.promises.check(stamp >= before, || {
            format!("an instance goes from {before:?} back to {stamp:?}")
        });
    }

    fn note_stamp(&mut self) {
        if self.now < self.history.calm_at() {
            return;
        }
        let stamp = self.sides[0].entry().record.stamp;
        if self.stamps.last().is_none_or(|it| it.1 != stamp) {
            self.stamps.push((self.now, stamp));
        }
    }

    /// N4: once faults are over, what was decided is known within one poll and one exchange.
    fn knows(&mut self, who: usize) {
        if self.now < self.history.calm_at() + SETTLED {
            return;
        }
        let old = |it: &&(u64, Stamp)| it.0 + KNOWN_WITHIN <= self.now;
        let Some(&(at, decided)) = self.stamps.iter().rev().find(old) else {
            return;
        };
        let known = self.slots[who].as_ref().map(|it| stamp(&it.circuit));
        let knows = known.is_none_or(|known| known >= (decided.era, decided.nonce));
        self.promises.check(knows, || {
            let decided_at = at / MILLI;
            format!("{who} knows {known:?}, and {decided:?} was decided at {decided_at} ms")
        });
    }

    /// Some time after the last fault everything is as if there had been none.
    fn is_well(&mut self) {
        let entry = self.sides[0].entry();
        let closed = entry.record.state == record::State::Closed;
        self.promises
            .check(closed, || format!("the fleet is {:?}", entry.record.state));
        let bound = 16 + 2 * self.slots.len();
        self.promises.check(entry.registers.len() <= bound, || {
            format!("{} registers", entry.registers.len())
        });
        for (who, instance) in self.slots.iter().enumerate() {
            let Some(instance) = instance else {
                continue;
            };
            let snapshot = instance.circuit.snapshot();
            let fleet = snapshot.fleet.expect("it is shared");
            let attached = matches!(fleet.sharing, Sharing::Attached { .. });
            let same = fleet.stamp == (entry.record.stamp.era, entry.record.stamp.nonce);
            let well = snapshot.state == State::Closed && snapshot.mode == Mode::Normal;
            self.promises.check(attached && same && well, || {
                let stamp = entry.record.stamp;
                format!(
                    "{who} is {:?} {:?}, {fleet:?}, and the fleet {stamp:?}",
                    snapshot.state, snapshot.mode
                )
            });
        }
    }

    // Faults.

    fn fault(&mut self, index: usize) {
        let Timed { at, lasts, fault } = self.history.faults[index];
        self.say(|| format!("{fault:?} for {} ms", lasts / MILLI));
        let until = at + lasts;
        match fault {
            Fault::Outage => self.outage_until = self.outage_until.max(until),
            Fault::BadLink { who } => self.links(who, |link| link.bad_until = until),
            Fault::Cut { who, says_so } => self.links(who, |link| {
                (link.cut_until, link.says_so) = (until, says_so);
            }),
            Fault::Lossy { who, lost, takes } => self.links(who, |link| {
                (link.lossy_until, link.lost, link.takes) = (until, lost, takes);
            }),
            Fault::Stall { who } => {
                let slot = self.slot(who);
                if let Some(instance) = &mut self.slots[slot] {
                    instance.stalled_until = until;
                }
            }
            Fault::Kill { who } => self.kill(who, until, 0),
            Fault::Deploy { who } => self.kill(who, until, 1),
            Fault::Wipe => {
                self.forgets(at);
                self.sides.iter_mut().for_each(Side::wipe);
            }
            Fault::RollBack { last } => {
                self.forgets(at);
                if self.sides[0].roll_back(last) {
                    self.promises.reach("rolled back");
                }
            }
            Fault::Jump { by } => {
                self.forgets(at);
                self.sides.iter_mut().for_each(|side| side.jumped += by);
            }
            Fault::Split { who } => self.split(who, until),
            Fault::Person { who, act } => self.act(who, act),
        }
    }

    fn forgets(&mut self, at: u64) {
        self.promises.forgets(at, at);
    }

    fn links(&mut self, who: u64, change: impl Fn(&mut Link)) {
        for (bit, link) in self.links.iter_mut().enumerate() {
            if who >> bit & 1 == 1 {
                change(link);
            }
        }
    }

    fn slot(&self, who: usize) -> usize {
        who % self.slots.len()
    }

    fn kill(&mut self, who: usize, until: u64, revision: u64) {
        let who = self.slot(who);
        self.slots[who] = None;
        self.at(until, Event::Begin(who, revision));
    }

    fn split(&mut self, who: u64, until: u64) {
        self.promises.forgets(self.now, until);
        self.sides[1] = self.sides[0].clone();
        self.links(who, |link| link.side = 1);
        self.at(until, Event::Heal);
    }

    fn heal(&mut self) {
        self.forgets(self.now);
        self.links(u64::MAX, |link| link.side = 0);
    }

    fn act(&mut self, who: usize, act: Act) {
        let who = self.slot(who);
        let Some(instance) = &mut self.slots[who] else {
            return;
        };
        instance.clock.set(self.now);
        let circuit = instance.circuit.clone();
        match act {
            Act::Force => drop(circuit.force_open()),
            Act::ForceFor => {
                let three = Duration::from_secs(3);
                circuit
                    .force_open_for(By::who("ops"), three)
                    .expect("a time");
            }
            Act::Release => drop(circuit.release()),
            Act::Reset => circuit.reset(),
            Act::Trip => {
                let _ = circuit.trip(BREAK);
            }
        }
        self.step_if_woken(who);
    }

    fn release(&mut self) {
        for who in 0..self.slots.len() {
            if let Some(instance) = &mut self.slots[who] {
                instance.clock.set(self.now);
                if instance.circuit.mode() == Mode::ForcedOpen {
                    instance.circuit.release();
                }
            }
            self.step_if_woken(who);
        }
    }
}

fn stamp(circuit: &Circuit) -> (u64, u32) {
    circuit.snapshot().fleet.expect("it is shared").stamp
}
