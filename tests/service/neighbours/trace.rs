//! Traced outside, rejections are seen, and can be told from failures by their mark; traced inside, only
//! what the dependency was asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use http::{Response, StatusCode};
use tower::ServiceBuilder;
use tower_breaker::classify::is_rejection;
use tower_http::trace::TraceLayer;

use super::{Stage, assert_rejected, rejected_through, status};

/// What was told of responses and failures, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn response<B>(&self, response: &Response<B>) {
        let what = match is_rejection(response) {
            true => "rejected",
            false => "answered",
        };
        self.write(format!("{what} {}", response.status().as_u16()));
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A [`TraceLayer`] that writes into a log. (A macro, because its type cannot be written without the
/// crate `tracing`.)
macro_rules! traced {
    ($log:expr) => {{
        let (responses, failures) = ($log.clone(), $log.clone());
        TraceLayer::new_for_http()
            .on_response(move |response: &Response<_>, _: Duration, _: &_| {
                responses.response(response);
            })
            .on_failure(move |failure, _: Duration, _: &_| {
                let _: &tower_http::classify::ServerErrorsFailureClass = &failure;
                failures.write(format!("failed: {failure}"));
            })
    }};
}

// H3
#[tokio::test(start_paused = true)]
async fn trace_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(TraceLayer::new_for_http()).await);
}

#[tokio::test(start_paused = true)]
async fn trace_outside_sees_rejections() {
    let stage = Stage::new();
    let log = Log::default();
    let mut service = ServiceBuilder::new()
        .layer(traced!(log))
        .layer(stage.layer())
        .service(stage.dependency());

    for path in ["/ok", "/fail", "/ok"] {
        status(&mut service, path).await;
    }

    assert_eq!(
        log.lines(),
        [
            "answered 200",
            "answered 500",
            "failed: Status code: 500 Internal Server Error",
            "rejected 503",
            "failed: Status code: 503 Service Unavailable",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn trace_inside_sees_what_the_dependency_was_asked() {
    let stage = Stage::new();
    let log = Log::default();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        // A traced body has no default, which a rejection needs.
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(traced!(log))
        .service(stage.dependency());

    for path in ["/ok", "/fail"] {
        status(&mut service, path).await;
    }
    assert_eq!(
        status(&mut service, "/ok").await,
        StatusCode::SERVICE_UNAVAILABLE
    );

    assert_eq!(
        log.lines(),
        [
            "answered 200",
            "answered 500",
            "failed: Status code: 500 Internal Server Error",
        ]
    );
    assert_eq!(stage.calls(), "1 successful, 1 failed, 1 rejected");
}

#[cfg(feature = "degrade")]
#[tokio::test(start_paused = true)]
async fn trace_outside_of_a_fallback_sees_its_answers() {
    let stage = Stage::new();
    let log = Log::default();
    let mut service = ServiceBuilder::new()
        .layer(traced!(log))
        .layer(super::fallback::fallback(&stage))
        .layer(stage.layer())
        .service(stage.dependency());

    for path in ["/ok", "/fail", "/ok"] {
        status(&mut service, path).await;
    }

    assert_eq!(
        log.lines(),
        ["answered 200", "answered 203", "answered 203"]
    );
}
