//! Floors: what the hardware and the library beneath cost by themselves.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};

use super::{Maker, maker, repeat};

#[repr(align(128))]
pub(crate) struct OwnLine(AtomicU64);

pub(crate) fn two_loads() -> Maker {
    let shared = Arc::new(OwnLine(AtomicU64::new(8)));
    maker(move || {
        let shared = shared.clone();
        repeat(move || {
            let seen = black_box(&shared).0.load(Ordering::Acquire);
            black_box(black_box(&shared).0.load(Ordering::Acquire) == seen);
        })
    })
}

pub(crate) fn own_line_swap() -> Maker {
    maker(|| {
        let own = Arc::new(OwnLine(AtomicU64::new(0)));
        repeat(move || {
            let seen = own.0.load(Ordering::Relaxed);
            let order = Ordering::AcqRel;
            let _ = black_box(
                own.0
                    .compare_exchange(seen, seen + 1, order, Ordering::Relaxed),
            );
        })
    })
}

pub(crate) fn clock() -> Maker {
    maker(|| {
        repeat(|| {
            black_box(Instant::now());
        })
    })
}

#[cfg(feature = "coarse-clock")]
pub(crate) fn coarse_clock() -> Maker {
    use tower_breaker::clock::{Clock, Coarse};

    maker(|| {
        repeat(|| {
            black_box(Coarse.now());
        })
    })
}

pub(crate) fn arc_clone() -> Maker {
    let shared = Arc::new(0u64);
    maker(move || {
        let shared = shared.clone();
        repeat(move || drop(black_box(shared.clone())))
    })
}

pub(crate) fn unavailable_by_hand() -> Maker {
    maker(|| {
        repeat(|| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(black_box(5)));
            black_box(response);
        })
    })
}
