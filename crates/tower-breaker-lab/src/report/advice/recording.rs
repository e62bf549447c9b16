//! What a replay has made up.

use super::{Look, words};
use crate::summary::share;

/// Calls that the recording does not know the end of, and the breaker let through.
pub(super) fn drawn(look: &Look<'_>) -> Option<String> {
    let (drawn, all) = (look.entry.drawn, look.entry.summary.total.offered);
    (drawn > 0).then(|| {
        format!(
            "{} let {} calls through that had been rejected ({} of all): how they end is drawn from calls beside them.",
            look.name,
            words::count(drawn),
            words::percent(share(drawn, all))
        )
    })
}

/// Those of which only what was lost is made up.
pub(super) fn drawn_rejected(look: &Look<'_>) -> Option<String> {
    let drawn = look.entry.drawn_rejected;
    (drawn > 0).then(|| {
        format!(
            "{} rejected {} calls that had been rejected: whether they are lost is drawn from calls beside them.",
            look.name,
            words::count(drawn)
        )
    })
}
