//! Health and readiness (rule L8).

use std::{sync::Arc, time::SystemTime};

use axum::{Router, response::IntoResponse, routing::get};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    answer::{Json, PIECE, never_kept, others_first},
    json,
    readiness::{Rule, is_healthy},
};
use crate::{circuit::handle::Circuit, registry::Registry, telemetry::Exposition};

/// Routes that say over HTTP whether the circuits of a registry are closed, and whether this service can do its work.
///
/// **Watch out:** nothing that restarts a process may be tied to this. A circuit opens because something *else* does
/// not work. A restart of this service mends nothing, and takes its other work down with it. So use it for no liveness
/// probe, and for no restart policy of an orchestrator:
///
/// ```yaml
/// # Wrong: the database is down, so every instance is killed, again and again.
/// livenessProbe: { httpGet: { path: /health/circuits, port: 8080 } }
///
/// # Right: says only that the process answers.
/// livenessProbe: { httpGet: { path: /alive, port: 8080 } }
/// # And only what this service is useless without takes it out of the load balancer.
/// readinessProbe: { httpGet: { path: /readyz, port: 8080 } }
/// ```
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_breaker::{admin::Health, registry::Registry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder()
///     .circuit("database", |it| it)
///     .circuit("eu", |it| it)
///     .circuit("us", |it| it)
///     .build()?;
///
/// let health = Health::new(&registry)
///     // Nothing goes without it.
///     .require("database")
///     // Either will do.
///     .require_any(["eu", "us"]);
///
/// let app: Router = Router::new()
///     .route("/alive", get(|| async { "yes" }))
///     .merge(health.router());
/// # Ok(())
/// # }
/// ```
///
/// | `GET` | answers |
/// |---|---|
/// | `/health/circuits` | 200 if all circuits are healthy, 503 otherwise |
/// | `/health/circuits/always` | the same, but always 200: for dashboards, and for whatever would act on a 503 |
/// | `/readyz` | 200 if all rules hold, 503 otherwise; without rules, 200 |
/// | `/metrics` | [the numbers](Exposition) of every circuit, for Prometheus |
///
/// A circuit is *healthy* if it is closed, or if its mode rejects nothing (shadow, disabled). If it was forced open for
/// a time that is over, it is healthy, too: the next call closes it. A registry without circuits is healthy. See [What
/// the answers are made of](crate::guide::operating#health).
#[derive(Clone, Debug)]
#[must_use = "it has to be made a router"]
pub struct Health {
    registry: Registry,
    named_only: bool,
    tags: Vec<(String, String)>,
    rules: Vec<Rule>,
    metrics: Option<Exposition>,
}

impl Health {
    /// Looks at all circuits of this registry.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            named_only: false,
            tags: Vec::new(),
            rules: Vec::new(),
            metrics: Some(Exposition::new(registry)),
        }
    }

    /// Looks only at circuits that were [named](Registry::is_named), and not at those that were made on first use. The
    /// latter may be thousands, and each may be about one customer. Rules of readiness look at all circuits.
    pub fn named_only(self) -> Self {
        Self {
            named_only: true,
            ..self
        }
    }

    /// Looks only at circuits with this tag. If called again, at those with all of the tags. Rules of readiness look at
    /// all circuits.
    pub fn tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Makes the service not ready while this circuit rejects calls.
    ///
    /// A circuit whose break (wait duration) is over does not reject: its next call is a probe. Nor does one that was
    /// forced open for a time that is over, nor one that is half-open. If the service were not ready then, no call
    /// would come, and the circuit could never close.
    ///
    /// **Watch out:** a name that the registry does not know counts as mistyped. The service is not ready then, and the
    /// answer says why. So require circuits that are named, not those that are made on first use.
    ///
    /// **Watch out:** while the service is not ready, no calls come either. When the break is over, the answer is 200.
    /// If the probe fails, it is 503 again. Let the orchestrator ask often enough to see that, or let a
    /// [driver](crate::Circuit::probe_with) make the probes.
    pub fn require(self, name: impl Into<String>) -> Self {
        self.rule(Rule::One(name.into()))
    }

    /// Makes the service not ready while all of these circuits reject calls. An unknown one counts as one that rejects.
    /// With a list without names, the service is never ready.
    pub fn require_any<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(N::into).collect();
        self.rule(Rule::Any(names))
    }

    /// Makes the service not ready while all circuits with this tag reject calls, or if there are none.
    pub fn require_any_tagged(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.rule(Rule::AnyTagged(key.into(), value.into()))
    }

    /// Answers `/metrics` with this exposition in place of the default, such as one with more labels.
    pub fn metrics(self, metrics: Exposition) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// Leaves out `/metrics`. axum panics if a router gets the same route twice. So use this if there is a `/metrics`
    /// already.
    pub fn without_metrics(self) -> Self {
        Self {
            metrics: None,
            ..self
        }
    }

    fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Makes the routes. They keep the registry alive.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let metrics = self.metrics.clone();
        let this = Arc::new(self);
        let (strict, always, ready) = (this.clone(), this.clone(), this);
        let routes = Router::new()
            .route("/health/circuits", get(async move || strict.health().await))
            .route(
                "/health/circuits/always",
                get(async move || Json::ok(always.health().await.1)),
            )
            .route("/readyz", get(async move || ready.readiness()));
        never_kept(match metrics {
            Some(metrics) => routes.route("/metrics", get(async move || text(&metrics))),
            None => routes,
        })
    }

    async fn health(&self) -> Json {
        let now = SystemTime::now();
        let (mut healthy, mut circuits) = (true, Map::new());
        for names in self.registry.names().chunks(PIECE) {
            let looked_at = names.iter().filter_map(|name| self.registry.get(name));
            for circuit in looked_at.filter(|it| self.looks_at(it)) {
                let seen = circuit.snapshot();
                healthy &= is_healthy(&seen);
                circuits.insert(circuit.name().to_owned(), json::health(&seen, now));
            }
            others_first().await;
        }
        let (status, word) = match healthy {
            true => (StatusCode::OK, "healthy"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
        };
        Json(status, json!({ "status": word, "circuits": circuits }))
    }

    fn looks_at(&self, circuit: &Circuit) -> bool {
        let has = |(key, value): &(String, String)| circuit.tags().get(key) == Some(value);
        (!self.named_only || self.registry.is_named(circuit.name())) && self.tags.iter().all(has)
    }

    fn readiness(&self) -> Json {
        let rules = self.rules.iter().map(|rule| rule.verdict(&self.registry));
        let rules: Vec<_> = rules.collect();
        let ready = rules.iter().all(|rule| rule.ok);
        let status = match ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        let rules: Vec<Value> = rules.iter().map(|rule| rule.json()).collect();
        Json(status, json!({ "ready": ready, "rules": rules }))
    }
}

fn text(metrics: &Exposition) -> impl IntoResponse + use<> {
    let content_type = (header::CONTENT_TYPE, Exposition::CONTENT_TYPE);
    ([content_type], metrics.render())
}
