//! What a person may do to circuits over HTTP (rule L9).

use std::{fmt, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request},
    routing::{get, post},
};
use http::{StatusCode, request::Parts};
use serde_json::{Value, json};

use super::{
    answer::{Json, never_kept},
    cross_site::{self, Origin},
    json,
    order::{Action, LONGEST_WHO, Order, all_that_is_wrong},
};
use crate::{
    circuit::{
        by::By,
        followed::Heard,
        handle::Circuit,
        name::Name,
        settings::{ConfigError, ReconfigureError},
    },
    config::{Apply, ApplyError, CircuitDiff, ConfigReader, Diff, tree::Node},
    machine::Mode,
    registry::Registry,
};

/// The longest body. A configuration may be as long.
const LONGEST_BODY: usize = 16 * 1024;

/// Routes by which a person controls the circuits of a registry: force open, release, trip, reset, and change settings.
///
/// **Watch out:** whoever reaches these routes can stop every call of this service. They let everybody in, so put
/// authentication before them. [`route_layer`](Router::route_layer) does that for these routes, and for no others:
///
/// ```
/// use axum::{Router, extract::Request, http::StatusCode, middleware::{self, Next}, response::Response};
/// use tower_breaker::{admin::{Control, View}, registry::Registry};
///
/// // Or whatever your other internal routes have.
/// async fn auth(request: Request, next: Next) -> Result<Response, StatusCode> {
///     match request.headers().get("authorization") {
///         Some(said) if said == "Bearer s3cret" => Ok(next.run(request).await),
///         _ => Err(StatusCode::UNAUTHORIZED),
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().circuit("payments", |it| it).build()?;
///
/// // Wrong: a look for everybody, and control for everybody, too.
/// let internal: Router = View::new(&registry).router().merge(Control::new(&registry).router());
///
/// // Right.
/// let control = Control::new(&registry).router().route_layer(middleware::from_fn(auth));
/// let internal: Router = View::new(&registry).router().merge(control);
/// # let _ = internal;
/// # Ok(())
/// # }
/// ```
///
/// | | takes, beside `reason` and `by` | does |
/// |---|---|---|
/// | `GET /control` | | says that control is there |
/// | `POST /control/force-open` | `name`, perhaps `for`, `here` | [`force_open`](Circuit::force_open), [`force_open_for`](Circuit::force_open_for) |
/// | `POST /control/release` | `name`, perhaps `here` | [`release`](Circuit::release) |
/// | `POST /control/trip` | `name`, `for` | [`trip`](Circuit::trip) |
/// | `POST /control/reset` | `name`, perhaps `here` | [`reset`](Circuit::reset) |
/// | `POST /control/mode` | `name`, `mode` | [`set_mode`](Circuit::set_mode) |
/// | `POST /control/settings` | `name`, `settings`, perhaps `version` | [`reconfigure_expecting`](Circuit::reconfigure_expecting) |
/// | `POST /control/plan` | `configuration`, perhaps `version`, `replacing` | [`plan`](Registry::plan_as) |
/// | `POST /control/apply` | the same | [`apply`](Registry::apply_as) |
///
/// If a circuit is [shared](crate::CircuitBuilder::shared), the whole fleet is forced open, released or reset. The
/// answer says in `heard` how many instances have [heard](Circuit::heard) it. With `"here": true`, it is done to this
/// instance [alone](Circuit::here).
///
/// Bodies are JSON. A `reason` is required, and goes into the [event](crate::observe::Event) with who it was. For the
/// answers, see [What is answered](crate::guide::operating#control).
#[derive(Clone)]
#[must_use = "it has to be made a router"]
pub struct Control {
    registry: Registry,
    reader: ConfigReader,
    who: Option<Arc<Who>>,
    origins: Vec<Origin>,
}

type Who = dyn Fn(&Parts) -> Option<Name> + Send + Sync;

