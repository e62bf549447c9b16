//! The list of all circuits, with which a stream begins. It is written in pieces (rule L3).

use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
    vec,
};

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::{answer::PIECE, boot::boot, history::Told, json, known::AllKnown, pass::Pass};
use crate::{circuit::name::Name, registry::Registry};

/// A list that is being written.
pub(super) struct Listing {
    pub(super) of_pass: u64,
    second: u64,
    epoch: u64,
    /// Those that it has yet to write.
    names: vec::IntoIter<Name>,
    /// The message so far.
    text: String,
}

impl Listing {
    pub(super) fn new(pass: &Pass, names: Vec<Name>, watched: &VecDeque<(u64, u64)>) -> Self {
        let epoch = pass.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let watched = watched.iter().map(|(from, to)| {
            let age = |second: &u64| pass.second.saturating_sub(*second);
            [age(from), age(to)].map(|age| epoch.as_secs().saturating_sub(age))
        });
        // The circuits are as they are now, and not as the pass has seen them.
        let [now, boot, watched] = [
            json!(json::time(SystemTime::now())),
            json!(boot()),
            watched.map(|it| json!(it)).collect(),
        ];
        let head = format!(r#"{{"now":{now},"boot":{boot},"watched":{watched},"circuits":["#);
        Self {
            of_pass: pass.number,
            second: pass.second,
            epoch: epoch.as_secs(),
            names: names.into_iter(),
            text: format!("event: circuits\ndata: {head}"),
        }
    }

    /// Writes some more circuits. Whether that were the last.
    pub(super) fn piece(&mut self, known: &AllKnown, registry: &Registry) -> bool {
        for name in self.names.by_ref().take(PIECE) {
            let Some(circuit) = registry.get(&name) else {
                continue;
            };
            let history = known.circuits.get(&name).and_then(|it| it.history.as_ref());
            let listed = Listed {
                circuit: json::circuit_now(&circuit, registry),
                history: history.map(|it| it.told(self.second, self.epoch)),
            };
            if !self.text.ends_with('[') {
                self.text.push(',');
            }
            // Nothing in it has keys that are no texts.
            self.text += &serde_json::to_string(&listed).unwrap_or_default();
        }
        self.names.len() == 0
    }

    pub(super) fn end(self) -> Bytes {
        (self.text + "]}\n\n").into()
    }
}

struct Listed<'a> {
    circuit: Value,
    history: Option<Told<'a>>,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let none = Map::new();
        let fields = self.circuit.as_object().unwrap_or(&none);
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in fields {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("history", &self.history)?;
        map.end()
    }
}
