//! What the server depends on: a server on the loopback with a path for each dependency, which is as it is told to be.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Path, http::StatusCode, routing::any};
use tokio::{net::TcpListener, time::sleep};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Health {
    Well,
    Slow,
    Down,
    /// Three of five answers are failures.
    InPart,
}
use Health::{Down, InPart, Slow, Well};

/// What happens in each minute: at which second, to whom, and what.
const MINUTE: [(u64, &str, Health); 15] = [
    (1, "mail", Down),
    (3, "database", Down),
    (5, "reviews", Slow),
    (8, "orders", Down),
    (14, "reviews", Well),
    (15, "database", Well),
    (16, "orders", Well),
    (18, "eu", Slow),
    (20, "prices", InPart),
    (30, "eu", Well),
    (33, "tenant-acme", Down),
    (38, "search", Down),
    (43, "tenant-acme", Well),
    (45, "prices", Well),
    (50, "search", Well),
];

/// A clone is the same outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    health: Arc<Mutex<BTreeMap<String, Health>>>,
    answered_in_part: Arc<AtomicU64>,
}

impl Outside {
    pub(crate) fn set(&self, name: &str, health: Health) {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), health);
    }

    fn health(&self, name: &str) -> Health {
        let all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).copied().unwrap_or(Well)
    }

    fn fails_this_time(&self) -> bool {
        // Relaxed: a number of its own.
        let answered = self.answered_in_part.fetch_add(1, Ordering::Relaxed);
        matches!(answered % 5, 0 | 2 | 4)
    }

    async fn answer(self, name: String) -> StatusCode {
        let (after, answer) = match self.health(&name) {
            Well => (3, StatusCode::OK),
            Slow => (200, StatusCode::OK),
            Down => (20, StatusCode::INTERNAL_SERVER_ERROR),
            InPart if self.fails_this_time() => (3, StatusCode::INTERNAL_SERVER_ERROR),
            InPart => (3, StatusCode::OK),
        };
        sleep(Duration::from_millis(after)).await;
        answer
    }

    /// Serves it, and says where.
    pub(crate) async fn start(&self) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let this = self.clone();
        let answer = async move |Path(name): Path<String>| this.clone().answer(name).await;
        let router = Router::new().route("/{name}", any(answer));
        tokio::spawn(async { drop(axum::serve(listener, router).await) });
        Ok(format!("http://{address}"))
    }

    /// Minute after minute of the above.
    pub(crate) async fn fail_and_recover(self) {
        loop {
            let mut now = 0;
            for (second, name, health) in MINUTE {
                sleep(Duration::from_secs(second - now)).await;
                now = second;
                self.set(name, health);
            }
            sleep(Duration::from_secs(60 - now)).await;
        }
    }
}
