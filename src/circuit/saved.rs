//! A saved state as a line, and what is refused of one (rules E6, B8).

use std::{fmt, str::FromStr, time::Duration};

use super::settings::ConfigError;
use crate::machine::{MAX_ATTEMPT, Mode, SavedState, State};

impl SavedState {
    /// B8: that its parts make sense together.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let allowed = match self.mode {
            _ if self.state == State::HalfOpen => {
                "open with nothing remaining where it was half-open"
            }
            Mode::ForcedOpen => self.nonsense_in_forced_open(),
            _ if self.mode_before.is_some() => "without a mode before unless it is forced open",
            Mode::Disabled if self.state != State::Closed => "closed where it is disabled",
            _ if self.state == State::Closed => self.nonsense_in_closed(),
            _ => self.nonsense_in_open(),
        };
        match allowed {
            "" => Ok(()),
            allowed => Err(refusal(self, allowed)),
        }
    }

    fn nonsense_in_closed(&self) -> &'static str {
        match () {
            () if self.has_break() => "without a break where it is closed",
            () if self.attempt != 0 => "without an attempt where it is closed",
            () => "",
        }
    }

    fn nonsense_in_open(&self) -> &'static str {
        let Some(remaining) = self.remaining else {
            return "with what remains of the break where it is open";
        };
        let whole = self.open_for.unwrap_or(remaining);
        match () {
            () if whole < remaining => "with no more remaining than the whole break (open_for)",
            () if whole > LONGEST => "with a break of at most 584 years (18446744073.709551615s)",
            () => self.nonsense_in_attempt(),
        }
    }

    fn nonsense_in_forced_open(&self) -> &'static str {
        match self.mode_before {
            _ if self.state != State::Open => "open where it is forced open",
            _ if self.open_for.is_some() => {
                "without a whole break (open_for) where it is forced open"
            }
            _ if self.remaining > Some(LONGEST) => {
                "forced open for at most 584 years (18446744073.709551615s)"
            }
            None => "with the mode before where it is forced open",
            Some(Mode::ForcedOpen) => "with another mode before it was forced open",
            Some(_) => self.nonsense_in_attempt(),
        }
    }

    fn nonsense_in_attempt(&self) -> &'static str {
        if (1..=MAX_ATTEMPT).contains(&self.attempt) {
            ""
        } else {
            "with an attempt of 1 to 134217727 where it is open"
        }
    }

    fn has_break(&self) -> bool {
        self.remaining.is_some() || self.open_for.is_some()
    }
}

/// The longest break that ends.
const LONGEST: Duration = Duration::from_nanos(u64::MAX);

fn refusal(value: impl fmt::Display, allowed: &str) -> ConfigError {
    ConfigError::new("restore", format_args!("{value}"), allowed)
}

/// One line that is read again with `parse`.
impl fmt::Display for SavedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} {} {}", self.state, word_of(self.mode))?;
        if let Some(before) = self.mode_before {
            write!(f, " before={}", word_of(before))?;
        }
        if let Some(remaining) = self.remaining {
            write!(f, " remaining={}", Seconds(remaining))?;
        }
        if let Some(open_for) = self.open_for {
            write!(f, " open_for={}", Seconds(open_for))?;
        }
        match self.attempt {
            0 => Ok(()),
            attempt => write!(f, " attempt={attempt}"),
        }
    }
}

const VERSION: &str = "v1";

fn word_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::ForcedOpen => "forced-open",
        Mode::Disabled => "disabled",
        Mode::Shadow => "shadow",
    }
}

/// A duration to the nanosecond, in seconds, without zeros at its end.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0.subsec_nanos());
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}s", self.0.as_secs()),
            fraction => write!(f, "{}.{fraction}s", self.0.as_secs()),
        }
    }
}

impl FromStr for SavedState {
    type Err = ConfigError;

    fn from_str(line: &str) -> Result<Self, ConfigError> {
        let mut words = line.split_whitespace();
        let version = words.next().unwrap_or_default();
        if version != VERSION {
            return Err(refusal(quoted(version), "a line that begins with `v1`"));
        }
        let mut saved = Self {
            state: read_state(words.next().unwrap_or_default())?,
            mode: read_mode(words.next().unwrap_or_default())?,
            ..Self::closed()
        };
        let mut known = Vec::new();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if known.contains(&key) {
                return Err(refusal(quoted(word), "a line that says nothing twice"));
            }
            known.push(key);
            saved.take_in(word, key, value)?;
        }
        saved.check()?;
        Ok(saved)
    }
}

impl SavedState {
    fn take_in(&mut self, word: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        match key {
            "before" => self.mode_before = Some(read_mode(value)?),
            "remaining" => self.remaining = Some(read_seconds(word, value)?),
            "open_for" => self.open_for = Some(read_seconds(word, value)?),
            "attempt" => self.attempt = read_attempt(word, value)?,
            _ => {
                let allowed = "a line of before, remaining, open_for and attempt after its mode";
                return Err(refusal(quoted(word), allowed));
            }
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    format!("{word:?}")
}

fn read_state(word: &str) -> Result<State, ConfigError> {
    match word {
        "closed" => Ok(State::Closed),
        "open" => Ok(State::Open),
        // Refused with the rest in place, for what is to be said about it.
        "half-open" => Ok(State::HalfOpen),
        _ => Err(refusal(
            quoted(word),
            "a line whose state is closed or open",
        )),
    }
}

fn read_mode(word: &str) -> Result<Mode, ConfigError> {
    let modes = [Mode::Normal, Mode::ForcedOpen, Mode::Disabled, Mode::Shadow];
    let found = modes.into_iter().find(|mode| word_of(*mode) == word);
    let allowed = "a line whose mode is normal, forced-open, disabled or shadow";
    found.ok_or_else(|| refusal(quoted(word), allowed))
}

fn read_attempt(word: &str, value: &str) -> Result<u32, ConfigError> {
    let number = digits(value).and_then(|digits| digits.parse().ok());
    // 0 is not said.
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| refusal(quoted(word), "a line whose attempt is 1 to 134217727"))
}

fn read_seconds(word: &str, value: &str) -> Result<Duration, ConfigError> {
    let read = || {
        let number = value.strip_suffix('s')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let fraction = digits(fraction).filter(|fraction| fraction.len() <= 9)?;
        let nanos = format!("{fraction:0<9}").parse().ok()?;
        Some(Duration::new(digits(whole)?.parse().ok()?, nanos))
    };
    read().ok_or_else(|| {
        let allowed = "a line whose times are seconds, such as 12.5s, to the nanosecond";
        refusal(quoted(word), allowed)
    })
}

/// `text`, if it is a number without a sign.
fn digits(text: &str) -> Option<&str> {
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // E6: what is not a number of seconds is refused, and what is, is exact.
    #[test]
    fn times_are_read_to_the_nanosecond() {
        for nanos in [
            0,
            1,
            10,
            999_999_999,
            1_000_000_000,
            1_500_000_000,
            u64::MAX,
        ] {
            let time = Duration::from_nanos(nanos);
            let written = Seconds(time).to_string();
            assert_eq!(read_seconds("", &written), Ok(time), "{written}");
        }
        for nonsense in [
            "",
            "s",
            "5",
            ".5s",
            "5.s",
            "-5s",
            "+5s",
            "5e3s",
            "1.0000000000s",
            "5 s",
        ] {
            assert!(read_seconds("", nonsense).is_err(), "{nonsense}");
        }
    }
}
