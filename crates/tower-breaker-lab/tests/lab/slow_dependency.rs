//! A dependency that answers everything, but 9.5 s later: no error tells, and only the time of the calls does.

use std::time::Duration;

use tower_breaker::{Circuit, Settings};
use tower_breaker_lab::{Ours, Scenario, Step, Summary, run};

const SLOW: &str = include_str!("../../scenarios/slow_dependency.toml");

fn with(settings: Settings) -> (Summary, Step) {
    let scenario = Scenario::from_toml(SLOW).unwrap_or_else(|error| panic!("{error}"));
    let mut ours = Ours::new("ours", settings).expect("valid");
    let run = run(&scenario, &mut ours);
    let outage = run.between(Duration::from_secs(60), Duration::from_secs(240));
    (Summary::new(&scenario, &run), outage)
}

/// 60 threads, each busy for 9.65 s: 6.2 calls a second, of 200 that come. The others wait for 2 s, and are not made.
#[test]
fn a_rate_of_failures_does_not_see_it() {
    let (summary, outage) = with(Settings::default());
    assert_eq!(summary.to_trip, None);
    assert_eq!(outage.rejected, 0);
    assert!(outage.succeeded < 2_000, "{outage:?}");
    assert!(outage.not_made > 30_000, "{outage:?}");
}

/// The first slow answers come after 9.6 s. 50 of the last 100 are slow at about 10 s, since 60 threads wait for them.
#[test]
fn a_rate_of_slow_calls_opens_with_the_first_answers() {
    let slow = Circuit::builder("slow")
        .slow_call_duration(Duration::from_secs(2))
        .slow_call_rate(0.5)
        .build()
        .expect("valid");
    let (summary, outage) = with(slow.settings());
    let to_trip = summary.to_trip.expect("it opens").median;
    let expected = Duration::from_millis(9_500)..Duration::from_millis(10_500);
    assert!(expected.contains(&to_trip), "{to_trip:?}");
    // Who would have waited for 2 s in vain is told at once.
    assert!(outage.rejected > 30_000, "{outage:?}");
    assert!(outage.not_made < 2_500, "{outage:?}");
    assert_eq!(summary.not_closed, 0);
}
