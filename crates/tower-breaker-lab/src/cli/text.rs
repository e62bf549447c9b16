//! A text that is read from left to right, and the column of what makes no sense in it.

use std::{error::Error, fmt};

use crate::report::words;

/// What makes no sense, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnError {
    text: String,
    /// From 1.
    column: usize,
    problem: String,
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text,
            column,
            problem,
        } = self;
        let shown = words::visible(text);
        write!(
            f,
            "column {column}: {problem}\n  {shown}\n  {:>column$}",
            '^'
        )
    }
}

impl Error for ColumnError {}

#[derive(Clone, Debug)]
pub(super) struct Text<'a> {
    all: &'a str,
    /// In bytes, at the beginning of a character.
    at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(all: &'a str) -> Self {
        Self { all, at: 0 }
    }

    /// The same text, from this byte on.
    pub(super) fn from(mut self, at: usize) -> Self {
        self.at = at;
        self
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.all[self.at..]
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(super) fn take_while(&mut self, takes: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !takes(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A name: letters and `_`.
    pub(super) fn word(&mut self) -> &'a str {
        self.skip_spaces();
        self.take_while(|c| c.is_ascii_alphabetic() || c == '_')
    }

    /// The first of these that is here. It is skipped.
    pub(super) fn one_of<T: Copy>(&mut self, known: &[(&str, T)]) -> Option<T> {
        self.skip_spaces();
        let found = known.iter().find(|(text, _)| self.rest().starts_with(text));
        let (text, what) = found?;
        self.at += text.len();
        Some(*what)
    }

    /// That something makes no sense here.
    pub(super) fn error(&self, problem: impl Into<String>) -> ColumnError {
        ColumnError {
            text: self.all.to_owned(),
            column: self.all[..self.at].chars().count() + 1,
            problem: problem.into(),
        }
    }
}
