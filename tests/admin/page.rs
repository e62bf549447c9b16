//! The page as it is served.

use std::{env, fs, path::Path};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use sha2::{Digest, Sha256};
use tower_breaker::admin::{Control, View};

use crate::{ask, get, registry};

const PAGE: &str = include_str!("../../src/admin/page.html");

fn hash_of(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// What is in the one element of this kind.
fn inside(element: &str) -> &'static str {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let parts: Vec<_> = PAGE.split(&*start).collect();
    let [_, rest] = parts[..] else {
        panic!("one {start}, and without attributes");
    };
    rest.split_once(&*end).expect("its end").0
}

/// With `BLESS=1`, writes the hashes of the page as it is now.
fn bless(hashes: [(&str, &str); 2]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page.rs");
    let text = fs::read_to_string(&file).expect("a file");
    let line = |line: &str| {
        let found = hashes
            .iter()
            .find(|(name, _)| line.starts_with(&format!("const {name}: ")));
        match found {
            Some((name, hash)) => format!("const {name}: &str = \"{hash}\";\n"),
            None => format!("{line}\n"),
        }
    };
    fs::write(&file, text.lines().map(line).collect::<String>()).expect("written");
}

#[tokio::test]
async fn a_browser_runs_what_is_in_the_page_and_nothing_else() {
    let (script, style) = (hash_of(inside("script")), hash_of(inside("style")));
    if env::var_os("BLESS").is_some() {
        bless([("SCRIPT", &script), ("STYLE", &style)]);
    }
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).router();
    let page = get(&router, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.body, PAGE);
    assert_eq!(
        page.headers["content-security-policy"],
        format!(
            "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        ),
        "BLESS=1 cargo test --features admin --test admin page, and once more, since the crate is built anew",
    );
}

/// Where people put it: its addresses are found from its own.
#[tokio::test]
async fn the_page_is_there_below_a_prefix() {
    let (registry, _) = registry(&["db"]);
    let view = || View::new(&registry).router::<()>();
    let control = || Control::new(&registry).router::<()>();
    let nested = Router::new().nest("/admin", view());
    let slashed = Router::new().nest("/admin/", view());
    let service = Router::new().nest_service("/admin", view());
    let both = service.clone().nest("/admin", control());
    assert_eq!(get(&both, "/admin/control").await.status, StatusCode::OK);
    for (router, pages) in [
        (nested, &["/admin"][..]),
        (slashed, &["/admin/"]),
        (service, &["/admin", "/admin/"]),
        (both, &["/admin", "/admin/"]),
    ] {
        for page in pages {
            let answer = get(&router, page).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (StatusCode::OK, PAGE.as_bytes()),
                "{page}"
            );
            let post = ask(&router, "POST", page).await;
            assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
        }
        assert_eq!(get(&router, "/admin/circuits").await.status, StatusCode::OK);
    }
}
