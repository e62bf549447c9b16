//! The same router without the network: what a route costs before any socket is involved.
//!
//! Batches of a third of a millisecond take turns, so even a busy machine leaves most of them alone,
//! and differences show that a socket's microseconds would hide.

use std::{hint::black_box, time::Instant};

use axum::{Router, body::Body, http::Request};
use tokio::runtime;
use tower_service::Service;

use crate::{
    Failure,
    routes::{self, Route},
    stats::Spread,
};

const BATCH: usize = 500;
/// Even, as every other turn runs backwards.
const TURNS: usize = 400;

/// The nanoseconds that a request to `route` took, batch by batch.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) route: &'static Route,
    nanos: Vec<f64>,
}

impl Cost {
    pub(crate) fn nanos(&self) -> f64 {
        Spread::of(self.nanos.iter().copied()).median
    }

    /// The median of what it took more than the one of `costs` for `path` in the same turn.
    pub(crate) fn over(&self, costs: &[Cost], path: &str) -> f64 {
        let pairs = self.nanos.iter().zip(&of(costs, path).nanos);
        Spread::of(pairs.map(|(mine, its)| mine - its)).median
    }

    /// What it took more than the same work without the layer.
    pub(crate) fn over_bare(&self, costs: &[Cost]) -> f64 {
        self.over(costs, self.route.beside)
    }
}

/// The one of `costs` that is for `path`.
pub(crate) fn of<'a>(costs: &'a [Cost], path: &str) -> &'a Cost {
    let found = costs.iter().find(|cost| cost.route.path == path);
    found.expect("all routes are measured")
}

/// All routes, called in two ways.
#[derive(Debug)]
pub(crate) struct Inside {
    /// As `axum::serve` does: the router has its state, and its layers have been applied.
    pub(crate) served: Vec<Cost>,
    /// As a router that never got its state is called, say by hyper with an adapter: axum then
    /// clones and applies a route's layers again for each request.
    pub(crate) anew: Vec<Cost>,
}

/// Measures every route.
pub(crate) fn measure() -> Result<Inside, Failure> {
    eprintln!("Without the network: {TURNS} turns");
    let router = routes::router()?;
    Ok(Inside {
        served: costs(router.clone().with_state(()))?,
        anew: costs(router)?,
    })
}

fn costs(mut router: Router) -> Result<Vec<Cost>, Failure> {
    let runtime = runtime::Builder::new_current_thread().build()?;
    let new = |route| {
        let nanos = Vec::with_capacity(TURNS);
        Cost { route, nanos }
    };
    let mut costs: Vec<_> = routes::ALL.iter().map(new).collect();
    for _ in 0..TURNS {
        for cost in &mut costs {
            let took = runtime.block_on(batch(&mut router, cost.route.path))?;
            cost.nanos.push(took);
        }
        costs.reverse();
    }
    Ok(costs)
}

async fn batch(router: &mut Router, path: &str) -> Result<f64, Failure> {
    let request = || Request::get(path).body(Body::empty());
    let requests = (0..BATCH)
        .map(|_| request())
        .collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    for request in requests {
        // A router is always ready.
        black_box(router.call(request).await?);
    }
    Ok(start.elapsed().as_nanos() as f64 / BATCH as f64)
}
