//! Where events go: to those who are called in place, and to those who read (rule L1).

use std::sync::Arc;

use super::{
    by::By,
    call_event::CallEvent,
    event::{Event, What},
    handle::Circuit,
    listeners::{List, Subscription},
    log::{self, Log},
    settings::SettingsChange,
    subscribers::Events,
};
use crate::machine::Transition;

/// A listener to events.
pub(crate) type OnEvent = dyn Fn(&Circuit, &Arc<Event>) + Send + Sync;

/// A listener to calls.
pub(crate) type OnCall = dyn Fn(&Circuit, CallEvent<'_>) + Send + Sync;

/// Who hears of the events of one circuit, or of those of all circuits of a registry.
pub(crate) struct Hub {
    listeners: Arc<List<OnEvent>>,
    pub(crate) calls: Arc<List<OnCall>>,
    pub(crate) log: Arc<Log>,
}

impl Hub {
    /// With a log of the last so many events.
    pub(crate) fn new(events: Vec<Arc<OnEvent>>, calls: Vec<Arc<OnCall>>, keep: usize) -> Self {
        Self {
            listeners: Arc::new(List::new(events)),
            calls: Arc::new(List::new(calls)),
            log: Arc::new(Log::new(keep)),
        }
    }

    /// Whether anybody wants an event.
    pub(crate) fn wants_events(&self) -> bool {
        self.log.is_wanted() || !self.listeners.is_empty()
    }

    /// The log, if it keeps anything.
    fn wanted_log(&self) -> Option<&Log> {
        Some(&*self.log).filter(|log| log.is_wanted())
    }

    /// Calls those who are called in place, as long as it `goes_on`.
    pub(crate) fn call(&self, circuit: &Circuit, event: &Arc<Event>, goes_on: impl Fn() -> bool) {
        self.listeners
            .call(goes_on, |listener| listener(circuit, event));
    }

    /// Tells what comes from the registry, which no circuit keeps.
    #[cfg(feature = "registry")]
    pub(crate) fn tell(&self, circuit: &Circuit, what: What) {
        let event = Event::new(circuit, what, By::unknown());
        let event = log::keep(event, [None, self.wanted_log()]);
        self.call(circuit, &event, || true);
    }

    pub(crate) fn events(&self) -> Events {
        Events::new(&self.log)
    }

    pub(crate) fn subscribe(
        &self,
        listener: impl Fn(&Circuit, &Arc<Event>) + Send + Sync + 'static,
    ) -> Subscription {
        List::subscribe(&self.listeners, Arc::new(listener))
    }
}

/// The registry that a circuit is of, as far as the circuit has to know of it.
pub(crate) trait Above: Send + Sync {
    /// Where events of all its circuits go, unless nothing is told of this one any more.
    fn hub(&self) -> Option<Arc<Hub>>;

    /// Whether this circuit is still told of.
    fn goes_on(&self) -> bool;

    /// Tells those who are told without an [`Event`].
    fn tell_transition(&self, circuit: &Circuit, told: &Transition);

    /// The same of a change of settings.
    fn tell_settings(&self, circuit: &Circuit, told: &SettingsChange);
}

/// Nobody hears of it any more.
impl Drop for Hub {
    fn drop(&mut self) {
        self.log.end();
    }
}

/// Makes an event of `what`, if anybody wants it, and tells it. The circuit's own listeners are told first.
pub(super) fn tell(
    circuit: &Circuit,
    own: Option<&Hub>,
    above: Option<&dyn Above>,
    by: Option<&By>,
    what: impl FnOnce() -> What,
) {
    let own = own.filter(|hub| hub.wants_events());
    let hub_above = above.and_then(Above::hub);
    let hub_above = hub_above.filter(|hub| hub.wants_events());
    if own.is_none() && hub_above.is_none() {
        return;
    }
    let event = Event::new(circuit, what(), by.cloned().unwrap_or_default());
    let logs = [own, hub_above.as_deref()];
    let event = log::keep(event, logs.map(|hub| hub?.wanted_log()));
    if let Some(hub) = own {
        hub.call(circuit, &event, || true);
    }
    if let Some((hub, above)) = hub_above.zip(above) {
        hub.call(circuit, &event, || above.goes_on());
    }
}
