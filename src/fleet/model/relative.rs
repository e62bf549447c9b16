//! Time without a beginning: a tick takes one off every instant, and the clocks go on showing what they show. So two
//! states that differ in nothing but the time are the same state, and a search comes to an end.
//!
//! What nobody looks at any more is cut off for the same reason. Each cut says why no instance, no circuit and no store
//! could tell the two states apart.

use std::sync::Arc;

use super::{
    super::{
        follow::{Follow, Held, Speaks},
        table::{Table, log::Log, record},
        wire::{How, Proposal, Standing, Stored, StoredMode, Text},
    },
    search::fingerprint,
    stub::{State, Stub},
    world::{Heard, Instance, NOW, NOW_MS, Reply, Said, Scene, Size, TICK, TICK_MS, World, id},
};

/// A tick later. Messages that are under way grow older.
pub(super) fn tick(world: &mut World) {
    for table in [Some(&mut world.table), world.saved.as_mut()]
        .into_iter()
        .flatten()
    {
        tick_table(Arc::make_mut(table));
    }
    let instances = world.instances.iter_mut().map(Arc::make_mut);
    instances.for_each(tick_instance);
}

fn tick_table(table: &mut Table) {
    for entry in table.circuits.values_mut() {
        earlier_ms(&mut entry.record.until);
        earlier_ms(&mut entry.record.closed_at);
        entry
            .leases
            .values_mut()
            .for_each(|it| earlier_ms(&mut it.ends));
    }
}

/// 0 is none.
fn earlier_ms(at: &mut u64) {
    *at = at.saturating_sub(TICK_MS);
}

fn earlier(at: &mut u64) {
    *at = at.saturating_sub(TICK);
}

fn tick_instance(instance: &mut Instance) {
    let Instance {
        follow,
        circuit,
        request,
        reply,
        late: _,
        made: _,
    } = instance;
    earlier(&mut follow.as_of);
    follow.asked.iter_mut().for_each(earlier);
    follow.act.iter_mut().for_each(|it| earlier(&mut it.at));
    let seats = &mut follow.seats;
    seats.full_until.iter_mut().for_each(earlier);
    if let Some(held) = &mut seats.lease {
        earlier(&mut held.until);
        earlier_ms(&mut held.ends);
    }
    earlier(&mut circuit.hold_until);
    match &mut circuit.state {
        State::Open { ends, .. } | State::Forced { ends: Some(ends) } => earlier(ends),
        State::Led(seats) => earlier(&mut seats.until),
        _ => {}
    }
    request.iter_mut().for_each(|it| earlier(&mut it.asked));
    if let Some(Reply { asked, heard }) = reply {
        earlier(asked);
        if let Heard::Decided(_, told) = heard {
            earlier_ms(&mut told.now);
        }
    }
}

/// The one of all states that nothing can tell apart. `from`: the state before, which is one; what is the same as there
/// need not be looked at again.
pub(super) fn canonical(scene: &Scene, from: &World, world: &mut World) {
    let same = |a: &Option<&Arc<Table>>, b: &Option<&Arc<Table>>| match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let was = [Some(&from.table), from.saved.as_ref()];
    let mut any = false;
    for (table, was) in [Some(&mut world.table), world.saved.as_mut()]
        .into_iter()
        .zip(was)
    {
        let is = table.as_deref();
        if same(&is, &was) {
            continue;
        }
        any = true;
        table
            .into_iter()
            .for_each(|it| canonical_table(Arc::make_mut(it), &scene.size));
    }
    for me in 0..world.instances.len() {
        let changed = !Arc::ptr_eq(&world.instances[me], &from.instances[me]);
        if changed {
            canonical_instance(world.instance(me));
        }
        if any || changed {
            forget_late(scene, world, me);
            rank_reports(scene, world, me);
        }
        if !Arc::ptr_eq(&world.instances[me], &from.instances[me]) {
            world.prints[me] = fingerprint(&*world.instances[me]);
        }
    }
}

fn canonical_table(table: &mut Table, size: &Size) {
    // Each instance looks at the circuit itself, never at what has changed.
    if table.log != Log::default() {
        table.log = Log::default();
    }
    for entry in table.circuits.values_mut() {
        canonical_record(&mut entry.record);
        for kept in entry.leases.values_mut() {
            // Over is over. Nothing asks since when.
            if kept.ends <= NOW_MS {
                kept.ends = 0;
            }
            // It is compared with how many seats an instance has in hand, at most.
            let more = kept.back.saturating_sub(size.permits);
            kept.back -= more;
            kept.given -= more;
        }
    }
}

