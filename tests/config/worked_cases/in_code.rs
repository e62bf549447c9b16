//! The snippets of the page, word for word.
#![allow(unreachable_pub, reason = "as on the page")]

use std::time::Duration;

use tower_breaker::{Circuit, ConfigError, Jitter, OpenFor};

pub fn payments() -> Result<Circuit, ConfigError> {
    let breaks = OpenFor::exponential(Duration::from_secs(5), 2.0, Duration::from_secs(30));
    Circuit::builder("payments")
        .consecutive_failures(8)
        .failure_rate(0.5)
        .time_window(Duration::from_secs(30))
        .minimum_calls(20)
        .call_timeout(Duration::from_millis(2_500))
        .open_for(breaks.jitter(Jitter::Fraction(0.2)))
        .build()
}

pub fn search() -> Result<Circuit, ConfigError> {
    let breaks = OpenFor::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(10));
    Circuit::builder("search")
        .failure_rate(0.5)
        .time_window(Duration::from_secs(2))
        .minimum_calls(50)
        .call_timeout(Duration::from_millis(400))
        .open_for(breaks.jitter(Jitter::Fraction(0.2)))
        .permits(3)
        .probes(3, 5)
        .ramp(Duration::from_secs(10), 0.1)
        .build()
}

pub fn quotes() -> Result<Circuit, ConfigError> {
    let breaks = OpenFor::exponential(Duration::from_secs(2), 2.0, Duration::from_secs(15));
    Circuit::builder("quotes")
        .consecutive_failures(5)
        .consecutive_failures_span(Duration::from_secs(3))
        .open_for(breaks.jitter(Jitter::Fraction(0.2)))
        .permits(3)
        .probes(1, 3)
        .ramp(Duration::from_secs(10), 0.1)
        .build()
}
