//! A grid of settings: values for some keys, in all combinations.

use std::str::FromStr;

use toml::{Table, Value};

use super::SettingsError;

/// A grid has at most so many combinations.
pub const MOST_COMBINATIONS: usize = 10_000;

/// Each part of a key is a table within a table, and no setting lies as deep.
const MOST_PARTS: usize = 8;

/// A key and its values: `failure_rate=30%,50%,70%`.
///
/// A value is read as TOML if it is TOML (`3`, `0.5`, `true`, `{ first = "1s", factor = 2.0, max = "1m" }`), and as a
/// text otherwise (`30%`, `5s`, `off`). Commas within brackets, braces and quotes do not part values. A key with a dot
/// is one of a table, of which the block may have the rest: `shed.multiplier=1.5,2`.
///
/// ```
/// use tower_breaker_lab::{Axis, Candidate};
///
/// let axes: [Axis; 2] = ["failure_rate=30%,50%".parse()?, "open_for=5s,30s".parse()?];
/// let candidates = Candidate::from_grid(None, &axes)?;
/// assert_eq!(candidates.len(), 4);
/// assert_eq!(candidates[1].name(), "ours failure_rate=30% open_for=30s");
/// # Ok::<(), tower_breaker_lab::SettingsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    key: String,
    values: Vec<(String, Value)>,
}

impl FromStr for Axis {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let Some((key, values)) = text.split_once('=') else {
            let text = format!("{text:?}: write KEY=VALUE,VALUE, such as failure_rate=30%,50%");
            return Err(SettingsError::new(text));
        };
        let key = key.trim();
        let is_key = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !key.split('.').all(is_key) {
            let text = format!("column 1: {key:?} is no key of a circuit, such as failure_rate");
            return Err(SettingsError::new(text));
        }
        if key.split('.').count() > MOST_PARTS {
            let text = format!("column 1: a key has at most {MOST_PARTS} parts");
            return Err(SettingsError::new(text));
        }
        let first_column = text.chars().count() - values.chars().count() + 1;
        Ok(Self {
            key: key.to_owned(),
            values: self::values(values, first_column)?,
        })
    }
}

/// `first_column` is where the text begins in what was written.
fn values(text: &str, first_column: usize) -> Result<Vec<(String, Value)>, SettingsError> {
    let mut all = Vec::new();
    let mut column = first_column;
    for written in parts(text) {
        let trimmed = written.trim();
        let value = value(trimmed)
            .map_err(|problem| SettingsError::new(format!("column {column}: {problem}")))?;
        all.push((trimmed.to_owned(), value));
        column += written.chars().count() + 1;
    }
    Ok(all)
}

fn value(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Err("a value is missing".to_owned());
    }
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['{', '[', '"', '\'']) => {
            Err(format!("{text:?}: {}", error.message()))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Parted by commas that are in no brackets, braces or quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut all, mut begins, mut depth, mut quote) = (Vec::new(), 0, 0_u32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                all.push(&text[begins..at]);
                begins = at + 1;
            }
            _ => {}
        }
    }
    all.push(&text[begins..]);
    all
}

/// One value of each axis.
#[derive(Debug)]
pub(super) struct Combination<'a>(Vec<(&'a str, &'a (String, Value))>);

impl Combination<'_> {
    /// As it stands in names.
    pub(super) fn written(&self) -> String {
        let written = self
            .0
            .iter()
            .map(|(key, (value, _))| format!("{key}={value}"));
        written.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn write_to(&self, block: &mut Table) {
        for (key, (_, value)) in &self.0 {
            write(block, key, value);
        }
    }
}

/// A key with a dot is one of a table within the block.
fn write(block: &mut Table, key: &str, value: &Value) {
    let Some((first, rest)) = key.split_once('.') else {
        block.insert(key.to_owned(), value.clone());
        return;
    };
    let inner = block.entry(first).or_insert_with(|| Table::new().into());
    if !inner.is_table() {
        *inner = Table::new().into();
    }
    if let Value::Table(inner) = inner {
        write(inner, rest, value);
    }
}

pub(super) fn check(axes: &[Axis], blocks: usize) -> Result<(), SettingsError> {
    for (number, axis) in axes.iter().enumerate() {
        if axes[..number].iter().any(|other| other.key == axis.key) {
            let text = format!("--grid {}: is there twice", axis.key);
            return Err(SettingsError::new(text));
        }
    }
    let many = axes
        .iter()
        .try_fold(blocks, |many, axis| many.checked_mul(axis.values.len()));
    match many {
        Some(..=MOST_COMBINATIONS) => Ok(()),
        _ => {
            let many = many.map_or("far too many".to_owned(), |many| many.to_string());
            let text =
                format!("--grid: {many} combinations, but must be at most {MOST_COMBINATIONS}");
            Err(SettingsError::new(text))
        }
    }
}

/// All of them; the last axis changes first.
pub(super) fn combinations(axes: &[Axis]) -> impl Iterator<Item = Combination<'_>> {
    let many: usize = axes.iter().map(|axis| axis.values.len()).product();
    (0..many).map(move |number| {
        let mut rest = number;
        let mut chosen: Vec<_> = axes
            .iter()
            .rev()
            .map(|axis| {
                let value = &axis.values[rest % axis.values.len()];
                rest /= axis.values.len();
                (axis.key.as_str(), value)
            })
            .collect();
        chosen.reverse();
        Combination(chosen)
    })
}
