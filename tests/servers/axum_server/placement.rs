//! Where a layer may stand in a router, and what it guards there: routes, methods, nested routers,
//! fallbacks (rules G4 and H3).

use hyper::body::Incoming;
use tower::{steer::Steer, util::option_layer};

use super::*;

/// A router of `routes`, on a server of its own, with somebody who asks it.
async fn visit(routes: Router<Dependency>, dependency: &Dependency) -> (Server, Browser) {
    let server = Server::axum(routes.with_state(dependency.clone())).await;
    let browser = Browser::new(Version::Http1, &server);
    (server, browser)
}

async fn asked_by(browser: &Browser, method: &str, path: &str) -> u16 {
    let request = axum::http::Request::builder().method(method).uri(path);
    browser.send(request, "").await.expect("an answer").status
}

// ---- routes ------------------------------------------------------------------------------------

// B1, B4, G4: three routes, three policies, one failure at a time.
#[tokio::test]
async fn each_route_trips_by_its_own_policy() {
    let fragile = Fixture::new(|c| c.consecutive_failures(1));
    let patient = three_failures();
    let by_rate = Fixture::new(|c| c.failure_rate(0.5).count_window(4).minimum_calls(4));
    let dependency = Dependency::new();
    let routes = Router::new()
        .route("/fragile", get(call).layer(layer(&fragile)))
        .route("/patient", get(call).layer(layer(&patient)))
        .route("/rate", get(call).layer(layer(&by_rate)));
    let (_server, browser) = visit(routes, &dependency).await;
    let everywhere = async || {
        let mut statuses = Vec::new();
        for path in ["/fragile", "/patient", "/rate"] {
            statuses.push(browser.status(path).await);
        }
        statuses
    };

    assert_eq!(everywhere().await, [200, 200, 200]);
    assert_eq!(everywhere().await, [200, 200, 200]);
    dependency.fail();
    assert_eq!(everywhere().await, [500, 500, 500]);
    assert_eq!(everywhere().await, [503, 500, 500]);
    assert_eq!(everywhere().await, [503, 500, 503]);
    assert_eq!(everywhere().await, [503, 503, 503]);
    by_rate.tells(&["closed -> open: 2 of 4 calls failed, open for 30s"]);
}

// ---- methods -----------------------------------------------------------------------------------

// G4: HEAD is answered by the handler of GET, and so by its circuit.
#[tokio::test]
async fn each_method_has_the_circuit_it_was_given() {
    let (reads, writes) = (three_failures(), three_failures());
    let by_router = get(call)
        .layer(layer(&reads))
        .merge(post(call).layer(layer(&writes)));
    let by_handler = get(call.layer(layer(&reads))).post(call.layer(layer(&writes)));
    for methods in [by_router, by_handler] {
        let (_server, browser) = visit(Router::new().route("/", methods), &Dependency::new()).await;

        reads.play("f f f");
        assert_eq!(asked_by(&browser, "GET", "/").await, 503);
        assert_eq!(asked_by(&browser, "HEAD", "/").await, 503);
        assert_eq!(asked_by(&browser, "POST", "/").await, 200);

        reads.circuit.reset();
        writes.play("f f f");
        assert_eq!(asked_by(&browser, "HEAD", "/").await, 200);
        assert_eq!(asked_by(&browser, "POST", "/").await, 503);
        writes.circuit.reset();
    }
}

// G4: a layer is for what was there when it came.
#[tokio::test]
async fn a_method_added_after_the_layer_is_not_guarded() {
    let reads = three_failures();
    let methods = get(call).layer(layer(&reads)).post(call);
    let (_server, browser) = visit(Router::new().route("/", methods), &Dependency::new()).await;

    reads.play("f f f");
    assert_eq!(asked_by(&browser, "GET", "/").await, 503);
    assert_eq!(asked_by(&browser, "POST", "/").await, 200);
}

