//! A shop that loses no order, whatever happens to it.
//!
//! ```sh
//! cd examples/outbox
//! cargo run -- shop.redb http://127.0.0.1:8099    # nobody is there
//! ```
//!
//! Each line of its input is an order. Each line of its output is what became of it: `200` if the warehouse has it, and
//! `202` with its key if it is kept. Kill it, and start it again when there is a warehouse at the same address: it has
//! every order that it has said `202` to, and sends it, at least once, with the same `Idempotency-Key`, in order. (An
//! order is kept with its address. With another address, those from before still go to the old one.)

use std::{env, error::Error, path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use outbox::File;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    degrade::queue::{Drainer, IDEMPOTENCY_KEY, Outbox, OutboxLayer},
};

type BoxError = Box<dyn Error + Send + Sync>;
type Answer = Response<Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = env::args().skip(1);
    let (Some(path), Some(warehouse)) = (arguments.next(), arguments.next()) else {
        return Err("usage: outbox FILE URL".into());
    };
    let circuit = Circuit::builder("warehouse")
        .consecutive_failures(1)
        .open_for(Duration::from_millis(200))
        .build()?;
    let file = File::open(Path::new(&path), 10_000, 64 << 20)?;
    println!("{} kept", file.ledger().entries());

    let drainer = Drainer::new(&circuit, file.clone(), client())
        .interval(Duration::from_millis(1))
        .dead_letter(async |letter| println!("given up: {letter:?}"))
        .on_outbox_error(|error| eprintln!("{error}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let drainer = tokio::spawn(drainer.run(async { drop(stopped.await) }));

    let shop = ServiceBuilder::new()
        .layer(
            OutboxLayer::new(&circuit, file)
                .also_on_failure()
                .boxed_errors(),
        )
        .layer(CircuitBreakerLayer::new(circuit).reject_as_box_error())
        .service(client());
    take_orders(shop, &format!("{warehouse}/orders").parse()?).await?;
    drop(stop);
    println!("{} delivered", drainer.await?.delivered);
    Ok(())
}

/// Whoever calls the warehouse. What it answers beside the head is nobody's business here.
fn client()
-> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError, Future: Send> + Clone + Send
{
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    client
        .map_response(|answer| answer.map(|_| Full::default()))
        .map_err(BoxError::from)
}

/// A line, an order.
async fn take_orders(
    mut shop: impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError>,
    orders: &Uri,
) -> Result<(), BoxError> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let order = Request::post(orders).body(Full::from(line.clone()))?;
        let answer = shop.ready().await?.call(order).await?;
        let key = answer.headers().get(IDEMPOTENCY_KEY);
        let key = key.and_then(|key| key.to_str().ok()).unwrap_or("-");
        println!("{} {key} {line}", answer.status().as_u16());
    }
    Ok(())
}
