//! What must not compile does not, and says why; its twin, which is right, does.
//!
//! A misuse is `tests/misuse/NAME.rs` with the compiler's words in `NAME.stderr`, its twin is
//! `NAME_ok.rs`, a module of this test. Compilers word things differently, so the words are compared only by the one
//! they were written with, and with all features. For a newer one, change [`WRITTEN_WITH`], run
//! `TRYBUILD=overwrite cargo test --all-features --test misuse`, and read the difference before committing it.

use std::{fs, process::Command};

/// The compiler that the `.stderr` files are from.
const WRITTEN_WITH: &str = "rustc 1.95.";

/// The misuses, and for each its twin as a module, so that the compiler has read it by the time a test runs.
macro_rules! misuses {
    ($($(#[$condition:meta])* $misuse:ident: $twin:ident,)+) => {
        const MISUSES: &[&str] = &[$($(#[$condition])* stringify!($misuse)),+];

        /// They are compiled and not run.
        #[allow(
            clippy::let_underscore_future,
            clippy::unwrap_used,
            dead_code,
            unreachable_pub,
            reason = "as in an app, and never run"
        )]
        mod misuse {
            $($(#[$condition])* mod $twin;)+
        }
    };
}

misuses! {
    answer_of_axum: answer_of_axum_ok,
    axum_error: axum_error_ok,
    axum_not_built: axum_not_built_ok,
    body_without_default: body_without_default_ok,
    body_without_default_called: body_without_default_called_ok,
    body_without_default_kept: body_without_default_kept_ok,
    bulkhead_inside: bulkhead_inside_ok,
    classifier_for_another_service: classifier_for_another_service_ok,
    classifier_without_types: classifier_without_types_ok,
    default_rejection_without_http: default_rejection_without_http_ok,
    discarded: discarded_ok,
    #[cfg(feature = "degrade")]
    fallback_boxed_error: fallback_boxed_error_ok,
    #[cfg(feature = "degrade")]
    fallback_keeps_stream: fallback_keeps_stream_ok,
    #[cfg(feature = "degrade")]
    fallback_without_request: fallback_without_request_ok,
    fallback_without_http: fallback_without_http_ok,
    finished_twice: finished_twice_ok,
    #[cfg(feature = "registry")]
    inner_not_clone: inner_not_clone_ok,
    #[cfg(feature = "registry")]
    key_for_another_request: key_for_another_request_ok,
    #[cfg(feature = "registry")]
    key_for_another_request_called: key_for_another_request_called_ok,
    #[cfg(feature = "body")]
    limited_before_bodies: limited_before_bodies_ok,
    not_built: not_built_ok,
    not_http_called: not_http_called_ok,
    not_http_inside: not_http_inside_ok,
    #[cfg(feature = "retries")]
    retries_of_a_stream: retries_of_a_stream_ok,
}

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    // The compiler lists what else there is, and features add to that.
    let all_features = cfg!(all(
        feature = "axum",
        feature = "reqwest",
        feature = "retries",
        feature = "tonic"
    ));
    let words_are_known = all_features && compiler().starts_with(WRITTEN_WITH);
    for misuse in MISUSES.iter().filter(|_| words_are_known) {
        cases.compile_fail(format!("tests/misuse/{misuse}.rs"));
    }
}

fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    String::from_utf8(version.expect("a compiler").stdout).expect("text")
}

/// What the guide quotes: its blocks that begin with an error. `...` stands for lines that are left out.
fn quotes() -> Vec<Vec<String>> {
    let page = fs::read_to_string("src/guide/compiler.md").expect("the guide");
    let blocks = page.split("```").skip(1).step_by(2);
    let quotes = blocks.filter_map(|block| block.strip_prefix("text\n"));
    let quotes = quotes.filter(|block| block.starts_with("error["));
    quotes.map(parts).collect()
}

fn parts(quote: &str) -> Vec<String> {
    let parts = quote.split("\n...\n");
    parts.map(|part| part.trim_end().to_owned()).collect()
}

/// The compiler's words, and those that `.ci/versions` looks after.
fn words() -> Vec<String> {
    let folders = ["tests/misuse", "tests/versions/cases"];
    let files = folders.map(|folder| fs::read_dir(folder).expect("a folder"));
    let files = files.into_iter().flatten();
    let files = files.map(|file| file.expect("a file").path());
    let words = files.filter(|file| file.extension().is_some_and(|it| it == "stderr"));
    words
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect()
}

#[test]
fn the_guide_quotes_the_compiler() {
    let (quotes, words) = (quotes(), words());
    assert!(quotes.len() >= 14, "{} quotes", quotes.len());
    for quote in quotes {
        let has_it = |words: &&String| quote.iter().all(|part| words.contains(part));
        assert!(words.iter().any(|it| has_it(&it)), "nobody says {quote:#?}");
    }
}
