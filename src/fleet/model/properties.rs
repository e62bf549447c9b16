//! What must be so, and what must be possible.

use std::sync::Arc;

use super::{
    super::{
        table::{Entry, record},
        wire::{Stamp, Standing, Stored, StoredMode},
    },
    relative,
    stub::{Call, State},
    world::{Instance, NOW, NOW_MS, Reply, Request, Said, Scene, TICK, World, id},
};

type Holds = Result<(), String>;

fn promise(holds: bool, what: impl FnOnce() -> String) -> Holds {
    if holds { Ok(()) } else { Err(what()) }
}

/// What must be so in each state.
pub(super) fn holds(scene: &Scene, world: &World) -> Holds {
    one_stamp_is_one_decision(scene, world)?;
    no_more_seats_than_permits(scene, world)?;
    only_what_was_is_counted(scene, world)?;
    let hold = |it: &Instance| a_hold_ends(it, scene.size.alone_ticks);
    world.all().try_for_each(hold)
}

/// N4: whoever knows the same decision knows the same of it.
fn one_stamp_is_one_decision(scene: &Scene, world: &World) -> Holds {
    let tables = [Some(&world.table), world.saved.as_ref()];
    let kept = tables
        .into_iter()
        .flatten()
        .filter_map(|it| scene.entry(it));
    let kept = kept.map(|it| &it.record).map(|it| Decision {
        stamp: it.stamp,
        closed: it.state == record::State::Closed,
        forced: it.forced,
        cause: it.cause.as_str(),
    });
    let known = world.all().map(|it| decision(&it.follow.standing));
    let all: Vec<_> = kept.chain(known).collect();
    let broken = all.iter().any(|a| all.iter().any(|b| a.differs(b)));
    promise(!broken, || "N4: one stamp has two decisions".into())
}

/// A half-open time that was restored is a break that is over.
struct Decision<'a> {
    stamp: Stamp,
    closed: bool,
    forced: bool,
    /// Who has opened it, if that is known.
    cause: &'a str,
}

impl Decision<'_> {
    fn differs(&self, other: &Self) -> bool {
        let known = !self.cause.is_empty() && !other.cause.is_empty();
        let same = (self.closed, self.forced) == (other.closed, other.forced);
        self.stamp == other.stamp && (!same || known && self.cause != other.cause)
    }
}

fn decision(it: &Standing) -> Decision<'_> {
    Decision {
        stamp: it.stamp,
        closed: matches!(it.state, Stored::Closed { .. }),
        forced: it.mode != StoredMode::Normal,
        cause: it.cause.as_str(),
    }
}

/// N5
fn no_more_seats_than_permits(scene: &Scene, world: &World) -> Holds {
    let Some(entry) = scene.entry(&world.table) else {
        return Ok(());
    };
    let valid = entry.leases.values().filter(|it| it.ends > NOW_MS);
    let seats: u32 = valid.map(|it| it.seats()).sum();
    promise(seats <= scene.size.permits, || {
        format!("N5: {seats} seats are out")
    })
}

/// N5: of this half-open time, the store counts no result that was not.
fn only_what_was_is_counted(scene: &Scene, world: &World) -> Holds {
    // Where one result decides, nothing is left to be counted.
    let looks = scene.size.probes.1 > 1 && !has_failed_over(scene, world);
    let Some(entry) = scene.entry(&world.table).filter(|_| looks) else {
        return Ok(());
    };
    for (me, kept) in &entry.leases {
        let instance = &world.instances[usize::try_from(me.0).expect("an instance")];
        let (ok, failed) = results(instance, entry.record.stamp);
        promise(kept.ok <= ok && kept.failed <= failed, || {
            format!("N5: of {} it counts a result that was not", me.0)
        })?;
    }
    Ok(())
}

/// What has become of an instance's probes in this era. An instance that knows nothing of it has none.
fn results(instance: &Instance, era: Stamp) -> (u32, u32) {
    if instance.follow.known() == era {
        instance.made
    } else {
        (0, 0)
    }
}

fn has_failed_over(scene: &Scene, world: &World) -> bool {
    world.failovers < scene.size.failovers
}

