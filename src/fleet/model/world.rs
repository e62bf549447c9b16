//! The world: a store, some instances with a circuit each, and what is under way between them.
//!
//! The store is the real [`Table`], what an instance makes of it the real [`Follow`]; only the circuit is a [`Stub`].
//! Instances do what they may at any time, in any order: what holds here holds for every pace. The clocks go at the
//! same rate, a tick at a time; what they show does not matter, and so it is the same in every state (see `relative`).

use std::{
    fmt::{self, Write},
    hash::{Hash, Hasher},
    iter,
    sync::Arc,
};

use super::{
    super::{
        follow::Follow,
        judge::Judge,
        local::{Apply, Asks, Ended, Here, Local, Rules, Trip},
        table::{Entry, Table},
        wire::{
            CAUSE_BYTES, Decide, Decided, Exchange, InstanceId, Key, LAST_MILLIS, Look, Place,
            Proposal, Report, Stamp, Sums, Text, Told,
        },
    },
    search::fingerprint,
    stub::{Call, State, Stub},
};
use crate::{
    circuit::settings::Agreement,
    machine::{Mode, WindowCounts},
};

/// A tick, in nanoseconds of an instance and in milliseconds of the store.
pub(super) const TICK: u64 = 1_000_000_000;
pub(super) const TICK_MS: u64 = 1_000;

/// What the clocks show, in every state.
pub(super) const NOW: u64 = 1_000 * TICK;
pub(super) const NOW_MS: u64 = 1 << 41;

/// How large a world is. All that can happen in it comes to an end by these, and not by a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) instances: usize,
    /// So many requests or replies are lost. A lost request may still come, whenever.
    pub(super) losses: u8,
    /// So often the store loses its last decision or grant.
    pub(super) failovers: u8,
    /// The fleet opens in eras before this one.
    pub(super) eras: u64,
    /// So often an instance opens by itself.
    pub(super) trips: u8,
    /// So often seats are granted.
    pub(super) grants: u8,
    /// So many of so many probes must succeed, and as many may be under way at a time.
    pub(super) probes: (u32, u32),
    pub(super) permits: u32,
    /// So many probes begin in one half-open time of one instance.
    pub(super) taken: u32,
    /// How long a break is, in ticks; a lease; and how long after its last question an instance is alone.
    pub(super) break_ticks: u64,
    pub(super) lease_ticks: u64,
    pub(super) alone_ticks: u64,
    /// Answers take time, too. If not, an answer is heard as it is given.
    pub(super) answers_fly: bool,
    /// Of one in so many states it is asked whether all gets well from there.
    pub(super) calm_every: u32,
}

impl Size {
    /// A fleet of so many instances in which nothing is lost.
    pub(super) const fn of(instances: usize) -> Self {
        Self {
            instances,
            losses: 0,
            failovers: 0,
            eras: 1,
            trips: 0,
            grants: 2,
            probes: (1, 1),
            permits: 1,
            taken: 2,
            break_ticks: 2,
            lease_ticks: 2,
            alone_ticks: 3,
            answers_fly: true,
            calm_every: 50,
        }
    }

    fn rules(&self) -> Rules {
        let (need, of) = self.probes;
        Rules {
            agreement: Agreement::of(1).share(0.0),
            permits: self.permits,
            need,
            of,
            life: self.lease_ticks * TICK_MS,
            limit: 0,
            // So long that no window goes on.
            keep_for: LAST_MILLIS,
            by_count: false,
            watches_streak: false,
            settings: 1,
        }
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) table: Arc<Table>,
    /// What a failover goes back to: as the store was before its last decision or grant.
    pub(super) saved: Option<Arc<Table>>,
    /// Most of what can happen changes one: the others are the same ones before and after.
    pub(super) instances: Vec<Arc<Instance>>,
    /// Of each instance.
    pub(super) prints: Vec<u128>,
    pub(super) losses: u8,
    pub(super) failovers: u8,
    pub(super) grants: u8,
    /// Which of two nonces is the greater one.
    pub(super) flipped: bool,
    /// Nonces say who has decided: no two instances are alike.
    pub(super) named: bool,
}

#[derive(Clone, Hash)]
pub(super) struct Instance {
    pub(super) follow: Follow,
    pub(super) circuit: Stub,
    pub(super) request: Option<Request>,
    pub(super) reply: Option<Reply>,
    /// A lost request that may come after all.
    pub(super) late: Option<Said>,
    /// Probes that have succeeded and failed in this half-open time of the fleet, where more than one decides.
    pub(super) made: (u32, u32),
}

