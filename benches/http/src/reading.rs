//! The figures in words, written from them so that they cannot disagree.

use crate::{
    inside::{self, Cost, Inside},
    measure::{Results, Row},
    report::with_range,
    routes::Answers,
};

/// Below this share of its CPUs, something else had them.
const QUIET: f64 = 0.9;

/// What a reader should take from all tables.
pub(crate) fn write(all: &[Results], inside: &Inside) -> String {
    let mut out = String::from("\n## In short\n\n");
    for results in all {
        out += &format!("**{}**\n\n{}\n", results.profile.title, sentences(results));
    }
    out + &format!("**Without the network**\n\n{}", without_network(inside))
}

fn without_network(inside: &Inside) -> String {
    let of = |path| inside::of(&inside.served, path);
    let empty = of("/empty-layer").over_bare(&inside.served);
    let own = |cost: &Cost| cost.over_bare(&inside.served) - empty;
    let ours = inside.served.iter().filter(|cost| cost.route.is_ours());
    let said: Vec<_> = ours
        .map(|cost| format!("`{}` {:+.0}", cost.route.path, own(cost)))
        .collect();
    format!(
        "- axum takes {empty:.0} ns a request for a layer that does nothing. Ours has beside that, in \
         ns: {}.\n- `/closed` costs {:.0} ns over bare; {:.0} where axum applies it anew for each \
         request (below).\n",
        said.join(", "),
        of("/closed").over_bare(&inside.served),
        inside::of(&inside.anew, "/closed").over_bare(&inside.anew),
    )
}

fn sentences(results: &Results) -> String {
    let ours = |row: &&Row| row.route.is_ours();
    let closed = |row: &&Row| row.route.answers != Answers::Always503;
    let (closed, open): (Vec<_>, Vec<_>) = results.rows.iter().filter(ours).partition(closed);
    let mut said = vec![noise(results)];
    said.extend(
        results
            .find("/empty-layer")
            .map(|row| compared(results, row)),
    );
    said.extend(closed.into_iter().map(|row| compared(results, row)));
    said.extend(open.into_iter().map(|row| served(results, row)));
    said.extend(disturbed(results));
    said.iter().map(|said| format!("- {said}\n")).collect()
}

fn noise(results: &Results) -> String {
    let again = results.row("/bare-again");
    let bare = results.row("/bare");
    format!(
        "The noise, from the same route measured twice: {} of its own rate, {:+.0} ns a request.",
        with_range(again.rate_over(bare), 3),
        again.nanos_over(bare),
    )
}

/// A row beside its bare neighbour, and whether noise alone could have put it there.
fn compared(results: &Results, row: &Row) -> String {
    let bare = results.row(row.route.beside);
    let noise = results
        .row("/bare-again")
        .rate_over(results.row("/bare"))
        .noise();
    let ratio = row.rate_over(bare).median;
    format!(
        "`{}`: {ratio:.3} of the bare rate, {}; {:+.0} ns a request ({:+.1} % of it).",
        row.route.path,
        verdict(ratio, noise),
        row.nanos_over(bare),
        row.nanos_over(bare) / bare.nanos_each() * 100.0,
    )
}

/// Noise that would hide what a layer could reasonably cost excuses nothing.
const TELLING: f64 = 1.05;

fn verdict(ratio: f64, noise: f64) -> &'static str {
    if noise > TELLING {
        "with noise too wide to tell"
    } else if (1.0 / noise..=noise).contains(&ratio) {
        "within the noise"
    } else {
        "outside the noise"
    }
}

/// A row of rejections, also beside a route that answers.
fn served(results: &Results, row: &Row) -> String {
    let answered = row.rate_over(results.row("/bare"));
    format!(
        "{} That is {} of the rate at which the bare handler answers.",
        compared(results, row),
        with_range(answered, 3),
    )
}

fn disturbed(results: &Results) -> Option<String> {
    let workers = results.profile.workers as f64;
    let share = results.row("/bare").server_share();
    let alone = results.server_cpus != results.load_cpus;
    (alone && share < QUIET * workers).then(|| {
        format!(
            "**The server used only {share:.2} of {workers} CPU**: something else ran beside it, or wrk \
             was the slower of the two. Rates and latencies say little, CPU times somewhat more."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_takes_quiet() {
        assert_eq!(verdict(0.99, 1.02), "within the noise");
        assert_eq!(verdict(0.97, 1.02), "outside the noise");
        assert_eq!(verdict(1.03, 1.02), "outside the noise");
        assert_eq!(verdict(0.99, 1.30), "with noise too wide to tell");
    }
}
