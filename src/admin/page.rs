//! The page, and what a browser may do with it.

use axum::response::{Html, IntoResponse};
use http::header;

/// One file: with its script and its style, and nothing from anywhere else.
const PAGE: &str = include_str!("page.html");

/// Of what is between `<script>` and its end, and the same of `<style>`. A test has them; with `BLESS=1` it writes
/// them: `BLESS=1 cargo test --features admin --test admin page`, twice.
const SCRIPT: &str = "sha256-k+430vfhXQGnFCPp5uLiog4ah2hemNpLX1vxB3LDLos=";
const STYLE: &str = "sha256-tP9OiASK7rs9+9FvXMfVgnNuk+1jJM1tFszOtS0O01Q=";

/// Nothing but what is in the page runs, it talks to nobody else, nobody frames it, and no text becomes markup.
fn policy() -> String {
    [
        "default-src 'none'",
        &format!("script-src '{SCRIPT}'"),
        &format!("style-src '{STYLE}'"),
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    .join("; ")
}

pub(super) fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, Html(PAGE))
}
