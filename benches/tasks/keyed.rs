//! Services with a circuit for each key, and what it costs to find one.

use std::{cell::Cell, hint::black_box, sync::Arc};

use tower::Layer;
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    classify::ErrorsOnly,
    keyed::{Key, Scratch},
    registry::Registry,
};

use super::{
    Maker,
    circuits::consecutive,
    maker, repeat,
    services::{Bare, calls, protected},
};

/// One key after the other, whatever is asked. Each thread begins anew.
struct InTurn {
    keys: Arc<[String]>,
}

thread_local! {
    static TURN: Cell<usize> = const { Cell::new(0) };
}

impl InTurn {
    fn new(keys: usize) -> Self {
        let keys = (0..keys).map(|number| format!("host-{number:05}.internal"));
        Self {
            keys: keys.collect(),
        }
    }

    fn next(&self) -> &str {
        let turn = TURN.get();
        TURN.set(turn + 1);
        &self.keys[turn % self.keys.len()]
    }
}

impl Key<()> for InTurn {
    fn of<'a>(&'a self, (): &'a (), _: &'a mut Scratch) -> Option<&'a str> {
        Some(self.next())
    }
}

/// A lookup of each of so many keys in turn, and what a call that has found a circuit does with it: an `Arc` cloned and
/// dropped. It is what no such layer can do without.
pub(crate) fn lookups(keys: usize) -> Maker {
    let in_turn = Arc::new(InTurn::new(keys));
    let map: papaya::HashMap<String, Arc<u64>> = papaya::HashMap::new();
    for key in in_turn.keys.iter() {
        map.pin().insert(key.clone(), Arc::new(0));
    }
    let map = Arc::new(map);
    maker(move || {
        let (map, in_turn) = (map.clone(), in_turn.clone());
        repeat(move || {
            let found = map.pin().get(in_turn.next()).cloned();
            black_box(found.is_some());
        })
    })
}

/// A lookup of each of so many keys in turn, and a call through a layer with one circuit.
pub(crate) fn lookups_and_calls(keys: usize) -> Maker {
    let lookups = lookups(keys);
    let calls = calls(protected(consecutive()));
    maker(move || {
        let (mut lookup, mut call) = (lookups(), calls());
        repeat(move || {
            lookup(1);
            call(1);
        })
    })
}

/// A call through a layer with a circuit for each of so many keys, in turn.
///
/// The first run meets each key once before it begins.
pub(crate) fn keyed_calls(keys: usize) -> Maker {
    let registry = Registry::builder()
        .defaults(|circuit| circuit.consecutive_failures(5).totals(false))
        .max_circuits(keys.try_into().expect("few"))
        .build()
        .expect("valid");
    let own = Circuit::builder("others").build().expect("valid");
    let layer = CircuitBreakerLayer::new(own)
        .classifier(ErrorsOnly)
        .keyed_by(&registry, InTurn::new(keys));
    let service = layer.layer(Bare);
    let of_layer = calls(service);
    maker(move || {
        let mut work = of_layer();
        let mut to_meet = u64::try_from(keys).expect("few");
        Box::new(move |times| {
            work(std::mem::take(&mut to_meet));
            work(times);
        })
    })
}
