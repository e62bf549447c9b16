//! The parts of a setting that is a table. What one that is refused is taken for, so that the others are looked at.

use std::{sync::Arc, time::Duration};

use super::keys::{Assignment, Change};
use crate::circuit::settings::{OpenFor, Settings};

/// Something that is allowed in the place of what a circuit has refused.
type Mend = fn(&mut Settings);

impl Assignment {
    /// The same with something that is allowed in the place of the part `field`. `None` if there is no other part that
    /// would be looked at.
    pub(super) fn with_part_mended(&self, field: &str) -> Option<Change> {
        let mend = mend(field)?;
        let change = self.change.clone();
        Some(Arc::new(move |builder| {
            let mut builder = change(builder);
            mend(builder.settings_mut());
            builder
        }))
    }
}

const A_SECOND: Duration = Duration::from_secs(1);

/// The last part that a circuit looks at has none.
fn mend(field: &str) -> Option<Mend> {
    Some(match field {
        "shed.multiplier" => |settings| {
            let floor = settings.shed().map(|(_, floor)| floor);
            settings.set_shed(floor.map(|floor| (2.0, floor)));
        },
        "ramp" => |settings| {
            let from = settings.ramp().map(|(_, from)| from);
            settings.set_ramp(from.map(|from| (A_SECOND, from)));
        },
        "open_for" => |settings| {
            open_for_with(settings, |(_, factor, max)| {
                (A_SECOND.min(max), factor, max)
            });
        },
        "open_for.factor" => {
            |settings| open_for_with(settings, |(first, _, max)| (first, 1.0, max))
        }
        "open_for.max" => |settings| {
            open_for_with(settings, |(first, factor, _)| {
                (first, factor, Duration::MAX)
            });
        },
        "retries.share" => |settings| {
            let retries = settings.retries();
            settings.set_retries(retries.map(|limits| limits.share(0.1)));
        },
        _ => return None,
    })
}

type Growing = (Duration, f64, Duration);

fn open_for_with(settings: &mut Settings, mend: fn(Growing) -> Growing) {
    let now = settings.open_for();
    let jitter = now.get_jitter();
    let (first, factor, max) = mend((now.first(), now.factor(), now.max()));
    settings.set_open_for(OpenFor::exponential(first, factor, max).jitter(jitter));
}