// A1, G4: the 405 of a route is one of its answers, but not to the `route_layer` of its methods.
#[tokio::test]
async fn only_a_route_layer_on_methods_leaves_the_405_alone() {
    let [all, methods, routes] = [(); 3].map(|()| three_failures());
    let router = Router::new()
        .route("/routes", get(call))
        .route_layer(layer(&routes))
        .route("/all", get(call).layer(layer(&all)))
        .route("/methods", get(call).route_layer(layer(&methods)));
    let (_server, browser) = visit(router, &Dependency::new()).await;
    let put_everywhere = async || {
        let mut statuses = Vec::new();
        for path in ["/routes", "/all", "/methods"] {
            statuses.push(asked_by(&browser, "PUT", path).await);
        }
        statuses
    };

    assert_eq!(put_everywhere().await, [405, 405, 405]);
    let ignored = [&routes, &all, &methods].map(|circuit| circuit.totals().ignored);
    assert_eq!(ignored, [1, 1, 0]);
    for circuit in [&routes, &all, &methods] {
        circuit.play("f f f");
    }
    assert_eq!(put_everywhere().await, [503, 503, 405]);
}

// ---- nested and merged routers -----------------------------------------------------------------

/// `/here` beside `/inside/…`, each with a layer if it is given one: around what is nested, and
/// around all of it.
fn nested(inner: Option<&Fixture>, outer: Option<&Fixture>) -> Router<Dependency> {
    let inside = Router::new()
        .route("/ok", get(call))
        .route("/fail", get(fail))
        .layer(option_layer(inner.map(layer)));
    Router::new()
        .route("/here", get(call))
        .nest("/inside", inside)
        .layer(option_layer(outer.map(layer)))
}

// G4: what the nested router does not know is not its to guard, unless it has a fallback.
#[tokio::test]
async fn a_layer_on_a_nested_router_guards_its_routes_only() {
    let inner = three_failures();
    let (_server, browser) = visit(nested(Some(&inner), None), &Dependency::new()).await;

    for _ in 0..3 {
        assert_eq!(browser.status("/inside/fail").await, 500);
    }
    assert_eq!(browser.status("/inside/fail").await, 503);
    assert_eq!(browser.status("/inside/ok").await, 503);
    assert_eq!(browser.status("/here").await, 200);
    assert_eq!(browser.status("/inside/nowhere").await, 404);
    assert_eq!(inner.totals().rejected, 2);
}

// G4
#[tokio::test]
async fn a_nested_router_with_a_fallback_guards_that_too() {
    let inner = three_failures();
    let inside = Router::new().route("/ok", get(call)).fallback(not_found);
    let routes = Router::new().nest("/inside", inside.layer(layer(&inner)));
    let (_server, browser) = visit(routes, &Dependency::new()).await;

    assert_eq!(browser.status("/inside/nowhere").await, 404);
    inner.play("f f f");
    assert_eq!(browser.status("/inside/nowhere").await, 503);
    assert_eq!(browser.status("/nowhere").await, 404);
}

// G4
#[tokio::test]
async fn a_layer_outside_guards_what_is_nested() {
    let outer = three_failures();
    let (_server, browser) = visit(nested(None, Some(&outer)), &Dependency::new()).await;

    for _ in 0..3 {
        assert_eq!(browser.status("/inside/fail").await, 500);
    }
    for path in ["/inside/ok", "/here", "/inside/nowhere", "/nowhere"] {
        assert_eq!(browser.status(path).await, 503, "{path}");
    }
}

