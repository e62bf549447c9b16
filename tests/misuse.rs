//! What must not compile does not, and says why; its twin, which is right, does.
//!
//! A misuse is `tests/misuse/NAME.rs` with the compiler's words in `NAME.stderr`, its twin is
//! `NAME_ok.rs`. Compilers word things differently, so the words are compared only by the one they
//! were written with, and with all features. For a newer one, change [`WRITTEN_WITH`], run
//! `TRYBUILD=overwrite cargo test --all-features --test misuse`, and read the difference before committing it.

use std::{fs, process::Command};

/// The compiler that the `.stderr` files are from.
const WRITTEN_WITH: &str = "rustc 1.95.";

const MISUSES: &[&str] = &[
    "answer_of_axum",
    "axum_error",
    "axum_not_built",
    "body_without_default",
    "body_without_default_called",
    "body_without_default_kept",
    "bulkhead_inside",
    "classifier_for_another_service",
    "classifier_without_types",
    "default_rejection_without_http",
    "discarded",
    #[cfg(feature = "degrade")]
    "fallback_boxed_error",
    #[cfg(feature = "degrade")]
    "fallback_keeps_stream",
    #[cfg(feature = "degrade")]
    "fallback_without_request",
    "fallback_without_http",
    "finished_twice",
    #[cfg(feature = "registry")]
    "inner_not_clone",
    #[cfg(feature = "registry")]
    "key_for_another_request",
    #[cfg(feature = "registry")]
    "key_for_another_request_called",
    #[cfg(feature = "body")]
    "limited_before_bodies",
    "not_built",
    "not_http_called",
    "not_http_inside",
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
