//! What a test has said to the terminal, where a user would read it.

use std::{env, process::Command};

/// Set in a process of its own.
const AGAIN: &str = "TOWER_BREAKER_SAYS_IT";

/// What this test of this program writes to standard error in a process of its own. `None` in that process, where the
/// test is to do whatever makes it say something.
pub(crate) fn said_by(test: &str) -> Option<String> {
    if env::var_os(AGAIN).is_some() {
        return None;
    }
    let output = Command::new(env::current_exe().expect("known"))
        .args(["--nocapture", "--exact", test])
        .env(AGAIN, "")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("running 1 test\n"), "`{test}` is no test");
    Some(String::from_utf8(output.stderr).expect("a text"))
}
