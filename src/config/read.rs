//! How single values are read, and what is told of those that cannot be.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Display,
    ops::RangeInclusive,
    time::Duration,
};

use super::{keys::Change, problem::Problem, tree::Node};

/// What is wrong, as far as it is known.
#[derive(Default)]
pub(crate) struct Reader {
    pub(super) problems: Vec<Problem>,
    /// Those from code, which extend no others.
    pub(super) bases: BTreeMap<String, Change>,
}

fn is_plain(c: char) -> bool {
    c == '_' || c == '-' || c.is_alphanumeric()
}

pub(super) fn range(allowed: &RangeInclusive<impl Display>) -> String {
    format!("{} to {}", allowed.start(), allowed.end())
}

/// Whether it is a whole number above `most`, in any of the forms that formats have for large ones.
pub(super) fn is_above(node: &Node, most: u64) -> bool {
    match node {
        Node::Integer(number) => *number > most.into(),
        // What has more digits than the format's integers.
        Node::Float(number) => number.is_finite() && *number >= TWO_TO_64,
        Node::Text(text) => is_all_digits(text) && text.parse::<u64>().is_err(),
        _ => false,
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

pub(super) fn is_all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `path.key`; a key with anything unusual is quoted.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = if key.is_empty() || !key.chars().all(is_plain) {
        format!("{key:?}")
    } else {
        key.to_owned()
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The name with dots that was meant, where a table is at an unknown key of the block of a circuit.
fn name_in_parts(path: &str, key: &str, table: &Node) -> Option<String> {
    let circuit = path.strip_prefix("circuits.")?;
    if !key.chars().all(is_plain) {
        return None;
    }
    let (mut name, mut node) = (format!("{circuit}.{key}"), value_of(table, key)?);
    // As many parts as lead to the first that is more than one table.
    while let Node::Map(map) = node {
        match &map[..] {
            [(key, inner @ Node::Map(_))] => {
                name = format!("{name}.{key}");
                node = inner;
            }
            _ => return Some(name),
        }
    }
    None
}

fn value_of<'a>(table: &'a Node, key: &str) -> Option<&'a Node> {
    let Node::Map(map) = table else {
        return None;
    };
    let found = map.iter().find(|(known, _)| known == key);
    found.map(|(_, value)| value)
}

impl Reader {
    pub(crate) fn refuse<T>(&mut self, path: &str, found: &Node, allowed: &str) -> Option<T> {
        self.problems.push(Problem::new(path, found, allowed));
        None
    }

    /// Whether something has been told of what is at `path`, or in it.
    pub(super) fn has_told(&self, path: &str) -> bool {
        let is_told = |problem: &Problem| problem.is_within(path);
        self.problems.iter().any(is_told)
    }

    /// The entries of a table. One that is there twice is told, and left out.
    pub(super) fn table<'a>(&mut self, path: &str, node: &'a Node) -> Vec<(&'a str, &'a Node)> {
        let Node::Map(map) = node else {
            return self.refuse(path, node, "a table").unwrap_or_default();
        };
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for (key, value) in map {
            if seen.insert(key) {
                entries.push((key.as_str(), value));
            } else {
                let path = join(path, key);
                let problem = Problem::new(&path, "there twice", "there once");
                self.problems.push(problem);
            }
        }
        entries
    }

    /// The same, with no keys but these. Each other one is told.
    pub(crate) fn table_of<'a>(
        &mut self,
        path: &str,
        node: &'a Node,
        known: &[&str],
    ) -> Vec<(&'a str, &'a Node)> {
        let mut entries = self.table(path, node);
        entries.retain(|(key, _)| {
            let is_known = known.contains(key);
            if !is_known {
                let of_key = join(path, key);
                let problem =
                    Problem::unknown(&of_key, key, "one of these keys", known.iter().copied());
                self.problems.push(match name_in_parts(path, key, node) {
                    Some(name) if problem.nearest().is_none() => problem.with_hint(format!(
                        "a name with dots is one key, in quotes: `{}`",
                        join("circuits", &name)
                    )),
                    _ => problem,
                });
            }
            is_known
        });
        entries
    }

    /// One that is too large for any is refused here, by what is `allowed`. Any other that is not allowed is left to
    /// whoever takes it, and knows more of why.
    pub(crate) fn whole(
        &mut self,
        path: &str,
        node: &Node,
        allowed: RangeInclusive<u64>,
    ) -> Option<u64> {
        self.whole_up_to(u64::MAX, path, node, &range(&allowed))
    }

    fn whole_up_to(&mut self, most: u64, path: &str, node: &Node, allowed: &str) -> Option<u64> {
        if is_above(node, most) {
            return self.refuse(path, node, allowed);
        }
        let number = match node {
            Node::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        number.or_else(|| self.refuse(path, node, "a whole number"))
    }

    /// The same of a count.
    pub(super) fn count(
        &mut self,
        path: &str,
        node: &Node,
        allowed: RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = self.whole_up_to(u32::MAX.into(), path, node, &range(&allowed))?;
        u32::try_from(number).ok()
    }

    /// `"off"`, or what `read` makes of it.
    pub(super) fn unless_off<T>(
        &mut self,
        path: &str,
        node: &Node,
        read: impl FnOnce(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match node {
            Node::Text(text) if text == "off" => Some(None),
            _ => read(self, path, node).map(Some),
        }
    }

    pub(super) fn number(&mut self, path: &str, node: &Node) -> Option<f64> {
        match node {
            #[expect(clippy::cast_precision_loss, reason = "nobody writes such a factor")]
            Node::Integer(number) => Some(*number as f64),
            Node::Float(number) => Some(*number),
            _ => self.refuse(path, node, "a number"),
        }
    }

    pub(crate) fn switch(&mut self, path: &str, node: &Node) -> Option<bool> {
        match node {
            Node::Bool(value) => Some(*value),
            _ => self.refuse(path, node, "true or false"),
        }
    }

    pub(crate) fn text<'a>(&mut self, path: &str, node: &'a Node) -> Option<&'a str> {
        match node {
            Node::Text(text) => Some(text),
            _ => self.refuse(path, node, "a text"),
        }
    }

    /// `0.5`, or `"50%"`.
    pub(super) fn share(&mut self, path: &str, node: &Node) -> Option<f64> {
        let share = match node {
            #[expect(clippy::cast_precision_loss, reason = "what is not 1 is refused")]
            Node::Integer(number) => Some(*number as f64),
            Node::Float(number) => Some(*number),
            Node::Text(text) => percent(text),
            _ => None,
        };
        // What is just above 1 may be anything.
        let in_percent = |share: &f64| (2.0..=100.0).contains(share);
        if let Some(share) = share.filter(in_percent) {
            let hint = format!("did you mean \"{share}%\"?");
            let problem = Problem::new(path, node, "a share above 0 and at most 1");
            self.problems.push(problem.with_hint(hint));
            return None;
        }
        share.or_else(|| self.refuse(path, node, SHARE))
    }

    /// `"1m 30s"`.
    pub(crate) fn duration(&mut self, path: &str, node: &Node) -> Option<Duration> {
        let duration = match node {
            Node::Text(text) => parse_duration(text),
            _ => None,
        };
        duration.or_else(|| self.refuse(path, node, DURATION))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        path: &str,
        node: &Node,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(path, node)?;
        let known = words.iter().find(|(word, _)| *word == text);
        if known.is_none() {
            let all = words.iter().map(|(word, _)| *word);
            self.problems
                .push(Problem::unknown(path, text, "one of these words", all));
        }
        known.map(|(_, value)| *value)
    }
}

pub(super) const SHARE: &str = "a share such as 0.5 or \"50%\"";
pub(super) const DURATION: &str = "a time such as \"30s\", \"250ms\" or \"1m 30s\"";

/// To the same millionth as the share that one would write.
fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    // Not what else can be a number: `1e1`, `inf`.
    let is_plain = number.chars().all(|c| c == '.' || c.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| is_plain)?;
    Some(number / 100.0)
}

/// humantime's, with three exceptions: what it panics at (sums that are just too long for a `Duration`), `M`, which is
/// a month where one means a minute, and numbers with a gap: `1 0s`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = |part: &str| part.len() > 15;
    let is_long = text.len() > 64 || text.split(|c: char| !c.is_ascii_digit()).any(digits);
    if is_long || text.contains(|c: char| c.is_ascii_uppercase()) || has_gap(text) {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// Whether a number goes on after a space.
fn has_gap(text: &str) -> bool {
    let is_of_number = |c: char| c == '.' || c.is_ascii_digit();
    let mut ends_in_number = false;
    text.split_whitespace().any(|part| {
        let goes_on = ends_in_number && part.starts_with(is_of_number);
        ends_in_number = part.ends_with(is_of_number);
        goes_on
    })
}
