//! Queues: a call that cannot be made now is made later (rules M6, M7).
//!
//! There are three ways, and each promises something else:
//!
//! | | [`HoldLayer`] | [`DeferLayer`] | [`OutboxLayer`] |
//! |---|---|---|---|
//! | the caller | waits, for seconds at most | goes on, with a 202 | goes on, with a 202 |
//! | and gets | the answer, or the rejection | `x-kept: in-memory` | `x-kept: durably` |
//! | the call is made | at most once | at least once, if the process goes on | at least once |
//! | if the process ends | it is gone, and the caller sees that | **it is lost, and nobody sees that** | it is there |
//! | where it is | in the caller's task | in [`Memory`] | in an [`Outbox`] of your own, on disk |
//! | for | a break of seconds | what may be lost | orders |
//!
//! All three are bounded. A call for which there is no room is rejected, as it is without them: a 503 with
//! `Retry-After`.
//!
//! A [`Drainer`] delivers what is kept, when its circuit admits that. It makes the probe itself, so the circuit closes
//! although nobody else calls.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_breaker::{
//!     Circuit, CircuitBreakerLayer, State,
//!     degrade::queue::{DeferLayer, Drainer, Memory},
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let circuit = Circuit::builder("orders").open_for(Duration::from_secs(5)).build()?;
//! let memory = Memory::bounded(1_000, 16 << 20);
//! let client = service_fn(|_: Request<Full<Bytes>>| async {
//!     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//! });
//!
//! // What is rejected is kept …
//! let service = ServiceBuilder::new()
//!     .layer(DeferLayer::new(&circuit, memory.clone()))
//!     .layer(CircuitBreakerLayer::new(circuit.clone()))
//!     .service(client);
//!
//! // … and made later. At the end, what is left is handed back.
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let drainer = Drainer::new(&circuit, memory, client)
//!     .dead_letter(async |letter| eprintln!("given up: {letter:?}"));
//! let drainer = tokio::spawn(drainer.run(async { drop(stopped.await) }));
//!
//! circuit.trip(Duration::from_secs(5))?;
//! let order = Request::post("/orders").body(Full::from("a book"))?;
//! let answer = service.oneshot(order).await?;
//! assert_eq!(answer.status(), 202);
//! assert_eq!(answer.headers()["x-kept"], "in-memory");
//!
//! // Nobody calls, and yet:
//! assert!(circuit.watch().wait_for(State::Closed).await);
//! # tokio::time::sleep(Duration::from_secs(1)).await;
//! drop(stop);
//! let drained = drainer.await?;
//! assert_eq!((drained.delivered, drained.left.len()), (1, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # In which order
//!
//! Calls with the same *order key* are delivered in the order in which they were accepted, and never two at once. By
//! default the order key is where the call goes to, without the query. [`order_by`](OutboxLayer::order_by) sets
//! another. But a new call that is admitted while others are still kept overtakes them: nothing is held back because of
//! what is kept. If that matters, the dependency has to see the order from the calls themselves.
//!
//! # How often
//!
//! A try may be made and its answer be lost, with the connection or with the process. So a kept call may be made twice.
//! The dependency has to know by its [`Idempotency-Key`](IDEMPOTENCY_KEY) what it has had already. The key is on the
//! first try as well. A key that the client has sent is left as it is.
//!
//! **Watch out:** because of that key, retries further in may take a POST for one that may be repeated.
//!
//! # What is seen
//!
//! The circuit shows the first queue that it was given: [`Parts::queue`](crate::observe::Parts::queue) says how many
//! calls are in it, how old they are, and what became of the others. If a circuit is forced open for long, the queue
//! fills up to its bounds, and then calls are rejected. What is older than [`Drainer::max_age`] is given up.
//!
//! # A store of one's own
//!
//! Implement [`Outbox`], and test it with [`contract::check`]. `examples/outbox` has one on disk, for a shop that loses
//! no order when it is killed.

mod allow;
mod attempt;
mod collect;
pub mod contract;
mod dead;
mod drainer;
mod entry;
mod future;
mod held;
mod hold;
mod intake;
mod key;
mod later;
mod layers;
mod ledger;
mod memory;
mod outbox;
mod rate;
mod store;
mod verdict;

#[cfg(feature = "retries")]
pub(crate) use self::key::MadeHere;
pub use self::{
    allow::CredentialHeader,
    dead::DeadLetter,
    drainer::{Drained, Drainer},
    entry::{Entry, IDEMPOTENCY_KEY},
    future::QueueFuture,
    hold::{Hold, HoldLayer, Holdable},
    intake::Accepted,
    later::Later,
    layers::{DeferLayer, OutboxLayer},
    ledger::{Ledger, Room},
    memory::Memory,
    outbox::{Dead, Id, Lease, Leased, Outbox, Put, Take},
};
