//! Another instance of this service. In earnest it is another process on another host, and what the two share circuits
//! through is a Redis; here it is a registry of its own, and a store in memory.

use std::time::Duration;

use reqwest::Client;
use tokio::time::interval;
use tower::BoxError;
use tower_breaker::{
    Circuit, ConfigError,
    fleet::{Fleet, Memory},
    registry::Registry,
};

use crate::around;

/// An instance's part in the fleet. The circuits of a registry that is told of it are shared.
pub(crate) fn fleet(label: &'static str) -> Result<Fleet, ConfigError> {
    Fleet::builder("shop").label(label).build()
}

/// Begins to share this instance's circuits with another one, which asks for reviews as well, for ever.
pub(crate) fn begin(fleet: &Fleet, outside: &str) -> Result<(), BoxError> {
    let store = Memory::new();
    tokio::spawn(fleet.run(store.clone()));

    let other = self::fleet("the other one")?;
    tokio::spawn(other.run(store));
    let registry = Registry::builder()
        .fleet(&other)
        .defaults(crate::defaults)
        .circuit("reviews", around::reviews)
        .build()?;
    tokio::spawn(ask(
        registry.try_get("reviews")?,
        format!("{outside}/reviews"),
    ));
    Ok(())
}

async fn ask(circuit: Circuit, url: String) {
    let client = Client::new();
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let (circuit, asked) = (circuit.clone(), client.get(&url).send());
        tokio::spawn(async move {
            drop(
                circuit
                    .call(async { asked.await?.error_for_status() })
                    .await,
            );
        });
    }
}
