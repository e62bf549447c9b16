//! What needs a clock that jumps, or more than a store can be asked for in a moment. The rest is in `contract`.

use super::{
    super::wire::{
        Changed, Decide, Decided, Done, Exchange, How, InstanceId, Key, Look, Place, Proposal,
        Register, Report, Stamp, Standing, Stored, StoredMode, Text, Told,
    },
    Table,
};

const NOW: u64 = 1 << 41;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const LENGTH: u64 = 10_000;

fn place() -> Place {
    Place {
        fleet: "tb1:shop:".into(),
        shard: 0,
    }
}

fn exchange(table: &mut Table, now: u64, me: u64, look: Look) -> Told {
    let ask = Exchange {
        place: place(),
        instance: InstanceId(me),
        seen: 0,
        circuits: vec![look],
    };
    let mut exchanged = table.exchange(now, &ask);
    exchanged.circuits.remove(0).expect("told")
}

fn look(stamp: Stamp, report: Option<Report>) -> Look {
    Look {
        name: Key::of("it"),
        stamp,
        report,
    }
}

fn report(table: &mut Table, now: u64, me: u64, seq: u64, calls: u64) -> Told {
    let report = Report {
        seq,
        keep_for: LENGTH,
        settings: 1,
        revision: 0,
        register: Register {
            calls,
            streak: 1,
            ..Register::default()
        },
    };
    exchange(table, now, me, look(Stamp::default(), Some(report)))
}

fn decide(table: &mut Table, now: u64, name: &str, seen: Stamp, what: Proposal) -> Decided {
    let decided = table.decide(now, &ask(name, seen, what));
    decided.expect("decided")
}

fn ask(name: &str, seen: Stamp, what: Proposal) -> Decide {
    Decide {
        place: place(),
        instance: InstanceId(1),
        name: Key::of(name),
        seen,
        nonce: 1,
        what,
    }
}

fn open(length: u64) -> Proposal {
    Proposal::Open {
        length,
        attempt: 1,
        cause: Text::default(),
    }
}

// N4: never more than itself.
#[test]
fn a_clock_that_goes_back_prolongs_a_break_by_at_most_itself() {
    let mut table = Table::default();
    let opened = decide(&mut table, NOW, "it", Stamp::default(), open(5_000));
    let stamp = opened.standing.stamp;
    let mut left = |now| {
        exchange(&mut table, now, 1, look(stamp, None))
            .standing
            .state
    };
    let back = NOW - MINUTE;
    assert_eq!(left(back), Stored::Open { left: 5_000 });
    assert_eq!(left(back + 3_000), Stored::Open { left: 2_000 });
    assert_eq!(left(back + 5_000), Stored::Open { left: 0 });
}

// N5: whoever has it has it for no longer than it would be if it had just been given.
#[test]
fn a_clock_that_goes_back_prolongs_a_seat_by_at_most_itself() {
    let mut table = Table::default();
    let opened = decide(&mut table, NOW, "it", Stamp::default(), open(0));
    let lease = Proposal::Lease {
        permits: 1,
        need: 1,
        of: 1,
        life: 2_000,
        want: 1,
    };
    let leased = decide(&mut table, NOW, "it", opened.standing.stamp, lease.clone());
    let seen = leased.standing.stamp;
    let back = NOW - MINUTE;
    let same = decide(&mut table, back, "it", seen, lease.clone());
    let left = same.lease.map(|it| it.left);
    assert_eq!(left, Some(2_000 + MINUTE), "who has it knows it by its end");
    // It would keep one for a moment only: that is no matter.
    let brief = Proposal::Lease {
        permits: 1,
        need: 1,
        of: 1,
        life: 100,
        want: 1,
    };
    let mut other = |now| {
        let ask = Decide {
            instance: InstanceId(2),
            ..ask("it", seen, brief.clone())
        };
        table.decide(now, &ask).expect("decided").done
    };
    assert_eq!(other(back), Done::Full { next: 2_000 });
    assert_eq!(other(back + 1_500), Done::Full { next: 500 });
    assert_eq!(other(back + 2_000), Done::Yes);
}

// N5
#[test]
fn a_clock_that_jumps_ends_a_seat() {
    let mut table = Table::default();
    let opened = decide(&mut table, NOW, "it", Stamp::default(), open(0));
    let lease = || Proposal::Lease {
        permits: 1,
        need: 1,
        of: 1,
        life: 2_000,
        want: 1,
    };
    let leased = decide(&mut table, NOW, "it", opened.standing.stamp, lease());
    let later = decide(&mut table, NOW + DAY, "it", leased.standing.stamp, lease());
    assert_eq!(later.done, Done::Yes, "it is free again, for anybody");
    assert_eq!(later.lease.map(|it| it.left), Some(2_000));
}