#[derive(Clone, Hash)]
pub(super) struct Request {
    pub(super) asked: u64,
    pub(super) said: Said,
}

#[derive(Clone, Hash)]
pub(super) struct Reply {
    pub(super) asked: u64,
    pub(super) heard: Heard,
}

#[derive(Clone, Hash)]
pub(super) enum Said {
    Look(Stamp, Option<Report>),
    Decide(Stamp, u32, Proposal),
}

#[derive(Clone, Hash)]
pub(super) enum Heard {
    Told(Told),
    Decided(Proposal, Decided),
}

/// Something that can happen; of which instance. It is told as it is written.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "which instance it is of is only told")]
pub(super) enum Action {
    Tick,
    Looks(usize),
    Proposes(usize),
    RequestComes(usize),
    RequestIsLost(usize),
    ReplyComes(usize),
    ReplyIsLost(usize),
    LostRequestComes(usize),
    CallComes(usize),
    ProbeSucceeds(usize),
    ProbeFails(usize),
    OpensAlone(usize),
    Failover,
}

/// Every call fails while it is closed. So it is always as bad as can be. Breaks are that long.
struct Sick {
    break_ticks: u64,
}

impl Judge for Sick {
    fn trips(&self, all: &Sums) -> Option<Text<CAUSE_BYTES>> {
        (2 * all.failed >= all.calls && all.calls >= 10).then(Text::default)
    }

    fn reaches(&self, own: &WindowCounts, _streak: u64) -> bool {
        own.calls > 0 && 2 * own.failed >= own.calls
    }

    fn break_of(&self, _attempt: u32, _era: u64) -> u64 {
        self.break_ticks * TICK_MS
    }
}

/// What no two worlds of a search differ in.
pub(super) struct Scene {
    pub(super) size: Size,
    place: Place,
    name: Key,
    judge: Sick,
}

impl Scene {
    pub(super) fn new(size: Size) -> Self {
        let fleet = "tb1:shop:".into();
        Self {
            size,
            place: Place { fleet, shard: 0 },
            name: Key::of("a"),
            judge: Sick {
                break_ticks: size.break_ticks,
            },
        }
    }

    pub(super) fn begin(&self, flipped: bool) -> World {
        let instance = Instance {
            follow: Follow::new(self.size.alone_ticks * TICK),
            circuit: Stub::CLOSED,
            request: None,
            reply: None,
            late: None,
            made: (0, 0),
        };
        World {
            table: Arc::default(),
            saved: None,
            prints: vec![fingerprint(&instance); self.size.instances],
            // They are alike, and taken apart by what happens.
            instances: iter::repeat_n(Arc::new(instance), self.size.instances).collect(),
            losses: self.size.losses,
            failovers: self.size.failovers,
            grants: self.size.grants,
            flipped,
            named: self.size.failovers > 0,
        }
    }

