//! [`Directives`]: what `Cache-Control` says, and `Pragma` (RFC 9111, sections 5.2 and 5.4).

use http::{
    HeaderMap,
    header::{CACHE_CONTROL, PRAGMA},
};

use super::grammar::{Argument, Element, read_list};

/// As many seconds as a cache has to know; what is longer is as long as that (RFC 9111, section 1.2.2).
pub(super) const MAX_SECONDS: u32 = 1 << 31;

/// What a request or a response says about being kept. What is said twice holds at its strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    /// Also where it is for some fields only, and where it is said by `Pragma`.
    pub(super) no_cache: bool,
    /// Also where it is for some fields only.
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) max_age: Option<u32>,
    pub(super) s_maxage: Option<u32>,
    pub(super) stale_if_error: Option<u32>,
    pub(super) min_fresh: Option<u32>,
    /// Without a number, it is as long as there is.
    pub(super) max_stale: Option<u32>,
}

impl Directives {
    /// `None` if something there is not understood. Names that are not known are.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut directives = Self::default();
        read_list(headers, &CACHE_CONTROL, |element| directives.add(&element))?;
        read_list(headers, &PRAGMA, |element| {
            directives.no_cache |= element.name.eq_ignore_ascii_case("no-cache");
            Some(())
        })?;
        Some(directives)
    }

    fn add(&mut self, element: &Element<'_>) -> Option<()> {
        let argument = element.argument.as_ref();
        match &*element.name.to_ascii_lowercase() {
            // With an argument, they forbid at least as much as is understood here.
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            // These allow something. With an argument, nobody knows what.
            "public" => self.public = alone(argument)?,
            "must-revalidate" => self.must_revalidate = alone(argument)?,
            "proxy-revalidate" => self.proxy_revalidate = alone(argument)?,
            "max-age" => at_most(&mut self.max_age, seconds(argument?)?),
            "s-maxage" => at_most(&mut self.s_maxage, seconds(argument?)?),
            "stale-if-error" => at_most(&mut self.stale_if_error, seconds(argument?)?),
            "max-stale" => {
                let limit = argument.map_or(Some(MAX_SECONDS), seconds)?;
                at_most(&mut self.max_stale, limit);
            }
            "min-fresh" => {
                let least = seconds(argument?)?;
                self.min_fresh = Some(self.min_fresh.map_or(least, |said| said.max(least)));
            }
            _ => {}
        }
        Some(())
    }
}

fn alone(argument: Option<&Argument<'_>>) -> Option<bool> {
    argument.is_none().then_some(true)
}

fn at_most(limit: &mut Option<u32>, seconds: u32) {
    *limit = Some(limit.map_or(seconds, |said| said.min(seconds)));
}

/// Nothing but digits, however many.
pub(super) fn delta_seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS))
}

fn seconds(argument: &Argument<'_>) -> Option<u32> {
    delta_seconds(argument.text())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Option<Directives> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(line).expect("a value"));
        }
        Directives::read(&headers)
    }

    // M3
    #[test]
    fn names_are_read_in_any_case_and_on_any_line() {
        let said =
            read(&["No-STORE, max-age=60", "PRIVATE=\"x\"", "s-MaxAge=\"7\""]).expect("fine");
        assert!(said.no_store && said.private && !said.no_cache);
        assert_eq!((said.max_age, said.s_maxage), (Some(60), Some(7)));
    }

    // M3
    #[test]
    fn what_is_within_quotes_is_no_directive() {
        let said = read(&[r#"x="a, public, b", max-age=1"#]).expect("fine");
        assert!(!said.public);
        assert_eq!(said.max_age, Some(1));
    }

    // M3
    #[test]
    fn what_is_said_twice_holds_at_its_strictest() {
        let lines = [
            "max-age=60, min-fresh=5",
            "max-age=30, min-fresh=9",
            "max-stale, max-stale=4",
        ];
        let said = read(&lines).expect("fine");
        assert_eq!(
            (said.max_age, said.min_fresh, said.max_stale),
            (Some(30), Some(9), Some(4))
        );
    }

    // M4
    #[test]
    fn numbers_are_as_long_as_they_like() {
        for huge in ["4294967295", "18446744073709551615", &"9".repeat(200)] {
            let said = read(&[&format!("max-age={huge}")]).expect("fine");
            assert_eq!(said.max_age, Some(MAX_SECONDS), "{huge}");
        }
    }

    // M3
    #[test]
    fn what_is_known_and_not_to_the_letter_is_not_understood() {
        for line in [
            "max-age",
            "max-age=-1",
            "max-age=1.5",
            "max-age=\"\"",
            "public=1",
            "must-revalidate=\"x\"",
        ] {
            assert_eq!(read(&[line]), None, "{line}");
        }
        assert!(read(&["never-heard-of=that, immutable"]).is_some());
    }
}
