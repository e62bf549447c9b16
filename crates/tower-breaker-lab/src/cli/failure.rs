//! Why a command did nothing, or not all.

use std::{fmt, io, path::Path};

use crate::{
    recording::RecordingError, report::words, scenario::ScenarioError, settings::SettingsError,
};

#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn of_file(path: &Path, error: &io::Error) -> Self {
        Self(format!("{}: {error}", shown(path)))
    }

    pub(super) fn in_scenario(path: &Path, error: &ScenarioError) -> Self {
        Self(format!("{}: {error}", shown(path)))
    }

    pub(super) fn in_recording(path: &Path, error: &RecordingError) -> Self {
        match error {
            RecordingError::Io(error) => Self::of_file(path, error),
            error => Self(format!("{}: {error}", shown(path))),
        }
    }

    pub(super) fn in_settings(path: &Path, error: &SettingsError) -> Self {
        Self(format!("{}: {error}", shown(path)))
    }
}

fn shown(path: &Path) -> String {
    words::visible(&path.display().to_string())
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
