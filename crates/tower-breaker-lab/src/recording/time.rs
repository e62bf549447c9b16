//! Times as logs have them.

/// The longest duration of a call: 366 days, as in scenarios.
const LONGEST: f64 = 366.0 * 86_400.0;
const SECOND: u64 = 1_000_000_000;
/// The end of the year 2261. So sums of times never overflow.
const LAST: u64 = 9_214_646_400 * SECOND;
/// Numbers from here on are milliseconds: as seconds, they would be after the year 5138. And so on.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;
const FIRST_MICROSECONDS: u64 = FIRST_MILLISECONDS * 1_000;
const FIRST_NANOSECONDS: u64 = FIRST_MICROSECONDS * 1_000;

/// What is expected of a time.
pub(super) const EXPECTED: &str = "a time from 1970 to 2261";

/// In which unit a log has durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Seconds, with a fraction: `$request_time` of nginx.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds: `%D` of Apache.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    fn seconds(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e-3,
            Self::Microseconds => 1e-6,
            Self::Nanoseconds => 1e-9,
        }
    }

    /// What is expected of a duration.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Seconds => "a duration in seconds, such as 0.123",
            Self::Milliseconds => "a duration in milliseconds, such as 123",
            Self::Microseconds => "a duration in microseconds, such as 123000",
            Self::Nanoseconds => "a duration in nanoseconds, such as 123000000",
        }
    }

    /// In nanoseconds, of a text such as `0.123`.
    pub(super) fn read(self, text: &[u8]) -> Option<u64> {
        let is_number = text.iter().all(|it| it.is_ascii_digit() || *it == b'.');
        let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
        self.nanos(text.parse().ok()?)
    }

    /// In nanoseconds. None for what is no duration of a call.
    pub(super) fn nanos(self, number: f64) -> Option<u64> {
        let seconds = number * self.seconds();
        (0.0..=LONGEST).contains(&seconds).then(|| nanos(seconds))?
    }
}

/// None for what is no time.
pub(super) fn nanos(seconds: f64) -> Option<u64> {
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_nanos()).ok()
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since 1970.
    pub(super) nanos: u64,
    /// Whether it has no fraction of a second.
    pub(super) is_whole: bool,
}

/// As in access logs (`10/Oct/2000:13:55:36 -0700`), RFC 3339, or a number since 1970: from seconds to nanoseconds.
pub(super) fn read(text: &[u8]) -> Option<Stamp> {
    let scan = Scan(text);
    let stamp = if text.contains(&b'/') {
        scan.access_log()
    } else if text.iter().all(|it| it.is_ascii_digit() || *it == b'.') {
        scan.unix()
    } else {
        scan.rfc_3339()
    };
    stamp.filter(|stamp| stamp.nanos <= LAST)
}

/// What is left to be read.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn access_log(mut self) -> Option<Stamp> {
        let day = self.digits(2)?;
        self.one_of(b"/")?;
        let month = self.month()?;
        self.one_of(b"/")?;
        let days = days(self.digits(4)?, month, day)?;
        self.one_of(b":")?;
        let seconds = self.time_of_day()?;
        let (fraction, is_whole) = self.fraction()?;
        self.one_of(b" ")?;
        let offset = self.offset()?;
        self.is_over(stamp(days, seconds, offset, fraction, is_whole)?)
    }

    fn rfc_3339(mut self) -> Option<Stamp> {
        let year = self.digits(4)?;
        self.one_of(b"-")?;
        let month = self.digits(2)?;
        self.one_of(b"-")?;
        let days = days(year, month, self.digits(2)?)?;
        self.one_of(b"Tt ")?;
        let seconds = self.time_of_day()?;
        let (fraction, is_whole) = self.fraction()?;
        let offset = match self.one_of(b"Zz") {
            Some(_) => 0,
            None => self.offset()?,
        };
        self.is_over(stamp(days, seconds, offset, fraction, is_whole)?)
    }

    fn unix(mut self) -> Option<Stamp> {
        let length = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        let number = self.digits(length)?;
        let (fraction, is_whole) = self.fraction()?;
        // Each unit has its own thousand years or more, so that none is taken for another.
        let unit = match number {
            0..FIRST_MILLISECONDS => SECOND,
            FIRST_MILLISECONDS..FIRST_MICROSECONDS => 1_000_000,
            FIRST_MICROSECONDS..FIRST_NANOSECONDS => 1_000,
            _ => 1,
        };
        let nanos = number.checked_mul(unit)?;
        self.is_over(Stamp {
            nanos: nanos.checked_add(fraction / (SECOND / unit))?,
            is_whole: is_whole && unit == SECOND,
        })
    }

    fn is_over(&self, stamp: Stamp) -> Option<Stamp> {
        self.0.is_empty().then_some(stamp)
    }

    /// From 1 to 19 of them, which is always a number.
    fn digits(&mut self, many: usize) -> Option<u64> {
        let (digits, rest) = self.0.split_at_checked(many)?;
        if many == 0 || many > 19 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        let value = |number: u64, digit: &u8| number * 10 + u64::from(digit - b'0');
        Some(digits.iter().fold(0, value))
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| self.0 = rest)?;
        Some(*first)
    }

    fn month(&mut self) -> Option<u64> {
        const MONTHS: [&[u8]; 12] = [
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
            b"Dec",
        ];
        let (name, rest) = self.0.split_at_checked(3)?;
        let month = (1..).zip(MONTHS).find(|(_, month)| *month == name)?.0;
        self.0 = rest;
        Some(month)
    }

    /// A leap second is the first of the next minute.
    fn time_of_day(&mut self) -> Option<u64> {
        let hours = self.digits(2).filter(|it| *it < 24)?;
        self.one_of(b":")?;
        let minutes = self.digits(2).filter(|it| *it < 60)?;
        self.one_of(b":")?;
        let seconds = self.digits(2).filter(|it| *it <= 60)?;
        Some(hours * 3_600 + minutes * 60 + seconds)
    }

    /// In nanoseconds, and whether there is none. What is finer than a nanosecond is cut off.
    fn fraction(&mut self) -> Option<(u64, bool)> {
        if self.one_of(b".").is_none() {
            return Some((0, true));
        }
        let (mut nanos, mut unit) = (0, SECOND / 10);
        let length = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        for digit in &self.0[..length] {
            nanos += u64::from(digit - b'0') * unit;
            unit /= 10;
        }
        self.0 = &self.0[length..];
        (length > 0).then_some((nanos, false))
    }

    /// In seconds, with or without a colon.
    fn offset(&mut self) -> Option<i64> {
        let sign = self.one_of(b"+-")?;
        let hours = self.digits(2).filter(|it| *it < 24)?;
        let _ = self.one_of(b":");
        let minutes = self.digits(2).filter(|it| *it < 60)?;
        let offset = i64::try_from(hours * 3_600 + minutes * 60).ok()?;
        Some(if sign == b'-' { -offset } else { offset })
    }
}

