//! [`CountedFor`]: which circuit's counters an answer goes to.

use std::fmt;

use super::keep::CircuitOf;
#[cfg(feature = "registry")]
use crate::registry::Registry;
use crate::{
    circuit::{call_event::FellBack, handle::Circuit, nesting},
    degrade::Because,
};

/// Which circuit counts the answers of a fallback, and tells its listeners of them. It is the first argument of
/// [`FallbackLayer::on_rejection`](super::FallbackLayer::on_rejection) and
/// [`on_failure`](super::FallbackLayer::on_failure).
///
/// | from | who counts |
/// |---|---|
/// | `&circuit` | that circuit |
/// | `&registry`, with the feature `registry` | the circuit of the registry that a rejection or a time-out names, as of a keyed layer. A failure names none: for these say [`keyed_by`](super::FallbackLayer#method.keyed_by), too, or [`or`](Self::or) |
/// | [`CountedFor::nobody`] | nobody |
#[derive(Clone)]
pub struct CountedFor {
    pub(super) circuit: Option<Circuit>,
    #[cfg(feature = "registry")]
    pub(super) registry: Option<Registry>,
}

impl CountedFor {
    /// Answers are not counted anywhere.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            circuit: None,
            #[cfg(feature = "registry")]
            registry: None,
        }
    }

    /// Lets this circuit count what names no circuit of the registry.
    #[must_use]
    pub fn or(mut self, circuit: &Circuit) -> Self {
        self.circuit = Some(circuit.clone());
        self
    }

    /// Which circuit counts an answer: the one that is named, that of the request, or the constructor's.
    fn find<E>(&self, because: &Because<E>, of_request: impl CircuitOf) -> Option<Circuit> {
        #[cfg(feature = "registry")]
        if let Some(registry) = &self.registry {
            let named = because.circuit().and_then(|name| registry.get(name));
            if named.is_some() {
                return named;
            }
        }
        let _ = because;
        of_request.find().or_else(|| self.circuit.clone())
    }

    /// Counts and tells it.
    #[cold]
    pub(in crate::degrade) fn note<E>(
        &self,
        because: &Because<E>,
        of_request: impl CircuitOf,
        fell_back: FellBack,
    ) {
        let Some(circuit) = self.find(because, of_request) else {
            return;
        };
        circuit.note_fallback(fell_back);
        // A circuit whose call goes on here will take the answer for the dependency's. What rejects is another.
        let hides = fell_back.answered && because.rejected().is_none();
        if hides && nesting::is_any() && nesting::is_called(circuit.identity()) {
            circuit.note_hidden();
        }
    }
}

impl From<&Circuit> for CountedFor {
    fn from(circuit: &Circuit) -> Self {
        Self::nobody().or(circuit)
    }
}

impl From<Circuit> for CountedFor {
    fn from(circuit: Circuit) -> Self {
        Self::from(&circuit)
    }
}

#[cfg(feature = "registry")]
impl From<&Registry> for CountedFor {
    fn from(registry: &Registry) -> Self {
        Self {
            circuit: None,
            registry: Some(registry.clone()),
        }
    }
}

impl fmt::Debug for CountedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("CountedFor");
        #[cfg(feature = "registry")]
        if self.registry.is_some() {
            tuple.field(&"a registry");
        }
        tuple
            .field(&self.circuit.as_ref().map(Circuit::name))
            .finish()
    }
}