// N2: after a jump each report puts back its own share, and nothing is counted twice.
#[test]
fn sums_come_back_after_the_clock_has_jumped() {
    for jump in [NOW - MINUTE, NOW - LENGTH, NOW + LENGTH * 2, NOW + DAY] {
        let mut table = Table::default();
        report(&mut table, NOW, 1, 1, 10);
        report(&mut table, NOW, 2, 1, 5);
        let told = report(&mut table, jump, 1, 2, 11);
        assert_eq!(told.window.calls, 11, "at {jump}");
        let told = report(&mut table, jump, 2, 2, 6);
        assert_eq!(told.window.calls, 17, "at {jump}");
        assert_eq!(told.window.contributors, 2);
        assert_eq!(told.how, How::Counted);
    }
}

// N6
#[test]
fn a_forced_mode_ends_by_whatever_the_clock_says() {
    let mut table = Table::default();
    let force = Proposal::Force {
        at_most: Some(MINUTE),
        who: Text::default(),
    };
    let forced = decide(&mut table, NOW, "it", Stamp::default(), force);
    let stamp = forced.standing.stamp;
    let told = exchange(&mut table, NOW - DAY, 1, look(stamp, None));
    let left = Some(MINUTE);
    assert_eq!(told.standing.mode, StoredMode::Forced { left });
    let told = exchange(&mut table, NOW + DAY, 1, look(stamp, None));
    assert_eq!(told.standing.mode, StoredMode::Normal);
}

// N8: the log is bounded, and says what it has forgotten.
#[test]
fn the_log_forgets_the_oldest_and_says_so() {
    let mut table = Table::default();
    let seen = |table: &mut Table, seen| {
        let ask = Exchange {
            place: place(),
            instance: InstanceId(1),
            seen,
            circuits: Vec::new(),
        };
        table.exchange(NOW, &ask)
    };
    decide(&mut table, NOW, "first", Stamp::default(), open(1));
    let first = seen(&mut table, 0).newest;
    for number in 0..4_095 {
        decide(
            &mut table,
            NOW,
            &number.to_string(),
            Stamp::default(),
            open(1),
        );
    }
    let newest = seen(&mut table, 0).newest;
    assert_eq!(newest, first + 4_095);
    assert_eq!(seen(&mut table, newest).changed, Changed::Names(vec![]));
    assert_eq!(table.log.len(), 4_096, "where it began is forgotten");
    let told = seen(&mut table, newest - 2).changed;
    let names = ["4093", "4094"].map(Key::of).to_vec();
    assert_eq!(told, Changed::Names(names));
    decide(&mut table, NOW, "one more", Stamp::default(), open(1));
    assert_eq!(table.log.len(), 4_096, "the first is forgotten");
    assert_eq!(seen(&mut table, first - 1).changed, Changed::All);
}

// N4: all are looked at only if something is missing.
#[test]
fn a_circuit_that_changes_often_is_no_gap() {
    let mut table = Table::default();
    decide(&mut table, NOW, "a", Stamp::default(), open(0));
    let seen = table.log.newest();
    for _ in 0..3 {
        let reset = Proposal::Reset {
            who: Text::default(),
        };
        decide(&mut table, NOW, "a", Stamp::default(), reset);
    }
    let names = vec![Key::of("a")];
    assert_eq!(table.log.since(seen), Changed::Names(names));
}

// N8: a store that was emptied has another log, also if it has as many entries.
#[test]
fn a_log_that_was_made_anew_is_seen_to_be_another() {
    let mut table = Table::default();
    decide(&mut table, NOW, "a", Stamp::default(), open(1));
    let seen = table.log.newest();
    let mut table = Table::default();
    for name in ["b", "c", "d"] {
        decide(&mut table, NOW + 1_000, name, Stamp::default(), open(1));
    }
    assert_eq!(table.log.since(seen), Changed::All);
}

// N8
#[test]
fn instances_that_are_gone_are_forgotten() {
    let mut table = Table::default();
    for me in 0..100 {
        report(&mut table, NOW, me, 1, 1);
    }
    assert_eq!(table.circuits[&Key::of("it")].registers.len(), 100);
    for seq in 2..=4 {
        let now = NOW + (seq - 1) * LENGTH;
        let told = report(&mut table, now, 1, seq, 1);
        assert_eq!(told.my_seq, seq);
    }
    let kept = table.circuits[&Key::of("it")].registers.len();
    assert!(kept <= 16 + 2, "{kept} are kept");
}