fn stamp(days: u64, seconds: u64, offset: i64, nanos: u64, is_whole: bool) -> Option<Stamp> {
    let seconds = (days * 86_400 + seconds).checked_add_signed(offset.checked_neg()?)?;
    Some(Stamp {
        nanos: seconds.checked_mul(SECOND)?.checked_add(nanos)?,
        is_whole,
    })
}

/// Since 1970, of a day that there is.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let long = match month {
        2 => 28 + u64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=2261).contains(&year) || !(1..=long).contains(&day) {
        return None;
    }
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = *BEFORE.get(usize::try_from(month - 1).ok()?)?;
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + before + u64::from(month > 2 && leap(year)) + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<(u64, bool)> {
        read(text.as_bytes()).map(|stamp| (stamp.nanos, stamp.is_whole))
    }

    #[test]
    fn times_are_read_in_each_form() {
        let noon = 971_211_336 * SECOND;
        for (text, nanos, is_whole) in [
            ("10/Oct/2000:13:55:36 -0700", noon, true),
            ("2000-10-10T20:55:36Z", noon, true),
            ("2000-10-10T13:55:36-07:00", noon, true),
            ("2000-10-10 22:55:36.250+02:00", noon + 250_000_000, false),
            ("971211336", noon, true),
            ("971211336.123456789", noon + 123_456_789, false),
            ("971211336005", noon + 5_000_000, false),
            ("971211336005.25", noon + 5_250_000, false),
            ("971211336005000", noon + 5_000_000, false),
            ("971211336005000007", noon + 5_000_007, false),
            ("1764309600000000007", 1_764_309_600 * SECOND + 7, false),
            ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND, true),
            ("2016-12-31T23:59:60Z", 1_483_228_800 * SECOND, true),
            ("1970-01-01T00:00:00Z", 0, true),
        ] {
            assert_eq!(at(text), Some((nanos, is_whole)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ".",
            "1.",
            "12.5.5",
            "1e9",
            "-1",
            "99999999999999999999999999",
            "9999999999999999999",
            "99999999999999",
            "31/Feb/2000:13:55:36 -0700",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36",
            "2023-02-29T00:00:00Z",
            "2023-02-28T24:00:00Z",
            "2023-02-28T00:00:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2023-02-28T00:00:00Zz",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    /// Held against another reader, day by day.
    #[test]
    fn days_are_counted_as_humantime_does() {
        for day in 0..106_000 {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400);
            let text = humantime::format_rfc3339_seconds(time).to_string();
            assert_eq!(at(&text), Some((day * 86_400 * SECOND, true)), "{text}");
        }
    }

    #[test]
    fn durations_are_exact() {
        for (unit, text, nanos) in [
            (Unit::Seconds, "0.123", Some(123_000_000)),
            (Unit::Seconds, "0.000000001", Some(1)),
            (Unit::Milliseconds, "12.5", Some(12_500_000)),
            (Unit::Microseconds, "123456", Some(123_456_000)),
            (Unit::Nanoseconds, "7", Some(7)),
            (Unit::Seconds, "NaN", None),
            (Unit::Seconds, "inf", None),
            (Unit::Seconds, "-1", None),
            (Unit::Seconds, "1e3", None),
            (Unit::Seconds, "99999999999999999999", None),
        ] {
            assert_eq!(unit.read(text.as_bytes()), nanos, "{text} {unit:?}");
        }
        for number in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(Unit::Seconds.nanos(number), None, "{number}");
        }
    }
}