impl Control {
    /// Controls all circuits of this registry.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            reader: ConfigReader::default(),
            who: None,
            origins: Vec::new(),
        }
    }

    /// Sets who asks, as the authentication before these routes has found out. Then what a body says in `by` does not
    /// matter. A longer name is cut to 256 bytes.
    ///
    /// ```
    /// # use tower_breaker::{admin::Control, registry::Registry};
    /// # #[derive(Clone)]
    /// # struct User { email: String }
    /// # let registry = Registry::builder().build().unwrap();
    /// let control = Control::new(&registry).who(|request| {
    ///     let user = request.extensions.get::<User>()?;
    ///     Some(user.email.clone().into())
    /// });
    /// # let _ = control;
    /// ```
    pub fn who(self, who: impl Fn(&Parts) -> Option<Name> + Send + Sync + 'static) -> Self {
        Self {
            who: Some(Arc::new(who)),
            ..self
        }
    }

    /// Lets pages of this origin ask: `https://ops.example.org`. If called again, pages of any of them. If it is not
    /// called, pages of the host that was asked may ask.
    ///
    /// **Watch out:** without it, a page whose own name points at this service counts as one of the host that was asked
    /// (DNS rebinding). So call it if nobody has to log in, and if a proxy passes on another `Host`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `origin` is not a scheme and a host.
    pub fn origin(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origins.push(Origin::new(origin)?);
        Ok(self)
    }

    /// Sets how configurations are read that are planned or applied: with the same bases and variables as the first
    /// one.
    ///
    /// Default: without bases and variables.
    pub fn reader(self, reader: ConfigReader) -> Self {
        Self { reader, ..self }
    }

    /// Makes the routes. They keep the registry alive.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let this = Arc::new(self);
        let is_there = async || Json::ok(json!({ "control": true }));
        let mut routes = Router::new().route("/control", get(is_there));
        for (path, action) in Action::ALL {
            let this = this.clone();
            let act = async move |request: Request| this.answer(action, request).await;
            routes = routes.route(&format!("/control/{path}"), post(act));
        }
        never_kept(routes.layer(DefaultBodyLimit::max(LONGEST_BODY)))
    }

    async fn answer(&self, action: Action, request: Request) -> Result<Json, Json> {
        let (head, body) = request.into_parts();
        cross_site::check(&head, &self.origins)?;
        let who = self.who.as_ref().map(|who| who(&head));
        let body = Bytes::from_request(Request::from_parts(head, body), &()).await;
        let body = body.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let why = format!("the body is longer than {LONGEST_BODY} bytes");
                Json::error(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            _ => Json::error(StatusCode::BAD_REQUEST, "the body broke off"),
        })?;
        let mut order = Order::read(action, &body)?;
        let by = by(who, order.by.take(), order.reason.take());
        match order.configuration.take() {
            Some(tree) => self.configure(action, &order, by, tree),
            None => self.act(action, &order, by).await,
        }
    }
}

/// A name that is handed on is cut where it would be kept for ever; one in a body was refused.
fn by(who: Option<Option<Name>>, said: Option<String>, reason: Option<String>) -> By {
    let who = match who {
        Some(known) => known.map(|name| beginning(&name).to_owned().into()),
        None => said.map(Name::from),
    };
    let by = who.map_or_else(By::unknown, By::who);
    match reason {
        Some(reason) => by.because(reason),
        None => by,
    }
}

fn beginning(name: &str) -> &str {
    let is_end = |at: &usize| name.is_char_boundary(*at);
    let end = (0..=LONGEST_WHO.min(name.len())).rev().find(is_end);
    &name[..end.unwrap_or_default()]
}

// ---- one circuit --------------------------------------------------------------------------------

impl Control {
    async fn act(&self, action: Action, order: &Order, by: By) -> Result<Json, Json> {
        // Never makes one.
        let unknown = |error| Json::error(StatusCode::NOT_FOUND, format!("{error}"));
        let circuit = self.registry.try_get(&order.name).map_err(unknown)?;
        let mode = order.mode.unwrap_or_default();
        match action {
            Action::ForceOpen => force_open(&circuit, order, by)?,
            Action::Release if order.here => drop(circuit.here().release_as(by)),
            Action::Release => drop(circuit.release_as(by)),
            Action::Reset if order.here => circuit.here().reset_as(by),
            Action::Reset => circuit.reset_as(by),
            Action::Mode => drop(circuit.set_mode_as(by, mode)),
            Action::Trip => trip(&circuit, order, by)?,
            _ => self.change_settings(&circuit, order, by)?,
        }
        let heard = match action.is_for_the_fleet(order) {
            true => circuit.heard().await,
            false => Heard::NotShared,
        };
        self.shown_now(&circuit, heard)
    }

    /// A circuit that has left meanwhile has done what it was told, but nobody will ever call that one.
    fn shown_now(&self, circuit: &Circuit, heard: Heard) -> Result<Json, Json> {
        let there = self.registry.get(circuit.name());
        match there.is_some_and(|it| it.identity() == circuit.identity()) {
            true => {
                let mut shown = json::circuit_now(circuit, &self.registry);
                (shown["heard"], shown["only_here"]) = json::heard(heard);
                Ok(Json::ok(shown))
            }
            false => {
                let why = format!("the circuit `{}` has left the registry", circuit.name());
                Err(Json::error(StatusCode::NOT_FOUND, why))
            }
        }
    }

