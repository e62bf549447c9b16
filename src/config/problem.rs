//! What is wrong with a configuration: all of it, and where.

use std::{error::Error, fmt};

use super::read::join;

/// Of a hostile file, not all of what is known is told for each of its mistakes, nor compared with.
const MOST_TOLD: usize = 32;
const MOST_COMPARED: usize = 256;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    found: Box<str>,
    allowed: Box<str>,
    nearest: Option<Box<str>>,
    hint: Option<Box<str>>,
    variable: Option<Box<str>>,
    /// So much of the path is there: of what is missing, the table that it is missing in.
    place: usize,
}

impl Problem {
    pub(super) fn new(path: &str, found: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self {
            place: path.len(),
            path: path.to_owned(),
            found: found.to_string().into(),
            allowed: allowed.into().into(),
            nearest: None,
            hint: None,
            variable: None,
        }
    }

    /// Of the name of a variable, which has put nothing anywhere.
    pub(super) fn of_variable(
        variable: &str,
        found: impl fmt::Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            variable: Some(variable.into()),
            ..Self::new("", found, allowed)
        }
    }

    pub(super) fn with_hint(self, hint: impl Into<Box<str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(super) fn with_nearest(self, nearest: &str) -> Self {
        Self {
            nearest: Some(nearest.into()),
            ..self
        }
    }

    /// A key that should be in the table at `path`.
    pub(super) fn missing(path: &str, key: &str, allowed: impl Into<String>) -> Self {
        Self::new(&join(path, key), "not there", allowed).missing_in(path)
    }

    /// In a table, whose path its own begins with.
    pub(super) fn missing_in(self, table: &str) -> Self {
        Self {
            place: table.len(),
            ..self
        }
    }

    /// The path of what is there and is to be looked at.
    pub(super) fn place(&self) -> &str {
        &self.path[..self.place]
    }

    /// A word that is not one of those that are known.
    pub(super) fn unknown<'a>(
        path: &str,
        word: &str,
        what: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<_> = known.collect();
        let nearest = nearest(&word.to_lowercase(), &known).map(Box::from);
        let mut all: Vec<_> = known
            .iter()
            .take(MOST_TOLD)
            .map(|one| format!("`{one}`"))
            .collect();
        if known.len() > MOST_TOLD {
            all.push("…".to_owned());
        }
        let allowed = if all.is_empty() {
            format!("{what}, of which there is none")
        } else {
            format!("{what}: {}", all.join(", "))
        };
        Self {
            nearest,
            ..Self::new(path, format_args!("`{}`", word.escape_debug()), allowed)
        }
    }

    /// Where it is: the keys that lead there, with dots between.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is of what is at `path`, or of something in that.
    pub(super) fn is_within(&self, path: &str) -> bool {
        let rest = self.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The variable of the environment that has put it there, if one has. A variable that fits nothing is here, too:
    /// then the path is empty.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    pub(super) fn set_variable(&mut self, variable: &str) {
        self.variable = Some(variable.into());
    }

    /// What is there.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What could be there.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }

    /// The known word that is nearest to one that is not known, if one is near.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// What was probably meant, if that is more than a word.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The word of those that are known that one is nearest to, if it is near.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let compared = known.iter().take(MOST_COMPARED);
    compared
        .map(|one| (strsim::damerau_levenshtein(one, word), *one))
        .min()
        .filter(|(distance, one)| *distance <= 1 + one.len() / 4)
        .map(|(_, one)| one)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            found,
            allowed,
            nearest,
            hint,
            variable,
            place: _,
        } = self;
        if let Some(variable) = variable {
            write!(f, "{variable}: ")?;
        }
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match nearest {
            Some(nearest) => write!(f, "{found} is not known; did you mean `{nearest}`?")?,
            None => write!(f, "{found}, but must be {allowed}")?,
        }
        match hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// All problems of a configuration, in the order of its parts. Never empty.
///
/// It prints one problem per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn or<T>(found: Vec<Problem>, good: T) -> Result<T, Self> {
        if found.is_empty() {
            Ok(good)
        } else {
            Err(Self(found))
        }
    }

    /// Goes through the problems, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let line = if number > 0 { "\n" } else { "" };
            write!(f, "{line}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// A configuration that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// The file is not well formed. This is the format's own error, with line and column if it has them.
    Format(E),
    /// The file is well formed, but makes no sense.
    Problems(Problems),
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(f),
            Self::Problems(problems) => problems.fmt(f),
        }
    }
}

/// Either error is told in place of this one: its message is the same.
impl<E: fmt::Debug + fmt::Display> Error for ReadError<E> {}
