//! The ways in which the server is loaded.

use crate::routes::{self, Route};

/// One table of the report.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    /// The server's worker threads, and as many of wrk.
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    /// Requests that a connection sends at once.
    pub(crate) depth: usize,
    pub(crate) rounds: usize,
    pub(crate) paths: &'static [&'static str],
}

impl Profile {
    /// The rows of its table.
    pub(crate) fn routes(&self) -> Vec<&'static Route> {
        let wanted = |route: &&Route| self.paths.is_empty() || self.paths.contains(&route.path);
        routes::ALL.iter().filter(wanted).collect()
    }
}

/// All of them. Together they have to end within three minutes, at a second for each cell.
pub(crate) const ALL: [Profile; 3] = [
    Profile {
        title: "One worker thread, 32 connections",
        why: "Each connection sends its next request when it has its answer, as most clients do. \
              Server and wrk have a CPU each, so that it is the server that is full.",
        workers: 1,
        connections: 32,
        depth: 1,
        rounds: 7,
        paths: &[],
    },
    Profile {
        title: "The same, 16 requests at once on each connection",
        why: "Pipelining shares the reads among 16 requests: less of the kernel, more of the \
              server's own work, and so more of the layer. Latencies are those of a batch.",
        workers: 1,
        connections: 32,
        depth: 16,
        rounds: 4,
        paths: &[],
    },
    Profile {
        title: "Two worker threads, 32 connections",
        why: "Two cores share each circuit.",
        workers: 2,
        connections: 32,
        depth: 1,
        rounds: 5,
        paths: &[
            "/bare",
            "/bare-again",
            "/closed",
            "/closed-time",
            "/failing-bare",
            "/failing",
        ],
    },
];
