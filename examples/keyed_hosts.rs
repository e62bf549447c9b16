//! reqwest over five hosts, with one layer and a circuit for each host. One dies: it is asked three times
//! and then left alone, while the others are asked as before. When it is back, a single call finds out.
//!
//! Run with: `cargo run --example keyed_hosts --features registry,reqwest`
//!
//! It binds free ports, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! all is well
//! africa fine, asia fine, europe fine, oceania fine, america fine
//!
//! europe dies
//! africa fine, asia fine, europe error, oceania fine, america fine
//! africa fine, asia fine, europe error, oceania fine, america fine
//! circuit `europe`: closed -> open: 3 consecutive failures, open for 5s
//! africa fine, asia fine, europe error, oceania fine, america fine
//! africa fine, asia fine, europe rejected, oceania fine, america fine
//!
//! europe is back, but nobody asks
//! africa fine, asia fine, europe rejected, oceania fine, america fine
//!
//! 5s pass
//! circuit `europe`: open -> half-open: the wait is over, the next call is a probe
//! circuit `europe`: half-open -> closed: the probes succeeded
//! africa fine, asia fine, europe fine, oceania fine, america fine
//!
//! africa: 7 well, 0 failed, 0 rejected
//! america: 7 well, 0 failed, 0 rejected
//! asia: 7 well, 0 failed, 0 rejected
//! europe: 2 well, 3 failed, 2 rejected
//! oceania: 7 well, 0 failed, 0 rejected
//! ```

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use reqwest::{Client, Error, Method, Request, Response};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_breaker::{
    ConfigError, Rejected,
    clock::ManualClock,
    keyed::by,
    registry::{Event, Registry},
};

const BREAK: Duration = Duration::from_secs(5);
const NAMES: [&str; 5] = ["africa", "asia", "europe", "oceania", "america"];
const EUROPE: usize = 2;

/// A host that answers everything, on a port of its own.
struct Host {
    name: &'static str,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Host {
    async fn start(name: &'static str, address: SocketAddr) -> Result<Self, BoxError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/", get("fine"));
        let server = tokio::spawn(async { drop(axum::serve(listener, router).await) });
        Ok(Self {
            name,
            address,
            server,
        })
    }

    /// Its port is closed when this returns.
    async fn die(&mut self) {
        self.server.abort();
        drop((&mut self.server).await);
    }
}

/// Hosts have names, and this client knows where they are.
fn client(hosts: &[Host]) -> Result<Client, Error> {
    // Connections are not kept, so that those to a dead host are gone, too.
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(0);
    let resolved = hosts.iter().fold(builder, |builder, host| {
        builder.resolve(host.name, host.address)
    });
    resolved.build()
}

fn registry(clock: &ManualClock) -> Result<Registry, ConfigError> {
    let clock = clock.clone();
    Registry::builder()
        .defaults(move |host| {
            let host = host.consecutive_failures(3).open_for(BREAK);
            host.clock(clock.clone())
        })
        .on_event(|circuit, event| {
            if let Event::Transition(transition) = event {
                println!("circuit `{}`: {transition}", without_port(circuit.name()));
            }
        })
        .build()
}

/// Ports differ each time, and would not look well above.
fn without_port(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

/// One call to each host, and what came of them.
async fn ask_all<S>(client: &S, hosts: &[Host], of_europe: &str) -> Result<(), BoxError>
where
    S: Service<Request, Response = Response, Error = Error> + Clone,
{
    let mut came = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let result = ask(client.clone(), host).await?;
        came.push(format!("{} {result}", host.name));
        let expected = if number == EUROPE { of_europe } else { "fine" };
        if result != expected {
            return Err(format!("{} was {result}, and not {expected}", host.name).into());
        }
    }
    println!("{}", came.join(", "));
    Ok(())
}

async fn ask<S>(client: S, host: &Host) -> Result<String, BoxError>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    let url = format!("http://{}:{}/", host.name, host.address.port());
    let response = match client
        .oneshot(Request::new(Method::GET, url.parse()?))
        .await
    {
        Ok(response) => response,
        Err(_) => return Ok("error".to_owned()),
    };
    if response.extensions().get::<Rejected>().is_some() {
        return Ok("rejected".to_owned());
    }
    Ok(response.text().await?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut hosts = Vec::new();
    for name in NAMES {
        hosts.push(Host::start(name, ([127, 0, 0, 1], 0).into()).await?);
    }
    let clock = ManualClock::new();
    let registry = registry(&clock)?;
    let client = registry.layer_by(by::authority()).layer(client(&hosts)?);

    println!("all is well");
    ask_all(&client, &hosts, "fine").await?;

    println!("\neurope dies");
    hosts[EUROPE].die().await;
    for of_europe in ["error", "error", "error", "rejected"] {
        ask_all(&client, &hosts, of_europe).await?;
    }

    println!("\neurope is back, but nobody asks");
    hosts[EUROPE] = Host::start(NAMES[EUROPE], hosts[EUROPE].address).await?;
    ask_all(&client, &hosts, "rejected").await?;

    println!("\n5s pass");
    clock.advance(BREAK);
    ask_all(&client, &hosts, "fine").await?;

    println!();
    for host in registry.snapshots() {
        let (name, totals) = (
            without_port(host.name.as_str()),
            host.totals.ok_or("totals are on")?,
        );
        let counted = (totals.successful, totals.failed, totals.rejected);
        let (well, failed, rejected) = counted;
        println!("{name}: {well} well, {failed} failed, {rejected} rejected");
        let expected = if name == NAMES[EUROPE] {
            (2, 3, 2)
        } else {
            (7, 0, 0)
        };
        if counted != expected {
            return Err(format!("not {expected:?}").into());
        }
    }
    Ok(())
}
