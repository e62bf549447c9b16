//! What a file says of layers: what counts as a failure, and which circuit a request belongs to.

use http::{HeaderName, StatusCode};

#[cfg(not(feature = "axum"))]
use self::lacking::of_axum;
#[cfg(not(feature = "retry-after"))]
use self::lacking::retry_after;
use super::{
    keys::{KEY, LAYER, names},
    problem::Problem,
    read::{Reader, join},
    tree::Node,
};
#[cfg(feature = "retry-after")]
use crate::service::retry_after::RetryAfter;
use crate::{
    keyed::{KeyedLayer, by},
    machine::Outcome,
    registry::Registry,
    service::{classify::HttpClassifier, layer::CircuitBreakerLayer},
};

/// The settings of a layer in a configuration. From [`Config::layer`](super::Config::layer).
///
/// A layer reads them when it is built. A newer configuration changes live circuits, but no layer.
#[derive(Clone, Debug, Default)]
pub struct LayerSettings {
    classifier: HttpClassifier,
    key: Option<by::Chosen>,
    known_keys_only: bool,
}

impl LayerSettings {
    /// The classifier, with the statuses that the file has moved. Give it to [`CircuitBreakerLayer::classifier`].
    #[must_use]
    pub fn classifier(&self) -> HttpClassifier {
        self.classifier.clone()
    }

    /// The key, if the file names one.
    #[must_use]
    pub fn key(&self) -> Option<by::Chosen> {
        self.key.clone()
    }

    /// Whether a new key gets no circuit. See [`KeyedLayer::known_keys_only`].
    #[must_use]
    pub fn known_keys_only(&self) -> bool {
        self.known_keys_only
    }

    /// Gives a layer its key, like [`CircuitBreakerLayer::keyed_by`]. `None` if the file names no key.
    ///
    /// **Watch out:** if the file says `grpc_method` or `grpc_service`, call
    /// [`.grpc()`](CircuitBreakerLayer#method.grpc) on the layer before. Without it a failed call is a 200 like any
    /// other.
    #[must_use = "a layer does nothing until it is applied"]
    pub fn keyed<C, R, X, G>(
        &self,
        layer: CircuitBreakerLayer<C, R, X, G>,
        registry: &Registry,
    ) -> Option<KeyedLayer<by::Chosen, C, R, X>>
    where
        C: Send + Sync + 'static,
        R: Send + Sync + 'static,
        X: Send + Sync + 'static,
    {
        let layer = layer.keyed_by(registry, self.key()?);
        Some(match self.known_keys_only {
            true => layer.known_keys_only(),
            false => layer,
        })
    }
}

/// The statuses that a key moves.
pub(super) const MOVES: [(&str, Outcome); 4] = [
    ("failures", Outcome::Failure),
    ("successes", Outcome::Success),
    ("ignored", Outcome::Ignored),
    ("trip_now", Outcome::TripNow),
];

pub(super) const KEYS: [&str; 5] = [
    "authority",
    "grpc_method",
    "grpc_service",
    "method_and_route",
    "route",
];

pub(super) fn read(reader: &mut Reader, path: &str, node: &Node) -> LayerSettings {
    let mut layer = LayerSettings::default();
    let mut moved = Vec::new();
    for (key, value) in reader.table_of(path, node, &names(&LAYER)) {
        let path = join(path, key);
        let classifier = std::mem::take(&mut layer.classifier);
        layer.classifier = match key {
            "client_errors_succeed" => match reader.switch(&path, value) {
                Some(true) => classifier.client_errors_succeed(),
                _ => classifier,
            },
            "retry_after" => retry_after(reader, &path, value, classifier),
            _ => classifier,
        };
        match key {
            "key" => layer.key = read_key(reader, &path, value),
            "known_keys_only" => {
                layer.known_keys_only = reader.switch(&path, value).unwrap_or_default();
            }
            _ => {}
        }
        if let Some((_, outcome)) = MOVES.iter().find(|(name, _)| *name == key) {
            let statuses = statuses(reader, &path, value, &mut moved);
            layer.classifier = layer.classifier.classify_as(*outcome, statuses);
        }
    }
    layer
}

