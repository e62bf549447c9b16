//! A product page that never fails, though what it is built from does: a price, reviews, and orders, each from a
//! server of its own, on a port of its own. They die one after another, each in three ways: it answers 500, then it
//! hangs, then its socket is closed. The page goes on, and says of each part what it is.
//!
//! ```text
//! cargo run --features cached,retries --example degrade                # the story, a line for each visit
//! cargo run --features cached,retries --example degrade -- --check     # … and whether it is as it should be
//! cargo run --release --features cached,retries --example degrade -- --isolation   # one hangs: what of the others?
//! ```
//!
//! Each ends by itself. Of what the story prints, these are a few lines (times differ):
//!
//! ```text
//! all is well
//! price live    24.90 EUR         11 ms  reviews live    4.6 of 5            11 ms  order  1 live    placed     11 ms
//!
//! reviews answers 500
//! price live    24.90 EUR          4 ms  reviews stale   4.6 of 5, just now  21 ms  order  6 live    placed      3 ms
//! price live    24.90 EUR          4 ms  reviews stale   4.6 of 5, just now   0 ms  order  7 live    placed      4 ms
//!
//! reviews has closed its socket
//! price live    24.90 EUR          9 ms  reviews stale   4.6 of 5, 1 s ago    0 ms  order 17 live    placed      8 ms
//!
//! price hangs
//! price default price on request 155 ms  reviews live    4.6 of 5            11 ms  order 33 live    placed     11 ms
//!
//! orders has closed its socket
//! price live    24.90 EUR          5 ms  reviews live    4.6 of 5             5 ms  order 52 queued  open        0 ms
//!
//! orders is back
//! price live    24.90 EUR          7 ms  reviews live    4.6 of 5             7 ms  order 58 queued  open        0 ms
//! price live    24.90 EUR         11 ms  reviews live    4.6 of 5            11 ms  order 59 live    placed     11 ms
//! ```

mod check;
mod clients;
mod isolation;
mod page;
mod upstreams;

use std::{collections::BTreeMap, env, process::ExitCode, sync::PoisonError, time::Duration};

use reqwest::Client;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tower::BoxError;
use tower_breaker::degrade::queue::Drained;

use crate::{
    clients::Tries,
    page::{Page, Part, Row, Shop},
    upstreams::{
        Health::{self, Closed, Fails, Hangs, Live},
        Ledger, Upstream, Upstreams,
    },
};

/// What dies, and what its part of the page is meanwhile.
const DEATHS: [(&str, Row); 3] = [
    ("reviews", Row::Stale),
    ("price", Row::Default),
    ("orders", Row::Queued),
];
const WAYS_TO_DIE: [(Health, &str); 3] = [
    (Fails, "answers 500"),
    (Hangs, "hangs"),
    (Closed, "has closed its socket"),
];
/// Visits for each way.
const VISITS: u32 = 5;
const BETWEEN_VISITS: Duration = Duration::from_millis(60);
/// So many visits does it take at most until all is well again.
const UNTIL_WELL: u32 = 60;

/// One visit, and what dependency was dead then.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) order: u32,
    pub(crate) page: Page,
    pub(crate) dead: Option<&'static str>,
}

/// All visits, and what the dependencies know of them.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) visits: Vec<Visit>,
    pub(crate) orders: Ledger,
    /// What the sender of queued orders has to say.
    pub(crate) drained: Drained,
    /// How often it sent each, by its key.
    pub(crate) tries: BTreeMap<String, u32>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("degrade: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tell().await.map(|_| ()),
        ["--check"] => check::run(tell()).await,
        ["--isolation"] => isolation::run().await,
        _ => Err("the only arguments are --check and --isolation".into()),
    }
}

/// Lets it all happen, and prints it.
async fn tell() -> Result<Story, BoxError> {
    let mut upstreams = Upstreams::start().await?;
    let tries = Tries::default();
    let (shop, sender) = Shop::open(&upstreams, tries.clone())?;
    let (close, closed) = oneshot::channel::<()>();
    let sender = tokio::spawn(sender.run(async { drop(closed.await) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut visitor = Visitor::new(&listener)?;
    tokio::spawn(async { axum::serve(listener, page::router(shop)).await });

    println!("all is well");
    visitor.visit(VISITS, None).await?;
    for (name, _) in DEATHS {
        for (health, how) in WAYS_TO_DIE {
            println!("\n{name} {how}");
            upstreams.named(name).set(health).await?;
            visitor.visit(VISITS, Some(name)).await?;
        }
        println!("\n{name} is back");
        upstreams.named(name).set(Live).await?;
        visitor.visit_until_well().await?;
    }
    let orders = wait_for(visitor.visits.len(), &upstreams.orders).await;
    drop(close);
    Ok(Story {
        visits: visitor.visits,
        orders,
        drained: sender.await?,
        tries: tries.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    })
}

/// What is queued is on its way. What has come when it all has, or when one has waited long enough.
async fn wait_for(orders: usize, upstream: &Upstream) -> Ledger {
    for _ in 0..100 {
        if upstream.ledger().placed.len() == orders {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    upstream.ledger()
}

/// Looks at the page, over a socket, and orders something each time.
struct Visitor {
    client: Client,
    page: String,
    visits: Vec<Visit>,
}

impl Visitor {
    fn new(listener: &TcpListener) -> Result<Self, BoxError> {
        Ok(Self {
            client: Client::builder().no_proxy().build()?,
            page: format!("http://{}/visits", listener.local_addr()?),
            visits: Vec::new(),
        })
    }

    async fn visit(&mut self, times: u32, dead: Option<&'static str>) -> Result<(), BoxError> {
        for _ in 0..times {
            self.visit_once(dead).await?;
        }
        Ok(())
    }

    async fn visit_until_well(&mut self) -> Result<(), BoxError> {
        for _ in 0..UNTIL_WELL {
            if self.visit_once(None).await?.is_live() {
                return Ok(());
            }
        }
        Err("it does not get well again".into())
    }

    async fn visit_once(&mut self, dead: Option<&'static str>) -> Result<&Page, BoxError> {
        sleep(BETWEEN_VISITS).await;
        let order = self.visits.last().map_or(1, |last| last.order + 1);
        let answer = self
            .client
            .post(format!("{}/{order}", self.page))
            .send()
            .await?;
        let page: Page = answer.error_for_status()?.json().await?;
        println!("{}", line(order, &page));
        self.visits.push(Visit { order, page, dead });
        Ok(&self.visits[self.visits.len() - 1].page)
    }
}

/// For each part what it is, what it says or why it is not live, and how long it took.
fn line(order: u32, page: &Page) -> String {
    let cell = |name: &str, width: usize, part: &Part| {
        let text = match (&part.because, part.text.is_empty()) {
            (Some(because), true) => because,
            _ => &part.text,
        };
        format!("{name} {:<7} {text:<width$}{:>4} ms", part.row, part.millis)
    };
    let price = cell("price", 16, &page.price);
    let reviews = cell("reviews", 18, &page.reviews);
    let order = cell(&format!("order {order:>2}"), 9, &page.order);
    format!("{price}  {reviews}  {order}")
}
