//! Answers in JSON, and what every answer says.

use std::{future::poll_fn, mem, task::Poll};

use axum::{
    Router,
    body::Body,
    middleware::map_response,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// After so many circuits others have their turn: whoever answers does so on a thread of a runtime, which has calls to
/// make.
pub(super) const PIECE: usize = 32;

/// Others have their turn.
pub(super) async fn others_first() {
    let mut had_theirs = false;
    poll_fn(|cx| match mem::replace(&mut had_theirs, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// An answer in JSON.
pub(super) struct Json(pub(super) StatusCode, pub(super) Value);

impl Json {
    pub(super) fn ok(value: Value) -> Self {
        Self(StatusCode::OK, value)
    }

    /// What is wrong, for a person.
    pub(super) fn error(status: StatusCode, why: impl Into<String>) -> Self {
        Self(status, json!({ "error": why.into() }))
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        let Self(status, value) = self;
        let content_type = (header::CONTENT_TYPE, "application/json");
        (status, [content_type], value.to_string()).into_response()
    }
}

/// What is true now is not true later, and what is JSON is no page: whatever the routes answer says so.
pub(super) fn never_kept<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.route_layer(map_response(async |mut response: Response<Body>| {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }))
}
