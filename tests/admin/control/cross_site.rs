//! Requests that a page of another site could have sent (rule L9).

use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

use super::*;

/// What becomes of an order with these headers.
async fn status(router: &Router, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = to("reset");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request, order("reset").to_string())
        .await
        .status
}

/// Each with whether it is let through.
async fn table(router: &Router, rows: &[(bool, &[(&str, &str)])]) {
    for (passes, headers) in rows {
        let expected = match passes {
            true => StatusCode::OK,
            false => StatusCode::FORBIDDEN,
        };
        assert_eq!(status(router, headers).await, expected, "{headers:?}");
    }
}

// L9
#[tokio::test]
async fn what_a_browser_says_of_where_a_page_is_from_decides() {
    let (registry, _) = registry(&["db"]);
    let host = ("host", "ops.example.org");
    table(
        &control(&registry),
        &[
            // Not a browser.
            (true, &[]),
            (true, &[("sec-fetch-site", "same-origin")]),
            (true, &[("sec-fetch-site", "none")]),
            (false, &[("sec-fetch-site", "same-site")]),
            (false, &[("sec-fetch-site", "cross-site")]),
            (false, &[("sec-fetch-site", "")]),
            (false, &[("sec-fetch-site", "Same-Origin")]),
            (
                false,
                &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
            ),
            (true, &[host, ("origin", "https://ops.example.org")]),
            (true, &[host, ("origin", "http://OPS.example.org:80")]),
            (
                true,
                &[
                    ("host", "ops.example.org:443"),
                    ("origin", "https://ops.example.org"),
                ],
            ),
            (
                true,
                &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")],
            ),
            (false, &[host, ("origin", "null")]),
            (false, &[host, ("origin", "")]),
            (false, &[host, ("origin", "https://evil.example")]),
            (
                false,
                &[host, ("origin", "https://ops.example.org.evil.example")],
            ),
            (
                false,
                &[host, ("origin", "https://ops.example.org@evil.example")],
            ),
            (false, &[host, ("origin", "https://ops.example.org:8443")]),
            (
                false,
                &[
                    host,
                    ("origin", "https://ops.example.org"),
                    ("origin", "https://evil.example"),
                ],
            ),
            (false, &[("origin", "https://ops.example.org")]),
            (
                false,
                &[
                    host,
                    ("origin", "https://ops.example.org"),
                    ("sec-fetch-site", "cross-site"),
                ],
            ),
            (
                false,
                &[host, ("origin", "null"), ("sec-fetch-site", "same-origin")],
            ),
        ],
    )
    .await;
}

// L9
#[tokio::test]
async fn where_an_origin_is_said_it_is_no_other() {
    let (registry, _) = registry(&["db"]);
    let control = Control::new(&registry)
        .origin("https://ops.example.org")
        .and_then(|it| it.origin("http://localhost:8080"));
    let router: Router = control.expect("two origins").router();
    table(
        &router,
        &[
            (
                true,
                &[
                    ("origin", "https://ops.example.org"),
                    ("host", "internal:9000"),
                ],
            ),
            (true, &[("origin", "http://localhost:8080")]),
            // A name that has come to point here.
            (
                false,
                &[("origin", "http://evil.example"), ("host", "evil.example")],
            ),
            (
                false,
                &[
                    ("origin", "http://ops.example.org"),
                    ("host", "ops.example.org"),
                ],
            ),
            (false, &[("origin", "null")]),
            (
                false,
                &[
                    ("sec-fetch-site", "same-site"),
                    ("origin", "https://ops.example.org"),
                ],
            ),
            (true, &[("host", "anything")]),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_origin_that_is_none_is_refused() {
    let (registry, _) = registry(&[]);
    let refused = Control::new(&registry)
        .origin("ops.example.org")
        .expect_err("no scheme");
    assert_eq!(
        refused.to_string(),
        "`origin` is \"ops.example.org\", but must be a scheme and a host, such as \"https://ops.example.org\"",
    );
}

// L9: HTTP/2 has no `Host`.
#[tokio::test]
async fn the_host_that_was_asked_may_be_in_the_address() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for (origin, expected) in [
        ("https://ops.example.org", StatusCode::OK),
        ("https://evil.example", StatusCode::FORBIDDEN),
    ] {
        let request = to("reset").uri("https://ops.example.org/control/reset");
        let request = request
            .header("origin", origin)
            .header("host", "evil.example");
        let answer = send(&router, request, order("reset").to_string()).await;
        assert_eq!(answer.status, expected, "{origin}");
    }
}

// L9: as a browser asks, through a server and under a path of its own.
#[tokio::test]
async fn over_a_socket_the_host_that_was_asked_is_known() {
    let (registry, _) = registry(&["db"]);
    let app = Router::new().nest("/ops", control(&registry));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    for http2 in [false, true] {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http::<Body>();
        for (origin, expected) in [
            (format!("http://{address}"), StatusCode::OK),
            ("http://evil.example".to_owned(), StatusCode::FORBIDDEN),
        ] {
            let request = to("reset").uri(format!("http://{address}/ops/control/reset"));
            let request = request.header("origin", &origin);
            let request = request.body(order("reset").to_string().into());
            let answer = client.request(request.expect("a request")).await;
            let status = answer.expect("an answer").status();
            assert_eq!(status, expected, "{origin}, HTTP/2: {http2}");
        }
    }
    server.abort();
    assert_eq!(circuit(&registry, "db").snapshot().era, 2);
}

// L9: what a form can send, without asking beforehand.
#[tokio::test]
async fn only_json_is_taken() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for (types, passes) in [
        (&["application/json"][..], true),
        (&["Application/JSON; charset=utf-8"], true),
        (&[], false),
        (&["text/plain"], false),
        (&["text/plain; application/json"], false),
        (&["application/x-www-form-urlencoded"], false),
        (&["multipart/form-data; boundary=x"], false),
        (&["application/jsonp"], false),
        (&["text/json"], false),
        (&["application/json", "text/plain"], false),
        (&["text/plain", "application/json"], false),
        (&[""], false),
    ] {
        let mut request = Request::post("/control/reset");
        for content_type in types {
            request = request.header("content-type", *content_type);
        }
        let answer = send(&router, request, order("reset").to_string()).await;
        let expected = match passes {
            true => StatusCode::OK,
            false => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        assert_eq!(answer.status, expected, "{types:?}");
    }
}

// L9: whatever else is wrong.
#[tokio::test]
async fn another_site_learns_nothing() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for (action, order) in [
        ("reset", with(order("reset"), json!({ "name": "nobody" }))),
        ("reset", json!({})),
        ("settings", with(order("settings"), json!({ "version": 9 }))),
        ("apply", with(order("apply"), json!({ "version": 9 }))),
    ] {
        let request = to(action).header("sec-fetch-site", "cross-site");
        let answer = send(&router, request, order.to_string()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
        assert_eq!(
            answer.json(),
            json!({ "error": "a page of another site has no say here" })
        );
    }
}
