//! What a store says is believed within limits: none of it makes anything overflow or wait for ever (rule N8).

use super::wire::{
    Decided, Done, LAST_COUNT, LAST_ERA, LAST_MILLIS, Lease, Odd, Standing, Stored, StoredMode,
    Sums, Text, Told,
};

/// No more seats than that are ever given.
const MOST_SEATS: u32 = 63;

/// Sums may be those of so many instances.
const LAST_SUM: u64 = LAST_COUNT << 9;

/// The same, unless it makes no sense.
pub(super) fn sane(told: Result<Told, Odd>) -> Result<Told, Odd> {
    told.and_then(|told| match is_sane(&told) {
        true => Ok(told),
        false => Err(Odd {
            text: Text::of("out of range"),
        }),
    })
}

pub(super) fn is_sane_decision(told: &Decided) -> bool {
    let done = match told.done {
        Done::Full { next } => next <= LAST_MILLIS,
        Done::Yes | Done::No | Done::Late | Done::Behind => true,
    };
    done && is_standing(&told.standing) && told.lease.is_none_or(is_lease)
}

fn is_sane(told: &Told) -> bool {
    is_standing(&told.standing) && is_window(&told.window) && told.lease.is_none_or(is_lease)
}

fn is_standing(standing: &Standing) -> bool {
    let state = match standing.state {
        Stored::Closed { .. } => true,
        Stored::Open { left } => left <= LAST_MILLIS,
        Stored::HalfOpen {
            permits,
            need,
            spare,
            budget,
        } => [permits, need, spare, budget]
            .iter()
            .all(|it| *it <= MOST_SEATS),
    };
    let mode = match standing.mode {
        StoredMode::Forced { left } => left.is_none_or(|left| left <= LAST_MILLIS),
        StoredMode::Normal => true,
    };
    let lengths = standing.length <= LAST_MILLIS;
    let calm = standing.closed_for.is_none_or(|calm| calm <= LAST_MILLIS);
    state && mode && lengths && calm && standing.stamp.era <= LAST_ERA
}

fn is_window(window: &Sums) -> bool {
    let sums = [window.calls, window.failed, window.slow, window.streak];
    let instances = [window.contributors, window.agreeing];
    sums.iter().chain(&instances).all(|sum| *sum <= LAST_SUM) && window.streak_for <= LAST_MILLIS
}

fn is_lease(lease: Lease) -> bool {
    lease.seats <= MOST_SEATS && lease.left <= LAST_MILLIS
}

#[cfg(test)]
mod tests {
    use super::{
        Decided, Done, LAST_COUNT, LAST_ERA, LAST_MILLIS, Lease, Standing, Stored, StoredMode,
        Sums, Told, is_sane, is_sane_decision, is_standing, sane,
    };
    use crate::fleet::wire::{How, Odd, Stamp};

    const LAST_LEASE: Lease = Lease {
        seats: 63,
        left: LAST_MILLIS,
    };

    /// Whatever can be great is as great as it may be.
    fn standing() -> Standing {
        Standing {
            stamp: Stamp {
                era: LAST_ERA,
                nonce: u32::MAX,
            },
            state: Stored::Open { left: LAST_MILLIS },
            mode: StoredMode::Forced {
                left: Some(LAST_MILLIS),
            },
            attempt: u32::MAX,
            closed_for: Some(LAST_MILLIS),
            length: LAST_MILLIS,
            ..Standing::default()
        }
    }

    fn told() -> Told {
        let sum = LAST_COUNT * 512;
        Told {
            how: How::Counted,
            standing: standing(),
            window: Sums {
                calls: sum,
                failed: sum,
                slow: sum,
                streak: sum,
                streak_for: LAST_MILLIS,
                contributors: sum,
                agreeing: sum,
            },
            my_seq: u64::MAX,
            settings: u64::MAX,
            revision: u64::MAX,
            lease: Some(LAST_LEASE),
        }
    }

    fn decided() -> Decided {
        Decided {
            done: Done::Full { next: LAST_MILLIS },
            now: u64::MAX,
            standing: standing(),
            lease: Some(LAST_LEASE),
            heard: Some(u64::MAX),
        }
    }

    // N8
    #[test]
    fn how_a_circuit_stands_is_believed_within_limits() {
        let seats = |at: usize, seats| {
            let mut of = [63; 4];
            of[at] = seats;
            let [permits, need, spare, budget] = of;
            move |it: &mut Standing| {
                it.state = Stored::HalfOpen {
                    permits,
                    need,
                    spare,
                    budget,
                };
            }
        };
        let spoils: [fn(&mut Standing); 5] = [
            |it| it.stamp.era += 1,
            |it| {
                it.state = Stored::Open {
                    left: LAST_MILLIS + 1,
                }
            },
            |it| {
                it.mode = StoredMode::Forced {
                    left: Some(LAST_MILLIS + 1),
                }
            },
            |it| it.closed_for = Some(LAST_MILLIS + 1),
            |it| it.length += 1,
        ];
        assert!(is_standing(&standing()) && is_standing(&Standing::default()));
        for (row, spoil) in spoils.into_iter().enumerate() {
            assert!(!is_standing(&spoilt(standing(), spoil)), "row {row}");
        }
        for at in 0..4 {
            assert!(is_standing(&spoilt(standing(), seats(at, 63))));
            assert!(
                !is_standing(&spoilt(standing(), seats(at, 64))),
                "seats {at}"
            );
        }
    }

    fn spoilt<T>(mut it: T, spoil: impl FnOnce(&mut T)) -> T {
        spoil(&mut it);
        it
    }

    // N8
    #[test]
    fn what_is_told_is_believed_within_limits() {
        let spoils: [fn(&mut Told); 10] = [
            |it| it.standing.stamp.era += 1,
            |it| it.window.calls += 1,
            |it| it.window.failed += 1,
            |it| it.window.slow += 1,
            |it| it.window.streak += 1,
            |it| it.window.streak_for += 1,
            |it| it.window.contributors += 1,
            |it| it.window.agreeing += 1,
            |it| it.lease = Some(Lease { seats: 64, left: 1 }),
            |it| {
                it.lease = Some(Lease {
                    seats: 1,
                    left: LAST_MILLIS + 1,
                });
            },
        ];
        assert_eq!(sane(Ok(told())), Ok(told()));
        assert_eq!(sane(Err(Odd::default())), Err(Odd::default()));
        assert!(is_sane(&Told {
            lease: None,
            ..told()
        }));
        for (row, spoil) in spoils.into_iter().enumerate() {
            let odd = sane(Ok(spoilt(told(), spoil))).map_err(|odd| odd.text.to_string());
            assert_eq!(odd, Err("out of range".to_owned()), "row {row}");
        }
    }

    // N8
    #[test]
    fn what_was_decided_is_believed_within_limits() {
        let spoils: [fn(&mut Decided); 3] = [
            |it| {
                it.done = Done::Full {
                    next: LAST_MILLIS + 1,
                }
            },
            |it| it.standing.length += 1,
            |it| it.lease = Some(Lease { seats: 64, left: 1 }),
        ];
        assert!(is_sane_decision(&decided()));
        for done in [Done::Yes, Done::No, Done::Late, Done::Behind] {
            assert!(is_sane_decision(&Decided {
                done,
                lease: None,
                ..decided()
            }));
        }
        for (row, spoil) in spoils.into_iter().enumerate() {
            assert!(!is_sane_decision(&spoilt(decided(), spoil)), "row {row}");
        }
    }
}