// N8, N2: as many are kept as there may be of those that count, twice, and 16. Who counts is never one of them.
#[test]
fn only_instances_that_do_not_count_are_forgotten_and_only_many() {
    for (gone, kept) in [(19, 19 + 3), (20, 3)] {
        let mut table = Table::default();
        for me in 100..100 + gone {
            report(&mut table, NOW, me, 1, 1);
        }
        for me in [1, 2] {
            report(&mut table, NOW + LENGTH, me, 1, 5);
        }
        let later = NOW + 2 * LENGTH;
        report(&mut table, later, 3, 1, 7);
        let registers = table.circuits[&Key::of("it")].registers.len();
        assert_eq!(registers, kept, "{gone} are gone");
        let told = report(&mut table, later, 1, 2, 6);
        assert_eq!(told.window.calls, 5 + 6 + 7, "in place of the one before");
    }
}

fn lease(want: u32) -> Proposal {
    Proposal::Lease {
        permits: 3,
        need: 3,
        of: 6,
        life: 2_000,
        want,
    }
}

// N5: of each probe once, however often it is said; and its seat is free, once.
#[test]
fn a_probe_that_has_failed_counts_once_and_frees_its_seat() {
    let mut table = Table::default();
    let opened = decide(&mut table, NOW, "it", Stamp::default(), open(0));
    let leased = decide(&mut table, NOW, "it", opened.standing.stamp, lease(2));
    let seen = leased.standing.stamp;
    let failed = Proposal::Results {
        ok: 0,
        failed: 1,
        unused: 0,
        length: 5_000,
    };
    for _ in 0..5 {
        let told = decide(&mut table, NOW, "it", seen, failed.clone());
        let left = Stored::HalfOpen {
            permits: 3,
            need: 3,
            spare: 2,
            budget: 4,
        };
        assert_eq!((told.standing.state, told.standing.stamp), (left, seen));
        assert_eq!(told.lease.map(|it| it.seats), Some(1), "one is left");
    }
    let other = Decide {
        instance: InstanceId(2),
        ..ask("it", seen, lease(3))
    };
    let other = table.decide(NOW, &other).expect("decided");
    assert_eq!(other.lease.map(|it| it.seats), Some(2), "of three");
}

// N5: who has used its seats has none that could be waited for.
#[test]
fn who_waits_for_a_seat_waits_for_those_that_are_out() {
    let mut table = Table::default();
    let opened = decide(&mut table, NOW, "it", Stamp::default(), open(0));
    let leased = decide(&mut table, NOW, "it", opened.standing.stamp, lease(1));
    let seen = leased.standing.stamp;
    let ok = Proposal::Results {
        ok: 1,
        failed: 0,
        unused: 0,
        length: 5_000,
    };
    decide(&mut table, NOW, "it", seen, ok);
    let mut asks = |instance, want| {
        let ask = Decide {
            instance: InstanceId(instance),
            ..ask("it", seen, lease(want))
        };
        table.decide(NOW + 500, &ask).expect("decided").done
    };
    assert_eq!(asks(2, 3), Done::Yes);
    assert_eq!(asks(3, 1), Done::Full { next: 2_000 });
}

// N6: what is forced is open, whatever else an instance says of it.
#[test]
fn what_was_forced_comes_back_as_open() {
    let mut table = Table::default();
    let known = Standing {
        stamp: Stamp { era: 7, nonce: 7 },
        mode: StoredMode::Forced { left: None },
        ..Standing::default()
    };
    let seen = known.stamp;
    let restored = decide(&mut table, NOW, "it", seen, Proposal::Restore(known));
    let standing = restored.standing;
    let open = Stored::Open { left: 0 };
    assert_eq!((restored.done, standing.state), (Done::Yes, open));
    assert_eq!(standing.mode, StoredMode::Forced { left: None });
}

// N8: what cannot be read is left as it is, and nothing else is touched by it.
#[test]
fn what_is_unreadable_stays_as_it_is() {
    let mut table = Table::default();
    table.garble(&Key::of("it"));
    let before = table.clone();
    let looks = Exchange {
        place: place(),
        instance: InstanceId(1),
        seen: 0,
        circuits: vec![look(Stamp::default(), None)],
    };
    assert!(table.exchange(NOW, &looks).circuits[0].is_err());
    for what in [
        open(1),
        Proposal::Reset {
            who: Text::default(),
        },
    ] {
        let ask = ask("it", Stamp::default(), what);
        assert!(table.decide(NOW, &ask).is_err());
    }
    assert_eq!(table, before);
}

// N8: a look at what is not there leaves nothing there.
#[test]
fn a_look_writes_nothing() {
    let mut table = Table::default();
    exchange(&mut table, NOW, 1, look(Stamp { era: 5, nonce: 5 }, None));
    assert_eq!(table, Table::default());
}
