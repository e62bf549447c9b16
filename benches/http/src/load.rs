//! wrk, and what it says about one run.

use std::{net::SocketAddr, process::Command};

use crate::{Failure, profile::Profile};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wrk.lua");

/// What wrk counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) micros: u64,
    /// Answers whose status is neither 2xx nor 3xx.
    pub(crate) refused: u64,
    /// Connections that failed, broke or timed out.
    pub(crate) broken: u64,
    pub(crate) p50_micros: u64,
    pub(crate) p99_micros: u64,
}

impl Load {
    /// Runs wrk on `cpus` (as taskset lists them) for a second, the shortest it can.
    pub(crate) fn put(
        address: SocketAddr,
        path: &str,
        profile: &Profile,
        cpus: &str,
    ) -> Result<Self, Failure> {
        let output = Command::new("taskset")
            .args(["-c", cpus, "wrk", "--duration", "1s", "--script", SCRIPT])
            .args(["--threads", &profile.workers.to_string()])
            .args(["--connections", &profile.connections.to_string()])
            .arg(format!("http://{address}{path}"))
            .args(["--", &profile.depth.to_string()])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        Self::read(&said).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("wrk on {path}: {}\n{said}{complaint}", output.status).into()
        })
    }

    /// Reads the line that `wrk.lua` prints.
    fn read(said: &str) -> Option<Self> {
        let line = said.lines().find(|line| line.starts_with("measured "))?;
        let field = |name: &str| {
            line.split(' ')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
                .and_then(|value| value.parse().ok())
        };
        Some(Self {
            requests: field("requests")?,
            micros: field("micros")?,
            refused: field("refused")?,
            broken: field("broken")?,
            p50_micros: field("p50")?,
            p99_micros: field("p99")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_not_at_all() {
        let line = "measured requests=1 micros=2 refused=3 broken=4 p50=5 p99=6";
        let load = Load::read(&format!("Running 1s test\n{line}\n")).expect("whole");
        let fields = [load.requests, load.micros, load.refused, load.broken];
        assert_eq!(fields, [1, 2, 3, 4]);
        assert_eq!([load.p50_micros, load.p99_micros], [5, 6]);
        assert!(Load::read("measured requests=1 micros=2").is_none());
        assert!(Load::read("unable to connect").is_none());
    }
}