/// A list of statuses, of which none is moved twice.
fn statuses(
    reader: &mut Reader,
    path: &str,
    node: &Node,
    moved: &mut Vec<StatusCode>,
) -> Vec<StatusCode> {
    let Node::List(list) = node else {
        let problem = Problem::new(path, node, "a list of statuses");
        reader.problems.push(problem);
        return Vec::new();
    };
    let mut statuses = Vec::new();
    for (number, node) in list.iter().enumerate() {
        let path = join(path, &number.to_string());
        let Some(status) = status(node) else {
            let problem = Problem::new(&path, node, "a status from 100 to 999");
            reader.problems.push(problem);
            continue;
        };
        if moved.contains(&status) {
            let problem = Problem::new(&path, node, "a status that is there once");
            reader.problems.push(problem);
        }
        moved.push(status);
        statuses.push(status);
    }
    statuses
}

fn status(node: &Node) -> Option<StatusCode> {
    let Node::Integer(number) = node else {
        return None;
    };
    StatusCode::from_u16(u16::try_from(*number).ok()?).ok()
}

/// A word, or `{ header = "x-tenant" }`.
fn read_key(reader: &mut Reader, path: &str, node: &Node) -> Option<by::Chosen> {
    if let Node::Map(_) = node {
        let entries = reader.table_of(path, node, &names(&KEY));
        let Some((_, value)) = entries.first() else {
            let problem = Problem::new(&join(path, "header"), "not there", "the name of a header");
            reader.problems.push(problem);
            return None;
        };
        return header(reader, &join(path, "header"), value);
    }
    let words = KEYS.map(|word| (word, word));
    match reader.word(path, node, &words)? {
        "authority" => Some(by::Chosen::authority()),
        "grpc_method" => Some(by::Chosen::grpc_method()),
        "grpc_service" => Some(by::Chosen::grpc_service()),
        word => of_axum(reader, path, word),
    }
}

fn header(reader: &mut Reader, path: &str, node: &Node) -> Option<by::Chosen> {
    let name = reader.text(path, node)?;
    match HeaderName::try_from(name) {
        Ok(name) => Some(by::Chosen::header(name)),
        Err(_) => {
            let problem = Problem::new(path, node, "the name of a header");
            reader.problems.push(problem);
            None
        }
    }
}

#[cfg(feature = "axum")]
fn of_axum(_: &mut Reader, _: &str, word: &str) -> Option<by::Chosen> {
    Some(match word {
        "route" => by::Chosen::route(),
        _ => by::Chosen::method_and_route(),
    })
}

#[cfg(feature = "retry-after")]
fn retry_after(
    reader: &mut Reader,
    path: &str,
    node: &Node,
    classifier: HttpClassifier,
) -> HttpClassifier {
    use super::keys::RETRY_AFTER;

    let mut limits = [None, None];
    for (key, value) in reader.table_of(path, node, &names(&RETRY_AFTER)) {
        let path = join(path, key);
        let Some(limit) = reader.duration(&path, value) else {
            return classifier;
        };
        if limit.is_zero() {
            let problem = Problem::new(&path, value, "above zero");
            reader.problems.push(problem);
            return classifier;
        }
        limits[usize::from(key == "maximum")] = Some(limit);
    }
    let [minimum, maximum] = limits;
    let Some(maximum) = maximum else {
        let problem = Problem::new(&join(path, "maximum"), "not there", super::read::DURATION);
        reader.problems.push(problem);
        return classifier;
    };
    match RetryAfter::between(minimum.unwrap_or_default(), maximum) {
        Ok(limits) => classifier.retry_after(limits),
        Err(error) => {
            let field = error.field().rsplit('.').next().unwrap_or_default();
            let problem = Problem::new(&join(path, field), error.value(), error.allowed());
            reader.problems.push(problem);
            classifier
        }
    }
}

/// What this build does not have is told, and not left out in silence.
#[cfg(not(all(feature = "axum", feature = "retry-after")))]
mod lacking {
    #[cfg(not(feature = "axum"))]
    use super::by;
    #[cfg(not(feature = "retry-after"))]
    use super::{HttpClassifier, Node};
    use super::{Problem, Reader};

    #[cfg(not(feature = "axum"))]
    pub(super) fn of_axum(reader: &mut Reader, path: &str, word: &str) -> Option<by::Chosen> {
        needs(reader, path, word, "axum");
        None
    }

    #[cfg(not(feature = "retry-after"))]
    pub(super) fn retry_after(
        reader: &mut Reader,
        path: &str,
        _: &Node,
        classifier: HttpClassifier,
    ) -> HttpClassifier {
        needs(reader, path, "retry_after", "retry-after");
        classifier
    }

    fn needs(reader: &mut Reader, path: &str, word: &str, feature: &str) {
        let allowed = format!("left out, or the feature `{feature}` of tower-breaker must be on");
        reader
            .problems
            .push(Problem::new(path, format!("`{word}`"), allowed));
    }
}
