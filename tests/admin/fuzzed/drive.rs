//! What holds of whatever is asked over HTTP.

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_breaker::{
    admin::{Control, View},
    config::SCHEMA,
    registry::Registry,
};

use super::{bytes::Bytes, files};

thread_local! {
    static OURS: Value = serde_json::from_str(SCHEMA).expect("is JSON");
}

pub(crate) const OUTCOMES: [&str; 9] = [
    "shown",
    "nothing to show",
    "done",
    "said badly",
    "another site",
    "unknown",
    "another version",
    "another type",
    "refused",
];

/// Asks what bytes say, and says what came of it.
pub(crate) fn drive(data: &[u8]) -> &'static str {
    let bytes = &mut Bytes::new(data);
    match bytes.below(4) {
        0 => look(bytes),
        _ => OURS.with(|schema| Asked::from(schema, bytes).assert_answered()),
    }
}

fn registry() -> Registry {
    let registry =
        Registry::builder().defaults(|it| it.time_window(std::time::Duration::from_secs(10)));
    let registry = ["a", "search-eu"]
        .into_iter()
        .fold(registry, |it, name| it.circuit(name, |it| it));
    registry.build().expect("valid")
}

/// An answer that is not JSON is none.
fn ask(router: Router, request: Request<Body>) -> (StatusCode, Value) {
    let answer = async {
        let Ok(response) = router.oneshot(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body");
        let told = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        (status, told)
    };
    answer.now_or_never().expect("nothing to wait for")
}

fn rest(bytes: &mut Bytes<'_>) -> Vec<u8> {
    std::iter::from_fn(|| bytes.are_left().then(|| bytes.byte())).collect()
}

// ---- a look ------------------------------------------------------------------------------------

fn look(bytes: &mut Bytes<'_>) -> &'static str {
    let path = bytes.pick(&["circuit", "events"]);
    let begin = bytes.pick(&["name=a", "name=", "x&name=%61", "name=search%2Deu&"]);
    // What no address can have never comes to a router.
    let is_of_address = |byte: &u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(byte);
    let end: Vec<_> = rest(bytes).into_iter().filter(is_of_address).collect();
    let end = String::from_utf8(end).expect("ASCII");
    let registry = registry();
    let request = Request::get(format!("/{path}?{begin}{end}"));
    let request = request.body(Body::empty()).expect("an address");
    let (status, told) = ask(View::new(&registry).router(), request);
    assert_eq!(registry.len(), 2);
    match status {
        StatusCode::OK => "shown",
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
            assert!(told["error"].is_string());
            "nothing to show"
        }
        other => panic!("{other}: {told}"),
    }
}

// ---- control -----------------------------------------------------------------------------------

struct Asked {
    action: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Asked {
    fn from(schema: &Value, bytes: &mut Bytes<'_>) -> Self {
        let action = bytes.pick(&[
            "reset",
            "force-open",
            "release",
            "trip",
            "mode",
            "settings",
            "plan",
            "apply",
        ]);
        let headers = headers(bytes);
        let body = match bytes.below(8) {
            7 => rest(bytes),
            _ => order(action, schema, bytes).to_string().into_bytes(),
        };
        Self {
            action,
            headers,
            body,
        }
    }

    fn assert_answered(self) -> &'static str {
        let registry = registry();
        let mut request = Request::post(format!("/control/{}", self.action));
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let shown = || {
            format!(
                "{} {:?} {}",
                self.action,
                self.headers,
                String::from_utf8_lossy(&self.body)
            )
        };
        let request = request
            .body(Body::from(self.body.clone()))
            .expect("a request");
        let (status, told) = ask(Control::new(&registry).router(), request);
        assert_eq!(
            told.get("error").is_none(),
            status == StatusCode::OK,
            "{told} of {}",
            shown()
        );
        let outcome = self.outcome(status, &told);
        if status != StatusCode::OK {
            assert_untouched(&registry, &shown());
        } else if self.action != "apply" {
            assert_eq!(registry.len(), 2, "{}", shown());
        }
        outcome
    }

    fn outcome(&self, status: StatusCode, told: &Value) -> &'static str {
        let asked: Option<Value> = serde_json::from_slice(&self.body).ok();
        let refused = (status, told.get("field").is_some());
        assert_eq!(
            is_from_elsewhere(&self.headers),
            status == StatusCode::FORBIDDEN
        );
        match refused {
            (StatusCode::OK, _) => {
                let asked = asked.expect("JSON");
                assert_eq!(asked.get("name").cloned(), told.get("name").cloned());
                let reason = asked
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                assert!(
                    self.action == "plan" || !reason.trim().is_empty(),
                    "{asked}"
                );
                "done"
            }
            (StatusCode::FORBIDDEN, _) => "another site",
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => "another type",
            (StatusCode::CONFLICT, _) => "another version",
            (StatusCode::NOT_FOUND, _) => "unknown",
            (StatusCode::BAD_REQUEST, _) => "said badly",
            (StatusCode::UNPROCESSABLE_ENTITY, true) => "refused",
            (other, _) => panic!("{other}: {told}"),
        }
    }
}

