//! Patterns of names: `*` stands for any characters, also for none.

/// A name, or a pattern of names.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Box<str>);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is between the stars has to come in this order. Each is taken where it comes first, which leaves the
    /// most to those after it.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((first, others)) = self.0.split_once('*') else {
            return *self.0 == *name;
        };
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let (between, last) = others.rsplit_once('*').unwrap_or(("", others));
        for part in between.split('*') {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).matches(name)
    }

    #[test]
    fn a_star_stands_for_any_characters_and_for_none() {
        for (pattern, name) in [
            ("search", "search"),
            ("*", ""),
            ("*", "search"),
            ("search-*", "search-"),
            ("search-*", "search-eu"),
            ("*-eu", "search-eu"),
            ("a*a", "aa"),
            ("*b*", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("a**c", "abc"),
            ("ä*ü", "äöü"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("search", "search-eu"),
            ("search-*", "search"),
            ("*-eu", "search-us"),
            ("a*a", "a"),
            ("a*b*b", "ab"),
            ("a*b*c", "acb"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    /// One character after the other.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => naive(rest, name),
            (Some(('*', rest)), Some((_, after))) => naive(rest, name) || naive(pattern, after),
            (Some((one, rest)), Some((other, after))) => one == other && naive(rest, after),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_what_a_naive_reading_does(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), naive(&chars(&pattern), &chars(&name)));
        }
    }
}
