//! A fleet as a configuration says it.

use super::{builder::FleetBuilder, fleet::Fleet};
use crate::config::FleetSettings;

impl Fleet {
    /// Begins to build a fleet by the settings that a configuration [has for it](crate::config::Config::fleet).
    ///
    /// ```
    /// use tower_breaker::{config::Config, fleet::Fleet};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{ "fleet": { "namespace": "shop", "scope": "eu-west-1a" } }"#;
    /// let config = Config::read(&mut serde_json::Deserializer::from_str(file))?;
    /// let said = config.fleet().ok_or("no fleet in the file")?;
    /// let fleet = Fleet::of(said).label("web-7").build()?;
    /// # let _ = fleet;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "config")))]
    pub fn of(settings: &FleetSettings) -> FleetBuilder {
        let mut builder = Self::builder(settings.namespace.clone()).scope(settings.scope.clone());
        if let Some(shards) = settings.shards {
            builder = builder.shards(shards);
        }
        if let Some(interval) = settings.interval {
            builder = builder.interval(interval);
        }
        if let Some(poll) = settings.poll {
            builder = builder.poll(poll);
        }
        if let Some(time) = settings.detach_after {
            builder = builder.detach_after(time);
        }
        if let Some(budget) = settings.budget {
            builder = builder.budget(budget);
        }
        match &settings.label {
            Some(label) => builder.label(label.clone()),
            None => builder,
        }
    }
}
