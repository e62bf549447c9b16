//! On what and with what it was measured.

use std::{fs, process::Command, thread};

/// The processor's model, as Linux or macOS tells it.
#[must_use]
pub fn processor() -> String {
    let linux = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let model = text.lines().find(|line| line.starts_with("model name"))?;
        Some(model.split_once(':')?.1.trim().to_owned())
    });
    linux
        .or_else(|| told_by("sysctl", &["-n", "machdep.cpu.brand_string"]))
        .unwrap_or_else(|| "unknown processor".to_owned())
}

/// How many cores there are to run on.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The compiler's version.
#[must_use]
pub fn compiler() -> String {
    told_by("rustc", &["--version"]).unwrap_or_else(|| "unknown rustc".to_owned())
}

fn told_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let told = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !told.trim().is_empty()).then(|| told.trim().to_owned())
}