/// N7: no hold is longer than it takes to be alone, from when it was asked.
fn a_hold_ends(instance: &Instance, alone_ticks: u64) -> Holds {
    let hold = instance.circuit.hold_until;
    let asked = instance.follow.asked;
    let most = asked.map_or(NOW, |asked| asked + alone_ticks * TICK);
    promise(hold <= most, || {
        "N7: a hold that nobody has asked for".into()
    })
}

/// A call of instance `me` has come to this; it was that before.
pub(super) fn call_holds(
    scene: &Scene,
    before: &World,
    after: &World,
    me: usize,
    call: Call,
) -> Holds {
    match call {
        Call::Probe => {
            let instance = &before.instances[me];
            let led = match instance.circuit.state {
                State::Open { led, .. } => led,
                State::Led(_) => true,
                _ => false,
            };
            let attached = instance.follow.is_attached(NOW);
            promise(!(led && attached), || "N5: a probe without a seat".into())
        }
        Call::Seated => has_a_seat(scene, after, me),
        _ => Ok(()),
    }
}

/// N5: the store honours the seat under which a probe has just begun, and no other probe has had it. After a failover
/// there may be more, and in another era the store has no seats of this one.
fn has_a_seat(scene: &Scene, world: &World, me: usize) -> Holds {
    let instance = &world.instances[me];
    let entry = scene.entry(&world.table);
    let entry = entry.filter(|it| it.record.stamp == instance.follow.known());
    let Some(entry) = entry.filter(|_| !has_failed_over(scene, world)) else {
        return Ok(());
    };
    let State::Led(seats) = instance.circuit.state else {
        return Err("a seat of a circuit that is not half-open".into());
    };
    let kept = entry.leases.get(&id(me)).copied().unwrap_or_default();
    promise(seats.granted - seats.unused <= kept.given, || {
        "N5: two probes have had one seat".into()
    })?;
    // A result that was lost and comes after all, when its lease is over and there is another one, is taken by the
    // store for a seat of that. So there may be one probe more for each of these, and each has had a seat.
    let late = world.losses < scene.size.losses;
    if late && kept.ok + kept.failed > 0 {
        return Ok(());
    }
    promise(kept.ends > NOW_MS && kept.seats() > 0, || {
        "N5: a probe under a lease that is over".into()
    })?;
    let out = |it: &Instance| match it.circuit.state {
        State::Led(seats) if NOW < seats.until && it.follow.known() == entry.record.stamp => {
            seats.unused
        }
        _ => 0,
    };
    let unused: u32 = world.all().map(out).sum();
    let counted = entry
        .leases
        .values()
        .map(|it| it.ok + it.failed)
        .sum::<u32>();
    promise(late && counted > 0 || unused < scene.size.permits, || {
        "N5: more probes than permits".into()
    })
}

/// An instance has heard an answer.
pub(super) fn hearing_holds(before: &Instance, after: &Instance) -> Holds {
    let (was, is) = (before.follow.known(), after.follow.known());
    promise(was <= is, || "N4: an instance goes back".into())?;
    let back = before.follow.asked.is_none() && after.follow.asked.is_some();
    let knows = !after.follow.behind && after.follow.act.is_none();
    promise(!(back && knows) || does_as_told(after), || {
        "N7: it is back, and has not done what the fleet has decided".into()
    })
}

fn does_as_told(instance: &Instance) -> bool {
    let led = match instance.circuit.state {
        State::Open { led, .. } => led,
        State::Led(_) => true,
        _ => false,
    };
    let standing = &instance.follow.standing;
    match (standing.mode, standing.state) {
        (StoredMode::Forced { .. }, _) => matches!(instance.circuit.state, State::Forced { .. }),
        (_, Stored::Closed { .. }) => !led,
        _ => led,
    }
}