    pub(super) fn entry<'a>(&self, table: &'a Table) -> Option<&'a Entry> {
        table.circuits.get(&self.name)
    }

    pub(super) fn entry_mut<'a>(&self, table: &'a mut Table) -> Option<&'a mut Entry> {
        table.circuits.get_mut(&self.name)
    }

    /// Answers what instance `me` has said.
    pub(super) fn serve(&self, table: &mut Table, me: usize, said: &Said) -> Heard {
        let instance = id(me);
        match said {
            Said::Look(stamp, report) => {
                let look = Look {
                    name: self.name.clone(),
                    stamp: *stamp,
                    report: report.clone(),
                };
                let ask = Exchange {
                    place: self.place.clone(),
                    instance,
                    seen: 0,
                    circuits: vec![look],
                };
                let told = table.exchange(NOW_MS, &ask).circuits.swap_remove(0);
                Heard::Told(told.expect("what an instance says can be read"))
            }
            Said::Decide(seen, nonce, what) => {
                let ask = Decide {
                    place: self.place.clone(),
                    instance,
                    name: self.name.clone(),
                    seen: *seen,
                    nonce: *nonce,
                    what: what.clone(),
                };
                let decided = table.decide(NOW_MS, &ask);
                let decided = decided.expect("what an instance says can be read");
                Heard::Decided(what.clone(), decided)
            }
        }
    }

    /// The circuit, as its instance sees it. `sick`: calls fail while it is closed.
    pub(super) fn local<'a>(&'a self, instance: &Instance, sick: bool) -> Local<'a> {
        let here = instance.circuit.here(NOW);
        let forced = matches!(instance.circuit.state, State::Forced { .. });
        let fails = sick && here == Here::Closed;
        let before = instance.follow.speaks.by_then;
        Local {
            state: here,
            mode: if forced {
                Mode::ForcedOpen
            } else {
                Mode::Normal
            },
            window: Some(WindowCounts {
                calls: 10,
                failed: if fails { 10 } else { 0 },
                slow: 0,
            }),
            streak: 0,
            // Since the last report that counts, a call has failed, or succeeded.
            ended: Ended {
                successful: before.successful,
                failed: before.failed + u64::from(fails),
                slow: 0,
            },
            // Whatever has opened it, its window was full of failures.
            trip: Some(Trip {
                calls: 10,
                failed: 10,
                ..Trip::default()
            }),
            rules: self.size.rules(),
            judge: &self.judge,
        }
    }

    /// What there is to say, at once and as a look.
    pub(super) fn asks(
        &self,
        world: &World,
        me: usize,
        sick: bool,
    ) -> (Instance, Option<Said>, Said) {
        let mut instance = Instance::clone(&world.instances[me]);
        // There is always a call that waits. Who has none is like one that only looks.
        if instance.circuit.would_hold(NOW) {
            instance.follow.wants(1);
        }
        let local = self.local(&instance, sick);
        let asks = instance.follow.asks(&local, NOW);
        let stamp = instance.follow.known();
        match asks {
            Asks::Decide(mut what) => {
                let nonce = world.nonce(me);
                if let Proposal::Open { cause, .. } = &mut what {
                    *cause = Text::of(&nonce.to_string());
                }
                let decide = Said::Decide(stamp, nonce, what);
                (instance, Some(decide), Said::Look(stamp, None))
            }
            Asks::Report(register) => {
                let report = instance.follow.say(register, &local);
                (instance, None, Said::Look(stamp, Some(report)))
            }
            Asks::Look { .. } => (instance, None, Said::Look(stamp, None)),
        }
    }

    /// Hears an answer.
    pub(super) fn hear(&self, instance: &mut Instance, reply: &Reply, sick: bool) {
        let local = self.local(instance, sick);
        let when = (reply.asked, NOW);
        let follow = &mut instance.follow;
        let known = follow.known();
        let what = match &reply.heard {
            Heard::Told(told) => follow.heard(told, when, &local),
            Heard::Decided(asked_for, told) => follow.decided(asked_for, told, when, &local),
        };
        do_all(&mut instance.circuit, &what);
        if instance.follow.known() != known {
            instance.made = (0, 0);
        }
    }

    /// A probe ends.
    pub(super) fn probe_ends(&self, instance: &mut Instance, well: bool) {
        instance.circuit.probe_ends(well);
        if self.size.probes.1 > 1 {
            instance.made.0 += u32::from(well);
            instance.made.1 += u32::from(!well);
        }
    }

    /// Time has passed, and no answer may have come.
    pub(super) fn passes(&self, instance: &mut Instance, sick: bool) {
        let local = self.local(instance, sick);
        let what = instance.follow.passes(NOW, &local);
        do_all(&mut instance.circuit, &what);
    }

    /// A call comes to an instance.
    pub(super) fn call(&self, instance: &mut Instance) -> Call {
        instance.circuit.call(NOW)
    }

    /// The instance looks at its circuit. Something has happened there, so it will soon.
    pub(super) fn sees(&self, instance: &mut Instance, sick: bool) {
        let local = self.local(instance, sick);
        let _ = instance.follow.asks(&local, NOW);
    }
}

fn do_all(circuit: &mut Stub, what: &[Apply]) {
    what.iter().for_each(|it| circuit.apply(it, NOW));
}

pub(super) fn id(instance: usize) -> InstanceId {
    InstanceId(instance as u64)
}

impl World {
    pub(super) fn instance(&mut self, me: usize) -> &mut Instance {
        Arc::make_mut(&mut self.instances[me])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().map(|it| &**it)
    }

    pub(super) fn serve(&mut self, scene: &Scene, me: usize, said: &Said) -> Heard {
        scene.serve(Arc::make_mut(&mut self.table), me, said)
    }

    /// Who decides, and after how many failovers: so no two decisions of one era have the same, and nothing is said of
    /// what two instances would have drawn by chance. Where the store forgets nothing, no era has two decisions.
    fn nonce(&self, me: usize) -> u32 {
        if !self.named {
            return 1;
        }
        let me = u32::try_from(me).expect("a few instances");
        let nonce = 1 + 2 * me + u32::from(self.failovers);
        if self.flipped { 100 - nonce } else { nonce }
    }
}

