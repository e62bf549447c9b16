//! Rules by which a service is ready (rule L8).

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    circuit::snapshot::Snapshot,
    machine::{Mode, State},
    registry::Registry,
};

/// What must hold.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// This circuit lets calls through.
    One(String),
    /// One of these does.
    Any(Vec<String>),
    /// One of those with this tag does.
    AnyTagged(String, String),
}

/// Whether the circuit rejects the next call by itself.
///
/// One whose break is over does not: its next call is a probe. Nor does one whose time is over for which it was forced
/// open: its next call closes it. Nor does half-open, whose probes are calls. A service
/// that were not ready then would get no calls, and its circuits would stay as they are.
pub(super) fn rejects(seen: &Snapshot) -> bool {
    let decides = matches!(seen.mode, Mode::Normal | Mode::ForcedOpen);
    decides && seen.state == State::Open && seen.remaining != Some(Duration::ZERO)
}

/// Whether every call is let through (rule L8): closed, or about to be with the next call, or in a mode in which it
/// rejects nothing.
pub(super) fn is_healthy(seen: &Snapshot) -> bool {
    let is_closed = seen.state == State::Closed || seen.is_released();
    is_closed || matches!(seen.mode, Mode::Shadow | Mode::Disabled)
}

/// What became of a rule.
pub(super) struct Verdict {
    pub(super) ok: bool,
    rule: String,
    why: String,
}

impl Verdict {
    pub(super) fn json(&self) -> Value {
        json!({ "rule": self.rule, "ok": self.ok, "why": self.why })
    }
}

impl Rule {
    pub(super) fn verdict(&self, registry: &Registry) -> Verdict {
        let looks = self.looks(registry);
        let whys: Vec<_> = looks.iter().map(|(_, why)| &**why).collect();
        Verdict {
            ok: looks.iter().any(|(ok, _)| *ok),
            rule: self.text(),
            why: match whys[..] {
                [] => "there is no such circuit".to_owned(),
                _ => whys.join("; "),
            },
        }
    }

    /// Each circuit that it is about: whether it lets calls through, and what there is to say of it.
    fn looks(&self, registry: &Registry) -> Vec<(bool, String)> {
        match self {
            Self::One(name) => vec![look(registry, name)],
            Self::Any(names) => names.iter().map(|name| look(registry, name)).collect(),
            Self::AnyTagged(key, value) => {
                let names = registry.names().into_iter();
                let circuits = names.filter_map(|name| registry.get(&name));
                let tagged = circuits.filter(|it| it.tags().get(key) == Some(value));
                tagged.map(|it| told(&it.snapshot())).collect()
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::One(name) => format!("require {name}"),
            Self::Any(names) => format!("require any of {}", names.join(", ")),
            Self::AnyTagged(key, value) => format!("require any with {key}={value}"),
        }
    }
}

/// A name that nobody knows may be one that is mistyped: it lets nothing through.
fn look(registry: &Registry, name: &str) -> (bool, String) {
    match registry.get(name) {
        Some(circuit) => told(&circuit.snapshot()),
        None => (false, format!("unknown circuit `{name}`")),
    }
}

fn told(seen: &Snapshot) -> (bool, String) {
    (!rejects(seen), seen.to_string())
}