    fn change_settings(&self, circuit: &Circuit, order: &Order, by: By) -> Result<(), Json> {
        let Some(said) = &order.settings else {
            return Ok(());
        };
        let changed = match order.version {
            Some(version) => circuit.reconfigure_expecting(by, version, |it| said.lay_over(it)),
            None => circuit
                .reconfigure_as(by, |it| said.lay_over(it))
                .map_err(ReconfigureError::from),
        };
        match changed {
            Ok(_) => Ok(()),
            Err(error) => Err(self.not_changed(circuit, &error)),
        }
    }

    fn not_changed(&self, circuit: &Circuit, error: &ReconfigureError) -> Json {
        match error {
            ReconfigureError::OtherVersion { found, .. } => {
                let shown = json::circuit_now(circuit, &self.registry);
                other_version(error, *found, Some(shown))
            }
            ReconfigureError::Refused(refused) => refused_field(
                error,
                &format!("settings.{}", refused.field()),
                refused.allowed(),
            ),
        }
    }
}

fn force_open(circuit: &Circuit, order: &Order, by: By) -> Result<(), Json> {
    let forced = match (order.time, order.here) {
        (None, true) => Ok(circuit.here().force_open_as(by)),
        (None, false) => Ok(circuit.force_open_as(by)),
        (Some(at_most), true) => circuit.here().force_open_for(by, at_most),
        (Some(at_most), false) => circuit.force_open_for(by, at_most),
    };
    match forced {
        Ok(_) => Ok(()),
        Err(refused) => Err(refused_field(&refused, "for", refused.allowed())),
    }
}

fn trip(circuit: &Circuit, order: &Order, by: By) -> Result<(), Json> {
    let tripped = circuit.trip_as(by, order.time.unwrap_or_default());
    tripped.map_err(|error| {
        let allowed = format!("{} or {}", Mode::Normal.label(), Mode::Shadow.label());
        refused_field(&error, "mode", &allowed)
    })
}

// ---- the configuration of all -------------------------------------------------------------------

impl Control {
    fn configure(
        &self,
        action: Action,
        order: &Order,
        by: By,
        configuration: Node,
    ) -> Result<Json, Json> {
        let config = self.reader.clone().read_node(configuration);
        let config = config
            .map_err(|problems| all_that_is_wrong(StatusCode::UNPROCESSABLE_ENTITY, &problems))?;
        let mut how = Apply::by(by);
        if let Some(version) = order.version {
            how = how.expecting(version);
        }
        if order.replacing {
            how = how.replacing();
        }
        let (done, version): (_, fn(&Diff) -> u64) = match action {
            Action::Plan => (self.registry.plan_as(&config, how), Diff::based_on),
            _ => (self.registry.apply_as(&config, how), Diff::version),
        };
        let diff = done.map_err(|error| not_applied(&error))?;
        Ok(Json::ok(json!({
            "diff": diff.lines(),
            "refused": diff.is_refused(),
            "version": version(&diff),
        })))
    }
}

fn not_applied(error: &ApplyError) -> Json {
    match error {
        ApplyError::OtherVersion { found, .. } => other_version(error, *found, None),
        ApplyError::Refused(diff) => {
            let mut refused = diff.circuits().filter_map(|it| match it {
                CircuitDiff::Refused { error, .. } => Some(error),
                _ => None,
            });
            let (field, allowed) = refused
                .next()
                .map_or(("", ""), |it| (it.field(), it.allowed()));
            refused_field(error, field, allowed)
        }
        ApplyError::Busy => Json::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

// ---- what is wrong ------------------------------------------------------------------------------

fn refused_field(error: &dyn fmt::Display, field: &str, allowed: &str) -> Json {
    let told = json!({ "error": error.to_string(), "field": field, "allowed": allowed });
    Json(StatusCode::UNPROCESSABLE_ENTITY, told)
}

/// Somebody else was first: with what there is now.
fn other_version(error: &dyn fmt::Display, found: u64, circuit: Option<Value>) -> Json {
    let mut told = json!({ "error": error.to_string(), "version": found });
    if let Some(circuit) = circuit {
        told["circuit"] = circuit;
    }
    Json(StatusCode::CONFLICT, told)
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("registry", &self.registry)
            .field("reader", &self.reader)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