/// The store has done what somebody has said.
pub(super) fn decision_holds(before: Option<&Entry>, after: Option<&Entry>, said: &Said) -> Holds {
    let stamp = |entry: Option<&Entry>| entry.map_or_else(Stamp::default, |it| it.record.stamp);
    let (was, is) = (stamp(before), stamp(after));
    let Said::Decide(seen, _, what) = said else {
        return promise(was == is, || "N4: a look decides".into());
    };
    use super::super::wire::Proposal::{Force, Release, Reset, Restore};
    if was == is || matches!(what, Force { .. } | Release { .. } | Reset { .. }) {
        return Ok(());
    }
    if let Restore(standing) = what {
        return promise(is == standing.stamp && was < is, || {
            "N4: it is restored to something older".into()
        });
    }
    promise(was == *seen, || {
        "N4: a decision follows one that its proposer did not know".into()
    })?;
    promise(is.era == was.era + 1, || {
        "N4: the next decision is of another era".into()
    })
}

/// What must be so somewhere, by bits.
pub(super) const MARKS: [&str; 6] = [
    "recovery",
    "reopening",
    "a restore",
    "a probe alone",
    "two seats in a row",
    "open again after a recovery",
];

pub(super) fn marks(scene: &Scene, world: &World) -> u32 {
    let entry = scene.entry(&world.table);
    let era = entry.map_or(0, |it| it.record.stamp.era);
    let state = entry.map(|it| it.record.state);
    let closed = state == Some(record::State::Closed);
    let open = state == Some(record::State::Open);
    let alone = |it: &Instance| matches!(it.circuit.state, State::Open { led: false, .. });
    let behind = world.all().any(|it| it.follow.behind);
    let seats = entry.is_some_and(|it| it.leases.values().any(|it| it.given > 1));
    let marks = [
        era == 3 && closed,
        era == 3 && open,
        behind,
        world.all().any(alone),
        seats,
        era == 4 && open,
    ];
    (0..).zip(marks).map(|(bit, is)| u32::from(is) << bit).sum()
}

/// Goes on from a state with everything well, a tick: all that is under way comes, all is said that there is to say, a
/// call comes to each circuit and succeeds.
fn calm_tick(scene: &Scene, world: &mut World) {
    relative::tick(world);
    for me in 0..world.instances.len() {
        scene.passes(world.instance(me), false);
    }
    for _ in 0..3 {
        for me in 0..world.instances.len() {
            calm_turn(scene, world, me);
        }
    }
}

fn calm_turn(scene: &Scene, world: &mut World, me: usize) {
    let instance = world.instance(me);
    instance.late = None;
    let reply = instance.reply.take();
    if let Some(Request { asked, said }) = instance.request.take() {
        let heard = world.serve(scene, me, &said);
        scene.hear(world.instance(me), &Reply { asked, heard }, false);
    }
    if let Some(reply) = reply {
        scene.hear(world.instance(me), &reply, false);
    }
    let (instance, decide, look) = scene.asks(world, me, false);
    world.instances[me] = Arc::new(instance);
    let heard = world.serve(scene, me, &decide.unwrap_or(look));
    let instance = world.instance(me);
    scene.hear(instance, &Reply { asked: NOW, heard }, false);
    scene.call(instance);
    while instance.circuit.is_probing() {
        scene.probe_ends(instance, true);
    }
    scene.sees(instance, false);
}

/// All are closed and know the same, and the store does.
fn is_well(scene: &Scene, world: &World) -> bool {
    let entry = scene.entry(&world.table);
    let stamp = entry.map_or_else(Stamp::default, |it| it.record.stamp);
    let closed =
        entry.is_none_or(|it| it.record.state == record::State::Closed && !it.record.forced);
    let knows =
        |it: &Instance| matches!(it.circuit.state, State::Closed) && it.follow.known() == stamp;
    let attached = |it: &Instance| it.follow.is_attached(NOW);
    closed && world.all().all(|it| knows(it) && attached(it))
}

/// N7: once nothing is lost any more and all is well, it closes, and all know: within one break that is under way, a
/// time alone, another break and the lease of somebody who is gone, and a tick for each to be told.
pub(super) fn calms_down(scene: &Scene, world: &World) -> Holds {
    let mut world = world.clone();
    let size = &scene.size;
    for _ in 0..2 * size.break_ticks + size.alone_ticks + size.lease_ticks + 4 {
        if is_well(scene, &world) {
            return Ok(());
        }
        calm_tick(scene, &mut world);
    }
    promise(is_well(scene, &world), || {
        format!("N7: all is well, and it does not close:\n{world}")
    })
}
