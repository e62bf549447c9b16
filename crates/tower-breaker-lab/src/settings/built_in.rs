//! The candidates that are there by name.

use std::time::Duration;

use tower_breaker::Settings;

use super::{Candidate, SettingsError};
use crate::breaker::Throttle;

/// A candidate that is there by name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BuiltIn {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    make: fn(&Self) -> Result<Candidate, SettingsError>,
}

/// All of them. To add one, add a line.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "none",
        about: "No breaker: every call goes through.",
        make: |_| Ok(Candidate::none()),
    },
    BuiltIn {
        name: "defaults",
        about: "The circuit of tower-breaker with its defaults.",
        make: |this| Candidate::ours(this.name, Settings::default()),
    },
    BuiltIn {
        name: "throttle",
        about: "The client-side throttle of Google's SRE book: K = 2, over 2 minutes.",
        make: |this| {
            let throttle = Throttle::new(this.name, 2.0, Duration::from_secs(120));
            Ok(Candidate::new(throttle, this.about))
        },
    },
];

impl Candidate {
    /// One of [`BUILT_IN`].
    ///
    /// # Errors
    ///
    /// If there is none of that name. The error names all that there are.
    pub fn built_in(name: &str) -> Result<Self, SettingsError> {
        let Some(built_in) = BUILT_IN.iter().find(|one| one.name == name) else {
            let names: Vec<_> = BUILT_IN.iter().map(|one| one.name).collect();
            let text = format!("{name:?} is not known; there are: {}", names.join(", "));
            return Err(SettingsError::new(text));
        };
        (built_in.make)(built_in)
    }
}