// G4, H3: both see a failure of the handler. The rejections of the inner one are its own affair, and
// those of the outer one never come to the inner.
#[tokio::test]
async fn an_outer_circuit_ignores_the_rejections_of_a_nested_one() {
    let inner = three_failures();
    let outer = Fixture::new(|c| c.consecutive_failures(4).open_for(secs(9)));
    let (_server, browser) = visit(nested(Some(&inner), Some(&outer)), &Dependency::new()).await;

    for _ in 0..3 {
        assert_eq!(browser.status("/inside/fail").await, 500);
    }
    for _ in 0..10 {
        assert_eq!(browser.get("/inside/ok").await.retry_after, Some(5));
    }
    assert_eq!(outer.look().consecutive_failures, 3);
    assert_eq!((outer.totals().failed, outer.totals().ignored), (3, 10));

    inner.wait_out();
    assert_eq!(browser.status("/inside/fail").await, 500);
    outer.tells(&["closed -> open: 4 consecutive failures, open for 9s"]);
    let rejected = inner.totals().rejected;
    assert_eq!(browser.get("/inside/ok").await.retry_after, Some(9));
    assert_eq!(inner.totals().rejected, rejected);
}

// G4: merging takes routes with the layers they have. Of two fallbacks that nobody wrote, axum keeps
// that of the router merged in.
#[tokio::test]
async fn merged_routers_keep_their_circuits() {
    let (one, other) = (three_failures(), three_failures());
    let merged_in = Router::new().route("/other", get(call));
    let routes = Router::new()
        .route("/one", get(call))
        .layer(layer(&one))
        .merge(merged_in.layer(layer(&other)));
    let (_server, browser) = visit(routes, &Dependency::new()).await;
    let everywhere = async || {
        let mut statuses = Vec::new();
        for path in ["/one", "/other", "/nowhere"] {
            statuses.push(browser.status(path).await);
        }
        statuses
    };

    one.play("f f f");
    assert_eq!(everywhere().await, [503, 200, 404]);
    one.circuit.reset();
    other.play("f f f");
    assert_eq!(everywhere().await, [200, 503, 503]);
}

// ---- fallbacks and services --------------------------------------------------------------------

// G4
#[tokio::test]
async fn a_fallback_may_have_a_circuit_to_itself() {
    let circuit = three_failures();
    let routes = Router::new()
        .route("/ok", get(call))
        .fallback(fail.layer(layer(&circuit)));
    let (_server, browser) = visit(routes, &Dependency::new()).await;

    for path in ["/a", "/b", "/c"] {
        assert_eq!(browser.status(path).await, 500);
    }
    assert_eq!(browser.status("/d").await, 503);
    assert_eq!(browser.status("/ok").await, 200);
}

// A5: the connection goes down with the handler, and the circuit knows why.
#[tokio::test]
async fn a_handler_that_panics_has_failed() {
    for version in BOTH {
        let circuit = three_failures();
        let panics: Router = Router::new().route("/", get(panics)).layer(layer(&circuit));
        let server = Server::axum(panics).await;
        let browser = Browser::new(version, &server);

        for _ in 0..3 {
            assert_eq!(browser.try_get("/").await, None);
        }
        circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
        assert_eq!(browser.status("/").await, 503);
    }
}

async fn panics() {
    panic!("on purpose");
}

// ---- several breakers as one route -------------------------------------------------------------

// G1, G4: a request goes to one of two routers, by a header.
#[tokio::test]
async fn a_steer_between_routers_is_open_for_one_and_not_the_other() {
    let (a, b) = (three_failures(), three_failures());
    let dependency = Dependency::new();
    let guarded = |circuit| routes(&dependency).layer(layer(circuit));
    let pick = |request: &axum::http::Request<Incoming>, _: &[Router]| {
        usize::from(request.headers().contains_key("b"))
    };
    let steer = Steer::new([guarded(&a), guarded(&b)], pick);
    let server = Server::hyper(move || steer.clone()).await;
    let browser = Browser::new(Version::Http1, &server);
    let to_b = || axum::http::Request::get("/ok").header("b", "");

    for _ in 0..3 {
        assert_eq!(browser.status("/fail").await, 500);
    }
    assert_eq!(browser.status("/ok").await, 503);
    assert_eq!(
        browser.send(to_b(), "").await.expect("an answer").status,
        200
    );
    a.wait_out();
    assert_eq!(browser.status("/ok").await, 200);
    b.is(CircuitState::Closed);
    assert_eq!((a.totals().rejected, b.totals().successful), (1, 1));
}
