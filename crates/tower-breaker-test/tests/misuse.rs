//! What must not compile does not, and says why. As in `tests/misuse.rs` of `tower-breaker`, the words are compared
//! only by the compiler that they were written with. For a newer one, change [`WRITTEN_WITH`], run
//! `TRYBUILD=overwrite cargo test -p tower-breaker-test --test misuse`, and read the difference before committing it.

use std::process::Command;

/// The compiler that the `.stderr` files are from: the same as there.
const WRITTEN_WITH: &str = "rustc 1.95.";

#[test]
fn misuse_does_not_compile() {
    if compiler().starts_with(WRITTEN_WITH) {
        trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
    }
}

fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    String::from_utf8(version.expect("a compiler").stdout).expect("text")
}
