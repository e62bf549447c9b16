//! How the numbers of lints are written.

use std::time::Duration;

/// To three digits or to a whole number, whichever is more exact: `0.5`, `19.9`, `8,420`.
pub(super) fn count(number: f64) -> String {
    let to = |steps: f64| (number * steps).round() / steps;
    match number {
        tiny if tiny > 0.0 && to(100.0) == 0.0 => "less than 0.01".to_owned(),
        small if small < 9.995 => to(100.0).to_string(),
        small if small < 99.95 => to(10.0).to_string(),
        number => with_commas(&format!("{number:.0}")),
    }
}

fn with_commas(digits: &str) -> String {
    let mut written = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// `5 %`, to a hundredth of a percent.
pub(super) fn percent(share: f64) -> String {
    let to_hundredths = (share * 1e4).round() / 1e2;
    match to_hundredths {
        0.0 if share > 0.0 => "less than 0.01 %".to_owned(),
        percent if percent < 1_000.0 => format!("{percent} %"),
        percent => format!("{} %", count(percent)),
    }
}

/// `40 calls a second`, or an hour, where they are few.
pub(super) fn rate(per_second: f64) -> String {
    let (number, unit) = match per_second {
        rare if rare < 0.1 => (rare * 3_600.0, "an hour"),
        rate => (rate, "a second"),
    };
    format!("{} {unit}", calls(number))
}

/// `1 call`, `20 calls`.
pub(super) fn calls(number: f64) -> String {
    counted(number, "call", "calls")
}

/// `1 place`, `20 places`.
pub(super) fn places(number: f64) -> String {
    counted(number, "place", "places")
}

fn counted(number: f64, one: &str, many: &str) -> String {
    match count(number) {
        single if single == "1" => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// `once a day`, `20.4 times a day`.
pub(super) fn times_a_day(number: f64) -> String {
    match count(number) {
        single if single == "1" => "once a day".to_owned(),
        number => format!("{number} times a day"),
    }
}

/// As one would write it in a file: `1m 30s`.
pub(super) fn time(time: Duration) -> String {
    match time {
        Duration::MAX => "for ever".to_owned(),
        time => humantime::format_duration(time).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let written = [0.0, 0.001, 0.5, 1.994, 9.996, 19.94, 99.96, 999.5].map(count);
        let expected = [
            "0",
            "less than 0.01",
            "0.5",
            "1.99",
            "10",
            "19.9",
            "100",
            "1,000",
        ];
        assert_eq!(written, expected);
        assert_eq!(
            [8_419.999, 1e6, 1e20].map(count),
            ["8,420", "1,000,000", "100,000,000,000,000,000,000"]
        );
        let written = [0.05, 0.012_345, 1e-6, 0.0, 2.625, 9.999, 10.0, 12.0].map(percent);
        let expected = [
            "5 %",
            "1.23 %",
            "less than 0.01 %",
            "0 %",
            "262.5 %",
            "999.9 %",
            "1,000 %",
            "1,200 %",
        ];
        assert_eq!(written, expected);
        let written = [1.0, 40.0, 0.5, 0.1, 0.099, 0.002].map(rate);
        let expected = [
            "1 call a second",
            "40 calls a second",
            "0.5 calls a second",
            "0.1 calls a second",
            "356 calls an hour",
            "7.2 calls an hour",
        ];
        assert_eq!(written, expected);
        let written = [Duration::from_millis(90_250), Duration::MAX].map(time);
        assert_eq!(written, ["1m 30s 250ms", "for ever"]);
    }

    #[test]
    fn one_of_a_kind_is_no_plural() {
        assert_eq!([1.0, 20.0].map(calls), ["1 call", "20 calls"]);
        assert_eq!([1.0, 20.0].map(places), ["1 place", "20 places"]);
        assert_eq!(
            [1.0, 1.01].map(times_a_day),
            ["once a day", "1.01 times a day"]
        );
    }
}