/// Instances that nothing tells apart can change places.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tables = [Some(&self.table), self.saved.as_ref()];
        let entries = tables.map(|table| table.and_then(|it| it.circuits.values().next()));
        for entry in entries {
            entry.map(|it| &it.record).hash(state);
        }
        (self.losses, self.failovers, self.grants, self.flipped).hash(state);
        let mut parts: Vec<_> = (0..)
            .zip(&self.prints)
            .map(|(me, print)| {
                let me = id(me);
                let kept =
                    entries.map(|it| it.map(|it| (it.registers.get(&me), it.leases.get(&me))));
                fingerprint(&(print, kept))
            })
            .collect();
        if !self.named {
            parts.sort_unstable();
        }
        parts.hash(state);
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = [
            ("store", Some(&*self.table)),
            ("saved", self.saved.as_deref()),
        ];
        for (name, table) in tables {
            if let Some(entry) = table.and_then(|it| it.circuits.values().next()) {
                writeln!(f, "   {name}  {}", Shown(entry))?;
            }
        }
        for (me, instance) in self.instances.iter().enumerate() {
            writeln!(f, "   {me}      {}", ShownInstance(instance))?;
        }
        Ok(())
    }
}

/// A table's entry, for a run that is told.
struct Shown<'a>(&'a Entry);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry {
            record,
            registers,
            leases,
        } = self.0;
        write!(f, "{} {:?}", stamp(record.stamp), record.state)?;
        write!(f, ", {} ms left", record.until.saturating_sub(NOW_MS))?;
        for (me, kept) in registers {
            write!(
                f,
                ", {} has said {} of {}",
                me.0, kept.part.failed, kept.part.calls
            )?;
        }
        for (me, kept) in leases {
            let left = kept.ends.saturating_sub(NOW_MS);
            write!(f, ", {} has {} seats for {left} ms", me.0, kept.seats())?;
            write!(f, " ({kept:?})")?;
        }
        Ok(())
    }
}

fn stamp(stamp: Stamp) -> String {
    format!("{}/{}", stamp.era, stamp.nonce)
}

struct ShownInstance<'a>(&'a Instance);

impl fmt::Display for ShownInstance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance {
            follow,
            circuit,
            request,
            reply,
            late,
            made: _,
        } = self.0;
        let ago = |at: u64| (NOW.saturating_sub(at)) / TICK;
        write!(f, "{}; knows {}", circuit.shown(NOW), stamp(follow.known()))?;
        write!(f, " {:?}", follow.standing.state)?;
        match follow.applied {
            Some(it) if it == follow.known() => f.write_str(", done")?,
            Some(it) => write!(f, ", has done {}", stamp(it))?,
            None => f.write_str(", has done nothing")?,
        }
        match follow.asked {
            Some(asked) => write!(f, ", attached by what it asked {} ago", ago(asked))?,
            None => f.write_str(", alone")?,
        }
        if follow.behind {
            f.write_str(", to restore")?;
        }
        if let Some(Request { asked, said }) = request {
            write!(
                f,
                "\n           asked {} ago: {}",
                ago(*asked),
                said.shown()
            )?;
        }
        if let Some(Reply { asked, heard }) = reply {
            write!(
                f,
                "\n           asked {} ago, answered: {}",
                ago(*asked),
                heard.shown()
            )?;
        }
        if let Some(said) = late {
            write!(f, "\n           may come late: {}", said.shown())?;
        }
        Ok(())
    }
}

impl Said {
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Look(seen, None) => format!("a look, knowing {}", stamp(*seen)),
            Self::Look(seen, Some(report)) => {
                let it = &report.register;
                let (seq, failed, calls) = (report.seq, it.failed, it.calls);
                format!(
                    "report {seq}, {failed} of {calls}, knowing {}",
                    stamp(*seen)
                )
            }
            Self::Decide(seen, nonce, what) => {
                format!("{what:?}, knowing {}, nonce {nonce}", stamp(*seen))
            }
        }
    }
}

impl Heard {
    pub(super) fn shown(&self) -> String {
        let (how, standing, lease) = match self {
            Self::Told(told) => (format!("{:?}", told.how), &told.standing, told.lease),
            Self::Decided(_, told) => (format!("{:?}", told.done), &told.standing, told.lease),
        };
        let mut text = format!("{how}, {} {:?}", stamp(standing.stamp), standing.state);
        if let Some(lease) = lease {
            let _ = write!(text, ", {} seats for {} ms", lease.seats, lease.left);
        }
        text
    }
}
