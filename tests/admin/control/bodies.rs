//! What a body may be (rule L9).

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;

use super::*;

const MOST: usize = 16 * 1024;

// L9
#[tokio::test]
async fn a_reason_is_asked_for() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let long = "é".repeat(513);
    let reasons = [
        Value::Null,
        json!(""),
        json!(" \n\t\u{feff}\u{3000}"),
        json!(long),
        json!(7),
        json!(["x"]),
    ];
    for action in ACTIONS {
        let without = without(order(action), "reason");
        let blank = reasons
            .iter()
            .map(|reason| with(order(action), json!({ "reason": reason })));
        // A plan needs none: it changes nothing.
        let orders = blank
            .chain([without])
            .filter(|it| action != "plan" || !it["reason"].is_null());
        for order in orders {
            let answer = post(&router, action, order.clone()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{action} {order}");
            let told = answer.json();
            assert_eq!(told["field"], "reason", "{told}");
            assert!(told["error"].as_str().expect("text").len() < 200, "{told}");
        }
    }
    let db = circuit(&registry, "db");
    assert_eq!(
        (db.snapshot().era, db.mode(), registry.version()),
        (0, Mode::Normal, 0)
    );
    let longest = with(order("reset"), json!({ "reason": "é".repeat(512) }));
    assert_eq!(post(&router, "reset", longest).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_it_is_is_short() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for (by, status) in [
        (json!("x".repeat(256)), StatusCode::OK),
        (Value::Null, StatusCode::OK),
        (json!("x".repeat(257)), StatusCode::BAD_REQUEST),
        (json!(" "), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
    ] {
        let order = with(order("reset"), json!({ "by": by }));
        assert_eq!(post(&router, "reset", order).await.status, status, "{by}");
    }
}

// L9
#[tokio::test]
async fn what_is_missing_or_not_known_is_told() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let bad = StatusCode::BAD_REQUEST;
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    for (action, order, status, field) in [
        ("reset", without(order("reset"), "name"), bad, "name"),
        (
            "reset",
            with(order("reset"), json!({ "name": 7 })),
            bad,
            "name",
        ),
        ("trip", without(order("trip"), "for"), refused, "for"),
        (
            "trip",
            with(order("trip"), json!({ "for": "0s" })),
            refused,
            "for",
        ),
        (
            "trip",
            with(order("trip"), json!({ "for": 30 })),
            refused,
            "for",
        ),
        (
            "trip",
            with(order("trip"), json!({ "for": "-1s" })),
            refused,
            "for",
        ),
        ("mode", without(order("mode"), "mode"), refused, "mode"),
        (
            "mode",
            with(order("mode"), json!({ "mode": "Shadow" })),
            refused,
            "mode",
        ),
        (
            "settings",
            without(order("settings"), "settings"),
            refused,
            "settings",
        ),
        (
            "settings",
            with(order("settings"), json!({ "version": -1 })),
            refused,
            "version",
        ),
        (
            "settings",
            with(order("settings"), json!({ "version": "1" })),
            refused,
            "version",
        ),
        (
            "plan",
            without(order("plan"), "configuration"),
            refused,
            "configuration",
        ),
        (
            "apply",
            with(order("apply"), json!({ "replacing": "yes" })),
            refused,
            "replacing",
        ),
        // Whoever expects a version of a thing that has none would be left alone with that.
        (
            "reset",
            with(order("reset"), json!({ "version": 1 })),
            refused,
            "version",
        ),
        (
            "release",
            with(order("release"), json!({ "for": "1s" })),
            refused,
            "for",
        ),
        (
            "trip",
            with(order("trip"), json!({ "mode": "normal" })),
            refused,
            "mode",
        ),
        (
            "apply",
            with(order("apply"), json!({ "name": "db" })),
            bad,
            "name",
        ),
        (
            "reset",
            with(order("reset"), json!({ "__proto__": {} })),
            refused,
            "__proto__",
        ),
    ] {
        let answer = post(&router, action, order.clone()).await;
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["field"]),
            (status, &json!(field)),
            "{action} {order}: {told}"
        );
        assert!(told["allowed"].is_string(), "{told}");
    }
    assert_eq!(circuit(&registry, "db").snapshot().era, 0);
}

// L9: of two readers of what is there twice, one takes the first and one the last.
#[tokio::test]
async fn a_key_is_there_once() {
    let (registry, _) = registry(&["db", "other"]);
    let router = control(&registry);
    for (action, body) in [
        ("reset", r#"{"name":"db","name":"other","reason":"x"}"#),
        (
            "settings",
            r#"{"name":"db","reason":"x","settings":{"permits":1,"permits":1}}"#,
        ),
        (
            "plan",
            r#"{"reason":"x","configuration":{"defaults":{},"defaults":{}}}"#,
        ),
    ] {
        let answer = send(&router, to(action), body).await;
        assert!(answer.status.is_client_error(), "{body}");
        let told = answer.json();
        assert!(
            told["error"]
                .as_str()
                .expect("text")
                .contains("there twice"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_is_no_json_is_told() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"name=db&reason=x",
        b"{\"name\":\"db\",\"reason\":\"x\"} {}",
        b"\xff\xfe",
        b"{\"name\":\"\xff\",\"reason\":\"x\"}",
        b"{\"name\":\"\\ud800\",\"reason\":\"x\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = send(&router, to("reset"), body.to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let told = answer.json();
        assert!(
            told["error"]
                .as_str()
                .expect("text")
                .starts_with("the body is no JSON: "),
            "{told}"
        );
    }
    for body in ["null", "7", "[]", "\"reset\""] {
        assert_eq!(
            send(&router, to("reset"), body).await.status,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
}

/// An order of so many bytes.
fn sized(length: usize) -> String {
    let order = order("reset").to_string();
    format!("{order}{}", " ".repeat(length - order.len()))
}

/// In pieces, with nothing said of how many there are.
fn in_pieces(body: String) -> Body {
    let pieces: Vec<_> = body
        .into_bytes()
        .chunks(1_000)
        .map(Bytes::copy_from_slice)
        .collect();
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

// L9
#[tokio::test]
async fn what_is_too_long_is_not_read_to_the_end() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for (length, status) in [
        (MOST, StatusCode::OK),
        (MOST + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (1 << 20, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let whole = send(&router, to("reset"), sized(length)).await;
        let pieces = send(&router, to("reset"), in_pieces(sized(length))).await;
        assert_eq!([whole.status, pieces.status], [status; 2], "{length}");
    }
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"          ")));
    let answer = send(&router, to("reset"), Body::from_stream(endless)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        answer.json(),
        json!({ "error": "the body is longer than 16384 bytes" })
    );
}

#[tokio::test]
async fn a_limit_of_the_router_around_it_does_not_matter() {
    let (registry, _) = registry(&["db"]);
    let router = Router::new()
        .nest("/a", control(&registry))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let request = to("reset").uri("/a/control/reset");
    let answer = send(&router, request, sized(MOST + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_does_nothing() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let all = Bytes::from(order("trip").to_string());
    let broken = stream::iter([Ok(all), Err(std::io::Error::other("reset by peer"))]);
    let answer = send(&router, to("trip"), Body::from_stream(broken)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(circuit(&registry, "db").state(), State::Closed);
}
