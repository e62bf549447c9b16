//! Whoever listens to a stream, without a socket.

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// One message of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
    /// A line that is for nobody.
    pub(crate) comment: bool,
    pub(crate) retry: Option<u64>,
}

impl Message {
    pub(crate) fn parse(text: &str) -> Self {
        let mut message = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.trim_start();
            match field {
                "" => message.comment = true,
                "event" => message.event = value.to_owned(),
                "id" => message.id = Some(value.to_owned()),
                "retry" => message.retry = Some(value.parse().expect("a number")),
                "data" => message.data = serde_json::from_str(value).expect("JSON"),
                _ => panic!("unknown: {line}"),
            }
        }
        message
    }

    /// The circuit of this name in it.
    pub(crate) fn circuit(&self, name: &str) -> Option<&Value> {
        let circuits = self.data["circuits"].as_array().expect("a list");
        circuits.iter().find(|circuit| circuit["name"] == name)
    }

    /// The calls of this circuit: succeeded, failed, slow, rejected.
    pub(crate) fn calls(&self, name: &str) -> Option<Vec<u64>> {
        let calls = self.data["calls"].as_array().expect("a list");
        let row = calls.iter().find(|row| row[0] == name)?.as_array()?;
        row[1..].iter().map(Value::as_u64).collect()
    }
}

/// A stream that is read.
pub(crate) struct Listening {
    body: Body,
    rest: String,
}

pub(crate) async fn ask_for_stream(
    router: &Router,
    query: &str,
    last: Option<&str>,
) -> Response<Body> {
    let request = Request::get(format!("/stream{query}"));
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    let request = request.body(Body::empty()).expect("a request");
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

impl Listening {
    pub(crate) fn new(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            body: response.into_body(),
            rest: String::new(),
        }
    }

    pub(crate) async fn to(router: &Router, query: &str, last: Option<&str>) -> Self {
        Self::new(ask_for_stream(router, query, last).await)
    }

    /// One that has been told how everything is.
    pub(crate) async fn begun(router: &Router, query: &str) -> Self {
        let mut this = Self::to(router, query, None).await;
        this.until("circuits").await;
        this
    }

    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let message = Message::parse(message);
                self.rest = rest.to_owned();
                return Some(message);
            }
            let frame = self.body.frame().await?.expect("a frame");
            let data = frame.into_data().expect("data");
            self.rest
                .push_str(std::str::from_utf8(&data).expect("text"));
        }
    }

    /// All that is there now.
    pub(crate) fn now(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next().now_or_never().map(|it| it.expect("no end"))).collect()
    }

    /// The next message of this kind.
    pub(crate) async fn until(&mut self, event: &str) -> Message {
        loop {
            let message = self.next().await.expect("no end");
            if message.event == event {
                return message;
            }
        }
    }
}
