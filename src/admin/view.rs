//! A look at every circuit.

use std::{sync::Arc, time::SystemTime};

use axum::{Router, routing::get};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::{
    answer::{Json, never_kept},
    boot::boot,
    json,
    query::value_of,
};
use crate::{circuit::handle::Circuit, registry::Registry};

/// A look at every circuit of a registry.
#[derive(Clone, Debug)]
#[must_use = "it has to be made a router"]
pub struct View {
    registry: Registry,
}

impl View {
    /// Of all circuits of this registry.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
        }
    }

    /// The routes. It keeps the registry alive.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let this = Arc::new(self);
        let (all, one) = (this.clone(), this);
        let routes = Router::new()
            .route("/circuits", get(async move || all.circuits()))
            .route("/circuit", get(async move |uri: Uri| one.circuit(&uri)));
        never_kept(routes)
    }

    fn circuits(&self) -> Json {
        let names = self.registry.names().into_iter();
        let circuits = names.filter_map(|name| self.registry.get(&name));
        let shown: Vec<_> = circuits
            .map(|it| json::circuit_now(&it, &self.registry))
            .collect();
        Json::ok(json!({ "now": json::time(SystemTime::now()), "boot": boot(), "circuits": shown }))
    }

    fn circuit(&self, uri: &Uri) -> Result<Json, Json> {
        let circuit = self.asked_for(uri)?;
        let circuit = circuit.ok_or_else(|| bad_request("`name` is missing: which circuit?"))?;
        let mut shown = json::circuit_now(&circuit, &self.registry);
        shown["settings"] = json::settings(&circuit.settings());
        shown["events"] = Value::Array(Vec::new());
        Ok(Json::ok(shown))
    }

    /// The circuit whose name is asked for, if one is.
    fn asked_for(&self, uri: &Uri) -> Result<Option<Circuit>, Json> {
        let name = value_of(uri, "name").map_err(|_| bad_request("`name` is no text in UTF-8"))?;
        let find = |name: String| match self.registry.try_get(&name) {
            Ok(circuit) => Ok(circuit),
            Err(unknown) => Err(Json::error(StatusCode::NOT_FOUND, unknown.to_string())),
        };
        name.map(find).transpose()
    }
}

fn bad_request(why: &str) -> Json {
    Json::error(StatusCode::BAD_REQUEST, why)
}
