//! What is told to the outside, and exactly when (rule E4).
//!
//! Every transition that happened is told once, after it was won, outside of any retry loop, on the
//! thread that won it. One that did not happen is never told. Two threads that win two transitions
//! in a row may tell them in either order, so each carries its era: whoever keeps a gauge ignores
//! an era older than the one it has.
//!
//! There are two ways to hear of it:
//!
//! * a listener, called in place: [`CircuitBuilder::on_transition`](crate::CircuitBuilder::on_transition);
//! * a [`Watch`], which async code awaits: [`Circuit::watch`](crate::Circuit::watch).
//!
//! ```
//! use tower_breaker::{Circuit, State};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("payments")
//!     .on_transition(|circuit, transition| println!("{}: {transition}", circuit.name()))
//!     .build()?;
//!
//! let mut watch = circuit.watch();
//! circuit.force_open();
//! let transition = watch.changed().await;
//! assert_eq!(transition.to, State::Open);
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    circuit::{Cause, State, Transition},
    handle::Circuit,
};

/// A listener (E4).
pub(crate) type Listener = Arc<dyn Fn(&Circuit, &Transition) + Send + Sync>;

/// Who is told of a circuit's transitions.
pub(crate) struct Observers {
    listeners: Vec<Listener>,
    latest: watch::Sender<Latest>,
}

/// The newest transition that was told, and the newest trip.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latest {
    transition: Option<Transition>,
    trip: Option<(u64, Cause)>,
}

impl Latest {
    /// Takes a transition in, unless a newer one was told before it.
    fn update(&mut self, new: Transition) -> bool {
        if new.to == State::Open && self.trip.is_none_or(|(era, _)| era < new.era) {
            self.trip = Some((new.era, new.cause));
        }
        let newer = self.transition.is_none_or(|old| old.era <= new.era);
        if newer {
            self.transition = Some(new);
        }
        newer
    }
}

impl Observers {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            latest: watch::Sender::default(),
        }
    }

    pub(crate) fn tell(&self, circuit: &Circuit, transition: Transition) {
        self.latest
            .send_if_modified(|latest| latest.update(transition));
        for listener in &self.listeners {
            // A panicking listener disturbs neither the caller nor the other listeners.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(circuit, &transition)));
        }
    }

    /// The cause of the newest open.
    pub(crate) fn last_trip(&self) -> Option<Cause> {
        self.latest.borrow().trip.map(|(_, cause)| cause)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

/// Transitions of one circuit, for async code to await. Made by [`Circuit::watch`].
///
/// It always has the newest transition. Of several that come while nobody awaits, it shows the last;
/// a listener hears of each.
#[derive(Clone, Debug)]
pub struct Watch {
    circuit: Circuit,
    latest: watch::Receiver<Latest>,
}

impl Watch {
    pub(crate) fn new(circuit: Circuit) -> Self {
        let latest = circuit.observers().subscribe();
        Self { circuit, latest }
    }

    /// Waits for the next transition after the last one seen.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn changed(&mut self) -> Transition {
        loop {
            // The sender lives in the circuit, which this watch keeps alive.
            if self.latest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(transition) = self.latest.borrow_and_update().transition {
                return transition;
            }
        }
    }

    /// Waits until the circuit is in `state`; returns at once if it is.
    ///
    /// An open circuit whose break is over stays open until a call comes (rule C5), so waiting for
    /// half-open needs traffic.
    pub async fn wait_for(&mut self, state: State) {
        while self.circuit.state() != state {
            self.changed().await;
        }
    }
}