fn canonical_record(record: &mut record::Record) {
    // Breaks have all the same length here, whichever in a row they are.
    (record.attempt, record.closed_at) = (0, 0);
    // All instances have the same settings.
    (record.settings, record.revision) = (0, 0);
    // Why it stands so is told to people only. Which of two has opened it is looked at.
    if record.state != record::State::Open || !is_proposed(&record.cause) {
        erase(&mut record.cause);
    }
    record.until = match record.state {
        record::State::Open if record.until > 0 => record.until.max(NOW_MS),
        _ => 0,
    };
}

/// By an instance of which it says that it was that one.
fn is_proposed<const N: usize>(cause: &Text<N>) -> bool {
    cause.as_str().bytes().all(|it| it.is_ascii_digit())
}

fn erase<const N: usize>(text: &mut Text<N>) {
    if !text.as_str().is_empty() {
        *text = Text::default();
    }
}

fn canonical_instance(instance: &mut Instance) {
    let under_way = instance.request.is_some() || instance.reply.is_some();
    canonical_follow(&mut instance.follow, under_way);
    canonical_stub(&mut instance.circuit);
    if let Some(Reply { heard, .. }) = &mut instance.reply {
        canonical_reply(heard);
    }
    for said in instance
        .request
        .iter_mut()
        .map(|it| &mut it.said)
        .chain(&mut instance.late)
    {
        if let Said::Decide(_, _, Proposal::Open { attempt, .. }) = said {
            *attempt = 1;
        }
        if let Said::Decide(_, _, Proposal::Restore(standing)) = said {
            canonical_standing(standing);
        }
    }
}

fn canonical_reply(heard: &mut Heard) {
    match heard {
        Heard::Told(told) => {
            canonical_standing(&mut told.standing);
            (told.settings, told.revision) = (0, 0);
            // Only whoever asks for seats takes some.
            told.lease = None;
            // Only who has been counted judges.
            if told.how != How::Counted {
                told.window = Default::default();
            }
        }
        Heard::Decided(asked_for, told) => {
            canonical_standing(&mut told.standing);
            // What it was is looked at, and not what was in it, but for results.
            if let Proposal::Open { attempt, cause, .. } = asked_for {
                *attempt = 1;
                erase(cause);
            }
            if let Proposal::Restore(standing) = asked_for {
                *standing = Standing::default();
            }
        }
    }
}

fn canonical_standing(standing: &mut Standing) {
    (standing.attempt, standing.closed_for) = (0, None);
    if !matches!(standing.state, Stored::Open { .. }) || !is_proposed(&standing.cause) {
        erase(&mut standing.cause);
    }
}

fn canonical_follow(follow: &mut Follow, under_way: bool) {
    let standing = &mut follow.standing;
    canonical_standing(standing);
    // What is left of it by now.
    let passed = (NOW - follow.as_of) / 1_000_000;
    if let Stored::Open { left } = &mut standing.state {
        *left = left.saturating_sub(passed);
    }
    if let StoredMode::Forced { left: Some(left) } = &mut standing.mode {
        *left = left.saturating_sub(passed);
    }
    follow.as_of = NOW;
    // Only shown.
    (follow.all, follow.differs) = (Default::default(), None);
    let seats = &mut follow.seats;
    seats.full_until = seats.full_until.filter(|it| *it > NOW);
    // Calls come all the time: so it wants as soon as it looks.
    seats.wanted = 0;
    if let Some(Held { until, ends, .. }) = &mut seats.lease {
        *until = (*until).max(NOW);
        // Every lease that is told from now on ends later: what was asked a tick ago is answered, or lost.
        *ends = (*ends).max(NOW_MS - TICK_MS);
    }
    canonical_speaks(&mut follow.speaks, under_way);
}

