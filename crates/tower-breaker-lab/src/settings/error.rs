//! What makes no sense in settings.

use std::{error::Error, fmt};

use tower_breaker::config::{Problems, ReadError};

/// Why settings were refused. Its text names the line and the column of a file, or the part of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Each problem with its line, as the format shows it.
    pub(super) fn in_file(error: &ReadError<toml::de::Error>, text: &str) -> Self {
        match error {
            ReadError::Problems(problems) => Self(located(problems, text)),
            other => Self(other.to_string().trim_end().to_owned()),
        }
    }
}

fn located(problems: &Problems, text: &str) -> String {
    let shown = problems.iter().map(|problem| {
        let file = toml::Deserializer::parse(text).ok();
        let error = file.and_then(|file| problem.locate(file));
        error.map_or_else(|| problem.to_string(), |error| error.to_string())
    });
    let shown: Vec<_> = shown.map(|text| text.trim_end().to_owned()).collect();
    shown.join("\n\n")
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for SettingsError {}
