//! The report, as Markdown.

use std::fmt::Write;

use crate::{
    inside::Inside,
    machine::Machine,
    measure::{Results, Row},
    reading,
    stats::Spread,
};

const INTRODUCTION: &str = "\
# The layer in a real server

`axum::serve` on loopback under wrk, HTTP/1.1. Each route is a handler that answers at once, alone
and behind the layer. Written by `benches/http/run`.
";

const COLUMNS: &str = "\
Medians over the rounds; the routes take turns, a second each, and every other round runs backwards.
*To bare*: the route's requests per second over those of its `bare` neighbour in the same round, with
the lowest and highest round. *CPU*: the server's CPU time for a request, kernel included, in the
round that was disturbed least, and *over bare* what it has more than its neighbour. *Busy*: CPUs that
the server used. The load is closed (a connection sends as soon as it has its answers), so latency is
mostly the wait for the server's turn.
";

/// All of it.
pub(crate) fn write(
    machine: &Machine,
    results: &[Results],
    inside: &Inside,
    quick: bool,
) -> String {
    let mut out = String::from(INTRODUCTION);
    if quick {
        out += "\n**A quick run, one round of all tables at once, to see that they work. The figures mean nothing.**\n";
    } else {
        out += &reading::write(results, inside);
    }
    let _ = write!(out, "\n{}\n{COLUMNS}", machine_line(machine));
    for results in results {
        out += &table(results);
    }
    out += &inside_table(inside);
    out
}

fn machine_line(machine: &Machine) -> String {
    format!(
        "{}, {} cores, Linux {}, {}, {}. Load average before the run: {}.\n",
        machine.cpu,
        machine.cores(),
        machine.kernel,
        machine.rustc,
        machine.wrk,
        machine.busy
    )
}

fn table(results: &Results) -> String {
    let profile = results.profile;
    let mut out = format!("\n## {}\n\n{} ", profile.title, profile.why);
    let _ = writeln!(
        out,
        "Server on CPU {}, wrk on CPU {}. Rounds: {}.\n",
        results.server_cpus, results.load_cpus, results.rounds
    );
    out += "| route | what | requests/s | p50 µs | p99 µs | to bare | CPU µs | over bare ns | busy |\n";
    out += "|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in &results.rows {
        let _ = writeln!(out, "{}", line(row, results.row(row.route.beside)));
    }
    out
}

fn line(row: &Row, bare: &Row) -> String {
    let alone = row.route.path == bare.route.path;
    let beside = |difference: String| match alone {
        true => "–".to_owned(),
        false => difference,
    };
    format!(
        "| `{}` | {} | {:.0} | {:.0} | {:.0} | {} | {:.2} | {} | {:.2} |",
        row.route.path,
        row.route.what,
        row.rate(),
        row.p50_micros(),
        row.p99_micros(),
        beside(with_range(row.rate_over(bare), 3)),
        row.nanos_each() / 1000.0,
        beside(format!("{:+.0}", row.nanos_over(bare))),
        row.server_share(),
    )
}

const INSIDE: &str = "
## Without the network

The same router, called in the process of the measurement: what the routes cost before any socket is
involved. Medians of 400 batches of 500 requests, the routes in turn; *over bare* is the median of the
differences within a turn. *Served* is the router as `axum::serve` calls it. *Anew* is one that was
never given its state (`with_state`, `into_make_service`), as when it is handed to hyper or to
`oneshot` as it is: axum then clones and applies every layer of a route again for each request.

| route | served ns | over bare ns | anew ns | over bare ns |
|---|--:|--:|--:|--:|
";

fn inside_table(inside: &Inside) -> String {
    let mut out = String::from(INSIDE);
    for (served, anew) in inside.served.iter().zip(&inside.anew) {
        let _ = writeln!(
            out,
            "| `{}` | {:.0} | {:+.0} | {:.0} | {:+.0} |",
            served.route.path,
            served.nanos(),
            served.over_bare(&inside.served),
            anew.nanos(),
            anew.over_bare(&inside.anew),
        );
    }
    out
}

/// The median with its range.
pub(crate) fn with_range(spread: Spread, digits: usize) -> String {
    let Spread { min, median, max } = spread;
    format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
}