fn canonical_speaks(speaks: &mut Speaks, under_way: bool) {
    // Calls are compared with those before, and never counted.
    let before = std::mem::take(&mut speaks.by_then);
    if let Some((_, ended)) = &mut speaks.sent {
        ended.successful -= before.successful.min(ended.successful);
        ended.failed -= before.failed.min(ended.failed);
    }
    // Whoever is answered has said something since.
    if !under_way {
        speaks.sent = None;
    }
    // It is what the last trip says, and that is always the same here. It is looked up before it is said.
    speaks.evidence = None;
    speaks.trips.iter_mut().for_each(erase);
}

fn canonical_stub(circuit: &mut Stub) {
    match &mut circuit.state {
        State::Open { ends, .. } | State::Forced { ends: Some(ends) } => *ends = (*ends).max(NOW),
        State::Led(seats) => seats.until = seats.until.max(NOW),
        _ => {}
    }
    if circuit.hold_until <= NOW {
        circuit.hold_until = 0;
    }
}

/// What the store will never do, whenever it comes.
fn forget_late(scene: &Scene, world: &mut World, me: usize) {
    // A store that may go back may take it after that.
    if world.failovers > 0 {
        return;
    }
    let entry = scene.entry(&world.table);
    let stamp = entry.map_or_else(Default::default, |it| it.record.stamp);
    let seq = entry.and_then(|it| it.registers.get(&id(me)));
    let seq = seq.map_or(0, |it| it.seq);
    let is_for_nothing = |said: &Said| match said {
        Said::Look(seen, report) => {
            *seen < stamp
                || report
                    .as_ref()
                    .is_none_or(|it| *seen == stamp && it.seq <= seq)
        }
        Said::Decide(_, _, Proposal::Restore(standing)) => standing.stamp <= stamp,
        Said::Decide(seen, ..) => *seen < stamp,
    };
    if world.instances[me]
        .late
        .as_ref()
        .is_some_and(is_for_nothing)
    {
        world.instance(me).late = None;
    }
}

/// The numbers of an instance's reports are compared, and nothing else: the lowest is 1 again.
fn rank_reports(scene: &Scene, world: &mut World, me: usize) {
    let mut ranks = vec![0];
    let tables = [Some(&world.table), world.saved.as_ref()];
    for entry in tables
        .into_iter()
        .flatten()
        .filter_map(|it| scene.entry(it))
    {
        ranks.extend(entry.registers.get(&id(me)).map(|it| it.seq));
    }
    ranks.extend(said_seqs(&world.instances[me]));
    // The last one that was said is above all; where nobody knows of it any more, as if it had never been.
    if ranks.len() > 1 || world.instances[me].follow.speaks.seq == 0 {
        ranks.push(world.instances[me].follow.speaks.seq);
    }
    ranks.sort_unstable();
    ranks.dedup();
    let rank = |seq: &mut u64| *seq = ranks.binary_search(seq).unwrap_or(0) as u64;
    let last = ranks.len() as u64 - 1;
    if ranks.last() == Some(&last) && world.instances[me].follow.speaks.seq == last {
        return;
    }
    for table in [Some(&mut world.table), world.saved.as_mut()]
        .into_iter()
        .flatten()
    {
        let entry = scene.entry_mut(Arc::make_mut(table));
        if let Some(kept) = entry.and_then(|it| it.registers.get_mut(&id(me))) {
            rank(&mut kept.seq);
        }
    }
    each_seq(world.instance(me), rank);
}

fn said_seqs(instance: &Instance) -> impl Iterator<Item = u64> {
    let said = instance
        .request
        .iter()
        .map(|it| &it.said)
        .chain(&instance.late);
    let said = said.filter_map(|it| match it {
        Said::Look(_, Some(report)) => Some(report.seq),
        _ => None,
    });
    let told = instance.reply.iter().filter_map(|it| match &it.heard {
        Heard::Told(told) if told.my_seq > 0 => Some(told.my_seq),
        _ => None,
    });
    said.chain(told)
}

fn each_seq(instance: &mut Instance, what: impl Fn(&mut u64)) {
    what(&mut instance.follow.speaks.seq);
    let said = instance.request.iter_mut().map(|it| &mut it.said);
    for said in said.chain(&mut instance.late) {
        if let Said::Look(_, Some(report)) = said {
            what(&mut report.seq);
        }
    }
    if let Some(Reply {
        heard: Heard::Told(told),
        ..
    }) = &mut instance.reply
    {
        what(&mut told.my_seq);
    }
}
