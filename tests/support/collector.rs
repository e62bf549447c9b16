//! A subscriber that keeps all that it is told of spans and events.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// Fields and what they were last set to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// As text, without quotes.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Those but this one.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut others = self.clone();
        others.0.remove(name);
        others
    }
}

/// `name=value name=value`, by name, without what all of them begin with.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, value)) in self.0.iter().enumerate() {
            let space = if number > 0 { " " } else { "" };
            let name = name.strip_prefix("circuit_breaker.").unwrap_or(name);
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// An event, without its message among the fields.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) message: String,
    pub(crate) fields: Fields,
    /// The name of the span in which it happened.
    pub(crate) span: Option<String>,
}

/// A span as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Fields,
    /// How often a field was set after it began.
    pub(crate) records: usize,
    pub(crate) parent: Option<&'static str>,
    pub(crate) closed: bool,
    id: u64,
}

#[derive(Default)]
struct Seen {
    events: Vec<Told>,
    spans: Vec<Traced>,
}

type Hook = dyn Fn() + Send + Sync;

/// What a subscriber does beside: on an event, and when a field is set.
#[derive(Clone)]
struct Hooks {
    event: Arc<Hook>,
    record: Arc<Hook>,
}

/// Clones share what was told.
#[derive(Clone)]
pub(crate) struct Collector {
    seen: Arc<Mutex<Seen>>,
    hooks: Hooks,
}

impl Collector {
    pub(crate) fn new() -> Self {
        Self {
            seen: Arc::default(),
            hooks: Hooks {
                event: Arc::new(|| {}),
                record: Arc::new(|| {}),
            },
        }
    }

    /// Somebody else's code, which runs whenever an event is told.
    pub(crate) fn on_event(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.event = Arc::new(hook);
        self
    }

    /// The same, whenever a field is set of a span that has begun.
    pub(crate) fn on_record(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.record = Arc::new(hook);
        self
    }

    /// It is told all on this thread, until what this returns is dropped.
    pub(crate) fn listen(&self) -> DefaultGuard {
        self.listen_to(Level::TRACE)
    }

    /// The same, from that level on.
    pub(crate) fn listen_to(&self, level: Level) -> DefaultGuard {
        tracing::subscriber::set_default(self.subscriber(level))
    }

    /// It is told all that this process does from now on.
    pub(crate) fn listen_everywhere(&self) {
        tracing::subscriber::set_global_default(self.subscriber(Level::TRACE))
            .expect("the only one");
    }

    fn subscriber(&self, level: Level) -> impl Subscriber + Send + Sync + use<> {
        let filter = LevelFilter::from_level(level);
        Registry::default().with(filter).with(self.clone())
    }

    /// What was told since the last time.
    pub(crate) fn events(&self) -> Vec<Told> {
        std::mem::take(&mut self.seen.lock().expect("no panic").events)
    }

    /// Each as `LEVEL message`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |told: &Told| format!("{} {}", told.level, told.message);
        self.events().iter().map(line).collect()
    }

    /// All spans there have been, in the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Traced> {
        self.seen.lock().expect("no panic").spans.clone()
    }

    /// Those of this name.
    pub(crate) fn spans_of(&self, name: &str) -> Vec<Traced> {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        spans
    }

    /// The only one of this name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> Traced {
        let mut spans = self.spans_of(name);
        assert_eq!(spans.len(), 1, "spans of the name {name}");
        spans.remove(0)
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Traced)) {
        let mut seen = self.seen.lock().expect("no panic");
        // Ids are used again.
        let span = seen.spans.iter_mut().rfind(|span| span.id == id.into_u64());
        change(span.expect("it has begun"));
    }
}

fn of<M: Into<Option<&'static Metadata<'static>>>>(metadata: M) -> &'static Metadata<'static> {
    metadata.into().expect("all have them")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let metadata = of(attributes.metadata());
        let span = context.span(id).expect("it has begun");
        self.seen.lock().expect("no panic").spans.push(Traced {
            name: metadata.name(),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            fields,
            records: 0,
            parent: span.parent().map(|parent| parent.name()),
            closed: false,
            id: id.into_u64(),
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.change(id, |span| {
            span.records += 1;
            values.record(&mut span.fields);
        });
        (self.hooks.record)();
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = of(event.metadata());
        self.seen.lock().expect("no panic").events.push(Told {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: fields.0.remove("message").unwrap_or_default(),
            fields,
            span: context.lookup_current().map(|span| span.name().to_owned()),
        });
        (self.hooks.event)();
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |span| span.closed = true);
    }
}
