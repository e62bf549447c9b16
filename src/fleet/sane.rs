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
