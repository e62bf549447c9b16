//! Circuits that can be looked at, while their dependencies fail and recover under traffic: the live page, health,
//! readiness, metrics, control behind a token, and a log in JSON.
//!
//! ```text
//! cargo run --all-features --example observed 2>log        # serve until Ctrl-C, with the log in a file
//! cargo run --all-features --example observed -- --check   # drive it through an outage, in less than 20 seconds
//! ```
//!
//! It listens on 127.0.0.1:8083. `PORT` names another port, and `PORT=0` picks a free one. It says where to look:
//!
//! ```text
//! page     http://127.0.0.1:8083/circuits/
//! health   http://127.0.0.1:8083/health/circuits
//! ready    http://127.0.0.1:8083/readyz
//! metrics  http://127.0.0.1:8083/metrics
//! token    0d6f…
//! ```
//!
//! On the page, *Unlock control …* asks for the token. From a terminal it is
//!
//! ```text
//! curl -H 'Authorization: Bearer 0d6f…' -H 'Content-Type: application/json' \
//!     -d '{"name": "us", "for": "30s", "reason": "to see what happens"}' \
//!     http://127.0.0.1:8083/circuits/control/force-open
//! ```
//!
//! The log is on standard error. With `LOG_CALLS=1`, it has each call, too: its span, with the circuit and what became
//! of it.
//!
//! It begins anew each minute:
//!
//! | seconds | what fails | what there is to see |
//! |---|---|---|
//! | from 1 on, for good | `mail` is down | a circuit that stays open; the server is ready all the same |
//! | 3 to 15 | `database` is down | `/readyz` is 503 while the circuit rejects, because a rule requires it |
//! | 5 to 14 | `reviews` is slow | calls are cut off, its bulkhead is full, and a default answers; shared with another instance, it opens in both |
//! | 8 to 16 | `orders` is down | orders are kept for later, and made when it is back |
//! | 18 to 30 | `eu` is slow | it opens for slow calls; the server is ready, because `us` will do |
//! | 20 to 45 | three of five calls to `prices` fail | it stays closed, and refuses a share of its calls |
//! | 33 to 43 | `tenant-acme` is down | one tenant fails, and the other two do not |
//! | 38 to 50 | `search` is down | in shadow mode: it says that it would open, and rejects nothing |
//!
//! With `examples/monitoring/run`, a Prometheus scrapes it.

mod around;
mod check;
mod other;
mod outside;
mod traffic;

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use tokio::net::TcpListener;
use tower::BoxError;
use tower_breaker::{
    CircuitBuilder, ConfigError, Mode,
    admin::{Control, Health, View},
    fleet::Fleet,
    registry::{Registry, Subscription},
    telemetry,
};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::outside::Outside;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("observed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let is_check = is_check(&env::args().skip(1).collect::<Vec<_>>())?;
    let fleet = other::fleet("this one")?;
    let registry = registry(&fleet)?;
    let _log = log(&registry);
    let outside = Outside::default();
    let address = outside.start().await?;
    traffic::begin(&registry, &address)?;
    around::begin(&registry, &address)?;
    other::begin(&fleet, &address)?;

    let token: Arc<str> = token().into();
    let listener = TcpListener::bind(("127.0.0.1", port(is_check)?)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let served = axum::serve(listener, router(&registry, &token));
    if is_check {
        tokio::spawn(async { served.await });
        return check::run(address, &token, &outside).await;
    }
    say_where_to_look(&address, &token);
    tokio::spawn(outside.fail_and_recover());
    tokio::select! {
        ended = served => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

fn is_check(arguments: &[String]) -> Result<bool, BoxError> {
    match arguments {
        [] => Ok(false),
        [only] if only == "--check" => Ok(true),
        _ => Err("the only argument is --check".into()),
    }
}

fn port(is_check: bool) -> Result<u16, BoxError> {
    match env::var("PORT") {
        Ok(port) => Ok(port.parse()?),
        Err(_) if is_check => Ok(0),
        Err(_) => Ok(8083),
    }
}

/// Eight circuits by name, and one for each tenant that is called.
fn registry(fleet: &Fleet) -> Result<Registry, ConfigError> {
    Registry::builder()
        .fleet(fleet)
        .defaults(defaults)
        .matching("tenant-*", |it| it.tag("tier", "tenants"))
        .circuit("database", |it| it.tag("tier", "critical"))
        .circuit("eu", region)
        .circuit("us", region)
        // On trial: it tells what it would do, and rejects nothing.
        .circuit("search", |it| it.tag("tier", "extras").mode(Mode::Shadow))
        .circuit("mail", |it| {
            it.tag("tier", "extras").open_for(Duration::from_secs(4))
        })
        // Where it fails in part, what works goes on.
        .circuit("prices", |it| {
            it.tag("tier", "extras").shed(2.0, 0.1).failure_rate(0.95)
        })
        .circuit("reviews", around::reviews)
        .circuit("orders", |it| it.tag("tier", "critical"))
        .build()
}

fn defaults(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit
        .consecutive_failures(5)
        .failure_rate(0.5)
        .minimum_calls(20)
        .time_window(Duration::from_secs(10))
        .open_for(Duration::from_secs(2))
        .durations(true)
}

/// It may be too slow, too.
fn region(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit
        .tag("tier", "regions")
        .slow_call_duration(Duration::from_millis(100))
        .slow_call_rate(0.5)
}

/// In JSON, on standard error: a line for each transition and, if that is asked for, one for each call.
fn log(registry: &Registry) -> [Subscription; 2] {
    let ends_of_spans = match env::var_os("LOG_CALLS") {
        Some(_) => FmtSpan::CLOSE,
        None => FmtSpan::NONE,
    };
    let log = tracing_subscriber::fmt().json().with_writer(io::stderr);
    log.with_span_events(ends_of_spans).init();
    [
        telemetry::log_transitions(registry),
        telemetry::record_on_current_span(registry),
    ]
}

fn router(registry: &Registry, token: &Arc<str>) -> Router {
    let health = Health::new(registry)
        .require("database")
        .require_any(["eu", "us"]);
    // For those only who know the token.
    let control = Control::new(registry)
        .router()
        .route_layer(from_fn_with_state(token.clone(), authenticate));
    let page = View::new(registry).router::<()>().merge(control);
    Router::new()
        .merge(health.router())
        .nest_service("/circuits", page)
}

async fn authenticate(
    State(token): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let said = request.headers().get(AUTHORIZATION);
    match said.and_then(|said| said.to_str().ok()?.strip_prefix("Bearer ")) {
        Some(said) if *said == *token => Ok(next.run(request).await),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

/// Another one each time. Where it matters, take the session of a person.
fn token() -> String {
    let random = || RandomState::new().hash_one(env::args().next());
    format!("{:016x}{:016x}", random(), random())
}

fn say_where_to_look(address: &str, token: &str) {
    println!("page     {address}/circuits/");
    println!("health   {address}/health/circuits");
    println!("ready    {address}/readyz");
    println!("metrics  {address}/metrics");
    println!("token    {token}");
    println!("(Ctrl-C ends it)");
}
