//! The cases of the guide "Which settings?": what they do is simulated with real circuits, and the page says that.
//!
//! The page's TOML is what is simulated. `BLESS=1` writes its tables. They are the same in every run: time is virtual,
//! and chances have seeds.

mod in_code;
mod measures;
mod page;
mod world;

use std::time::Duration;

use tower_breaker::{Circuit, CircuitBuilder, Settings, config::lint::Calls};

use self::{
    measures::{Outage, Unwell, good_day, hiccup, outage, partial},
    page::Page,
    world::{Callers, Health, Known},
};

struct Case {
    /// Of its circuit, and of its table.
    name: &'static str,
    known: Known,
    instances: u32,
    /// How many instances are simulated, each with other chances.
    runs: u32,
    /// Of how many calls on a good day false trips are counted.
    good: u32,
}

const PAYMENTS: Case = Case {
    name: "payments",
    known: Known {
        callers: Callers::Calls { per_second: 2.5 },
        errors: 0.02,
        takes: 0.3,
        timeout: 3.0,
        is_within: false,
        quiet: 0.0,
    },
    instances: 2,
    runs: 60,
    good: 2_000_000,
};

const SEARCH: Case = Case {
    name: "search",
    known: Known {
        callers: Callers::Calls { per_second: 250.0 },
        errors: 0.001,
        takes: 0.04,
        timeout: 0.5,
        is_within: false,
        quiet: 0.0,
    },
    instances: 20,
    runs: 4,
    good: 1_000_000,
};

const QUOTES: Case = Case {
    name: "quotes",
    known: Known {
        callers: Callers::Streams {
            subscribers: 300,
            last: 60.0,
        },
        errors: 0.005,
        takes: 0.1,
        timeout: 2.0,
        is_within: true,
        quiet: 0.05,
    },
    instances: 4,
    runs: 8,
    good: 1_000_000,
};

/// What is compared: the page's own settings, none, and two that are copied often.
struct Column {
    head: &'static str,
    settings: Settings,
}

fn copied(builder: CircuitBuilder) -> Settings {
    builder
        .build()
        .expect("settings that make sense")
        .settings()
}