fn assert_untouched(registry: &Registry, asked: &str) {
    assert_eq!((registry.version(), registry.len()), (0, 2), "{asked}");
    for circuit in registry.circuits() {
        let seen = (circuit.snapshot().era, circuit.settings_version());
        assert_eq!(seen, (0, 0), "{asked}");
    }
}

fn headers(bytes: &mut Bytes<'_>) -> Vec<(&'static str, &'static str)> {
    let mut headers = vec![("host", "ops")];
    headers.push((
        "content-type",
        match bytes.below(16) {
            15 => bytes.pick(&[
                "text/plain",
                "application/x-www-form-urlencoded",
                "",
                "application/json, text/plain",
            ]),
            _ => "application/json",
        },
    ));
    if bytes.below(8) == 7 {
        headers.push((
            "origin",
            bytes.pick(&["https://ops", "http://OPS:80", "null", "https://evil", ""]),
        ));
    }
    if bytes.below(8) == 7 {
        headers.push((
            "sec-fetch-site",
            bytes.pick(&["same-origin", "none", "same-site", "cross-site", ""]),
        ));
    }
    headers
}

fn is_from_elsewhere(headers: &[(&str, &str)]) -> bool {
    headers.iter().any(|(name, value)| match *name {
        "origin" => !matches!(*value, "https://ops" | "http://OPS:80"),
        "sec-fetch-site" => !matches!(*value, "same-origin" | "none"),
        _ => false,
    })
}

/// What such an action needs, with something else here and there.
fn order(action: &str, schema: &Value, bytes: &mut Bytes<'_>) -> Value {
    let mut order = json!({ "reason": "a drill" });
    let name = bytes.pick(&["a", "a", "a", "search-eu", "b", "", "A"]);
    match action {
        "plan" | "apply" => order["configuration"] = files::file(schema, bytes),
        _ => order["name"] = json!(name),
    }
    match action {
        "trip" => order["for"] = json!(bytes.pick(&["10s", "1h", "0s", "x"])),
        "mode" => order["mode"] = json!(bytes.pick(&["shadow", "forced_open", "disabled", "off"])),
        "settings" => order["settings"] = settings(schema, bytes),
        _ => {}
    }
    if bytes.below(4) == 3 {
        order["version"] = json!(bytes.any_number(&[0, 1, u64::MAX]));
    }
    if bytes.below(8) == 7 {
        let values = [
            json!(null),
            json!(""),
            json!(" "),
            json!([]),
            json!({}),
            json!(-1),
            json!(1e300),
            json!("10s"),
        ];
        let key = bytes.pick(&[
            "reason",
            "name",
            "by",
            "for",
            "mode",
            "settings",
            "version",
            "replacing",
            "x",
        ]);
        order[key] = values[bytes.index(values.len())].clone();
    }
    order
}

fn settings(schema: &Value, bytes: &mut Bytes<'_>) -> Value {
    let file = files::file(schema, bytes);
    let said = file.get("defaults").cloned();
    said.unwrap_or_else(|| json!({ "open_for": "9s" }))
}
