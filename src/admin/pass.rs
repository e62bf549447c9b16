//! What one look at all circuits has found, and how streams tell it (rule L3).

use std::{sync::OnceLock, time::SystemTime};

use bytes::Bytes;
use serde_json::json;

use super::{frame::framed, history::Counts, json};
use crate::circuit::name::Name;

/// What one pass has found.
pub(super) struct Pass {
    pub(super) number: u64,
    /// The place in the ring behind all events that came before it.
    pub(super) events: u64,
    pub(super) at: SystemTime,
    pub(super) second: u64,
    /// Circuits that are not as they were, by name.
    pub(super) changed: Vec<(Name, Box<str>)>,
    pub(super) calls: Vec<(Name, Counts)>,
    pub(super) gone: Vec<Name>,
    update: OnceLock<Bytes>,
}

impl Pass {
    /// One that begins now, and has found nothing yet.
    pub(super) fn new(number: u64, second: u64, events: u64) -> Self {
        Self {
            number,
            events,
            at: SystemTime::now(),
            second,
            changed: Vec::new(),
            calls: Vec::new(),
            gone: Vec::new(),
            update: OnceLock::new(),
        }
    }

    /// What has changed, as all streams tell it.
    pub(super) fn update(&self) -> Bytes {
        let write = || {
            let (circuits, calls) = (self.changed.iter(), self.calls.iter());
            self.write(circuits, calls, self.gone.iter())
        };
        self.update.get_or_init(write).clone()
    }

    /// The same of one circuit. `None` if there is nothing to tell.
    pub(super) fn update_of(&self, only: &Name) -> Option<Bytes> {
        let circuits = self.changed.iter().filter(|(name, _)| name == only);
        let calls = self.calls.iter().filter(|(name, _)| name == only);
        let gone = self.gone.iter().filter(|name| *name == only);
        let count = circuits.clone().count() + calls.clone().count() + gone.clone().count();
        (count > 0).then(|| self.write(circuits, calls, gone))
    }

    fn write<'a>(
        &self,
        circuits: impl Iterator<Item = &'a (Name, Box<str>)>,
        calls: impl Iterator<Item = &'a (Name, Counts)>,
        gone: impl Iterator<Item = &'a Name>,
    ) -> Bytes {
        let row = |(name, Counts([success, failure, slow, rejected])): &(Name, Counts)| {
            json!([name.as_str(), success, failure, slow, rejected])
        };
        let circuits: Vec<&str> = circuits.map(|(_, shown)| &**shown).collect();
        let [now, calls, gone] = [
            json!(json::time(self.at)),
            calls.map(row).collect(),
            gone.map(Name::as_str).collect(),
        ];
        let circuits = circuits.join(",");
        let data =
            format!(r#"{{"now":{now},"circuits":[{circuits}],"calls":{calls},"gone":{gone}}}"#);
        framed("update", &data)
    }
}
