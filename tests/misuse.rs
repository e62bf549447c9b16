//! What must not compile does not, and says why; its twin, which is right, does.
//!
//! A misuse is `tests/misuse/NAME.rs` with the compiler's words in `NAME.stderr`, its twin is
//! `NAME_ok.rs`. Compilers word things differently, so the words are compared only by the one they
//! were written with, and with all features. For a newer one, change [`WRITTEN_WITH`], run
//! `TRYBUILD=overwrite cargo test --all-features --test misuse`, and read the difference before committing it.

use std::process::Command;

/// The compiler that the `.stderr` files are from.
const WRITTEN_WITH: &str = "rustc 1.95.";

const MISUSES: &[&str] = &[
    "body_without_default",
    "bulkhead_inside",
    "classifier_for_another_service",
    "default_rejection_without_http",
    "discarded",
    #[cfg(feature = "degrade")]
    "fallback_boxed_error",
    #[cfg(feature = "degrade")]
    "fallback_keeps_stream",
    #[cfg(feature = "degrade")]
    "fallback_without_request",
    "finished_twice",
    #[cfg(feature = "registry")]
    "key_for_another_request",
    #[cfg(feature = "body")]
    "limited_before_bodies",
    "not_built",
    #[cfg(feature = "retries")]
    "retries_of_a_stream",
];

#[test]
fn misuse_does_not_compile_and_its_twin_does() {
    let cases = trybuild::TestCases::new();
    // The compiler lists what else there is, and features add to that.
    let all_features = cfg!(all(
        feature = "axum",
        feature = "reqwest",
        feature = "retries",
        feature = "tonic"
    ));
    let words_are_known = all_features && compiler().starts_with(WRITTEN_WITH);
    for misuse in MISUSES {
        cases.pass(format!("tests/misuse/{misuse}_ok.rs"));
        if words_are_known {
            cases.compile_fail(format!("tests/misuse/{misuse}.rs"));
        }
    }
}

fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    String::from_utf8(version.expect("a compiler").stdout).expect("text")
}
