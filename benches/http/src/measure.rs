//! Rounds in which every route has its turn, so that what disturbs the machine disturbs all of them.

use crate::{
    Failure, check, load::Load, machine::Machine, profile::Profile, routes::Route, server::Server,
    stats::Spread,
};

/// What one route did, round by round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) route: &'static Route,
    samples: Vec<Sample>,
}

/// One second of one route.
#[derive(Clone, Copy, Debug)]
struct Sample {
    load: Load,
    server_nanos: u64,
}

impl Sample {
    fn rate(&self) -> f64 {
        self.load.requests as f64 / self.load.micros as f64 * 1e6
    }

    fn nanos_each(&self) -> f64 {
        self.server_nanos as f64 / self.load.requests as f64
    }

    fn server_share(&self) -> f64 {
        self.server_nanos as f64 / 1e3 / self.load.micros as f64
    }
}

impl Row {
    fn spread(&self, of: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(of))
    }

    pub(crate) fn rate(&self) -> f64 {
        self.spread(Sample::rate).median
    }

    pub(crate) fn p50_micros(&self) -> f64 {
        self.spread(|sample| sample.load.p50_micros as f64).median
    }

    pub(crate) fn p99_micros(&self) -> f64 {
        self.spread(|sample| sample.load.p99_micros as f64).median
    }

    /// The server's CPU time for a request in the round that was disturbed least: what else runs
    /// on the machine only ever adds to it.
    pub(crate) fn nanos_each(&self) -> f64 {
        self.spread(Sample::nanos_each).min
    }

    /// How many CPUs the server kept busy.
    pub(crate) fn server_share(&self) -> f64 {
        self.spread(Sample::server_share).median
    }

    /// Its rate over that of `other` in the same round.
    pub(crate) fn rate_over(&self, other: &Row) -> Spread {
        let pairs = self.samples.iter().zip(&other.samples);
        Spread::of(pairs.map(|(mine, its)| mine.rate() / its.rate()))
    }

    /// Its CPU time for a request less that of `other`.
    pub(crate) fn nanos_over(&self, other: &Row) -> f64 {
        self.nanos_each() - other.nanos_each()
    }
}

/// One table's worth.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) profile: &'static Profile,
    pub(crate) server_cpus: String,
    pub(crate) load_cpus: String,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Row>,
}

impl Results {
    pub(crate) fn find(&self, path: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.route.path == path)
    }

    pub(crate) fn row(&self, path: &str) -> &Row {
        let found = self.find(path);
        found.expect("a row is measured together with the one it stands beside")
    }
}

/// Measures every route of `profile`, as many rounds as `rounds` says.
pub(crate) fn run(
    profile: &'static Profile,
    machine: &Machine,
    rounds: usize,
) -> Result<Results, Failure> {
    let (server_cpus, load_cpus) = machine.split(profile.workers);
    let bench = Bench {
        server: Server::start(profile.workers, &server_cpus)?,
        profile,
        load_cpus: &load_cpus,
    };
    let mut rows = bench.checked_rows()?;
    bench.rounds(&mut rows, rounds)?;
    Ok(Results {
        profile,
        server_cpus,
        load_cpus,
        rounds,
        rows,
    })
}

struct Bench<'a> {
    server: Server,
    profile: &'static Profile,
    load_cpus: &'a str,
}

impl Bench<'_> {
    fn checked_rows(&self) -> Result<Vec<Row>, Failure> {
        let routes = self.profile.routes().into_iter();
        let checked = |route| {
            check::answer(self.server.address, route)?;
            let samples = Vec::new();
            Ok(Row { route, samples })
        };
        routes.map(checked).collect()
    }

    /// Every other round runs backwards, so that a machine that grows slower or faster within a
    /// round favours no row.
    fn rounds(&self, rows: &mut [Row], rounds: usize) -> Result<(), Failure> {
        self.sample(rows[0].route)?; // warms up
        for round in 0..rounds {
            eprintln!("{}: round {} of {}", self.profile.title, round + 1, rounds);
            for row in rows.iter_mut() {
                row.samples.push(self.sample(row.route)?);
            }
            rows.reverse();
        }
        if rounds % 2 == 1 {
            rows.reverse();
        }
        Ok(())
    }

    fn sample(&self, route: &Route) -> Result<Sample, Failure> {
        let before = self.server.cpu_nanos()?;
        let load = Load::put(
            self.server.address,
            route.path,
            self.profile,
            self.load_cpus,
        )?;
        let server_nanos = self.server.cpu_nanos()? - before;
        check::load(route, &load)?;
        Ok(Sample { load, server_nanos })
    }
}