fn columns(own: Settings) -> [Column; 4] {
    let circuit = || Circuit::builder("copied");
    let column = |head, settings| Column { head, settings };
    let in_a_row = circuit().consecutive_failures(3).open_for(secs(60));
    let of_ten = circuit()
        .count_window(10)
        .minimum_calls(5)
        .open_for(secs(10));
    [
        column("these settings", own),
        column("the defaults", copied(circuit())),
        column("3 in a row, 60 s", copied(in_a_row)),
        column("half of 10, 10 s", copied(of_ten)),
    ]
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A row of a table: what is measured, and what that is with each of the settings.
type Row = (String, Vec<String>);

impl Case {
    fn rows(&self, columns: &[Column]) -> Vec<Row> {
        let measured: Vec<_> = columns.iter().map(|column| self.measure(column)).collect();
        let labels = measured[0].iter().map(|(label, _)| label.clone());
        let cells = |row: usize| measured.iter().map(|all| all[row].1.clone()).collect();
        labels
            .enumerate()
            .map(|(row, label)| (label, cells(row)))
            .collect()
    }

    fn measure(&self, column: &Column) -> Vec<(String, String)> {
        let settings = || Circuit::builder(self.name).settings(&column.settings);
        let refuses = outage(&self.known, &settings, Health::Refuses, self.runs);
        let hangs = outage(&self.known, &settings, Health::Hangs, self.runs);
        let partial = partial(&self.known, &settings, self.runs);
        let hiccup = hiccup(&self.known, &settings, self.runs);
        let mut rows = self.of_outage("it refuses", &refuses);
        rows.extend(self.of_outage("it hangs", &hangs));
        if matches!(self.known.callers, Callers::Streams { .. }) {
            let busiest = self.of_all(refuses.busiest);
            rows.push((
                "streams opened in the busiest second after it".to_owned(),
                busiest,
            ));
        }
        rows.push(self.of_good_day(good_day(&self.known, &settings, self.good.into())));
        rows.extend(self.of_hiccup(&hiccup));
        rows.extend(of_partial(&partial));
        rows.push(("lints".to_owned(), self.lints(&column.settings)));
        rows
    }

    fn of_outage(&self, how: &str, outage: &Outage) -> Vec<(String, String)> {
        let row = |what: &str, cell| (format!("{how}: {what}"), cell);
        vec![
            row("opens after", spread(&outage.opened)),
            row("calls lost until then", self.of_all(outage.lost)),
            row("probes in 3 minutes", self.of_all(outage.probes)),
            row("closes after it", spread(&outage.closed)),
        ]
    }

    fn of_good_day(&self, trips: u64) -> (String, String) {
        let days = f64::from(self.good) / (self.known.per_second() * 86_400.0);
        let a_day = trips as f64 / days * f64::from(self.instances);
        let cell = match trips {
            0 => "none seen".to_owned(),
            _ => format!("{a_day:.1}"),
        };
        ("false trips a day".to_owned(), cell)
    }

    fn of_hiccup(&self, hiccup: &Unwell) -> Vec<(String, String)> {
        let what = match self.known.callers {
            Callers::Calls { .. } => "half a second of failures",
            Callers::Streams { .. } => "one of three connections breaks",
        };
        vec![
            (format!("{what}: opens"), percent(hiccup.opened)),
            (
                format!("{what}: rejected after it"),
                self.of_all(hiccup.rejections),
            ),
        ]
    }

    fn of_all(&self, in_one: f64) -> String {
        grouped(in_one * f64::from(self.instances))
    }

    fn lints(&self, settings: &Settings) -> String {
        let Known {
            errors,
            takes,
            timeout,
            is_within,
            ..
        } = self.known;
        let calls = Calls::unknown()
            .with_per_second(self.known.per_second())
            .with_background_errors(errors)
            .with_duration(Duration::from_secs_f64(takes));
        let calls = match is_within {
            true => calls,
            false => calls.with_caller_timeout(Duration::from_secs_f64(timeout)),
        };
        let lints = settings.lints(&calls);
        let names: Vec<_> = lints
            .iter()
            .map(|lint| format!("`{}`", lint.name()))
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn of_partial(partial: &Unwell) -> Vec<(String, String)> {
    let what = "20 % fail for 5 minutes";
    let rejected = format!("{:.0} %", partial.rejected * 100.0);
    vec![
        (format!("{what}: opens"), percent(partial.opened)),
        (format!("{what}: rejected"), rejected),
    ]
}

/// The instance in the middle, and the one that only 5 % are behind.
fn spread(times: &[Option<f64>]) -> String {
    let mut times: Vec<_> = times
        .iter()
        .map(|time| time.unwrap_or(f64::INFINITY))
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share).div_ceil(100) - 1];
    let (middle, most) = (at(50), at(95));
    match (middle, most) {
        (f64::INFINITY, _) => "never".to_owned(),
        (middle, f64::INFINITY) => format!("{} (never)", seconds(middle)),
        (middle, most) => format!("{} ({})", seconds(middle), seconds(most)),
    }
}

fn seconds(time: f64) -> String {
    match time {
        short if short < 9.95 => format!("{short:.1} s"),
        long => format!("{long:.0} s"),
    }
}

fn percent((some, of): (usize, usize)) -> String {
    format!("{} %", (some * 100 + of / 2) / of)
}

/// To a whole number, with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut written = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Held to what the page says, or written there.
fn compare(case: &Case) {
    let columns = columns(Page::read().settings(case.name));
    let heads: Vec<_> = columns.iter().map(|column| column.head).collect();
    Page::holds(case.name, &heads, &case.rows(&columns));
}

#[test]
fn what_the_guide_says_of_a_payment_api_is_so() {
    compare(&PAYMENTS);
}

#[test]
fn what_the_guide_says_of_a_search_cluster_is_so() {
    compare(&SEARCH);
}

#[test]
fn what_the_guide_says_of_a_stream_service_is_so() {
    compare(&QUOTES);
}

// I7
#[test]
fn the_cases_of_the_guide_are_the_same_in_code_and_in_a_file() {
    let cases = [
        (PAYMENTS.name, in_code::payments()),
        (SEARCH.name, in_code::search()),
        (QUOTES.name, in_code::quotes()),
    ];
    let page = Page::read();
    for (name, circuit) in cases {
        let circuit = circuit.expect("settings that make sense");
        assert_eq!(circuit.settings(), page.settings(name), "{name}");
        page.shows(name, include_str!("worked_cases/in_code.rs"));
    }
}
