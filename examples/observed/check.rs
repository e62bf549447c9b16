//! Drives the server through an outage and back, as an operator would see it, over sockets.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower::BoxError;

use crate::outside::{Health, Outside};

type Checked<T = ()> = Result<T, BoxError>;

/// For whatever takes its time.
const AT_MOST: Duration = Duration::from_secs(8);

struct Check<'a> {
    client: Client,
    address: String,
    token: &'a str,
}

pub(crate) async fn run(address: String, token: &str, outside: &Outside) -> Checked {
    let client = Client::builder().no_proxy().build()?;
    let check = Check {
        client,
        address,
        token,
    };
    let all = async {
        check.all_is_well().await?;
        check.an_outage(outside).await?;
        check.control().await?;
        check.numbers().await
    };
    timeout(Duration::from_secs(18), all).await?
}

fn demand(holds: bool, what: &str) -> Checked {
    let said = if holds { "ok " } else { "BAD" };
    println!("{said}  {what}");
    if holds { Ok(()) } else { Err(what.into()) }
}

impl Check<'_> {
    async fn get(&self, path: &str) -> Checked<Response> {
        let url = format!("{}{path}", self.address);
        Ok(self.client.get(url).send().await?)
    }

    async fn json(&self, path: &str) -> Checked<Value> {
        Ok(self.get(path).await?.json().await?)
    }

    async fn status(&self, path: &str) -> Checked<u16> {
        Ok(self.get(path).await?.status().as_u16())
    }

    /// What is answered to an order, with the token or without.
    async fn order(&self, what: &str, token: &str, body: Value) -> Checked<(u16, Value)> {
        let url = format!("{}/circuits/control/{what}", self.address);
        let order = self.client.post(url).bearer_auth(token).json(&body);
        let answer = order.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Waits until this path answers so.
    async fn until_status(&self, path: &str, status: u16, what: &str) -> Checked {
        let waited = timeout(AT_MOST, async {
            while self.status(path).await? != status {
                sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, BoxError>(())
        });
        demand(matches!(waited.await, Ok(Ok(()))), what)
    }

    /// Until the last that this circuit has done has this cause.
    async fn until_told(&self, name: &str, cause: &str, what: &str) -> Checked {
        let path = format!("/circuits/events?name={name}");
        let waited = timeout(AT_MOST, async {
            loop {
                let told = self.json(&path).await?;
                let last = told["events"].as_array().and_then(|events| events.last());
                if last.is_some_and(|last| last["cause"] == cause) {
                    return Ok::<_, BoxError>(());
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        demand(matches!(waited.await, Ok(Ok(()))), what)
    }

    async fn all_is_well(&self) -> Checked {
        self.until_status("/health/circuits", 200, "all circuits are closed")
            .await?;
        self.until_status("/readyz", 200, "the server is ready")
            .await?;
        let page = self.get("/circuits/").await?;
        let policy = page.headers().get("content-security-policy");
        let policy = policy.and_then(|policy| policy.to_str().ok());
        demand(
            policy.is_some_and(|policy| policy.contains("default-src 'none'")),
            "there is a page, and it may load nothing",
        )
    }

    async fn an_outage(&self, outside: &Outside) -> Checked {
        let mut stream = Stream(self.get("/circuits/stream").await?, String::new());
        outside.set("database", Health::Down);
        let told = stream
            .next_event(|event| event["kind"] == "opened" && event["circuit"] == "database")
            .await?;
        println!("     {}", told["text"]);
        demand(true, "the stream tells that database has opened")?;
        let health = self.get("/health/circuits").await?.status();
        demand(health == 503, "health is 503")?;
        let always = self.get("/health/circuits/always").await?;
        let (status, body) = (always.status(), always.json::<Value>().await?);
        demand(
            status == 200 && body["status"] == "degraded",
            "where it is always 200, too, it is degraded",
        )?;
        let ready = self.status("/readyz").await?;
        demand(ready == 503, "the server is not ready without database")?;

        outside.set("database", Health::Well);
        self.until_status("/health/circuits", 200, "database recovers")
            .await?;
        self.until_status("/readyz", 200, "and the server is ready")
            .await
    }

    async fn control(&self) -> Checked {
        let order = json!({"name": "us", "for": "1s", "reason": "INC-1", "by": "check"});
        let (status, _) = self.order("force-open", "a guess", order.clone()).await?;
        demand(status == 401, "control is for those who know the token")?;
        let nobody = json!({"name": "nobody", "reason": "INC-1"});
        let (status, _) = self.order("force-open", self.token, nobody).await?;
        demand(status == 404, "a circuit that is not there is not made")?;
        let no_reason = json!({"name": "us"});
        let (status, _) = self.order("force-open", self.token, no_reason).await?;
        demand(status == 400, "a reason is asked for")?;

        let (status, us) = self.order("force-open", self.token, order).await?;
        demand(
            status == 200 && us["mode"] == "forced_open" && us["by"]["why"] == "INC-1",
            "us is forced open for a second, and it is said why",
        )?;
        self.until_status("/health/circuits", 200, "then it is back")
            .await?;
        self.until_told("us", "force_expired", "by itself, with the next call")
            .await
    }

    async fn numbers(&self) -> Checked {
        let scrape = self.get("/metrics").await?.text().await?;
        let opened =
            r#"circuit_breaker_transitions_total{circuit="database",from="closed",to="open","#;
        let opened = scrape.lines().filter(|line| line.starts_with(opened));
        demand(
            opened
                .filter_map(|line| line.rsplit(' ').next())
                .any(|count| count != "0"),
            "the metrics say that database has opened",
        )?;
        demand(
            scrape.contains("circuit_breaker_fleet_attached{circuit=\"reviews\"} 1\n"),
            "reviews is shared with another instance",
        )?;
        demand(
            scrape.contains(
                "circuit_breaker_rejections_total{circuit=\"us\",reason=\"forced_open\"}",
            ),
            "and how many calls were rejected while us was forced open",
        )
    }
}

/// Server-sent events, and what has come of the next one.
struct Stream(Response, String);

impl Stream {
    /// The next event of a circuit that is such a one.
    async fn next_event(&mut self, is_it: impl Fn(&Value) -> bool) -> Checked<Value> {
        let found = timeout(AT_MOST, async {
            loop {
                let message = self.next_message().await?;
                let data = message.lines().find_map(|line| line.strip_prefix("data:"));
                let event: Value = serde_json::from_str(data.unwrap_or("null"))?;
                if message.contains("event: event\n") && is_it(&event) {
                    return Ok::<_, BoxError>(event);
                }
            }
        });
        found.await.map_err(|_| "the stream does not tell it")?
    }

    async fn next_message(&mut self) -> Checked<String> {
        loop {
            if let Some((message, rest)) = self.1.split_once("\n\n") {
                let (message, rest) = (format!("{message}\n"), rest.to_owned());
                self.1 = rest;
                return Ok(message);
            }
            let chunk = self.0.chunk().await?.ok_or("the stream has ended")?;
            self.1.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}
